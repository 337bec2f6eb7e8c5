using Chronik.Model;

namespace Chronik.Storage;

/// <summary>What a node's storage is told at start. Every limit of storage is named here.</summary>
public sealed record StorageOptions
{
    /// <summary>The folder that holds everything; made when missing.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>
    /// Length of a WAL file in bytes. Too small: files are rolled, and directories synced, all the time. Too large: more to read
    /// behind the last checkpoint after a crash. At most 2 GiB.
    /// </summary>
    public long WalFileBytes { get; init; } = 128L << 20;

    /// <summary>
    /// Bytes that may wait for the WAL before <see cref="Wal.IsFull"/> says so and producers are held back. Too small: the disk idles
    /// between writes. Too large: more memory, and a longer wait for whoever comes last.
    /// </summary>
    public long WalQueueBytes { get; init; } = 64L << 20;

    /// <summary>Bytes that go into one write and one sync at most, unless one <see cref="WalWrite"/> alone is larger.</summary>
    public int WalWriteBytes { get; init; } = 4 << 20;

    /// <summary>
    /// Bytes of the WAL above which the groups that pin its oldest file are asked for a checkpoint. Too small: many checkpoints. Too
    /// large: more disk, and a longer start.
    /// </summary>
    public long WalMaxBytes { get; init; } = 512L << 20;

    /// <summary>Files of the WAL above which the groups that pin its oldest file are asked for a checkpoint.</summary>
    public int WalMaxFiles { get; init; } = 16;

    /// <summary>
    /// Files that the WAL may keep beyond <see cref="WalMaxBytes"/>: emptied ones stay for reuse as long as there are no more in all. Reuse
    /// saves zero-filling and the file system's work for files that come and go; each costs <see cref="WalFileBytes"/> of disk.
    /// </summary>
    public int WalSpareFiles { get; init; } = 2;

    /// <summary>How far ahead of the last write the current WAL file is zero-filled, in bytes; 0 turns it off.</summary>
    public int WalFillAheadBytes { get; init; } = 8 << 20;

    /// <summary>Bytes of one group in the WAL above which that group is asked for a checkpoint.</summary>
    public long CheckpointBytes { get; init; } = 64L << 20;

    /// <summary>
    /// Whether a new directory belongs to no cluster until <see cref="NodeStorage.Form"/> says to which. Otherwise it is the only voter of
    /// a new one.
    /// </summary>
    public bool AwaitsCluster { get; init; }

    /// <summary>
    /// The newest level that this node speaks: a directory of a newer one is refused, and a cluster of one is formed at it. Lower than what
    /// this version can only in tests, where it stands for an older version.
    /// </summary>
    public int NewestLevel { get; init; } = FeatureLevel.Newest;

    /// <summary>Free disk space in bytes below which <see cref="NodeStorage.HasRoom"/> is false and produce is refused.</summary>
    public long ReserveBytes { get; init; } = 1L << 30;

    /// <summary>
    /// Whether storage runs its own two threads. False for a deterministic simulation: then nothing happens until
    /// <see cref="NodeStorage.RunQueued"/> is called.
    /// </summary>
    public bool OwnThreads { get; init; } = true;

    /// <summary>What makes the node's meters, in storage and above it.</summary>
    public NodeMeters Meters { get; init; } = new();
}

/// <summary>What a partition's log is told. May be replaced while the log is open.</summary>
public sealed record LogOptions
{
    /// <summary>Kafka's defaults, with segments of 128 MiB.</summary>
    public static readonly LogOptions Default = new();

    /// <summary>Bytes of a segment before the next is begun (segment.bytes).</summary>
    public int SegmentBytes { get; init; } = 128 << 20;

    /// <summary>Age of a segment, since its first batch was appended, before the next is begun (segment.ms).</summary>
    public TimeSpan SegmentAge { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Bytes of batches between two entries of a segment's index (index.interval.bytes).</summary>
    public int IndexIntervalBytes { get; init; } = 4096;
}
