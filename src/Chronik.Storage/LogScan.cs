using Chronik.Model;

namespace Chronik.Storage;

/// <summary>
/// Looks at every byte of a log's segments, a piece at a time, for whoever searches for damage that nobody else would meet. Reads with a
/// file of its own, which is closed at the end of each segment, and needs no index; what it has read does not stay in the system's memory,
/// whoever had brought it there, so that a later scan sees what the disk holds. One thread.
/// </summary>
/// <remarks>What lies before <see cref="PartitionLog.LogStartOffset"/> in its segment is looked at, too: the way to the rest leads
/// there.</remarks>
public sealed class LogScan : IDisposable
{
    private readonly PartitionLog _log;
    private readonly IDisk _disk;
    private readonly BufferPool _pool;
    private Segment? _segment;
    private IDiskFile? _file;
    private KafkaOffset _next;
    private long _position;
    private long _droppedTo;

    internal LogScan(PartitionLog log, IDisk disk, BufferPool pool)
    {
        _log = log;
        _disk = disk;
        _pool = pool;
    }

    /// <summary>Looks at the next piece; returns how many bytes of batches were in it, and 0 at the end of the log.</summary>
    /// <param name="bytes">How much to read, unless a batch is larger.</param>
    /// <exception cref="StorageException">
    /// What comes next is damaged, and is not given out any more whoever wrote it. Nothing can be read behind it.
    /// </exception>
    /// <exception cref="IOException">A file cannot be opened or read, which says nothing about what is in it.</exception>
    public int CheckNext(int bytes)
    {
        while (_segment is null || _position == _segment.Bytes)
        {
            if (!MoveToNextSegment()) return 0;
        }

        int done = _segment.CheckPiece(_file!, _position, _segment.Bytes, bytes, ref _next, _pool, out StorageException? damage);
        _position += done;
        DropCache();
        if (damage is null) return done;
        _segment.Distrust();
        throw damage;
    }

    /// <summary>Closes what is open.</summary>
    public void Dispose() => Close();

    private bool MoveToNextSegment()
    {
        Segment? last = _segment;
        Segment? next = _log.AcquireFrom(_next);
        try
        {
            if (next is null || next == last) return false; // The end, or all of it is gone.
            Close();
            _next = new KafkaOffset(next.BaseOffset);
            _file = _disk.Open(next.LogPath, DiskOpen.Read);
            (_segment, next) = (next, null);
            return true;
        }
        catch (IOException e) when (e is FileNotFoundException or DirectoryNotFoundException && !_log.Has(next!))
        {
            return true; // It was dropped this moment: what is left of the log is looked at next.
        }
        finally
        {
            next?.Release();
        }
    }

    /// <summary>Whole pages; the last one will be read again.</summary>
    private void DropCache()
    {
        long to = _position == _segment!.Bytes ? _position : _position & -Environment.SystemPageSize;
        if (to == _droppedTo) return;
        _file!.DropCache(_droppedTo, to - _droppedTo);
        _droppedTo = to;
    }

    private void Close()
    {
        _file?.Dispose();
        _segment?.Release();
        _file = null;
        _segment = null;
        _position = 0;
        _droppedTo = 0;
    }
}
