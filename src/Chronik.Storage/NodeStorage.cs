using Chronik.Model;

namespace Chronik.Storage;

/// <summary>Everything a node keeps on disk: identity, WAL, checkpoints and the partitions' logs.</summary>
public sealed class NodeStorage : IDisposable
{
    /// <summary>Opens a data directory, or makes a new one, and recovers what it holds.</summary>
    /// <param name="options">Where, and all limits.</param>
    /// <param name="nodeId">The node's id; must be the directory's.</param>
    /// <param name="clusterId">The cluster's id; must be the directory's. Null takes the directory's, or makes one up for a new directory.</param>
    /// <param name="disk">The disk.</param>
    /// <param name="pool">Where buffers come from.</param>
    /// <param name="time">The clock, for ages and free space.</param>
    /// <param name="progress">Told while the WAL is read.</param>
    /// <exception cref="StorageException">
    /// The directory is locked, cannot be written, belongs to another node or cluster, has another format or is damaged. Nothing was changed.
    /// </exception>
    public static NodeStorage Open(
        StorageOptions options, NodeId nodeId, string? clusterId, IDisk disk, BufferPool pool, TimeProvider time,
        Action<RecoveryProgress>? progress = null) => throw new NotImplementedException();

    /// <summary>Whose directory it is.</summary>
    public NodeIdentity Identity => throw new NotImplementedException();

    /// <summary>The write-ahead log.</summary>
    public Wal Wal => throw new NotImplementedException();

    /// <summary>What was found at start.</summary>
    public IReadOnlyDictionary<GroupId, RecoveredGroup> Recovered => throw new NotImplementedException();

    /// <summary>Takes a group out of <see cref="Recovered"/>, so that its memory can be freed; null when nothing was found of it.</summary>
    public RecoveredGroup? TakeRecovered(GroupId group) => throw new NotImplementedException();

    /// <summary>
    /// Opens a group's log as of its last checkpoint; what lay behind that is gone from it, and is in the WAL. Makes no file before the
    /// first append.
    /// </summary>
    public PartitionLog OpenLog(GroupId group, LogOptions options) => throw new NotImplementedException();

    /// <summary>
    /// Makes a group's log durable, writes the checkpoint and lets go of the WAL up to its index, all on a background thread. Called
    /// by the group's one writer, when the log (if it has one) ends at the checkpoint's offset.
    /// </summary>
    /// <param name="group">The group, with or without a log.</param>
    /// <param name="checkpoint">What to remember.</param>
    /// <param name="done">Told on the background thread: null, or why it failed.</param>
    public void Checkpoint(GroupId group, Checkpoint checkpoint, Action<Exception?>? done) => throw new NotImplementedException();

    /// <summary>Removes a group for ever. Nothing may be asked of it until <paramref name="done"/> was called.</summary>
    public void DeleteGroup(GroupId group, Action<Exception?>? done = null) => throw new NotImplementedException();

    /// <summary>Free bytes on the data directory's file system; at most a second old.</summary>
    public long FreeBytes => throw new NotImplementedException();

    /// <summary>Whether more is free than the reserve. When not, nothing new should be accepted from clients.</summary>
    public bool HasRoom => throw new NotImplementedException();

    /// <summary>Why storage failed, or null. A failure is final until the process starts again.</summary>
    public Exception? Failure => throw new NotImplementedException();

    /// <summary>Raised once, on one of storage's threads, when storage fails.</summary>
    public event Action<Exception>? Failed;

    /// <summary>
    /// Raised on the WAL's thread when a group has more than <see cref="StorageOptions.CheckpointBytes"/> in the WAL, or pins its oldest file
    /// while the WAL is over its bounds. Must only hand over.
    /// </summary>
    public event Action<GroupId>? CheckpointWanted;

    /// <summary>Without own threads: does all queued work on the caller's thread; returns whether there was any.</summary>
    public bool RunQueued() => throw new NotImplementedException();

    /// <summary>Writes what is queued, ends the threads and gives the lock back.</summary>
    public void Dispose()
    {
        _ = Failed;
        _ = CheckpointWanted;
        throw new NotImplementedException();
    }
}
