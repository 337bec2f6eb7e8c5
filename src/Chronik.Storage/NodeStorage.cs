using System.Collections.Concurrent;
using Chronik.Model;

namespace Chronik.Storage;

/// <summary>Everything a node keeps on disk: identity, WAL, checkpoints and the partitions' logs.</summary>
/// <remarks>
/// Two threads: the WAL's, which does nothing but write and sync it, and one for everything that may take long: checkpoints, deletions,
/// writing segments out, zero-filling. A data directory looks like this:
/// <code>
///   chronik.properties                  whose it is
///   wal/0000000001.wal                  see <see cref="Storage.Wal"/>
///   checkpoints/{topic}-{n}.checkpoint  one per group that has been checkpointed
///   logs/{topic}-{n}/{offset}.log       segments, and {offset}.index
/// </code>
/// </remarks>
public sealed partial class NodeStorage : IDisposable
{
    private readonly StorageOptions _options;
    private readonly IDisk _disk;
    private readonly BufferPool _pool;
    private readonly TimeProvider _time;
    private readonly IDisposable _lock;
    private readonly FailureLatch _latch;
    private readonly StorageMeters _meters;
    private readonly WalFiles _walFiles;
    private readonly Writeback _writeback;
    private readonly Lock _identifying = new();
    private readonly ConcurrentDictionary<GroupId, RecoveredGroup> _recovered = new();
    private readonly ConcurrentDictionary<GroupId, GroupFiles> _groups = new();
    private readonly Thread? _walThread;
    private readonly Thread? _maintenanceThread;
    private long _freeBytes;
    private long _freeBytesAt;
    private bool _isFull;
    private bool _disposed;

    private NodeStorage(
        StorageOptions options, IDisk disk, BufferPool pool, TimeProvider time, IDisposable held, NodeIdentity identity, WalFiles walFiles,
        WalRecovery recovery)
    {
        _options = options;
        _disk = disk;
        _pool = pool;
        _time = time;
        _lock = held;
        _walFiles = walFiles;
        _writeback = new Writeback(WakeMaintenance);
        Identity = identity;
        _latch = new FailureLatch();
        _meters = new StorageMeters(options.Meters);
        Wal = new Wal(options, walFiles, pool, _latch, _meters, recovery);
        foreach (RecoveringGroup group in recovery.Found.Values)
        {
            _recovered[group.Id] = new RecoveredGroup(group.HardState, group.Stored?.Checkpoint, group.Entries);
            _groups[group.Id] = new GroupFiles { Stored = group.Stored?.WithoutState() };
        }

        _latch.Failed += failure => Failed?.Invoke(failure);
        Wal.CheckpointWanted += group => CheckpointWanted?.Invoke(group);
        Wal.MaintenanceWanted += WakeMaintenance;
        _meters.Observe("chronik.wal.queue", "By", "Bytes waiting for the WAL.", () => Wal.QueueBytes);
        _meters.Observe("chronik.wal.size", "By", "Bytes in the WAL's files.", () => Wal.SizeBytes);
        _meters.Observe("chronik.disk.reserve", "By", "Free bytes below which produce is refused.", () => options.ReserveBytes);
        _meters.Observe("chronik.storage.failed", "{flag}", "1 when the storage failed and the node has to be started again.",
            () => _latch.Failure is null ? 0 : 1);
        _meters.Recovered(recovery.Time);
        long recovered = recovery.BytesRead;
        _meters.Observe("chronik.wal.recovered", "By", "Bytes of the WAL that the last start read.", () => recovered);
        _meters.Observe("chronik.disk.free", "By", "Free bytes on the data directory's file system.", () => FreeBytes);
        Wal.Start();
        if (!options.OwnThreads) return;
        _walThread = new Thread(Wal.Run) { Name = "chronik-wal", IsBackground = true };
        _maintenanceThread = new Thread(MaintenanceLoop) { Name = "chronik-storage", IsBackground = true };
        _walThread.Start();
        _maintenanceThread.Start();
    }

    /// <summary>Whose directory it is.</summary>
    public NodeIdentity Identity { get; private set; }

    /// <summary>The write-ahead log.</summary>
    public Wal Wal { get; }

    /// <summary>What makes the node's meters.</summary>
    public NodeMeters Meters => _options.Meters;

    /// <summary>How long syncs of the WAL took since the start.</summary>
    public DurationCounts SyncTimes => _meters.SyncTimes;

    /// <summary>What was found at start, less what was taken.</summary>
    public IReadOnlyDictionary<GroupId, RecoveredGroup> Recovered => _recovered;

    /// <summary>
    /// What was found damaged at start, on a node of a cluster: it begins with nothing, and its peers fill it again. Null when nothing was.
    /// </summary>
    public string? Damage { get; private set; }

    /// <summary>Bytes of a group that are worth a checkpoint, see <see cref="StorageOptions.CheckpointBytes"/>.</summary>
    public long CheckpointBytes => _options.CheckpointBytes;

    /// <summary>Why storage failed, or null. A failure is final until the process starts again.</summary>
    public Exception? Failure => _latch.Failure;

    /// <summary>Free bytes on the data directory's file system; at most a second old.</summary>
    public long FreeBytes
    {
        get
        {
            long now = _time.GetTimestamp();
            long at = Volatile.Read(ref _freeBytesAt);
            if (at != 0 && _time.GetElapsedTime(at, now) < TimeSpan.FromSeconds(1)) return Volatile.Read(ref _freeBytes);
            long free = _disk.FreeBytes(_options.DataDirectory);
            Volatile.Write(ref _freeBytes, free);
            Volatile.Write(ref _freeBytesAt, now); // Last, so that nobody takes the number before the first for an answer.
            return free;
        }
    }

