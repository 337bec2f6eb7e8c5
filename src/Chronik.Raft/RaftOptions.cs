using Chronik.Model;

namespace Chronik.Raft;

/// <summary>What one member of a group is told when it starts.</summary>
public sealed record RaftOptions
{
    /// <summary>This node.</summary>
    public required NodeId Self { get; init; }

    /// <summary>The nodes whose majority elects and commits. A node that is not among them never stands for election.</summary>
    public required IReadOnlyList<NodeId> Voters { get; init; }

    /// <summary>
    /// How many ticks without a leader make a voter stand for election; each wait is drawn from [n, 2n). Too small: healthy leaders are
    /// deposed by a pause. Too large: a dead leader is missed for that long. A group's only voter does not wait.
    /// </summary>
    public int ElectionTimeoutTicks { get; init; } = 10;

    /// <summary>
    /// Where the randomised waits start from, together with <see cref="Self"/>: members may share it, and the same pair gives the same
    /// waits.
    /// </summary>
    public ulong Seed { get; init; }
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
    /// The entries behind the checkpoint, in order, none missing. They come back as committed entries with the payloads given here, which
    /// may be empty: the shell then reads the bytes when it applies them.
    /// </summary>
    public IReadOnlyList<LogEntry> Entries { get; init; } = [];
}
