using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Raft;

/// <summary>What a majority says, and in the joint state a majority of the old voters as well (Raft paper, section 6).</summary>
internal sealed class Quorum
{
    private readonly Majority _voters;
    private readonly Majority? _outgoing;

    /// <param name="membership">With at least one voter.</param>
    /// <param name="progressOf">What is known of each of them, this node included.</param>
    /// <param name="countsAnybody"><see cref="PlantedFault.CountAnybody"/>.</param>
    public Quorum(Membership membership, Func<NodeId, Progress> progressOf, bool countsAnybody = false)
    {
        ImmutableArray<NodeId> others = countsAnybody ? membership.Learners : [];
        _voters = new Majority(membership.Voters, others, progressOf, countsAnybody);
        if (membership.IsJoint) _outgoing = new Majority(membership.Outgoing, others, progressOf, countsAnybody);
    }

    /// <summary>Whether the votes elect.</summary>
    public bool IsElected => _voters.Votes(true) && (_outgoing is null || _outgoing.Votes(true));

    /// <summary>Whether so many refused that the votes still to come cannot elect.</summary>
    public bool CannotBeElected => _voters.Votes(false) || (_outgoing is not null && _outgoing.Votes(false));

    /// <summary>Whether enough members can be reached.</summary>
    public bool IsReachable => _voters.IsReachable && (_outgoing is null || _outgoing.IsReachable);

    /// <summary>The highest entry that is durable on a majority (Raft paper, figure 2, "Rules for Servers, Leaders").</summary>
    public LogIndex Match => _outgoing is null ? _voters.Match() : Min(_voters.Match(), _outgoing.Match());

    /// <summary>The latest round that a majority answered.</summary>
    public ulong Round => _outgoing is null ? _voters.Round() : Math.Min(_voters.Round(), _outgoing.Round());

    private static LogIndex Min(LogIndex a, LogIndex b) => a < b ? a : b;

    private sealed class Majority
    {
        private readonly Progress[] _members;
        private readonly ulong[] _sorted;
        private readonly int _voters;
        private readonly int _needed;
        private readonly bool _countsAnybody;

        public Majority(ImmutableArray<NodeId> voters, ImmutableArray<NodeId> others, Func<NodeId, Progress> progressOf, bool countsAnybody)
        {
            _voters = voters.Length;
            _needed = (_voters / 2) + 1;
            _members = new Progress[_voters + others.Length];
            for (int i = 0; i < _members.Length; i++) _members[i] = progressOf(i < _voters ? voters[i] : others[i - _voters]);
            _sorted = new ulong[_members.Length];
            _countsAnybody = countsAnybody;
        }

        public bool IsReachable
        {
            get
            {
                int reached = 0;
                for (int i = 0; i < _voters; i++) reached += _members[i].IsLost ? 0 : 1;
                return reached >= _needed;
            }
        }

        /// <summary>Whether enough voted so: a majority in favour, or so many against that no majority is left.</summary>
        public bool Votes(bool vote)
        {
            int votes = 0;
            for (int i = 0; i < _voters; i++) votes += _members[i].Vote == vote ? 1 : 0;
            return votes >= (vote ? _needed : _voters - _needed + 1);
        }

        public LogIndex Match()
        {
            for (int i = 0; i < _members.Length; i++) _sorted[i] = Counts(_members[i]) ? (ulong)_members[i].Match.Value : 0;
            return new LogIndex((long)Middle());
        }

        public ulong Round()
        {
            for (int i = 0; i < _members.Length; i++) _sorted[i] = Counts(_members[i]) ? _members[i].Round : 0;
            return Middle();
        }

        private bool Counts(Progress member) => !member.IsRecovering || _countsAnybody;

        private ulong Middle()
        {
            Array.Sort(_sorted);
            return _sorted[^_needed];
        }
    }
}
