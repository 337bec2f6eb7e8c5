using Chronik.Model;

namespace Chronik.Storage;

/// <summary>
/// The committed batches of one partition, in segments. One writer; any number of readers, which need no lock and never wait.
/// </summary>
/// <remarks>
/// The writer publishes a new end of the log in this order: index, next offset, bytes of the segment. A reader looks at them in the
/// opposite order, so what it sees of the bytes never reaches beyond what it knows of offsets. What was appended since the last
/// checkpoint is not synced: after a crash the log ends where that checkpoint says, and the rest comes from the WAL again.
/// </remarks>
public sealed partial class PartitionLog
{
    private readonly IDisk _disk;
    private readonly BufferPool _pool;
    private readonly TimeProvider _time;
    private readonly FailureLatch _latch;
    private readonly Writeback _writeback;
    private readonly string _directory;
    private readonly List<Segment> _removed = [];
    private volatile Segment[] _segments = [];
    private volatile LogOptions _options;
    private long _logStart;
    private long _next;
    private bool _directoryMade;
    private bool _namesChanged;
    private bool _closed;

    internal PartitionLog(
        GroupId group, string directory, LogOptions options, IDisk disk, BufferPool pool, TimeProvider time, FailureLatch latch,
        Writeback writeback, StoredCheckpoint? stored)
    {
        Group = group;
        _directory = directory;
        _options = options;
        _disk = disk;
        _pool = pool;
        _time = time;
        _latch = latch;
        _writeback = writeback;
        if (stored is not null) Recover(stored);
        else RemoveUnlisted([]);
    }

    /// <summary>The partition's group.</summary>
    public GroupId Group { get; }

    /// <summary>The first offset that may be read.</summary>
    public KafkaOffset LogStartOffset => new(Volatile.Read(ref _logStart));

    /// <summary>The offset of the next record.</summary>
    public KafkaOffset NextOffset => new(Volatile.Read(ref _next));

    /// <summary>Bytes in all segments.</summary>
    public long SizeBytes
    {
        get
        {
            long bytes = 0;
            foreach (Segment segment in _segments) bytes += segment.Bytes;
            return bytes;
        }
    }

    /// <summary>Segment size, age and index interval; takes effect with the next append.</summary>
    public LogOptions Options
    {
        get => _options;
        set => _options = value;
    }

    /// <summary>
    /// Appends stamped batches in offset order, the first at <see cref="NextOffset"/>. Readers see them when it returns; the buffers are
    /// not kept. The writer's.
    /// </summary>
    /// <param name="batches">The batches.</param>
    /// <param name="areCold">
    /// Whether nobody is expected to read them soon: then they do not push out of the system's memory what is read.
    /// </param>
    /// <exception cref="StorageException">The write failed, and storage with it.</exception>
    /// <exception cref="InvariantViolationException">The batches do not continue the log; nothing was appended.</exception>
    public void Append(ReadOnlySpan<BufferSlice> batches, bool areCold = false)
    {
        _latch.ThrowIfFailed();
        ObjectDisposedException.ThrowIf(_closed, this);
        CheckContinues(batches);
        try
        {
            while (!batches.IsEmpty)
            {
                Segment segment = SegmentFor(batches[0]);
                int count = CountThatFit(segment, batches);
                AppendTo(segment, batches[..count], areCold);
                batches = batches[count..];
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"cannot append to {_directory}: {e.Message}", _latch.Fail(e));
        }
    }

    /// <summary>
    /// Moves <see cref="LogStartOffset"/> up to an offset, which may lie inside a segment, and drops the segments below. Survives a restart
    /// with the next checkpoint, which also frees their space. The writer's.
    /// </summary>
    public void DeleteBefore(KafkaOffset offset)
    {
        long start = Math.Min(offset.Value, _next);
        if (start <= _logStart) return;
        int drop = 0;
        while (drop < _segments.Length && EndOf(_segments, drop) <= start) drop++;
        Volatile.Write(ref _logStart, start); // First, so that whoever finds no segment sees that it is meant to be gone.
        Drop(drop);
    }

    /// <summary>
    /// Drops everything and goes on at an offset behind the log's end: what lay between is gone for good wherever this log is copied from.
    /// Survives a restart with the next checkpoint. The writer's.
    /// </summary>
    public void StartAnewAt(KafkaOffset offset)
    {
        Invariant.Require(offset > NextOffset);
        // Readers who see the new start find nothing below it, and those who do not find nothing at all.
        Volatile.Write(ref _logStart, offset.Value);
        Drop(_segments.Length);
        Volatile.Write(ref _next, offset.Value);
    }

