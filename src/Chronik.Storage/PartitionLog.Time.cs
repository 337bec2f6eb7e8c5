using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Storage;

// Lookups by timestamp: any thread, no lock. The index says where to begin; from there on every batch is checked, and only those that may
// hold what is looked for are decompressed.
public sealed partial class PartitionLog
{
    /// <summary>
    /// The first record, in offset order, with at least a timestamp, exact to the record; null when there is none below <paramref
    /// name="limit"/>.
    /// </summary>
    /// <exception cref="StorageException">A batch is damaged that had to be looked at.</exception>
    public TimestampedOffset? FindByTimestamp(long timestampMs, KafkaOffset limit)
    {
        TimestampedOffset? found = null;
        foreach (Segment segment in _segments)
        {
            if (segment.BaseOffset >= limit.Value) break;
            long end = segment.Bytes;
            if (segment.MaxTimestamp < timestampMs || !segment.TryAcquire()) continue;
            try
            {
                (long start, KafkaOffset offset) = segment.StartFor(timestampMs, end);
                segment.Walk(start, offset, end, _pool, (in batch) =>
                {
                    if (batch.BaseOffset >= limit) return false;
                    if (batch.MaxTimestamp >= timestampMs) found = Pick(batch, timestampMs, limit);
                    return found is null;
                });
            }
            finally
            {
                segment.Release();
            }

            if (found is not null) break;
        }

        return found;
    }

    /// <summary>The first of the records with the largest timestamp; null when there is none below <paramref name="limit"/>.</summary>
    /// <exception cref="StorageException">A batch is damaged that had to be looked at.</exception>
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
        TimestampedOffset? best = null;
        long largest = segment.MaxTimestamp;
        (long start, KafkaOffset offset) = segment.StartBefore(segment.MaxTimestampPosition, end);
        segment.Walk(start, offset, end, _pool, (in batch) =>
        {
            if (batch.MaxTimestamp < largest) return true;
            bool counts = batch.BaseOffset >= LogStartOffset && batch.LastOffset < limit && batch.MaxTimestamp == largest;
            if (counts) best = Pick(batch, largest, limit);
            return false;
        });
        if (best is not null) return best;

        // Part of the segment does not count, and the batch that has the largest timestamp is in that part: look at all the others.
        segment.Walk(0, new KafkaOffset(segment.BaseOffset), end, _pool, (in batch) =>
        {
            if (batch.BaseOffset >= limit) return false;
            bool better = batch.LastOffset >= LogStartOffset && batch.MaxTimestamp > (best?.TimestampMs ?? -1);
            if (better && Pick(batch, null, limit) is { } found && found.TimestampMs > (best?.TimestampMs ?? -1)) best = found;
            return true;
        });
        return best;
    }

    /// <summary>
    /// The first record of a batch that has at least a timestamp, or the first of those with the largest one; null when none counts.
    /// </summary>
    private TimestampedOffset? Pick(in RecordBatchView batch, long? atLeast, KafkaOffset limit)
    {
        KafkaOffset start = LogStartOffset;
        TimestampedOffset? best = null;
        try
        {
            foreach (RecordView record in batch.Records())
            {
                if (record.Offset >= limit) break;
                if (record.Offset < start || record.Timestamp < (atLeast ?? (best?.TimestampMs + 1) ?? 0)) continue;
                best = new TimestampedOffset(record.Offset, record.Timestamp, batch.LeaderEpoch);
                if (atLeast is not null) break;
            }

            return best;
        }
        catch (Exception e) when (e is ProtocolException or InvalidDataException)
        {
            // Its checksum is right: it came like this, and is like this everywhere.
            throw new StorageException($"the batch at offset {batch.BaseOffset} of group {Group} cannot be read: {e.Message}", e);
        }
    }
}
