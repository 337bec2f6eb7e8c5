using System.Diagnostics;
using System.Runtime.InteropServices;
using Chronik.Model;

namespace Chronik.Storage;

/// <summary>
/// Reads the WAL at start. Files form a chain: the first write of each says which file came before it and where that one ended, so in all
/// but the last file every byte up to there has to be right. In the last file the first invalid write is where a power loss tore it,
/// unless a later write says that everything up to behind it was durable: then it is damage, and recovery stops.
/// </summary>
/// <remarks>Reads only. <see cref="Finish"/> is the first to change anything on disk.</remarks>
internal sealed class WalRecovery(WalFiles folder, IDisk disk, Action<RecoveryProgress>? progress)
{
    private readonly Dictionary<GroupId, RecoveringGroup> _groups = [];
    private readonly List<WalFile> _files = [];
    private readonly List<uint> _leftovers = [];
    private RecoveringGroup? _last;
    private long _read;
    private long _total;
    private WalPosition _replaying;

    public IReadOnlyList<WalFile> Files => _files;

    /// <summary>How many bytes were read.</summary>
    public long BytesRead => _read;

    /// <summary>How long it took to read them.</summary>
    public TimeSpan Time { get; private set; }

    public IEnumerable<WalGroup> Groups => _groups.Values.Select(g => g.Index);

    public IReadOnlyDictionary<GroupId, RecoveringGroup> Found => _groups;

    /// <summary>Groups that were deleted, and whose files may still be there.</summary>
    public HashSet<GroupId> Deleted { get; } = [];

    /// <summary>Behind the last valid write.</summary>
    public WalPosition End { get; private set; }

    public uint NextGeneration { get; private set; } = 1;

    public void Read(IReadOnlyDictionary<GroupId, StoredCheckpoint> checkpoints)
    {
        long began = Stopwatch.GetTimestamp();
        foreach ((GroupId id, StoredCheckpoint stored) in checkpoints) _groups.Add(id, new RecoveringGroup(id, stored));
        List<(WalFile File, WalPosition Before)> chain = Open(checkpoints);
        for (int i = 0; i < chain.Count; i++)
        {
            long? end = i + 1 < chain.Count ? chain[i + 1].Before.Position : null;
            ReadFile(chain[i].File, end);
        }

        DropEmptyLast();
        if (_files.Count > 0) End = new WalPosition(_files[^1].Generation, _files[^1].End);
        foreach (uint leftover in _leftovers) CheckLeftover(leftover);
        foreach (RecoveringGroup group in _groups.Values)
        {
            if (group.Gap is { } gap) throw new StorageException(gap) { IsDamage = true };
        }

        Time = Stopwatch.GetElapsedTime(began);
        progress?.Invoke(new RecoveryProgress(_total, _total));
    }

    /// <summary>Cuts the torn end off and makes what was read durable: from now on others rely on it.</summary>
    public void Finish()
    {
        // Kept: until the next file is made, its name may be all that says how far generations have come.
        foreach (uint leftover in _leftovers) folder.Retire(leftover, left: 0);
        if (_files.Count == 0) return;
        WalFile last = _files[^1];
        if (last.File.Length > last.End) last.File.Truncate(last.End);
        last.File.Sync();
        disk.SyncDirectory(folder.Directory);
    }

    public void CloseFiles()
    {
        foreach (WalFile file in _files) file.File.Dispose();
    }

    /// <summary>A last file whose very first write was torn is one that was never written: nothing may follow it.</summary>
    private void DropEmptyLast()
    {
        if (_files.Count == 0 || _files[^1].End > 0) return;
        _leftovers.Add(_files[^1].Generation);
        _files[^1].File.Dispose();
        _files.RemoveAt(_files.Count - 1);
    }

    private List<(WalFile File, WalPosition Before)> Open(IReadOnlyDictionary<GroupId, StoredCheckpoint> checkpoints)
    {
        List<uint> generations = folder.Scan();
        List<(WalFile File, WalPosition Before)> chain = [];
        Span<byte> first = stackalloc byte[WalFormat.HeaderBytes];
        foreach (uint generation in generations)
        {
            IDiskFile file = disk.Open(folder.PathOf(generation), DiskOpen.ReadWrite);
            int read = file.Read(first, 0);
            if (!WalFormat.TryRead(first[..read], generation, 0, out WalHeader header) || header.Type != WalRecordType.WriteStart)
            {
                file.Dispose();
                _leftovers.Add(generation);
                continue;
            }

            WalFile opened = new(generation, file, 0);
            _files.Add(opened);
            WalPosition before = new(header.A, header.B);
            // Only the newest file may be without a valid first write: one with a successor was written, and durable to its end.
            if (_leftovers.Count > 0)
                throw new StorageException($"{file.Path} follows {folder.PathOf(_leftovers[^1])}, which is damaged at position 0")
                {
                    IsDamage = true,
                };
            if (chain.Count > 0 && before.Generation != chain[^1].File.Generation)
                throw new StorageException($"{file.Path} follows WAL file {before.Generation}, which is missing") { IsDamage = true };

            chain.Add((opened, before));
            _total += chain.Count > 1 ? before.Position : 0;
        }

        if (chain.Count > 0) _total += chain[^1].File.File.Length;
        uint newest = Math.Max(generations.Count > 0 ? generations[^1] : 0, folder.NewestSpare);
        foreach ((GroupId id, StoredCheckpoint stored) in checkpoints)
        {
            if (stored.WalEnd.Generation > newest)
                throw new StorageException(
                    $"{folder.Directory} lacks WAL file {stored.WalEnd.Generation}, which the checkpoint of group {id} names")
                {
                    IsDamage = true,
                };
        }

        NextGeneration = newest + 1;
        return chain;
    }

