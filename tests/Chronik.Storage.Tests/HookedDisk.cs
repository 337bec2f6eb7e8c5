using Chronik.Model;
using Microsoft.Win32.SafeHandles;

namespace Chronik.Storage.Tests;

/// <summary>A disk that tells a test what is done to it, on the thread that does it, before it is done.</summary>
internal sealed class HookedDisk(IDisk disk) : IDisk
{
    public Action<IDiskFile, long, long>? Reading { get; set; }

    public Action<IDiskFile>? ZeroFilling { get; set; }

    public Action<IDiskFile>? Writing { get; set; }

    public Action<IDiskFile, long, long>? StartingWriteback { get; set; }

    public Action<IDiskFile, long, long>? DroppingCache { get; set; }

    public Action<IDiskFile>? Closed { get; set; }

    public Action<string>? Opening { get; set; }

    public Action<string>? SyncingDirectory { get; set; }

    public Action? AskingForFreeBytes { get; set; }

    public IDiskFile Open(string path, DiskOpen mode)
    {
        Opening?.Invoke(path);
        return new HookedFile(this, disk.Open(path, mode));
    }

    public void CreateDirectory(string path) => disk.CreateDirectory(path);

    public bool DirectoryExists(string path) => disk.DirectoryExists(path);

    public bool FileExists(string path) => disk.FileExists(path);

    public IReadOnlyList<DiskEntry> List(string directory) => disk.List(directory);

    public void Rename(string from, string to) => disk.Rename(from, to);

    public void Delete(string path) => disk.Delete(path);

    public void DeleteDirectory(string path) => disk.DeleteDirectory(path);

    public void SyncDirectory(string path)
    {
        SyncingDirectory?.Invoke(path);
        disk.SyncDirectory(path);
    }

    public IDisposable? TryLock(string directory) => disk.TryLock(directory);

    public long TotalBytes(string directory) => disk.TotalBytes(directory);

    public long FreeBytes(string directory)
    {
        AskingForFreeBytes?.Invoke();
        return disk.FreeBytes(directory);
    }

    private sealed class HookedFile(HookedDisk hooks, IDiskFile file) : IDiskFile
    {
        public string Path => file.Path;

        public long Length => file.Length;

        public SafeFileHandle? Handle => file.Handle;

        public int Read(Span<byte> bytes, long position)
        {
            hooks.Reading?.Invoke(this, position, bytes.Length);
            return file.Read(bytes, position);
        }

        public void Write(ReadOnlySpan<byte> bytes, long position) => file.Write(bytes, position);

        public void Write(ReadOnlySpan<BufferSlice> slices, long position)
        {
            hooks.Writing?.Invoke(this);
            file.Write(slices, position);
        }

        public void ZeroFill(long position, int length)
        {
            hooks.ZeroFilling?.Invoke(this);
            file.ZeroFill(position, length);
        }

        public void StartWriteback(long position, long length)
        {
            hooks.StartingWriteback?.Invoke(this, position, length);
            file.StartWriteback(position, length);
        }

        public void DropCache(long position, long length)
        {
            hooks.DroppingCache?.Invoke(this, position, length);
            file.DropCache(position, length);
        }

        public void Truncate(long length) => file.Truncate(length);

        public void Sync() => file.Sync();

        public void Dispose()
        {
            file.Dispose();
            hooks.Closed?.Invoke(this);
        }
    }
}