    /// <summary>The size of the data directory's file system, in bytes.</summary>
    public long TotalBytes => _disk.TotalBytes(_options.DataDirectory);

    /// <summary>
    /// Whether more is free than the reserve. When not, nothing new should be accepted from clients; what was accepted still fits.
    /// </summary>
    public bool HasRoom
    {
        get
        {
            bool has = FreeBytes > _options.ReserveBytes;
            if (Volatile.Read(ref _isFull) == has && Interlocked.Exchange(ref _isFull, !has) == has) RoomChanged?.Invoke(has);
            return has;
        }
    }

    /// <summary>
    /// Raised when <see cref="HasRoom"/> answers something else than the time before, with the answer, on the thread that asked.
    /// </summary>
    public event Action<bool>? RoomChanged;

    /// <summary>Raised once, on one of storage's threads, when storage fails.</summary>
    public event Action<Exception>? Failed;

    /// <summary>
    /// Raised on the WAL's thread when a group has more than <see cref="StorageOptions.CheckpointBytes"/> in the WAL, or pins its oldest
    /// files
    /// while the WAL is over its bounds. Must only hand over.
    /// </summary>
    public event Action<GroupId>? CheckpointWanted;

    /// <summary>
    /// Writes to the directory which cluster it belongs to; durable when this returns. Once, by one thread: a directory that belongs to
    /// another cluster refuses.
    /// </summary>
    /// <param name="clusterId">The cluster's id.</param>
    /// <param name="metadataVoters">The nodes that it was formed of.</param>
    /// <param name="level">The level that it is at.</param>
    public void Form(string clusterId, IReadOnlyList<MetadataVoter> metadataVoters, int level)
    {
        lock (_identifying)
        {
            if (Identity.IsFormed && Identity.ClusterId != clusterId)
                throw new StorageException($"{_options.DataDirectory} belongs to cluster {Identity.ClusterId}, not {clusterId}");
            Identify(Identity with
            {
                ClusterId = clusterId,
                MetadataVoters = metadataVoters,
                Level = Math.Max(Identity.Level, level),
                Promises = [],
            });
        }
    }

    /// <summary>
    /// Writes which foundings the node agreed to, instead of those that it named before; durable when this returns. Only while the
    /// directory belongs to no cluster. Thread-safe.
    /// </summary>
    public void Promise(IReadOnlyList<FoundingPromise> promises)
    {
        lock (_identifying)
        {
            if (Identity.IsFormed) throw new StorageException($"{_options.DataDirectory} belongs to cluster {Identity.ClusterId}");
            Identify(Identity with { Promises = promises });
        }
    }

    /// <summary>
    /// The cluster is at a higher level: written to the directory, so that no older program opens it; durable when this returns. Does
    /// nothing when the level is known. Thread-safe.
    /// </summary>
    public void Raise(int level)
    {
        lock (_identifying)
        {
            if (level > Identity.Level) Identify(Identity with { Level = level });
        }
    }

    /// <summary>Takes a group out of <see cref="Recovered"/>, so that its memory can be freed; null when nothing was found of it.</summary>
    public RecoveredGroup? TakeRecovered(GroupId group) => _recovered.TryRemove(group, out RecoveredGroup? found) ? found : null;

    /// <summary>
    /// Opens a group's log as of its last checkpoint; what lay behind that is gone from it, and is in the WAL. Makes no file before the
    /// first append. Once per group.
    /// </summary>
    /// <exception cref="StorageException">A segment is missing or damaged.</exception>
    public PartitionLog OpenLog(GroupId group, LogOptions options)
    {
        GroupFiles files = FilesOf(group);
        lock (files)
        {
            if (files.Log is not null || files.Deleted) throw new InvalidOperationException($"the log of group {group} is open or deleted");
            return files.Log = new PartitionLog(group, LogDirectory(group), options, _disk, _pool, _time, _latch, _writeback, files.Stored);
        }
    }

    /// <summary>Without own threads: does all queued work on the caller's thread; returns whether there was any.</summary>
    public bool RunQueued()
    {
        if (_options.OwnThreads) throw new InvalidOperationException("storage has its own threads");
        bool any = false;
        while (Wal.WriteQueued() | RunMaintenance()) any = true;
        return any;
    }

    private void Identify(NodeIdentity identity)
    {
        IdentityFile.Write(_disk, _options.DataDirectory, identity);
        Identity = identity;
    }

    /// <summary>Writes what is queued, finishes queued checkpoints, ends the threads and gives the lock back.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        Wal.Stop();
        if (_walThread is null) Wal.CloseCleanly();
        else _walThread.Join();
        StopMaintenance();
        if (_maintenanceThread is null) RunMaintenance();
        else _maintenanceThread.Join();
        foreach (GroupFiles files in _groups.Values) files.Log?.Close();
        Wal.CloseFiles();
        _meters.Dispose();
        _lock.Dispose();
    }

    private string LogDirectory(GroupId group) => Path.Combine(_options.DataDirectory, LogsName, group.ToString());

    private GroupFiles FilesOf(GroupId group) => _groups.GetOrAdd(group, static _ => new GroupFiles());

    /// <summary>What there is of a group on disk. Locked while it is looked at.</summary>
    private sealed class GroupFiles
    {
        public StoredCheckpoint? Stored { get; set; }

        public PartitionLog? Log { get; set; }

        public bool Deleted { get; set; }
    }
}
