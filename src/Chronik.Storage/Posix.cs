using System.ComponentModel;
using System.Runtime.InteropServices;
using Chronik.Model;
using Microsoft.Win32.SafeHandles;

namespace Chronik.Storage;

/// <summary>
/// The calls that .NET does not offer: pwritev without an allocation per call, fdatasync, sync_file_range, posix_fadvise, and
/// locks and syncs of directories.
/// </summary>
internal static unsafe partial class Posix
{
    private const int SlicesPerCall = 1024;
    private const int CloseOnExecLinux = 0x80000;
    private const int CloseOnExecMac = 0x1000000;
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const uint StartWrite = 2;
    private const int DontNeed = 4;
    private const int Interrupted = 4;
    private const int NoEntry = 2;

    internal static void WriteGathered(SafeFileHandle handle, ReadOnlySpan<BufferSlice> slices, long position, string path)
    {
        IoVector* vectors = stackalloc IoVector[Math.Min(slices.Length, SlicesPerCall)];
        while (!slices.IsEmpty)
        {
            int count = Math.Min(slices.Length, SlicesPerCall);
            long total = 0;
            for (int i = 0; i < count; i++)
            {
                BufferSlice slice = slices[i];
                // The arrays of pooled buffers are pinned for good, so their addresses hold.
                vectors[i].Base = slice.Buffer is null
                    ? null : (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(slice.Buffer.Array, slice.Start);
                vectors[i].Length = slice.Length;
                total += slice.Length;
            }

            WriteAll(handle, vectors, count, total, position, path);
            position += total;
            slices = slices[count..];
        }
    }

    internal static void Fdatasync(SafeFileHandle handle, string path)
    {
        while (NativeFdatasync(handle) != 0) ThrowUnlessInterrupted("sync", path);
    }

    internal static void Fsync(SafeFileHandle handle, string path)
    {
        while (NativeFsync(handle) != 0) ThrowUnlessInterrupted("sync", path);
    }

    internal static void StartWriteback(SafeFileHandle handle, long position, long length)
    {
        // What goes wrong is told by the sync that follows some time: this call takes no error away from it.
        _ = NativeSyncFileRange(handle, position, length, StartWrite);
    }

    internal static void DropCache(SafeFileHandle handle, long position, long length) =>
        _ = NativeFadvise(handle, position, length, DontNeed);

    internal static SafeFileHandle OpenDirectory(string path)
    {
        // Read-only is 0. A child process must not inherit a lock.
        nint descriptor = NativeOpen(path, OperatingSystem.IsMacOS() ? CloseOnExecMac : CloseOnExecLinux);
        if (descriptor >= 0) return new SafeFileHandle(descriptor, ownsHandle: true);
        int error = Marshal.GetLastPInvokeError();
        string message = $"cannot open {path}: {new Win32Exception(error).Message}";
        throw error == NoEntry ? new DirectoryNotFoundException(message) : new IOException(message);
    }

    internal static IDisposable? TryLockDirectory(string path)
    {
        SafeFileHandle handle = OpenDirectory(path);
        if (NativeFlock(handle, LockExclusive | LockNonBlocking) == 0) return handle;
        handle.Dispose();
        return null;
    }

    private static void WriteAll(SafeFileHandle handle, IoVector* vectors, int count, long total, long position, string path)
    {
        while (total > 0)
        {
            nint written = NativePwritev(handle, vectors, count, position);
            if (written < 0)
            {
                ThrowUnlessInterrupted("write", path);
                continue;
            }

            total -= written;
            position += written;
            while (count > 0 && written >= vectors->Length)
            {
                written -= (nint)vectors->Length;
                vectors++;
                count--;
            }

            if (written == 0) continue;
            vectors->Base += written;
            vectors->Length -= written;
        }
    }

    private static void ThrowUnlessInterrupted(string what, string path)
    {
        int error = Marshal.GetLastPInvokeError();
        if (error != Interrupted) throw new IOException($"cannot {what} {path}: {new Win32Exception(error).Message}", error);
    }

    [LibraryImport("libc", EntryPoint = "pwritev", SetLastError = true)]
    private static partial nint NativePwritev(SafeFileHandle handle, IoVector* vectors, int count, long position);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int NativeFdatasync(SafeFileHandle handle);

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int NativeSyncFileRange(SafeFileHandle handle, long position, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int NativeFadvise(SafeFileHandle handle, long position, long length, int advice);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int NativeFsync(SafeFileHandle handle);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int NativeFlock(SafeFileHandle handle, int operation);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint NativeOpen(string path, int flags);

    private struct IoVector
    {
        public byte* Base;
        public long Length;
    }
}
