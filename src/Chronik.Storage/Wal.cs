using Chronik.Model;

namespace Chronik.Storage;

/// <summary>
/// The write-ahead log that all groups of a node share. One thread gathers whatever is queued into one write and one sync, so that the
/// sync in progress is the only time anybody waits for company.
/// </summary>
/// <remarks>
/// <code>
///   Append ──► queue ──► encode ──► pwritev ──► fdatasync ──► index ──► Completed
///                                                               ▲
///   Read ───────────────────────────────────────────────────────┘   Release (checkpoint) ──► oldest files become spare
/// </code>
/// A failed write or sync is final: everything queued then or later completes with the failure.
/// </remarks>
public sealed partial class Wal
{
    private const int CheckpointsCarried = 2; // Of what a group may have before it is asked for a checkpoint; it is read into memory.

    private readonly Lock _indexLock = new();
    private readonly Dictionary<GroupId, WalGroup> _groups = [];
    private readonly SortedDictionary<uint, WalFile> _files = [];
    private readonly WalFiles _folder;
    private readonly WalEncoder _encoder;
    private readonly StorageOptions _options;
    private readonly BufferPool _pool;
    private readonly FailureLatch _latch;
    private readonly StorageMeters _meters;

    private readonly object _queueLock = new();
    private List<WalWrite> _queue = [];
    private List<WalWrite> _taken = [];
    private int _takenNext;
    private long _queueBytes;
    private bool _waiting;
    private bool _stopping;
    private bool _stopped;

    private WalFile? _current;
    private uint _nextGeneration;
    private WalPosition _durable;
    private bool _mayRetire = true;
    private bool _unsynced;

    internal Wal(StorageOptions options, WalFiles folder, BufferPool pool, FailureLatch latch, StorageMeters meters, WalRecovery recovered)
    {
        _options = options;
        _folder = folder;
        _pool = pool;
        _latch = latch;
        _meters = meters;
        _encoder = new WalEncoder(pool);
        _nextGeneration = recovered.NextGeneration;
        _durable = recovered.End;
        foreach (WalFile file in recovered.Files) _files.Add(file.Generation, file);
        foreach (WalGroup group in recovered.Groups)
        {
            group.LastSubmitted = group.Last;
            group.WantedAt = options.CheckpointBytes;
            _groups.Add(group.Id, group);
        }
    }

    /// <summary>Bytes queued and not yet written.</summary>
    public long QueueBytes => Volatile.Read(ref _queueBytes);

    /// <summary>Whether <see cref="StorageOptions.WalQueueBytes"/> are queued: nothing new should be accepted from clients.</summary>
    public bool IsFull => QueueBytes >= _options.WalQueueBytes;

    /// <summary>Bytes in the WAL's files up to the last write, spare files not counted.</summary>
    public long SizeBytes
    {
        get
        {
            lock (_indexLock)
            {
                long bytes = 0;
                foreach (WalFile file in _files.Values) bytes += file.End;
                return bytes;
            }
        }
    }

    /// <summary>Raised on the WAL's thread, see <see cref="NodeStorage.CheckpointWanted"/>.</summary>
    internal event Action<GroupId>? CheckpointWanted;

    /// <summary>Raised when there is work for the maintenance thread.</summary>
    internal event Action? MaintenanceWanted;

    /// <summary>Behind the last write that has completed.</summary>
    internal WalPosition End
    {
        get { lock (_indexLock) return _current is null ? _durable : new WalPosition(_current.Generation, _current.End); }
    }

    /// <summary>
    /// Queues a write and returns at once. Writes complete in the order of their appends. Entries must follow the group's last one
    /// without a gap; a write that does not fails alone, with an <see cref="InvariantViolationException"/>.
    /// </summary>
    public void Append(WalWrite write)
    {
        long bytes = 2 * WalFormat.HeaderBytes;
        IReadOnlyList<LogEntry> entries = write.Entries;
        for (int i = 0; i < entries.Count; i++)
        {
            BufferSlice payload = entries[i].Payload;
            payload.Retain();
            bytes += WalFormat.RecordBytes(payload.Length);
        }

        write.QueuedBytes = bytes;
        bool refused;
        bool wake = false;
        lock (_queueLock)
        {
            refused = _stopped;
            if (!refused)
            {
                _queue.Add(write);
                if (write.CountsAsQueued) Interlocked.Add(ref _queueBytes, bytes); // The writer takes from it without this lock.
                wake = _waiting;
                if (wake) Monitor.Pulse(_queueLock);
            }
        }

        if (refused) Complete(write, new ObjectDisposedException(nameof(Wal)), countQueued: false);
    }

    /// <summary>
    /// Reads the payload of an entry whose write has completed and which no checkpoint covers, with one reference for the caller.
    /// </summary>
    /// <exception cref="StorageException">There is no such entry, or its bytes are damaged.</exception>
    public BufferSlice Read(GroupId group, LogIndex index) => TryReadEntry(group, index, out LogEntry entry)
        ? entry.Payload
        : throw new StorageException($"the WAL has no entry {index} of group {group}");