    private void ReadFile(WalFile file, long? end)
    {
        using WalWindow window = new(file.File);
        long position = 0;
        while (end is null || position < end)
        {
            ReadOnlySpan<byte> write = ValidWrite(window, file, position);
            if (write.IsEmpty)
            {
                WalPosition suspect = new(file.Generation, position);
                if (end is not null || HasLaterDurableWrite(window, file.Generation, position + WalFormat.BlockBytes, suspect))
                    throw Damaged(file.File.Path, position);
                break;
            }

            Replay(write, file, position);
            long next = WalFormat.AlignToBlock(position + write.Length);
            _read += next - position;
            position = next;
            if (window.Moved) progress?.Invoke(new RecoveryProgress(_read, _total));
        }

        if (end is not null && position != end) throw Damaged(file.File.Path, position);
        file.End = position;
    }

    /// <summary>The write that starts at a position, if all of its records are right; otherwise nothing.</summary>
    private static ReadOnlySpan<byte> ValidWrite(WalWindow window, WalFile file, long position)
    {
        ReadOnlySpan<byte> start = window.Get(position, WalFormat.HeaderBytes);
        if (!WalFormat.TryRead(start, file.Generation, position, out WalHeader header)) return default;
        if (header.Type != WalRecordType.WriteStart) return default;
        if (header.C < WalFormat.HeaderBytes || header.C > window.Length - position) return default;
        ReadOnlySpan<byte> write = window.Get(position, checked((int)header.C));
        int at = WalFormat.HeaderBytes;
        while (at < write.Length)
        {
            if (!WalFormat.TryRead(write[at..], file.Generation, position + at, out WalHeader record)) return default;
            at += WalFormat.RecordBytes(record.Length);
        }

        return at == write.Length ? write : default;
    }

