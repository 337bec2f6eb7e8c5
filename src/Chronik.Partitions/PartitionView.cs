using Chronik.Metadata;
using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Partitions;

/// <summary>
/// What a replica shows to readers: an immutable picture that replaces the one before it. Fetch, ListOffsets and Metadata read it
/// without going through the replica's mailbox.
/// </summary>
public sealed record PartitionView
{
    /// <summary>
    /// Whether this node leads the partition and has committed an entry of its own term, so that the watermark is current.
    /// </summary>
    public required bool IsLeader { get; init; }

    /// <summary>
    /// The leader, as far as this replica knows, also while it follows; none while there is none, or it is this node and its watermark is
    /// not yet known to be current.
    /// </summary>
    public required NodeId Leader { get; init; }

    /// <summary>Whom to ask instead: the leader, or who led last; none when nobody is known.</summary>
    public NodeId LeaderHint { get; init; } = NodeId.None;

    /// <summary>The latest epoch that this replica knows of: its Raft term, also while it follows.</summary>
    public required LeaderEpoch Epoch { get; init; }

    /// <summary>The first offset that can be read.</summary>
    public required KafkaOffset LogStartOffset { get; init; }

    /// <summary>Records below it are committed: on disk on a majority, unless the topic's durability is relaxed.</summary>
    public required KafkaOffset HighWatermark { get; init; }

    /// <summary>Where read_committed stops. Equal to the high watermark while the broker serves no transactions.</summary>
    public KafkaOffset LastStableOffset => HighWatermark;

    /// <summary>The offset after the last record appended, committed or not.</summary>
    public required KafkaOffset LogEndOffset { get; init; }

    /// <summary>The committed batches.</summary>
    public required PartitionLog Log { get; init; }

    /// <summary>Which epoch begins where.</summary>
    public required EpochHistory Epochs { get; init; }

    /// <summary>The topic's settings in force.</summary>
    public required TopicConfig Config { get; init; }

    /// <summary>The nodes that hold a replica.</summary>
    public required IReadOnlyList<NodeId> Replicas { get; init; }

    /// <summary>
    /// Whether those of <see cref="Replicas"/> are committed, and nobody else has a vote any more. As far as this replica knows.
    /// </summary>
    public bool AreReplicasSettled { get; init; }

    /// <summary>Whether the replica has lost what it held and is being filled again: it has no vote until then.</summary>
    public bool IsRecovering { get; init; }

    /// <summary>The replicas that are in sync. Only the leader knows: a replica that follows names all of them.</summary>
    public required IReadOnlyList<NodeId> Isr { get; init; }

    /// <summary>Why the partition serves nothing, when it does not: its storage failed or an invariant was violated.</summary>
    public string? Failure { get; init; }
}
