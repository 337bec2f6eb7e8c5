using Chronik.Model;

namespace Chronik.Raft;

/// <summary>What a message says.</summary>
public enum MessageKind : byte
{
    /// <summary>Would you vote for me in <see cref="RaftMessage.Term"/>? Changes nothing at the receiver (thesis, 9.6).</summary>
    PreVote = 1,

    /// <summary>The answer to <see cref="PreVote"/>.</summary>
    PreVoteReply = 2,

    /// <summary>Vote for me (Raft paper, 5.2).</summary>
    Vote = 3,

    /// <summary>The answer to <see cref="Vote"/>; a grant leaves only once the vote is durable.</summary>
    VoteReply = 4,

    /// <summary>Entries behind a position; without entries a question whether that position is known (Raft paper, 5.3).</summary>
    Append = 5,

    /// <summary>The answer to <see cref="Append"/>; what it acknowledges is durable.</summary>
    AppendReply = 6,

    /// <summary>The leader lives; how far is committed.</summary>
    Heartbeat = 7,

    /// <summary>The answer to a <see cref="Heartbeat"/> of a round other than 0.</summary>
    HeartbeatReply = 8,

    /// <summary>Stand for election now (thesis, 3.10).</summary>
    TimeoutNow = 9,

    /// <summary>A follower's question how far a linearizable read must wait (thesis, 6.4).</summary>
    ReadIndex = 10,

    /// <summary>The answer to <see cref="ReadIndex"/>.</summary>
    ReadIndexReply = 11,
}

/// <summary>What a message says besides its kind.</summary>
[Flags]
public enum MessageFlags : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>In a reply: no.</summary>
    Rejected = 1,

    /// <summary>In a reply: the sender lost part of what it knew; its acknowledgement counts for nothing.</summary>
    Recovering = 2,

    /// <summary>From a leader: the receiver is no longer recovering.</summary>
    MayVote = 4,

    /// <summary>In a heartbeat: sleep, if you are where I am.</summary>
    Quiesce = 8,

    /// <summary>In a vote request: the leader itself asked for this election.</summary>
    Transfer = 16,
}

/// <summary>
/// What one member of a group tells another. Which fields mean something depends on the kind; the others are zero. Messages may be
/// lost, delayed, duplicated and reordered.
/// </summary>
public readonly record struct RaftMessage
{
    /// <summary>What it says.</summary>
    public required MessageKind Kind { get; init; }

    /// <summary>What else it says.</summary>
    public MessageFlags Flags { get; init; }

    /// <summary>The sender.</summary>
    public required NodeId From { get; init; }

    /// <summary>The receiver.</summary>
    public required NodeId To { get; init; }

    /// <summary>The sender's term; in pre-votes and their grants the term that would begin.</summary>
    public required Term Term { get; init; }

    /// <summary>
    /// Votes: the candidate's last entry. Append: the entry before the first one sent. AppendReply: the last entry that is known to be
    /// the leader's, or the <see cref="Index"/> of the refused message. HeartbeatReply: the last entry that is known to be the leader's.
    /// Heartbeat with <see cref="MessageFlags.Quiesce"/>: the leader's last entry. ReadIndexReply: what must be applied before the read.
    /// </summary>
    public LogIndex Index { get; init; }

    /// <summary>The term of the entry at <see cref="Index"/>; in a refusal the term of the entry at <see cref="Hint"/>.</summary>
    public Term LogTerm { get; init; }

    /// <summary>
    /// Append and Heartbeat: how far the leader knows the receiver's log to be committed. With <see cref="MessageFlags.Recovering"/>: the
    /// number of the sender's life (<see cref="RaftRestart.Life"/>).
    /// </summary>
    public LogIndex Commit { get; init; }

    /// <summary>AppendReply: the log end offset behind the sender's last entry.</summary>
    public KafkaOffset NextOffset { get; init; }

    /// <summary>
    /// Append and Heartbeat: the leader's latest round of contact, repeated by the replies; 0 in a heartbeat that wants none.
    /// ReadIndex: the follower's number of its question, repeated by the reply.
    /// </summary>
    public ulong Round { get; init; }

    /// <summary>
    /// In the refusal of an append: the last position at which the two logs can agree, as far as the follower can tell. With
    /// <see cref="MessageFlags.MayVote"/>: the life of the receiver that is meant.
    /// </summary>
    public LogIndex Hint { get; init; }

    /// <summary>
    /// Append: the entries, in order, or null. The list never changes and may be kept; whoever keeps the payloads past the call that
    /// handed the message over retains them.
    /// </summary>
    public IReadOnlyList<LogEntry>? Entries { get; init; }

    /// <summary>
    /// Append, when <see cref="LoadCount"/> is not 0: the first entry to send, always <see cref="Index"/> + 1. The core no longer holds
    /// these entries: before it sends the message the shell reads them, and puts them into <see cref="Entries"/> instead. It may send
    /// fewer, but at least one. They are durable on this node.
    /// </summary>
    public LogIndex LoadFrom { get; init; }

    /// <summary>How many entries to read from <see cref="LoadFrom"/> on. 0 in every message that travels.</summary>
    public int LoadCount { get; init; }

    /// <summary>Whether it carries a flag.</summary>
    public bool Has(MessageFlags flag) => (Flags & flag) != 0;
}
