using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Storage;

// Lookups by timestamp: any thread, no lock. The index finds the batch; only that one is decompressed.
public sealed partial class PartitionLog
{
    /// <summary>
    /// The first record, in offset order, with at least a timestamp, exact to the record; null when there is none below <paramref
    /// name="limit"/>.
    /// </summary>
    /// <exception cref="StorageException">A batch is damaged.</exception>
    public TimestampedOffset? FindByTimestamp(long timestampMs, KafkaOffset limit)
    {
        foreach (Segment segment in _segments)
        {
            if (segment.BaseOffset >= limit.Value) break;
            long end = segment.Bytes;
            if (segment.MaxTimestamp < timestampMs || !segment.TryAcquire()) continue;
            try
            {
                long position = segment.Index.FindLast(IndexKey.Timestamp, timestampMs, segment).Position;
                while (position < end)
                {
                    BatchHeader header = segment.HeaderAt(position, end);
                    if (header.BaseOffset >= limit.Value) return null;
                    bool late = header.MaxTimestamp >= timestampMs;
                    if (late && FindInBatch(segment, position, header, timestampMs, limit) is { } found) return found;
                    position += header.Bytes;
                }
            }
            finally
            {
                segment.Release();
            }
        }

        return null;
    }

    /// <summary>The first of the records with the largest timestamp; null when there is none below <paramref name="limit"/>.</summary>
    /// <exception cref="StorageException">A batch is damaged.</exception>
    public TimestampedOffset? MaxTimestamp(KafkaOffset limit)
    {
        TimestampedOffset? best = null;
        foreach (Segment segment in _segments)
        {
            if (segment.BaseOffset >= limit.Value) break;
            long end = segment.Bytes;
            if (end == 0 || segment.MaxTimestamp <= (best?.TimestampMs ?? -1) || !segment.TryAcquire()) continue;
            try
            {
                if (LargestIn(segment, end, limit) is { } found && found.TimestampMs > (best?.TimestampMs ?? -1)) best = found;
            }
            finally
            {
                segment.Release();
            }
        }

        return best;
    }

    private TimestampedOffset? LargestIn(Segment segment, long end, KafkaOffset limit)
    {
        long largest = segment.MaxTimestamp;
        long position = segment.MaxTimestampPosition;
        if (position < end)
        {
            BatchHeader header = segment.HeaderAt(position, end);
            bool whole = header.BaseOffset >= _logStart && header.LastOffset < limit.Value;
            if (whole && header.MaxTimestamp == largest) return FindInBatch(segment, position, header, largest, limit);
        }

        // Part of the segment does not count, and the batch that has the largest timestamp is in that part: look at all the others.
        TimestampedOffset? best = null;
        for (position = 0; position < end;)
        {
            BatchHeader header = segment.HeaderAt(position, end);
            if (header.BaseOffset >= limit.Value) break;
            bool better = header.LastOffset >= LogStartOffset.Value && header.MaxTimestamp > (best?.TimestampMs ?? -1);
            if (better && LargestInBatch(segment, position, header, limit) is { } found)
                best = found.TimestampMs > (best?.TimestampMs ?? -1) ? found : best;
            position += header.Bytes;
        }

        return best;
    }

    private TimestampedOffset? FindInBatch(Segment segment, long position, BatchHeader header, long timestampMs, KafkaOffset limit)
    {
        PooledBuffer buffer = ReadBatch(segment, position, header);
        try
        {
            RecordBatchView batch = new(buffer.Span);
            KafkaOffset start = LogStartOffset;
            foreach (RecordView record in batch.Records())
            {
                if (record.Offset >= limit) return null;
                if (record.Timestamp >= timestampMs && record.Offset >= start)
                    return new TimestampedOffset(record.Offset, record.Timestamp, batch.LeaderEpoch);
            }

            return null;
        }
        catch (Exception e) when (e is ProtocolException or InvalidDataException)
        {
            throw Damaged(segment, position, e);
        }
        finally
        {
            buffer.Release();
        }
    }

    private TimestampedOffset? LargestInBatch(Segment segment, long position, BatchHeader header, KafkaOffset limit)
    {
        PooledBuffer buffer = ReadBatch(segment, position, header);
        try
        {
            RecordBatchView batch = new(buffer.Span);
            KafkaOffset start = LogStartOffset;
            TimestampedOffset? best = null;
            foreach (RecordView record in batch.Records())
            {
                if (record.Offset >= limit) break;
                if (record.Offset >= start && record.Timestamp > (best?.TimestampMs ?? -1))
                    best = new TimestampedOffset(record.Offset, record.Timestamp, batch.LeaderEpoch);
            }

            return best;
        }
        catch (Exception e) when (e is ProtocolException or InvalidDataException)
        {
            throw Damaged(segment, position, e);
        }
        finally
        {
            buffer.Release();
        }
    }

    private PooledBuffer ReadBatch(Segment segment, long position, BatchHeader header)
    {
        PooledBuffer buffer = _pool.Rent(header.Bytes);
        if (segment.Log.Read(buffer.Span, position) == header.Bytes) return buffer;
        buffer.Release();
        throw new StorageException($"{segment.LogPath} ends inside the batch at position {position}");
    }

    private static StorageException Damaged(Segment segment, long position, Exception e) =>
        new($"{segment.LogPath} is damaged at position {position}: {e.Message}", e);
}