    private static bool HasLaterDurableWrite(WalWindow window, uint generation, long from, WalPosition suspect)
    {
        for (long position = from; position < window.Length; position += WalFormat.BlockBytes)
        {
            ReadOnlySpan<byte> bytes = window.Get(position, WalFormat.HeaderBytes);
            if (WalFormat.TryRead(bytes, generation, position, out WalHeader header) && header.Type == WalRecordType.WriteStart
                && new WalPosition(header.A, header.B).CompareTo(suspect) > 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A file without a valid first write: made but never written, or its first write was torn, or that one is damaged.</summary>
    private void CheckLeftover(uint generation)
    {
        using IDiskFile file = disk.Open(folder.PathOf(generation), DiskOpen.Read);
        using WalWindow window = new(file);
        WalPosition suspect = End.Generation < generation ? End : new WalPosition(generation, 0);
        if (HasLaterDurableWrite(window, generation, 0, suspect)) throw Damaged(file.Path, 0);
    }

    private void Replay(ReadOnlySpan<byte> write, WalFile file, long position)
    {
        int at = WalFormat.HeaderBytes;
        while (at < write.Length)
        {
            WalHeader record = MemoryMarshal.Read<WalHeader>(write[at..]);
            _replaying = new WalPosition(file.Generation, position + at);
            Replay(record, file.Generation);
            at += WalFormat.RecordBytes(record.Length);
        }
    }

    private void Replay(in WalHeader record, uint generation)
    {
        if (record.Version > 0 || !Enum.IsDefined(record.Type) || (record.Type == WalRecordType.Entry && !Enum.IsDefined(record.Kind)))
            throw OfNewerVersion(record, generation);
        RecoveringGroup group = GroupOf(record.Group);
        switch (record.Type)
        {
            case WalRecordType.HardState:
                group.SetHardState(new HardState(new Term(record.B), new NodeId((int)record.A)), generation);
                break;
            case WalRecordType.Truncate:
                group.TruncateFrom(new LogIndex(record.A));
                break;
            case WalRecordType.Entry:
                LogEntry entry = new(new LogIndex(record.A), new Term(record.B), record.Kind, new KafkaOffset(record.C), BufferSlice.Empty);
                if (!group.TryAdd(entry, new WalLocation(generation, (uint)_replaying.Position, record.Length)))
                {
                    group.Gap ??= $"{folder.PathOf(generation)} has entry {entry.Index} of group {group.Id} "
                        + $"at position {_replaying.Position}, which cannot follow entry {group.Index.Last}";
                }

                break;
            case WalRecordType.DeleteGroup:
                Delete(group);
                break;
            default:
                throw OfNewerVersion(record, generation); // A write begins within a write.
        }
    }

    private StorageException OfNewerVersion(in WalHeader record, uint generation) => new(
        $"{folder.PathOf(generation)} has a record of type {(byte)record.Type}, kind {(byte)record.Kind}, version {record.Version} at "
        + $"position {_replaying.Position}: this program reads types to {(byte)WalRecordType.DeleteGroup}, kinds to "
        + $"{(byte)EntryKind.LogStart}, version 0");

    private void Delete(RecoveringGroup group)
    {
        _groups.Remove(group.Id);
        _last = null;
        if (group.Stored is { } stored && stored.WalEnd.CompareTo(_replaying) > 0)
        {
            // The checkpoint was made after the deletion: it belongs to the group that was then created anew.
            _groups.Add(group.Id, new RecoveringGroup(group.Id, stored));
            return;
        }

        Deleted.Add(group.Id);
    }

    private RecoveringGroup GroupOf(GroupId id)
    {
        if (_last is not null && _last.Id == id) return _last;
        ref RecoveringGroup? group = ref CollectionsMarshal.GetValueRefOrAddDefault(_groups, id, out _);
        return _last = group ??= new RecoveringGroup(id, null);
    }

    private static StorageException Damaged(string path, long position) =>
        new($"{path} is damaged at position {position}: what follows was durable, so this is not the end of an interrupted write")
        {
            IsDamage = true,
        };
}

/// <summary>A group while the WAL is read.</summary>
internal sealed class RecoveringGroup
{
    private readonly List<LogEntry> _entries = [];

    public RecoveringGroup(GroupId id, StoredCheckpoint? stored)
    {
        Id = id;
        Stored = stored;
        Index = new WalGroup(id);
        if (stored is null) return;
        HardState = stored.Checkpoint.HardState;
        Index.Release(stored.Checkpoint.Index, HardState);
    }

    public GroupId Id { get; }

    public StoredCheckpoint? Stored { get; }

    public WalGroup Index { get; }

    public HardState HardState { get; private set; } = new(Term.Zero, NodeId.None);

    public IReadOnlyList<LogEntry> Entries => _entries;

    /// <summary>
    /// What is wrong with the entries. Only final when all is read: of entries that were truncated later, or whose group was deleted
    /// later, the
    /// first may be gone already with their file, and with the checkpoint that covered them.
    /// </summary>
    public string? Gap { get; set; }

    private LogIndex CheckpointIndex => Stored?.Checkpoint.Index ?? LogIndex.Zero;

    public void SetHardState(HardState state, uint generation)
    {
        if (!WalGroup.IsNewer(state, HardState)) return;
        HardState = state;
        Index.SetHardState(state, generation);
    }

    public void TruncateFrom(LogIndex index)
    {
        if (index <= Index.Last.Next) Gap = null;
        Index.TruncateFrom(index);
        while (_entries.Count > 0 && _entries[^1].Index >= index) _entries.RemoveAt(_entries.Count - 1);
    }

    public bool TryAdd(LogEntry entry, WalLocation location)
    {
        if (entry.Index <= CheckpointIndex) return true;
        if (Gap is not null || entry.Index != Index.Last.Next) return false;
        Index.Add(entry.Index, location);
        _entries.Add(entry);
        return true;
    }
}

/// <summary>A file read front to back through one large buffer.</summary>
internal sealed class WalWindow(IDiskFile file) : IDisposable
{
    private const int WindowBytes = 4 << 20;

    private byte[] _buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(WindowBytes);
    private long _start;
    private int _count;

    public long Length { get; } = file.Length;

    /// <summary>Whether the window moved since this was last asked.</summary>
    public bool Moved
    {
        get
        {
            bool moved = field;
            field = false;
            return moved;
        }
        private set;
    }

    /// <summary>Bytes at a position; fewer where the file ends. Valid until the next call.</summary>
    public ReadOnlySpan<byte> Get(long position, int length)
    {
        if (position < _start || position + length > _start + _count)
        {
            if (length > _buffer.Length)
            {
                System.Buffers.ArrayPool<byte>.Shared.Return(_buffer);
                _buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(length);
            }

            _start = position;
            _count = file.Read(_buffer, position);
            Moved = true;
        }

        int from = (int)(position - _start);
        return _buffer.AsSpan(from, Math.Max(0, Math.Min(length, _count - from)));
    }

    public void Dispose() => System.Buffers.ArrayPool<byte>.Shared.Return(_buffer);
}
