namespace Chronik.Partitions;

/// <summary>The limits of a node's partitions: each with its default and what happens at it.</summary>
public sealed record PartitionLimits
{
    /// <summary>
    /// Bytes of appends that one partition may hold before they are committed. An append beyond it is refused with KAFKA_STORAGE_ERROR,
    /// which clients retry. Key: chronik.limits.partition-inflight-bytes.
    /// </summary>
    public long PartitionInflightBytes { get; init; } = 64L << 20;

    /// <summary>
    /// Idempotent producers that one partition remembers; at the limit those that wrote longest ago are forgotten, and their next batch is
    /// taken as a first one. Key: chronik.limits.partition-producers.
    /// </summary>
    public int PartitionProducers { get; init; } = 50_000;

    /// <summary>
    /// How long a replica may be without the whole log before it is not in sync any more, whether its node is slow or dead. Key:
    /// replica.lag.time.max.ms, Kafka's.
    /// </summary>
    public TimeSpan ReplicaLagMax { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Bytes a second that a node sends to replicas that are too far behind for single entries, all together; 0: as fast as it goes. Key:
    /// chronik.snapshot.rate.
    /// </summary>
    public long SnapshotRate { get; init; }

    /// <summary>
    /// Bytes that a node has under way to another one for all replicas that it fills there; of each, one chunk (256 KiB, or one batch if
    /// that is larger) may be in any case. What clients wait for queues behind as much, in the network and on the other node. It travels
    /// once in a round trip: over one of 30 ms a node sends 35 MB/s at most. More than 4 MiB, a quarter of what may be under way between
    /// two nodes at all, change nothing.
    /// </summary>
    public int SnapshotWindow { get; init; } = 1 << 20;

    /// <summary>
    /// How many such replicas a node sends to at once; the others wait their turn. Enough to keep a disk and a link busy while one of them
    /// syncs what it got; more of them would only share.
    /// </summary>
    public int SnapshotsAtOnce { get; init; } = 4;

    /// <summary>
    /// Bytes a second that are read of the segments to see whether they are what they were; 0: as fast as it goes. So much is lost in
    /// what the disk does anyway, and a terabyte is read in less than two days.
    /// </summary>
    public long ScrubRate { get; init; } = 8L << 20;

    /// <summary>How often all segments are read, when that takes less; the first time a hundredth of this after the start.</summary>
    public TimeSpan ScrubInterval { get; init; } = TimeSpan.FromDays(1);

    /// <summary>
    /// How long a linearizable read may wait for its confirmation; then its fetch is answered empty. Key:
    /// chronik.follower-read.read-index-timeout.
    /// </summary>
    public TimeSpan ReadIndexTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long an idle producer is remembered (Kafka: producer.id.expiration.ms). Key: chronik.producer-expiration.</summary>
    public TimeSpan ProducerExpiration { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How often retention is applied (Kafka: log.retention.check.interval.ms). Key: chronik.retention-check-interval.</summary>
    public TimeSpan RetentionCheckInterval { get; init; } = TimeSpan.FromMinutes(5);
}
