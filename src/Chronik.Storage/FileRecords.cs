using Chronik.Model;
using Chronik.Protocol;
using Microsoft.Win32.SafeHandles;

namespace Chronik.Storage;

/// <summary>Batches that lie in a segment file. Holds the segment until it is disposed, whatever is deleted meanwhile.</summary>
public sealed class FileRecords : Records
{
    private Segment? _segment;
    private int _length;

    internal FileRecords(Segment segment, long position, int length)
    {
        _segment = segment;
        Position = position;
        _length = length;
    }

    /// <summary>How many bytes.</summary>
    public override int Length => _length;

    /// <summary>Where in the file.</summary>
    public long Position { get; }

    /// <summary>The file, for sendfile; null on a disk that has none. Valid until disposed.</summary>
    public SafeFileHandle? Handle => Segment.Log.Handle;

    private Segment Segment => _segment ?? throw new ObjectDisposedException(nameof(FileRecords));

    /// <summary>Copies all bytes to the start of <paramref name="destination"/>.</summary>
    /// <exception cref="StorageException">The file has become shorter than it was, or the disk has lost a part of it.</exception>
    public override void CopyTo(Span<byte> destination)
    {
        int read = Segment.Read(destination[..Length], Position);
        if (read == Length) return;
        throw new StorageException($"{Segment.LogPath} cannot be read at position {Position + read}") { IsDamage = true };
    }

    /// <summary>Keeps of them what comes before the first batch that is not what was written.</summary>
    /// <exception cref="StorageException">That is the first one.</exception>
    internal void KeepIntact(BufferPool pool) => _length = (int)(Segment.IntactEnd(Position, Position + _length, pool) - Position);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => Interlocked.Exchange(ref _segment, null)?.Release();
}