    /// <summary>
    /// Drops whole segments, oldest first, that hold only records older than <paramref name="retentionMs"/> or without which the log
    /// still has <paramref name="retentionBytes"/>; never above <paramref name="limit"/>. The last segment too goes by age, never by size.
    /// Returns whether <see cref="LogStartOffset"/> moved: a checkpoint then makes that last and frees the space. The writer's.
    /// </summary>
    public bool ApplyRetention(long nowMs, long? retentionMs, long? retentionBytes, KafkaOffset limit)
    {
        Segment[] segments = _segments;
        long size = SizeBytes;
        int drop = 0;
        for (; drop < segments.Length && EndOf(segments, drop) <= limit.Value; drop++)
        {
            Segment segment = segments[drop];
            // Batches without timestamps age from the time they were appended.
            long youngest = segment.MaxTimestamp >= 0 ? segment.MaxTimestamp : segment.CreatedMs;
            bool old = retentionMs is { } ms && nowMs - youngest > ms;
            bool surplus = retentionBytes is { } bytes && drop < segments.Length - 1 && size - segment.Bytes >= bytes;
            if (!old && !surplus) break;
            size -= segment.Bytes;
        }

        if (drop == 0) return false;
        long start = EndOf(segments, drop - 1);
        bool moves = start > _logStart;
        if (moves) Volatile.Write(ref _logStart, start); // First, as in DeleteBefore.
        Drop(drop);
        return moves;
    }

    /// <summary>What a checkpoint needs to know and to sync. The writer's.</summary>
    internal LogCapture Capture()
    {
        List<Segment> dirty = [];
        foreach (Segment segment in _segments)
        {
            if (!segment.Dirty) continue;
            segment.Index.Flush(segment.IndexFile);
            segment.Dirty = false;
            Invariant.Require(segment.TryAcquire());
            dirty.Add(segment);
        }

        LogCapture capture = new(
            _directory, [.. _segments.Select(s => s.Info)], dirty, [.. _removed], _namesChanged);
        _removed.Clear();
        _namesChanged = false;
        return capture;
    }

    /// <summary>Gives up all segments; readers keep theirs.</summary>
    internal void Close()
    {
        _closed = true;
        Segment[] segments = _segments;
        _segments = [];
        foreach (Segment segment in segments)
        {
            _writeback.Forget(segment);
            segment.Release();
        }

        foreach (Segment segment in _removed) segment.Release();
        _removed.Clear();
    }

    private void CheckContinues(ReadOnlySpan<BufferSlice> batches)
    {
        long next = _next;
        foreach (BufferSlice batch in batches)
        {
            if (!BatchHeader.TryRead(batch.Span, out BatchHeader header) || header.Bytes != batch.Length || header.BaseOffset != next)
                throw new InvariantViolationException($"what was to be appended to group {Group} is not a batch at offset {next}");
            next = header.LastOffset + 1;
        }
    }

    private Segment SegmentFor(BufferSlice batch)
    {
        Segment[] segments = _segments;
        long now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        if (segments.Length > 0)
        {
            Segment last = segments[^1];
            bool full = last.Bytes > 0 && last.Bytes + batch.Length > _options.SegmentBytes;
            bool aged = last.Bytes > 0 && now - last.CreatedMs > _options.SegmentAge.TotalMilliseconds;
            if (!full && !aged && FitsIndex(last, batch)) return last;
            if (last.Dirty) last.Index.Flush(last.IndexFile);
        }

        if (!_directoryMade)
        {
            _disk.CreateDirectory(_directory);
            _directoryMade = true;
        }

        Segment segment = Segment.Create(_disk, _directory, _next, now);
        _namesChanged = true;
        _segments = [.. segments, segment];
        return segment;
    }

    private int CountThatFit(Segment segment, ReadOnlySpan<BufferSlice> batches)
    {
        long bytes = segment.Bytes + batches[0].Length;
        int count = 1;
        while (count < batches.Length && bytes + batches[count].Length <= _options.SegmentBytes && FitsIndex(segment, batches[count]))
            bytes += batches[count++].Length;
        return count;
    }

    /// <summary>Positions and relative offsets of a segment are 32-bit numbers.</summary>
    private static bool FitsIndex(Segment segment, BufferSlice batch)
    {
        Invariant.Require(BatchHeader.TryRead(batch.Span, out BatchHeader header));
        return header.LastOffset - segment.BaseOffset <= int.MaxValue && segment.Bytes + batch.Length <= int.MaxValue;
    }

