using Chronik.Model;

namespace Chronik.Storage;

// Reading: any thread, no lock.
public sealed partial class PartitionLog
{
    /// <summary>
    /// Whole batches from one segment, starting with the batch that contains <paramref name="from"/>; null when there are none below
    /// <paramref name="limit"/>, or the first one is longer than <paramref name="maxBytes"/> and is not wanted all the same. The caller
    /// disposes them. What this process found on the disk is checked the first time that it is read: what is damaged is given to nobody,
    /// what comes before it is.
    /// </summary>
    /// <exception cref="StorageException">The first batch is damaged, or the way to it.</exception>
    public FileRecords? Read(KafkaOffset from, KafkaOffset limit, int maxBytes, bool atLeastOneBatch)
    {
        FileRecords? records = ReadUnchecked(from, limit, maxBytes, atLeastOneBatch);
        try
        {
            records?.KeepIntact(_pool);
            return records;
        }
        catch
        {
            records?.Dispose();
            throw;
        }
    }

    private FileRecords? ReadUnchecked(KafkaOffset from, KafkaOffset limit, int maxBytes, bool atLeastOneBatch)
    {
        if (from < LogStartOffset || from >= limit) return null;
        Segment? segment = Acquire(from.Value, out long nextBase);
        if (segment is null) return null;
        try
        {
            (long start, long end) = Range(segment, nextBase, from.Value, limit.Value, maxBytes, atLeastOneBatch);
            if (end > start)
            {
                FileRecords records = new(segment, start, (int)(end - start));
                segment = null;
                return records;
            }

            return null;
        }
        finally
        {
            segment?.Release();
        }
    }

    /// <summary>
    /// The same as <see cref="Read"/> with at least one batch, copied into a pooled buffer with one reference for the caller; empty when
    /// there is nothing: it has been deleted, or is not there yet. Not checked: the caller has the bytes in its hands, and looks at them
    /// with a <see cref="BatchWalk"/>.
    /// </summary>
    /// <exception cref="StorageException">The way to the first batch is damaged.</exception>
    public BufferSlice ReadBatches(KafkaOffset from, KafkaOffset limit, int maxBytes)
    {
        using FileRecords? records = ReadUnchecked(from, limit, maxBytes, atLeastOneBatch: true);
        if (records is null) return BufferSlice.Empty;
        PooledBuffer buffer = _pool.Rent(records.Length);
        try
        {
            records.CopyTo(buffer.Span);
            return buffer.Slice(0, records.Length);
        }
        catch
        {
            buffer.Release();
            throw;
        }
    }

    /// <summary>
    /// Hands every batch to a reader, from the one that holds an offset on, each of which is what was written and follows the one before
    /// it.
    /// </summary>
    /// <param name="from">The offset.</param>
    /// <param name="limit">Where to end: the batch that holds the offset before it is the last.</param>
    /// <param name="maxBytes">How much to read at a time.</param>
    /// <param name="reader">Takes a batch.</param>
    /// <returns>
    /// The offset behind the last batch: below <paramref name="limit"/> when what follows has been deleted or is not there yet.
    /// </returns>
    /// <exception cref="StorageException">A batch is damaged; the reader has had those before it.</exception>
    public KafkaOffset Walk(KafkaOffset from, KafkaOffset limit, int maxBytes, BatchReader reader)
    {
        KafkaOffset next = from;
        for (bool isFirst = true; next < limit; isFirst = false)
        {
            BufferSlice batches = ReadBatches(next, limit, maxBytes);
            if (batches.Length == 0) break;
            try
            {
                BatchWalk walk = isFirst ? BatchWalk.Holding(batches.Span, next) : new BatchWalk(batches.Span, next);
                while (walk.MoveNext()) reader(walk.Current);
                next = walk.Next;
                if (walk.Damage is not { } damage) continue;
                Distrust(next);
                throw new StorageException($"the log of group {Group} is damaged, {damage}") { IsDamage = true };
            }
            finally
            {
                batches.Release();
            }
        }

        return next;
    }

