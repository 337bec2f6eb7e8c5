using Chronik.Model;

namespace Chronik.Raft;

/// <summary>What one member of a group is told when it starts.</summary>
public sealed record RaftOptions
{
    /// <summary>This node.</summary>
    public required NodeId Self { get; init; }

    /// <summary>
    /// How many ticks without a leader make a voter stand for election; each wait is drawn from [n, 2n). Too small: healthy leaders are
    /// deposed by a pause. Too large: a dead leader is missed for that long. A group's only voter does not wait.
    /// </summary>
    public int ElectionTimeoutTicks { get; init; } = 10;

    /// <summary>Every how many ticks a leader that is awake speaks to its followers; well below the election timeout.</summary>
    public int HeartbeatTicks { get; init; } = 2;

    /// <summary>
    /// For how many ticks after a confirmed round a leader grants reads without asking again; 0: it always asks. Must be below
    /// <see cref="ElectionTimeoutTicks"/> by more than clocks can drift apart in that time.
    /// </summary>
    public int LeaseTicks { get; init; }

    /// <summary>
    /// After how many ticks without work a group sleeps: no ticks, no heartbeats, until something happens. 0: never. The shell must then
    /// report lost nodes (<see cref="RaftInput.PeerLost"/>), since a sleeping group does not notice.
    /// </summary>
    public int QuiesceTicks { get; init; } = 20;

    /// <summary>How many appends may be on their way to one follower.</summary>
    public int InflightMessages { get; init; } = 32;

    /// <summary>How many bytes of payload may be on their way to one follower; one message may exceed it.</summary>
    public int InflightBytes { get; init; } = 4 << 20;

    /// <summary>How many bytes of payload one append carries at most, unless a single entry is larger.</summary>
    public int MessageBytes { get; init; } = 256 << 10;

    /// <summary>
    /// Where everything random starts from, together with <see cref="Self"/>: members may share it, and the same pair gives the same
    /// waits. It should differ from one start of a member to the next, so that late answers to questions of before are told apart.
    /// </summary>
    public ulong Seed { get; init; }

    /// <summary>Rules that a test switches off.</summary>
    internal PlantedFault PlantedFault { get; init; }
}

/// <summary>What a member finds on its disk when it starts. Everything in it is durable.</summary>
public sealed class RaftRestart
{
    /// <summary>The latest hard state on disk.</summary>
    public HardState HardState { get; init; } = new(Term.Zero, NodeId.None);

    /// <summary>The last entry that the checkpoint covers; the state machine has applied everything up to it. 0: no checkpoint.</summary>
    public LogIndex SnapshotIndex { get; init; }

    /// <summary>The term of that entry.</summary>
    public Term SnapshotTerm { get; init; }

    /// <summary>The log end offset after that entry.</summary>
    public KafkaOffset SnapshotNextOffset { get; init; }

    /// <summary>
    /// The members as of the checkpoint (<see cref="RaftCore.MembershipAt"/>); without a checkpoint those that the group began with, the
    /// same on all of them. <see cref="Membership.Empty"/>: a node that joins, and learns them from the leader.
    /// </summary>
    public Membership Membership { get; init; } = Membership.Empty;

    /// <summary>
    /// The entries behind the checkpoint, in order, none missing. They come back as committed entries with the payloads given here, which
    /// may be empty: the shell then reads the bytes when it applies them. Only those of membership changes must be there.
    /// </summary>
    public IReadOnlyList<LogEntry> Entries { get; init; } = [];

    /// <summary>
    /// Whether this node has lost, or may have lost, something that it once made durable: votes, entries. It then neither votes nor
    /// stands nor counts until a leader knows that nothing it may have forgotten matters any more (<see cref="RaftEffects.Recovered"/>).
    /// Messages to or from the node as it was before its loss must not arrive any more.
    /// </summary>
    public bool IsRecovering { get; init; }

    /// <summary>
    /// With <see cref="IsRecovering"/>: a number, 0 or more, that this node never gave before, such as a random one. A leader's word that
    /// this member may vote again is meant for the life with this number, not for one that lost its disk before or after.
    /// </summary>
    public long Life { get; init; }
}
