using System.Globalization;

namespace Chronik.Storage;

/// <summary>One file of the WAL. Its generation is its name, and is in every record that belongs to it.</summary>
internal sealed class WalFile(uint generation, IDiskFile file, long end)
{
    public uint Generation { get; } = generation;

    public IDiskFile File { get; } = file;

    /// <summary>Where the next write goes. Moved by the WAL's writer.</summary>
    public long End { get; set; } = end;

    /// <summary>Readers in the middle of a read; the file is not reused while there are any. Guarded by the WAL's lock.</summary>
    public int Readers { get; set; }
}

/// <summary>
/// The WAL's folder: which files there are, which are spare, and zero-filling ahead of the writer. Files are given up oldest first,
/// each durably before the next, so that nothing that a later record made void can come back.
/// </summary>
internal sealed class WalFiles(IDisk disk, string directory, StorageOptions options)
{
    private const int FillStepBytes = 1 << 20;
    private const string Suffix = ".wal";
    private const string SparePrefix = "spare-";

    private readonly Lock _lock = new();
    private readonly Queue<string> _spares = new();
    private uint _filling;
    private long _filled;
    private long _written;
    private bool _fillInProgress;

    public string Directory => directory;

    /// <summary>The largest generation that a spare file found by <see cref="Scan"/> ever had.</summary>
    public uint NewestSpare { get; private set; }

    public string PathOf(uint generation) => Path.Combine(directory, generation.ToString("D10", CultureInfo.InvariantCulture) + Suffix);

    /// <summary>The generations on disk, oldest first; remembers the spare files.</summary>
    public List<uint> Scan()
    {
        List<uint> generations = [];
        foreach (DiskEntry entry in disk.List(directory))
        {
            if (!entry.Name.EndsWith(Suffix, StringComparison.Ordinal)) continue;
            if (entry.Name.StartsWith(SparePrefix, StringComparison.Ordinal))
            {
                _spares.Enqueue(entry.Name);
                if (TryParse(entry.Name.AsSpan(SparePrefix.Length), out uint spare)) NewestSpare = Math.Max(NewestSpare, spare);
            }
            else if (TryParse(entry.Name, out uint generation))
            {
                generations.Add(generation);
            }
        }

        generations.Sort();
        return generations;

        static bool TryParse(ReadOnlySpan<char> name, out uint generation) =>
            uint.TryParse(name[..^Suffix.Length], NumberStyles.None, CultureInfo.InvariantCulture, out generation);
    }

    /// <summary>Makes the file of a generation, from a spare one when there is one.</summary>
    public WalFile Create(uint generation)
    {
        string path = PathOf(generation);
        string? spare;
        lock (_lock) _spares.TryDequeue(out spare);
        if (spare is not null) disk.Rename(Path.Combine(directory, spare), path);
        IDiskFile file = disk.Open(path, spare is null ? DiskOpen.CreateNew : DiskOpen.ReadWrite);
        disk.SyncDirectory(directory);
        lock (_lock)
        {
            _filling = generation;
            _filled = file.Length;
            _written = 0;
        }

        return new WalFile(generation, file, 0);
    }

    /// <summary>
    /// Gives a file up: it becomes spare, or is deleted when the WAL's bounds need no more than there are. Durable when it returns.
    /// </summary>
    /// <param name="generation">The file's.</param>
    /// <param name="left">Files that are still in use; 0 makes it spare in any case.</param>
    public void Retire(uint generation, int left)
    {
        string path = PathOf(generation);
        long most = Math.Min(options.WalMaxBytes / options.WalFileBytes, options.WalMaxFiles) + options.WalSpareFiles;
        bool keep;
        lock (_lock) keep = left == 0 || left + _spares.Count < most;
        string spare = SparePrefix + generation.ToString("D10", CultureInfo.InvariantCulture) + Suffix;
        if (keep) disk.Rename(path, Path.Combine(directory, spare));
        else disk.Delete(path);
        disk.SyncDirectory(directory);
        if (!keep) return;
        lock (_lock) _spares.Enqueue(spare);
    }

    /// <summary>Called by the writer before it writes up to a position: waits for zeros that are just being written there.</summary>
    public void BeforeWrite(long end)
    {
        lock (_lock) _written = end;
        SpinWait spin = default;
        // One step of zeros takes a millisecond or so, and the writer seldom catches up with it.
        while (Volatile.Read(ref _fillInProgress) && end > Volatile.Read(ref _filled)) spin.SpinOnce();
    }

    /// <summary>Whether the current file should be zero-filled further.</summary>
    public bool NeedsFill
    {
        get
        {
            lock (_lock)
            {
                long target = Math.Min(options.WalFileBytes, _written + options.WalFillAheadBytes);
                return options.WalFillAheadBytes > 0 && _filling != 0 && Math.Max(_filled, _written) < target;
            }
        }
    }

    /// <summary>
    /// Zero-fills one step. Synced here, so that the writer's next sync does not pay for it; and through a handle of its own, because the
    /// system tells each handle only once that bytes were lost, and the writer's must not miss it. On the maintenance thread.
    /// </summary>
    public void Fill()
    {
        uint filling;
        lock (_lock) filling = _filling;
        if (filling == 0) return;
        using IDiskFile file = disk.Open(PathOf(filling), DiskOpen.ReadWrite);
        long from;
        lock (_lock)
        {
            if (_filling != filling) return;
            from = _filled = Math.Max(_filled, _written);
            if (from >= options.WalFileBytes) return;
            Volatile.Write(ref _fillInProgress, true);
        }

        int step = (int)Math.Min(FillStepBytes, options.WalFileBytes - from);
        try
        {
            file.ZeroFill(from, step);
        }
        finally
        {
            lock (_lock)
            {
                if (_filling == filling) _filled = from + step;
                Volatile.Write(ref _fillInProgress, false);
            }
        }

        file.Sync();
    }
}