    private void AppendTo(Segment segment, ReadOnlySpan<BufferSlice> batches, bool areCold)
    {
        segment.Log.Write(batches, segment.Bytes);
        segment.Dirty = true;
        long position = segment.Bytes;
        long next = _next;
        foreach (BufferSlice batch in batches)
        {
            Invariant.Require(BatchHeader.TryRead(batch.Span, out BatchHeader header));
            segment.Note(header, position, _options.IndexIntervalBytes);
            position += header.Bytes;
            next = header.LastOffset + 1;
        }

        Volatile.Write(ref _next, next);
        int bytes = (int)(position - segment.Bytes);
        if (areCold) segment.MarkCold(segment.Bytes, position);
        segment.Publish(position);
        _writeback.Appended(segment, bytes);
    }

    private void Drop(int count)
    {
        if (count == 0) return;
        Segment[] segments = _segments;
        _segments = segments[count..];
        foreach (Segment segment in segments.AsSpan(0, count))
        {
            _writeback.Forget(segment);
            _removed.Add(segment);
        }
    }

    /// <summary>The offset behind a segment.</summary>
    private long EndOf(Segment[] segments, int at) => at + 1 < segments.Length ? segments[at + 1].BaseOffset : Volatile.Read(ref _next);

    private void Recover(StoredCheckpoint stored)
    {
        HashSet<string> listed = [];
        Dictionary<string, long> lengths = _disk.List(_directory).ToDictionary(e => e.Name, e => e.Length);
        _directoryMade = lengths.Count > 0;
        _next = stored.Checkpoint.LogEndOffset.Value;
        _logStart = stored.Checkpoint.LogStartOffset.Value;
        Segment[] segments = [.. stored.Segments.Select(info => Segment.Recover(_disk, _directory, info))];
        for (int i = 0; i < segments.Length; i++)
        {
            Segment segment = segments[i];
            long length = lengths.GetValueOrDefault(Path.GetFileName(segment.LogPath), -1);
            if (length < segment.Bytes)
                throw new StorageException(
                    $"{segment.LogPath} is {(length < 0 ? "missing" : $"{length} bytes long")}, its checkpoint says {segment.Bytes} bytes")
                {
                    IsDamage = true,
                };
            if (length > segment.Bytes) segment.Log.Truncate(segment.Bytes);
            RecoverIndex(segment, lengths.GetValueOrDefault(Path.GetFileName(segment.IndexPath), -1));
            listed.Add(Path.GetFileName(segment.LogPath));
            listed.Add(Path.GetFileName(segment.IndexPath));
        }

        _segments = segments;
        _logStart = Math.Max(_logStart, segments.Length > 0 ? segments[0].BaseOffset : _next);
        if (segments.Length > 0) CheckEnd(segments[^1]);
        RemoveUnlisted(listed);
    }

    private void RecoverIndex(Segment segment, long length)
    {
        long expected = (long)segment.Index.FileEntries * IndexEntry.Bytes;
        if (length == expected) return;
        if (length > expected)
        {
            segment.IndexFile.Truncate(expected);
            return;
        }

        using (_disk.Open(segment.IndexPath, DiskOpen.Replace))
        {
            segment.RebuildIndex(_options.IndexIntervalBytes);
        }
    }

    /// <summary>The last batch must end where the segment does, and at the checkpoint's offset.</summary>
    private void CheckEnd(Segment segment)
    {
        long end = segment.Bytes;
        if (end == 0 && _next == segment.BaseOffset) return;
        long position = segment.PositionOf(_next - 1, end);
        BatchHeader last = position < end ? segment.HeaderAt(position, end) : default;
        if (last.LastOffset + 1 == _next && position + last.Bytes == end) return;
        throw new StorageException($"{segment.LogPath} does not end at offset {_next}, as its checkpoint says") { IsDamage = true };
    }

    private void RemoveUnlisted(HashSet<string> listed)
    {
        foreach (DiskEntry entry in _disk.List(_directory))
        {
            if (!listed.Contains(entry.Name)) _disk.Delete(Path.Combine(_directory, entry.Name));
        }
    }
}

/// <summary>A log at the moment of a checkpoint.</summary>
/// <param name="Directory">Where its segments lie.</param>
/// <param name="Segments">All of them.</param>
/// <param name="Dirty">Those to sync; each with a reference.</param>
/// <param name="Removed">Those to delete once the checkpoint is durable.</param>
/// <param name="NamesChanged">Whether the directory has new files.</param>
internal sealed record LogCapture(string Directory, SegmentInfo[] Segments, List<Segment> Dirty, List<Segment> Removed, bool NamesChanged);
