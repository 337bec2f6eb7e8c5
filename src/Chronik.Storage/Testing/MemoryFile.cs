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
    private byte[] _durable = durable;
    private byte[] _bytes = durable.AsSpan().ToArray();
    private int _length = durable.Length;

    public long Length => _length;

    public int Read(Span<byte> destination, long position)
    {
        int count = (int)Math.Clamp(_length - position, 0, destination.Length);
        if (count > 0) _bytes.AsSpan((int)position, count).CopyTo(destination);
        return count;
    }

    public void Write(byte[] bytes, long position)
    {
        if (bytes.Length == 0) return;
        _unsynced.Add((position, bytes));
        Apply(ref _bytes, ref _length, position, bytes);
    }

    public void SetLength(long length)
    {
        _unsynced.Add((length, null));
        Cut(ref _bytes, ref _length, length);
    }

    public void Sync()
    {
        _unsynced.Clear();
        _durable = _bytes.AsSpan(0, _length).ToArray();
    }

    public void Flip(long position, int bit)
    {
        _bytes[position] ^= (byte)(1 << bit);
        if (position < _durable.Length) _durable[position] ^= (byte)(1 << bit);
    }

    /// <summary>What is left: of every change since the last sync nothing, everything, or any of its sectors.</summary>
    public byte[] AfterPowerLoss(Random random)
    {
        byte[] bytes = _durable.AsSpan().ToArray();
        int length = bytes.Length;
        int mode = random.Next(4);
        foreach ((long position, byte[]? change) in _unsynced)
        {
            bool all = mode == 0 || (mode > 1 && random.Next(2) == 0);
            if (change is null)
            {
                if (all) Cut(ref bytes, ref length, position);
                continue;
            }

            if (all)
            {
                Apply(ref bytes, ref length, position, change);
                continue;
            }

            if (mode == 1) continue;
            for (int at = 0; at < change.Length;)
            {
                int sector = (int)Math.Min(change.Length - at, SectorBytes - ((position + at) % SectorBytes));
                if (random.Next(2) == 0) Apply(ref bytes, ref length, position + at, change.AsSpan(at, sector));
                at += sector;
            }
        }

        return bytes.AsSpan(0, length).ToArray();
    }

    private static void Apply(ref byte[] bytes, ref int length, long position, ReadOnlySpan<byte> change)
    {
        int end = checked((int)position + change.Length);
        if (end > bytes.Length) Array.Resize(ref bytes, Math.Max(end, Math.Min(bytes.Length * 2, bytes.Length + (8 << 20))));
        if (end > length) length = end;
        change.CopyTo(bytes.AsSpan((int)position));
    }

    private static void Cut(ref byte[] bytes, ref int length, long to)
    {
        if (to >= length) return;
        bytes.AsSpan((int)to, length - (int)to).Clear();
        length = (int)to;
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
