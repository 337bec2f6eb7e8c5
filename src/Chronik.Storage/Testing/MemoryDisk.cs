namespace Chronik.Storage.Testing;

/// <summary>
/// A disk in memory that fails on demand: it loses what was not synced, tears writes, flips bits, and refuses writes and syncs.
/// </summary>
/// <remarks>
/// Everything random comes from the seed. A sync that fails writes any part of what it should have, and takes all of it for written: it
/// stays readable until the cache is dropped, and no later sync writes it. Changes of names survive a power loss in their order, as on a
/// file system with a journal; writes to a file survive in sectors, in any combination. Thread-safe.
/// </remarks>
public sealed class MemoryDisk : IDisk
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, MemoryDirectory> _directories = new(StringComparer.Ordinal);
    private readonly HashSet<string> _locks = new(StringComparer.Ordinal);
    private readonly Random _random;
    private long _operations;
    private bool _dead;

    /// <summary>Makes an empty disk.</summary>
    public MemoryDisk(int seed = 0)
    {
        Seed = seed;
        _random = new Random(seed);
    }

    /// <summary>Where everything random comes from.</summary>
    public int Seed { get; }

    /// <summary>Writes, syncs and changes of names so far: the places where power may be lost.</summary>
    public long Operations
    {
        get { lock (_lock) return _operations; }
    }

    /// <summary>
    /// Asked before every operation, with its number from 1 and the path it is about; what it returns is thrown instead of doing it. A
    /// write that fails may still have been done in part. Null fails nothing.
    /// </summary>
    public Func<long, DiskOperation, string, Exception?>? Fault { get; set; }

    /// <summary>Bytes that <see cref="FreeBytes"/> answers.</summary>
    public long Free { get; set; } = 1L << 40;

    /// <summary>The disk as it is found after a power loss now. This one refuses everything from now on.</summary>
    public MemoryDisk Crash()
    {
        lock (_lock)
        {
            _dead = true;
            MemoryDisk after = new(_random.Next());
            foreach ((string path, MemoryDirectory directory) in _directories)
            {
                Dictionary<string, MemoryFile> names = directory.AfterPowerLoss(_random);
                if (!directory.Durable) continue;
                MemoryDirectory kept = after._directories[path] = new MemoryDirectory { Durable = true };
                foreach ((string name, MemoryFile file) in names) kept.Restore(name, new MemoryFile(file.AfterPowerLoss(_random)));
            }

            return after;
        }
    }

    /// <summary>The disk as it is found after the process was killed, with nothing lost. This one refuses everything from now on.</summary>
    public MemoryDisk Kill()
    {
        lock (_lock)
        {
            _dead = true;
            MemoryDisk after = new(_random.Next());
            foreach ((string path, MemoryDirectory directory) in _directories) after._directories[path] = directory;
            return after;
        }
    }

    /// <summary>Flips one bit of a file, whether synced or not.</summary>
    public void FlipBit(string path, long position, int bit)
    {
        lock (_lock) FileAt(path).Flip(position, bit);
    }

    /// <inheritdoc/>
    public void CreateDirectory(string path)
    {
        lock (_lock)
        {
            Alive();
            for (string? at = Normal(path); !string.IsNullOrEmpty(at); at = Path.GetDirectoryName(at))
            {
                if (_directories.ContainsKey(at)) break;
                // Folders are few and made early: they are taken to survive, unlike what is in them.
                _directories.Add(at, new MemoryDirectory { Durable = true });
            }
        }
    }

    /// <inheritdoc/>
    public bool DirectoryExists(string path)
    {
        lock (_lock) return _directories.ContainsKey(Normal(path));
    }

    /// <inheritdoc/>
    public bool FileExists(string path)
    {
        lock (_lock) return _directories.TryGetValue(Parent(path), out MemoryDirectory? d) && d.Names.ContainsKey(Path.GetFileName(path));
    }

    /// <inheritdoc/>
    public IReadOnlyList<DiskEntry> List(string directory)
    {
        lock (_lock)
        {
            string normal = Normal(directory);
            if (!_directories.TryGetValue(normal, out MemoryDirectory? found)) return [];
            List<DiskEntry> entries = [.. found.Names.Select(n => new DiskEntry(n.Key, n.Value.Length, false))];
            entries.AddRange(_directories.Keys.Where(d =>
                Path.GetDirectoryName(d) == normal).Select(d => new DiskEntry(Path.GetFileName(d), 0, true)));
            return entries;
        }
    }

    /// <inheritdoc/>
    public IDiskFile Open(string path, DiskOpen mode)
    {
        lock (_lock)
        {
            MemoryDirectory directory = DirectoryOf(path);
            string name = Path.GetFileName(path);
            bool exists = directory.Names.TryGetValue(name, out MemoryFile? file);
            switch (mode)
            {
                case DiskOpen.CreateNew when exists:
                    throw new IOException($"{path} exists");
                case DiskOpen.Read or DiskOpen.ReadWrite when !exists:
                    throw new FileNotFoundException($"{path} does not exist");
                case DiskOpen.CreateNew or DiskOpen.Replace:
                    Operate(DiskOperation.Create, path);
                    file = new MemoryFile([]);
                    directory.Set(name, file);
                    break;
            }

            return new OpenFile(this, path, file!);
        }
    }

    /// <inheritdoc/>
    public void Rename(string from, string to)
    {
        lock (_lock)
        {
            MemoryDirectory directory = DirectoryOf(from);
            if (!ReferenceEquals(directory, DirectoryOf(to))) throw new IOException($"{to} is in another directory than {from}");
            if (!directory.Names.TryGetValue(Path.GetFileName(from), out MemoryFile? file))
            {
                throw new FileNotFoundException(
                    $"{from} does not exist");
            }
            Operate(DiskOperation.Rename, to);
            directory.Rename(Path.GetFileName(from), Path.GetFileName(to), file);
        }
    }

    /// <inheritdoc/>
    public void Delete(string path)
    {
        lock (_lock)
        {
            MemoryDirectory directory = DirectoryOf(path);
            Operate(DiskOperation.Delete, path);
            directory.Remove(Path.GetFileName(path));
        }
    }

    /// <inheritdoc/>
    public void DeleteDirectory(string path)
    {
        lock (_lock)
        {
            if (List(path).Count > 0) throw new IOException($"{path} is not empty");
            Operate(DiskOperation.Delete, path);
            _directories.Remove(Normal(path));
        }
    }

    /// <inheritdoc/>
    public void SyncDirectory(string path)
    {
        lock (_lock)
        {
            if (!_directories.TryGetValue(Normal(path), out MemoryDirectory? directory))
            {
                throw new DirectoryNotFoundException(
                    $"{path} does not exist");
            }
            Operate(DiskOperation.SyncDirectory, path);
            directory.Sync();
        }
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string directory)
    {
        lock (_lock)
        {
            Alive();
            string normal = Normal(directory);
            return _locks.Add(normal) ? new HeldLock(this, normal) : null;
        }
    }

    /// <inheritdoc/>
    public long FreeBytes(string directory) => Free;

    /// <inheritdoc/>
    public long TotalBytes(string directory) => long.MaxValue;

    private static string Normal(string path) => Path.TrimEndingDirectorySeparator(path);

    private static string Parent(string path) => Path.GetDirectoryName(path) ?? "";

    private MemoryDirectory DirectoryOf(string path) =>
        _directories.TryGetValue(Parent(path), out MemoryDirectory? found) ? found : throw new DirectoryNotFoundException(
            $"{Parent(path)} does not exist");

    private MemoryFile FileAt(string path) =>
        DirectoryOf(path).Names.TryGetValue(Path.GetFileName(path), out MemoryFile? file) ? file : throw new FileNotFoundException(
            $"{path} does not exist");

    private void Alive()
    {
        if (_dead) throw new IOException("the disk has lost power");
    }

    private void Operate(DiskOperation operation, string path)
    {
        Alive();
        _operations++;
        if (Fault?.Invoke(_operations, operation, path) is { } failure) throw failure;
    }

    private sealed class HeldLock(MemoryDisk disk, string path) : IDisposable
    {
        public void Dispose()
        {
            lock (disk._lock) disk._locks.Remove(path);
        }
    }

    private sealed class OpenFile(MemoryDisk disk, string path, MemoryFile file) : IDiskFile
    {
        private bool _closed;

        public string Path => path;

        public long Length
        {
            get { lock (disk._lock) return file.Length; }
        }

        public Microsoft.Win32.SafeHandles.SafeFileHandle? Handle => null;

        public int Read(Span<byte> bytes, long position)
        {
            lock (disk._lock)
            {
                ObjectDisposedException.ThrowIf(_closed, this);
                disk.Alive();
                return file.Read(bytes, position);
            }
        }

        public void Write(ReadOnlySpan<byte> bytes, long position) => Change(DiskOperation.Write, bytes.ToArray(), position);

        public void Write(ReadOnlySpan<Model.BufferSlice> slices, long position)
        {
            int length = 0;
            foreach (Model.BufferSlice slice in slices) length += slice.Length;
            byte[] bytes = new byte[length];
            int at = 0;
            foreach (Model.BufferSlice slice in slices)
            {
                slice.Span.CopyTo(bytes.AsSpan(at));
                at += slice.Length;
            }

            Change(DiskOperation.Write, bytes, position);
        }

        public void ZeroFill(long position, int length) => Change(DiskOperation.Write, new byte[length], position);

        public void StartWriteback(long position, long length)
        {
            lock (disk._lock) ObjectDisposedException.ThrowIf(_closed, this);
        }

        public void DropCache(long position, long length)
        {
            lock (disk._lock) file.DropCache();
        }

        public void Truncate(long length)
        {
            lock (disk._lock)
            {
                ObjectDisposedException.ThrowIf(_closed, this);
                disk.Operate(DiskOperation.Truncate, path);
                file.SetLength(length);
            }
        }

        public void Sync()
        {
            lock (disk._lock)
            {
                ObjectDisposedException.ThrowIf(_closed, this);
                try
                {
                    disk.Operate(DiskOperation.Sync, path);
                }
                catch (IOException) when (!disk._dead)
                {
                    file.FailSync(disk._random);
                    throw;
                }

                file.Sync();
            }
        }

        public void Dispose()
        {
            lock (disk._lock) _closed = true;
        }

        private void Change(DiskOperation operation, byte[] bytes, long position)
        {
            lock (disk._lock)
            {
                ObjectDisposedException.ThrowIf(_closed, this);
                try
                {
                    disk.Operate(operation, path);
                }
                catch (IOException) when (!disk._dead)
                {
                    // A refused write may have been done up to anywhere.
                    file.Write(bytes[..disk._random.Next(bytes.Length + 1)], position);
                    throw;
                }

                file.Write(bytes, position);
            }
        }
    }
}
