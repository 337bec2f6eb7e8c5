namespace Chronik.Storage.Testing;

/// <summary>
/// A disk in memory that fails on demand: it loses what was not synced, tears writes, flips bits, and refuses writes and syncs.
/// </summary>
/// <remarks>Everything random comes from the seed. Thread-safe.</remarks>
public sealed class MemoryDisk : IDisk
{
    /// <summary>Makes an empty disk.</summary>
    public MemoryDisk(int seed = 0) => Seed = seed;

    /// <summary>Where everything random comes from.</summary>
    public int Seed { get; }

    /// <summary>Writes, syncs and changes of names so far: the places where power may be lost.</summary>
    public long Operations => throw new NotImplementedException();

    /// <summary>The disk as it is found after a power loss now. This one refuses everything from now on.</summary>
    public MemoryDisk Crash() => throw new NotImplementedException();

    /// <inheritdoc/>
    public void CreateDirectory(string path) => throw new NotImplementedException();

    /// <inheritdoc/>
    public bool DirectoryExists(string path) => throw new NotImplementedException();

    /// <inheritdoc/>
    public bool FileExists(string path) => throw new NotImplementedException();

    /// <inheritdoc/>
    public IReadOnlyList<DiskEntry> List(string directory) => throw new NotImplementedException();

    /// <inheritdoc/>
    public IDiskFile Open(string path, DiskOpen mode) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Rename(string from, string to) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Delete(string path) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void DeleteDirectory(string path) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void SyncDirectory(string path) => throw new NotImplementedException();

    /// <inheritdoc/>
    public IDisposable? TryLock(string directory) => throw new NotImplementedException();

    /// <inheritdoc/>
    public long FreeBytes(string directory) => throw new NotImplementedException();
}
