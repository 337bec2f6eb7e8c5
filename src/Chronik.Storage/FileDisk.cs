using Chronik.Model;
using Microsoft.Win32.SafeHandles;

namespace Chronik.Storage;

/// <summary>
/// The operating system's files: one handle per file, positional reads and writes, gathered writes with pwritev on Linux.
/// </summary>
public sealed class FileDisk : IDisk
{
    /// <inheritdoc/>
    public void CreateDirectory(string path) => Directory.CreateDirectory(path);

    /// <inheritdoc/>
    public bool DirectoryExists(string path) => Directory.Exists(path);

    /// <inheritdoc/>
    public bool FileExists(string path) => File.Exists(path);

    /// <inheritdoc/>
    public IReadOnlyList<DiskEntry> List(string directory)
    {
        DirectoryInfo info = new(directory);
        if (!info.Exists) return [];
        List<DiskEntry> entries = [];
        foreach (FileSystemInfo entry in info.EnumerateFileSystemInfos())
            entries.Add(new DiskEntry(entry.Name, entry is FileInfo file ? file.Length : 0, entry is DirectoryInfo));
        return entries;
    }

    /// <inheritdoc/>
    public IDiskFile Open(string path, DiskOpen mode)
    {
        FileMode fileMode = mode switch
        {
            DiskOpen.CreateNew => FileMode.CreateNew,
            DiskOpen.Replace => FileMode.Create,
            _ => FileMode.Open,
        };
        FileAccess access = mode == DiskOpen.Read ? FileAccess.Read : FileAccess.ReadWrite;
        return new DiskFile(path, File.OpenHandle(path, fileMode, access, FileShare.ReadWrite | FileShare.Delete));
    }

    /// <inheritdoc/>
    public void Rename(string from, string to) => File.Move(from, to, overwrite: true);

    /// <inheritdoc/>
    public void Delete(string path) => File.Delete(path);

    /// <inheritdoc/>
    public void DeleteDirectory(string path) => Directory.Delete(path, recursive: false);

    /// <inheritdoc/>
    public void SyncDirectory(string path)
    {
        // Windows makes names durable with the file itself and has no handle to sync.
        if (OperatingSystem.IsWindows()) return;
        using SafeFileHandle handle = Posix.OpenDirectory(path);
        Posix.Fsync(handle, path);
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string directory)
    {
        if (!OperatingSystem.IsWindows()) return Posix.TryLockDirectory(directory);
        try
        {
            return new FileStream(
                System.IO.Path.Combine(directory, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1,
                FileOptions.DeleteOnClose);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public long FreeBytes(string directory) => new DriveInfo(System.IO.Path.GetFullPath(directory)).AvailableFreeSpace;

    /// <inheritdoc/>
    public long TotalBytes(string directory) => new DriveInfo(System.IO.Path.GetFullPath(directory)).TotalSize;

    private sealed class DiskFile(string path, SafeFileHandle handle) : IDiskFile
    {
        private static readonly byte[] Zeros = GC.AllocateArray<byte>(256 << 10, pinned: true);

        public string Path => path;

        public long Length => RandomAccess.GetLength(handle);

        public SafeFileHandle? Handle => handle;

        public int Read(Span<byte> bytes, long position)
        {
            int done = 0;
            while (done < bytes.Length)
            {
                int read = RandomAccess.Read(handle, bytes[done..], position + done);
                if (read == 0) break;
                done += read;
            }

            return done;
        }

        public void Write(ReadOnlySpan<byte> bytes, long position) => RandomAccess.Write(handle, bytes, position);

        public void Write(ReadOnlySpan<BufferSlice> slices, long position)
        {
            if (OperatingSystem.IsLinux())
            {
                Posix.WriteGathered(handle, slices, position, path);
                return;
            }

            foreach (BufferSlice slice in slices)
            {
                RandomAccess.Write(handle, slice.Span, position);
                position += slice.Length;
            }
        }

        public void ZeroFill(long position, int length)
        {
            while (length > 0)
            {
                int step = Math.Min(length, Zeros.Length);
                RandomAccess.Write(handle, Zeros.AsSpan(0, step), position);
                position += step;
                length -= step;
            }
        }

        public void StartWriteback(long position, long length)
        {
            if (OperatingSystem.IsLinux()) Posix.StartWriteback(handle, position, length);
        }

        public void DropCache(long position, long length)
        {
            if (OperatingSystem.IsLinux()) Posix.DropCache(handle, position, length);
        }

        public void Truncate(long length) => RandomAccess.SetLength(handle, length);

        public void Sync()
        {
            if (OperatingSystem.IsLinux()) Posix.Fdatasync(handle, path);
            else RandomAccess.FlushToDisk(handle);
        }

        public void Dispose() => handle.Dispose();
    }
}
