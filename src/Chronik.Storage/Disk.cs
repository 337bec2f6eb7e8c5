using Chronik.Model;
using Microsoft.Win32.SafeHandles;

namespace Chronik.Storage;

/// <summary>How a file is opened.</summary>
public enum DiskOpen
{
    /// <summary>An existing file, for reading.</summary>
    Read,

    /// <summary>An existing file, for reading and writing.</summary>
    ReadWrite,

    /// <summary>A file that must not exist yet, for reading and writing.</summary>
    CreateNew,

    /// <summary>For reading and writing; created when missing, emptied when not.</summary>
    Replace,
}

/// <summary>One file of a directory.</summary>
/// <param name="Name">Its name without the directory.</param>
/// <param name="Length">Its length in bytes; 0 for a directory.</param>
/// <param name="IsDirectory">Whether it is a directory.</param>
public readonly record struct DiskEntry(string Name, long Length, bool IsDirectory);

/// <summary>
/// The only thing in storage that touches files. What is written or renamed is visible at once to every reader of the same disk, and
/// survives a power loss only after <see cref="IDiskFile.Sync"/> of the file (its bytes and length) and <see cref="SyncDirectory"/> of
/// its directory (that it exists, under which name).
/// </summary>
/// <remarks>Every member may be called from any thread and throws <see cref="IOException"/> or <see
/// cref="UnauthorizedAccessException"/>.</remarks>
public interface IDisk
{
    /// <summary>Makes a directory and those above it. Does nothing when it exists.</summary>
    void CreateDirectory(string path);

    /// <summary>Whether there is a directory of that name.</summary>
    bool DirectoryExists(string path);

    /// <summary>Whether there is a file of that name.</summary>
    bool FileExists(string path);

    /// <summary>What a directory holds, in no particular order; nothing when it does not exist.</summary>
    IReadOnlyList<DiskEntry> List(string directory);

    /// <summary>Opens a file.</summary>
    IDiskFile Open(string path, DiskOpen mode);

    /// <summary>Renames a file within its directory, replacing what had the name.</summary>
    void Rename(string from, string to);

    /// <summary>Removes a file. Whoever has it open keeps reading it.</summary>
    void Delete(string path);

    /// <summary>Removes an empty directory.</summary>
    void DeleteDirectory(string path);

    /// <summary>Makes the names in a directory survive a power loss.</summary>
    void SyncDirectory(string path);

    /// <summary>
    /// Takes the lock of a directory, which ends with the process at the latest; null when somebody else has it. Changes nothing on disk.
    /// </summary>
    IDisposable? TryLock(string directory);

    /// <summary>Bytes that may still be written to the file system that holds a directory.</summary>
    long FreeBytes(string directory);

    /// <summary>The size of the file system that holds a directory, in bytes.</summary>
    long TotalBytes(string directory);
}

/// <summary>A file that is open. Reads and writes name their position, so any number of threads may use it at once.</summary>
public interface IDiskFile : IDisposable
{
    /// <summary>The file's path.</summary>
    string Path { get; }

    /// <summary>The file's length in bytes.</summary>
    long Length { get; }

    /// <summary>The operating system's handle, for sendfile; null on a disk that has none.</summary>
    SafeFileHandle? Handle { get; }

    /// <summary>Reads until the span is full or the file ends; returns how many bytes were read.</summary>
    int Read(Span<byte> bytes, long position);

    /// <summary>Writes all bytes.</summary>
    void Write(ReadOnlySpan<byte> bytes, long position);

    /// <summary>Writes all slices one behind the other, in as few calls to the operating system as it takes.</summary>
    void Write(ReadOnlySpan<BufferSlice> slices, long position);

    /// <summary>Writes zeros, so that later writes there need not allocate blocks.</summary>
    void ZeroFill(long position, int length);

    /// <summary>
    /// Asks the system to begin writing out what was written there, and does not wait for it. A hint: it promises nothing about what
    /// survives, and does not fail.
    /// </summary>
    void StartWriteback(long position, long length);

    /// <summary>Cuts the file to a length that it has already.</summary>
    void Truncate(long length);

    /// <summary>
    /// Lets go of what the system keeps of a part of the file in memory, apart from what it has yet to write, so that the next read shows
    /// what the disk holds. A hint that does not fail. Without a length it is the file from there to its end.
    /// </summary>
    void DropCache(long position = 0, long length = 0);

    /// <summary>
    /// Makes what was written survive a power loss. When it fails, nobody knows what survives, however often it is repeated.
    /// </summary>
    void Sync();
}
