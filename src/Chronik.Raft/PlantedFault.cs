namespace Chronik.Raft;

/// <summary>Rules that a test switches off, to show that the simulator notices. Never set outside of tests.</summary>
[Flags]
internal enum PlantedFault
{
    /// <summary>The rules hold.</summary>
    None = 0,

    /// <summary>A follower acknowledges entries before its own fsync.</summary>
    AcknowledgeBeforeFsync = 1,

    /// <summary>A vote is granted but never written.</summary>
    ForgetVote = 1 << 1,

    /// <summary>A leader commits entries of older terms by counting (Raft paper, figure 8).</summary>
    CommitOldTerms = 1 << 2,

    /// <summary>A follower keeps what conflicts with the leader's log.</summary>
    SkipTruncation = 1 << 3,

    /// <summary>A leader counts itself before its own fsync.</summary>
    LeaderCountsUnsynced = 1 << 4,

    /// <summary>A vote is granted to a candidate whose log lacks entries (Raft paper, 5.4.1).</summary>
    VoteForAnyLog = 1 << 5,

    /// <summary>A leader grants reads without asking whether it still leads.</summary>
    ReadWithoutRound = 1 << 6,

    /// <summary>Voters are exchanged in one step, without the joint state.</summary>
    DirectMembership = 1 << 7,

    /// <summary>A member that lost its votes votes at once.</summary>
    RecoveringVotes = 1 << 8,

    /// <summary>Acknowledgements of learners and of recovering members count.</summary>
    CountAnybody = 1 << 9,
}
