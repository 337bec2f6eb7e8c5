using Chronik.Storage;

namespace Chronik.Persistence.Tests;

/// <summary>A disk that can hold back whoever opens certain files.</summary>
internal sealed class BlockingDisk : IDisk
{
    private readonly ManualResetEventSlim _open = new(true);
    private readonly TaskCompletionSource _blocked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IDisk _disk = null!;
    private string? _suffix;

    /// <summary>Completes when somebody is held back.</summary>
    public Task Blocked => _blocked.Task;

    public IDisk Over(IDisk disk)
    {
        _disk = disk;
        return this;
    }

    public void Block(string suffix)
    {
        _suffix = suffix;
        _open.Reset();
    }

    public void Unblock() => _open.Set();

    public IDiskFile Open(string path, DiskOpen mode)
    {
        if (_suffix is not null && path.EndsWith(_suffix, StringComparison.Ordinal))
        {
            _blocked.TrySetResult();
            _open.Wait(TimeSpan.FromSeconds(60));
        }

        return _disk.Open(path, mode);
    }

    public void CreateDirectory(string path) => _disk.CreateDirectory(path);

    public bool DirectoryExists(string path) => _disk.DirectoryExists(path);

    public bool FileExists(string path) => _disk.FileExists(path);

    public IReadOnlyList<DiskEntry> List(string directory) => _disk.List(directory);

    public void Rename(string from, string to) => _disk.Rename(from, to);

    public void Delete(string path) => _disk.Delete(path);

    public void DeleteDirectory(string path) => _disk.DeleteDirectory(path);

    public void SyncDirectory(string path) => _disk.SyncDirectory(path);

    public IDisposable? TryLock(string directory) => _disk.TryLock(directory);

    public long TotalBytes(string directory) => _disk.TotalBytes(directory);

    public long FreeBytes(string directory) => _disk.FreeBytes(directory);
}
