namespace Chronik.Storage.Testing;

/// <summary>What may be refused or interrupted.</summary>
public enum DiskOperation
{
    /// <summary>A file was to be created.</summary>
    Create,

    /// <summary>Bytes were to be written.</summary>
    Write,

    /// <summary>A file was to be cut.</summary>
    Truncate,

    /// <summary>A file was to be synced.</summary>
    Sync,

    /// <summary>A file was to be renamed.</summary>
    Rename,

    /// <summary>A file or directory was to be removed.</summary>
    Delete,

    /// <summary>A directory was to be synced.</summary>
    SyncDirectory,
}

/// <summary>A file's bytes as readers see them, the bytes that would survive, and the changes between the two.</summary>
internal sealed class MemoryFile(byte[] durable)
{
    private const int SectorBytes = 512;

    private readonly List<(long Position, byte[]? Bytes)> _unsynced = [];
    private Content _durable = new(durable);
    private Content _cached = new(durable);

    public long Length => _cached.Length;

    public int Read(Span<byte> destination, long position)
    {
        int count = (int)Math.Clamp(_cached.Length - position, 0, destination.Length);
        if (count > 0) _cached.Bytes.AsSpan((int)position, count).CopyTo(destination);
        return count;
    }

    public void Write(byte[] bytes, long position)
    {
        if (bytes.Length == 0) return;
        _unsynced.Add((position, bytes));
        _cached.Write(position, bytes);
    }

    public void SetLength(long length)
    {
        _unsynced.Add((length, null));
        _cached.Cut(length);
    }

    public void Sync()
    {
        foreach ((long position, byte[]? change) in _unsynced) _durable.Apply(position, change);
        _unsynced.Clear();
    }

    /// <summary>Makes any part durable, and takes all of it for durable.</summary>
    public void FailSync(Random random)
    {
        _durable = new Content(AfterPowerLoss(random));
        _unsynced.Clear();
    }

    public void DropCache()
    {
        _cached = new Content(_durable.Bytes.AsSpan(0, _durable.Length));
        foreach ((long position, byte[]? change) in _unsynced) _cached.Apply(position, change);
    }

    public void Flip(long position, int bit)
    {
        _cached.Bytes[position] ^= (byte)(1 << bit);
        if (position < _durable.Length) _durable.Bytes[position] ^= (byte)(1 << bit);
    }

    /// <summary>What is left: of every change since the last sync nothing, everything, or any of its sectors.</summary>
    public byte[] AfterPowerLoss(Random random)
    {
        Content left = new(_durable.Bytes.AsSpan(0, _durable.Length));
        int mode = random.Next(4);
        foreach ((long position, byte[]? change) in _unsynced)
        {
            bool all = mode == 0 || (mode > 1 && random.Next(2) == 0);
            if (all || change is null)
            {
                if (all) left.Apply(position, change);
                continue;
            }

            if (mode == 1) continue;
            for (int at = 0; at < change.Length;)
            {
                int sector = (int)Math.Min(change.Length - at, SectorBytes - ((position + at) % SectorBytes));
                if (random.Next(2) == 0) left.Write(position + at, change.AsSpan(at, sector));
                at += sector;
            }
        }

        return left.Bytes.AsSpan(0, left.Length).ToArray();
    }

    /// <summary>Bytes that can be written and cut.</summary>
    private sealed class Content(ReadOnlySpan<byte> bytes)
    {
        private byte[] _bytes = bytes.ToArray();

        public byte[] Bytes => _bytes;

        public int Length { get; private set; } = bytes.Length;

        public void Apply(long position, byte[]? change)
        {
            if (change is null) Cut(position);
            else Write(position, change);
        }

        public void Write(long position, ReadOnlySpan<byte> change)
        {
            int end = checked((int)position + change.Length);
            if (end > _bytes.Length)
                Array.Resize(ref _bytes, Math.Max(end, Math.Min(_bytes.Length * 2, _bytes.Length + (8 << 20))));
            Length = Math.Max(Length, end);
            change.CopyTo(_bytes.AsSpan((int)position));
        }

        public void Cut(long to)
        {
            if (to >= Length) return;
            _bytes.AsSpan((int)to, Length - (int)to).Clear();
            Length = (int)to;
        }
    }
}

/// <summary>The names in a directory, and which changes to them are not synced yet.</summary>
internal sealed class MemoryDirectory
{
    private readonly List<Action<Dictionary<string, MemoryFile>>> _unsynced = [];
    private Dictionary<string, MemoryFile> _durable = new(StringComparer.Ordinal);

    public Dictionary<string, MemoryFile> Names { get; } = new(StringComparer.Ordinal);

    public bool Durable { get; init; }

    public void Restore(string name, MemoryFile file)
    {
        Names[name] = file;
        _durable[name] = file;
    }

    public void Set(string name, MemoryFile file) => Do(names => names[name] = file);

    public void Remove(string name) => Do(names => names.Remove(name));

    public void Rename(string from, string to, MemoryFile file) => Do(names =>
    {
        names.Remove(from);
        names[to] = file;
    });

    public void Sync()
    {
        _unsynced.Clear();
        _durable = new Dictionary<string, MemoryFile>(Names, StringComparer.Ordinal);
    }

    /// <summary>The names that survive: changes are lost from some point on.</summary>
    public Dictionary<string, MemoryFile> AfterPowerLoss(Random random)
    {
        Dictionary<string, MemoryFile> names = new(_durable, StringComparer.Ordinal);
        int kept = random.Next(_unsynced.Count + 1);
        for (int i = 0; i < kept; i++) _unsynced[i](names);
        return names;
    }

    private void Do(Action<Dictionary<string, MemoryFile>> change)
    {
        change(Names);
        _unsynced.Add(change);
    }
}