    /// <summary>
    /// Somebody has found damage at an offset or behind it: the segment there has been damaged since it was written, or looked at, so <see
    /// cref="Read"/> looks at all of it again.
    /// </summary>
    public void Distrust(KafkaOffset offset)
    {
        if (Acquire(offset.Value, out _) is not { } segment) return;
        segment.Distrust();
        segment.Release();
    }

    /// <summary>
    /// What lies from an offset on: its bytes in each segment, oldest first. What retention drops meanwhile may be missing.
    /// </summary>
    public IReadOnlyList<LogRange> RangesFrom(KafkaOffset from)
    {
        List<LogRange> ranges = [];
        Segment[] segments = _segments;
        for (int at = Math.Max(0, Find(segments, from.Value)); at < segments.Length; at++)
        {
            Segment segment = segments[at];
            if (!segment.TryAcquire()) continue;
            try
            {
                long bytes = segment.Bytes;
                long start = segment.BaseOffset >= from.Value ? 0 : segment.PositionOf(from.Value, bytes);
                if (bytes > start) ranges.Add(new LogRange(new KafkaOffset(Math.Max(segment.BaseOffset, from.Value)), bytes - start));
            }
            finally
            {
                segment.Release();
            }
        }

        return ranges;
    }

    /// <summary>Begins to look at every byte from the first segment on. The caller disposes it.</summary>
    public LogScan Scan() => new(this, _disk, _pool);

    /// <summary>
    /// The segment that holds an offset, or what is left of the log behind it, with a reference; null when there is nothing.
    /// </summary>
    internal Segment? AcquireFrom(KafkaOffset offset) => Acquire(Math.Max(offset.Value, LogStartOffset.Value), out _);

    /// <summary>Whether a segment still belongs to the log.</summary>
    internal bool Has(Segment segment) => Array.IndexOf(_segments, segment) >= 0;

    /// <summary>The segment that holds an offset, with a reference; null when it is gone or the offset not there yet.</summary>
    private Segment? Acquire(long offset, out long nextBase)
    {
        while (true)
        {
            Segment[] segments = _segments;
            int at = Find(segments, offset);
            nextBase = at + 1 < segments.Length ? segments[at + 1].BaseOffset : -1;
            if (at < 0) return null;
            if (segments[at].TryAcquire()) return segments[at];
            if (_closed || offset < Volatile.Read(ref _logStart)) return null;
        }
    }

    /// <summary>The last segment that starts at or before an offset; -1 when there is none.</summary>
    private static int Find(Segment[] segments, long offset)
    {
        int low = 0;
        int high = segments.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (segments[middle].BaseOffset <= offset) low = middle + 1;
            else high = middle;
        }

        return low - 1;
    }

    private (long Start, long End) Range(Segment segment, long nextBase, long from, long limit, int maxBytes, bool atLeastOneBatch)
    {
        // Bytes before the offset behind them: see the remarks of the class.
        long bytes = segment.Bytes;
        long segmentNext = nextBase >= 0 ? nextBase : Volatile.Read(ref _next);
        long start = segment.PositionOf(from, bytes, out long lookedAt);
        if (start >= bytes)
        {
            segment.CheckReach(from, lookedAt, bytes, isComplete: nextBase >= 0, _pool);
            return default;
        }

        long end = limit >= segmentNext ? bytes : segment.EndBefore(limit, bytes);
        if (end - start <= maxBytes) return (start, end);

        // Every index entry is where a batch starts, so the last one that fits is a fine place to stop, and costs one look at the file.
        IndexEntry indexed = segment.Index.FindLast(IndexKey.Position, start + maxBytes, segment);
        if (indexed.Position > start && segment.Holds(indexed, bytes, out _)) return (start, indexed.Position);
        long stop = start;
        while (stop < end && segment.TryHeaderAt(stop, bytes, out BatchHeader header) && stop + header.Bytes - start <= maxBytes)
            stop += header.Bytes;

        if (stop == start && atLeastOneBatch) stop = start + segment.HeaderAt(start, bytes).Bytes;
        return (start, stop);
    }
}

/// <summary>A part of a log that lies in one segment.</summary>
/// <param name="From">Its first offset.</param>
/// <param name="Bytes">Its bytes.</param>
public readonly record struct LogRange(KafkaOffset From, long Bytes);