    /// <summary>
    /// The same with all that belongs to the entry, for a peer that lacks it; false when the entry's write has not completed, or a
    /// checkpoint covers it.
    /// </summary>
    /// <exception cref="StorageException">Its bytes are damaged.</exception>
    public bool TryReadEntry(GroupId group, LogIndex index, out LogEntry entry)
    {
        entry = default;
        WalFile? file;
        WalLocation location;
        lock (_indexLock)
        {
            if (!_groups.TryGetValue(group, out WalGroup? found) || !found.TryFind(index, out location)
                || !_files.TryGetValue(location.Generation, out file))
            {
                return false;
            }

            file.Readers++;
        }

        PooledBuffer buffer = _pool.Rent(WalFormat.HeaderBytes + location.PayloadBytes);
        try
        {
            int read = file.File.Read(buffer.Span, location.Position);
            if (read < buffer.Length || !WalFormat.TryRead(buffer.Span, location.Generation, location.Position, out WalHeader header)
                || header.Type != WalRecordType.Entry || header.A != index.Value || header.Group != group
                || header.Length != location.PayloadBytes)
            {
                throw new StorageException(
                    $"{file.File.Path} is damaged at position {location.Position}: entry {index} of group {group} cannot be read")
                {
                    IsDamage = true,
                };
            }

            BufferSlice payload = BufferSlice.Empty;
            if (location.PayloadBytes > 0) payload = buffer.Slice(WalFormat.HeaderBytes, location.PayloadBytes);
            else buffer.Release();
            entry = new LogEntry(index, new Term(header.B), header.Kind, new KafkaOffset(header.C), payload);
            return true;
        }
        catch
        {
            buffer.Release();
            throw;
        }
        finally
        {
            lock (_indexLock) file.Readers--;
        }
    }

    /// <summary>Makes the first file, so that a folder that cannot be written is noticed at start.</summary>
    internal void Start() => FileFor(0);

    /// <summary>Lets go of a group's entries up to an index: a checkpoint that covers them is durable.</summary>
    internal void Release(GroupId id, LogIndex index, HardState hardState)
    {
        lock (_indexLock)
        {
            WalGroup group = GroupOf(id);
            group.Release(index, hardState);
            _mayRetire = true;
            group.WantedAt = _options.CheckpointBytes;
        }
    }

    /// <summary>
    /// Writes what the WAL holds of a group once more, at its end, so that the group no longer holds up the oldest files: for one whose
    /// owner is gone and makes no checkpoint. Recovery finds what it would have found before, wherever a crash falls. The write does
    /// nothing when somebody else writes to the group meanwhile.
    /// </summary>
    /// <exception cref="StorageException">It is too much to be moved about, or what is there is damaged. Nothing was changed.</exception>
    internal void CarryOver(GroupId id, IWalCompletion completion)
    {
        List<LogEntry> entries = [];
        try
        {
            LogIndex first, last;
            HardState? hardState;
            long at;
            lock (_indexLock)
            {
                if (!_groups.TryGetValue(id, out WalGroup? group) || group.Deleted || group.Pinned == uint.MaxValue
                    || group.LastSubmitted != group.Last) throw new StorageException($"the WAL has nothing of group {id} to carry over");
                if (group.LiveBytes > CheckpointsCarried * _options.CheckpointBytes)
                    throw new StorageException($"group {id} has {group.LiveBytes} bytes in the WAL, which is too much to carry over");
                (first, last, hardState, at) = (group.First, group.Last, group.PinnedHardState, group.Submissions);
            }

            for (LogIndex index = first; index <= last; index = index.Next)
            {
                if (!TryReadEntry(id, index, out LogEntry entry))
                    throw new StorageException($"the WAL has no entry {index} of group {id} any more");
                entries.Add(entry);
            }

            Append(new WalWrite
            {
                Group = id,
                HardState = hardState,
                TruncateFrom = entries.Count > 0 ? first : null,
                Entries = entries,
                CarriedAt = at,
                Completion = completion,
            });
        }
        finally
        {
            foreach (LogEntry entry in entries) entry.Payload.Release();
        }
    }

    /// <summary>Forgets a deleted group, once its files are gone.</summary>
    internal void Forget(GroupId id)
    {
        lock (_indexLock)
        {
            if (_groups.TryGetValue(id, out WalGroup? group) && group.LastSubmitted == LogIndex.Zero) _groups.Remove(id);
            _mayRetire = true;
        }
    }

    /// <summary>Makes files that no group needs spare, oldest first. On the maintenance thread.</summary>
    internal void RetireFiles()
    {
        while (true)
        {
            WalFile oldest;
            int left;
            lock (_indexLock)
            {
                // The newest file stays, so that generations only ever grow.
                if (!_mayRetire || _files.Count <= 1) return;
                oldest = _files.First().Value;
                if (oldest == _current || oldest.Readers > 0 || oldest.Generation >= OldestPinned())
                {
                    _mayRetire = oldest.Readers > 0;
                    return;
                }

                _files.Remove(oldest.Generation);
                left = _files.Count;
            }

            oldest.File.Dispose();
            _folder.Retire(oldest.Generation, left);
        }
    }

    private uint OldestPinned()
    {
        uint oldest = uint.MaxValue;
        foreach (WalGroup group in _groups.Values) oldest = Math.Min(oldest, group.Pinned);
        return oldest;
    }

    private WalGroup GroupOf(GroupId id)
    {
        if (_groups.TryGetValue(id, out WalGroup? group)) return group;
        group = new WalGroup(id) { WantedAt = _options.CheckpointBytes };
        _groups.Add(id, group);
        return group;
    }

    private void Complete(WalWrite write, Exception? failure, bool countQueued = true)
    {
        IReadOnlyList<LogEntry> entries = write.Entries;
        for (int i = 0; i < entries.Count; i++) entries[i].Payload.Release();
        if (countQueued && write.CountsAsQueued) Interlocked.Add(ref _queueBytes, -write.QueuedBytes);
        write.Completion?.Completed(write, failure);
    }
}
