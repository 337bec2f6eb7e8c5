using System.Globalization;
using Chronik.Model;

namespace Chronik.Storage;

/// <summary>
/// A file of batches, with its index. Counted by reference: the log holds one, every reader one more, and the last closes the files. A
/// reader in the middle of it keeps reading although the segment was deleted.
/// </summary>
internal sealed partial class Segment
{
    // Of what is cold, looked at again each time: what was still on its way to the disk then is there by now.
    private const int DropBytes = 8 << 20;

    private readonly IDisk _disk;
    private readonly Lock _openLock = new();
    private readonly string _path;
    private IDiskFile? _log;
    private IDiskFile? _indexFile;
    private int _references = 1;
    private long _bytes;
    private long _writtenBackTo;
    private long _coldFrom;
    private long _coldTo;

    private Segment(IDisk disk, string directory, SegmentInfo info)
    {
        _disk = disk;
        _path = Path.Combine(directory, info.BaseOffset.ToString("D20", CultureInfo.InvariantCulture));
        BaseOffset = info.BaseOffset;
        CreatedMs = info.CreatedMs;
        MaxTimestamp = info.MaxTimestamp;
        MaxTimestampPosition = info.MaxTimestampPosition;
        _bytes = info.Bytes;
        _foundBytes = info.Bytes;
        _checked = new Checked(0, 0, new KafkaOffset(info.BaseOffset));
        _writtenBackTo = info.Bytes & -Environment.SystemPageSize;
        Index = new SegmentIndex(info.IndexEntries);
    }

    public long BaseOffset { get; }

    public long CreatedMs { get; }

    public SegmentIndex Index { get; private set; }

    /// <summary>Bytes that readers may see. Written by the log's writer, after everything that leads there.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    public long MaxTimestamp { get; private set; }

    public int MaxTimestampPosition { get; private set; }

    /// <summary>Whether there are bytes that no checkpoint has synced. The writer's.</summary>
    public bool Dirty { get; set; }

    public string LogPath => _path + ".log";

    public string IndexPath => _path + ".index";

    /// <summary>
    /// Bytes that the system was not yet asked to write out, and the place among the segments that have such. <see cref="Writeback"/>'s.
    /// </summary>
    public int Gathered { get; set; }

    /// <inheritdoc cref="Gathered"/>
    public LinkedListNode<Segment>? Gathering { get; set; }

    /// <summary>Where the last indexed batch starts. The writer's.</summary>
    public long IndexedTo { get; set; }

    public static Segment Create(IDisk disk, string directory, long baseOffset, long nowMs)
    {
        Segment segment = new(disk, directory, new SegmentInfo(baseOffset, 0, -1, nowMs, 0, 0)) { Dirty = true, IndexedTo = -1 };
        segment._log = disk.Open(segment.LogPath, DiskOpen.Replace);
        segment._indexFile = disk.Open(segment.IndexPath, DiskOpen.Replace);
        return segment;
    }

    public static Segment Recover(IDisk disk, string directory, SegmentInfo info) => new(disk, directory, info) { IndexedTo = info.Bytes };

    /// <summary>The file of batches; opened when first needed.</summary>
    public IDiskFile Log => Opened(ref _log, LogPath);

    public IDiskFile IndexFile => Opened(ref _indexFile, IndexPath);

    public SegmentInfo Info => new(BaseOffset, _bytes, MaxTimestamp, CreatedMs, Index.FileEntries, MaxTimestampPosition);

    public bool TryAcquire()
    {
        int seen = Volatile.Read(ref _references);
        while (seen > 0)
        {
            int before = Interlocked.CompareExchange(ref _references, seen + 1, seen);
            if (before == seen) return true;
            seen = before;
        }

        return false;
    }

    public void Release()
    {
        int left = Interlocked.Decrement(ref _references);
        Invariant.Require(left >= 0);
        if (left > 0) return;
        _log?.Dispose();
        _indexFile?.Dispose();
    }

    /// <summary>Removes the files. Readers that have the segment keep it.</summary>
    public void Unlink()
    {
        _disk.Delete(LogPath);
        if (_disk.FileExists(IndexPath)) _disk.Delete(IndexPath);
    }

    public void Publish(long bytes) => Volatile.Write(ref _bytes, bytes);

    /// <summary>
    /// Asks the system to write out what was published since the last time; whole pages only, since the last one will change again. What
    /// is cold of the bytes before, it need not keep in memory. Does nothing when the segment is closed. On the maintenance thread.
    /// </summary>
    public void StartWriteback()
    {
        long end = Bytes & -Environment.SystemPageSize;
        if (end <= _writtenBackTo || !TryAcquire()) return;
        Log.StartWriteback(_writtenBackTo, end - _writtenBackTo);
        long from = Math.Max(Volatile.Read(ref _coldFrom), _writtenBackTo - DropBytes);
        long to = Math.Min(Volatile.Read(ref _coldTo), _writtenBackTo);
        if (from < to) Log.DropCache(from, to - from);
        _writtenBackTo = end;
        Release();
    }

    /// <summary>Notes that nobody is expected to read soon what is appended in a part of the file. The writer's.</summary>
    public void MarkCold(long from, long to)
    {
        if (from != _coldTo) Volatile.Write(ref _coldFrom, from);
        Volatile.Write(ref _coldTo, to);
    }

    /// <summary>Notes a batch that is about to be published.</summary>
    public void Note(in BatchHeader batch, long position, int indexInterval)
    {
        if (IndexedTo < 0 || position - IndexedTo >= indexInterval)
        {
            Index.Add(new IndexEntry((int)(batch.BaseOffset - BaseOffset), (int)position, MaxTimestamp));
            IndexedTo = position;
        }

        if (batch.MaxTimestamp <= MaxTimestamp) return;
        MaxTimestampPosition = (int)position;
        MaxTimestamp = batch.MaxTimestamp;
    }

    /// <summary>Makes the index anew, in memory, from the batches themselves.</summary>
    public void RebuildIndex(int indexInterval)
    {
        Index = new SegmentIndex(0);
        IndexedTo = -1;
        MaxTimestamp = -1;
        Dirty = true;
        for (long position = 0; position < _bytes;)
        {
            BatchHeader batch = HeaderAt(position, _bytes);
            Note(batch, position, indexInterval);
            position += batch.Bytes;
        }
    }

    private IDiskFile Opened(ref IDiskFile? file, string path)
    {
        if (Volatile.Read(ref file) is { } open) return open;
        lock (_openLock)
        {
            if (file is null) Volatile.Write(ref file, _disk.Open(path, DiskOpen.ReadWrite));
            return file!;
        }
    }
}
