using Chronik.Model;

namespace Chronik.Storage;

/// <summary>
/// The committed batches of one partition, in segments. One writer; any number of readers, which need no lock and never wait.
/// </summary>
public sealed class PartitionLog
{
    /// <summary>The partition's group.</summary>
    public GroupId Group => throw new NotImplementedException();

    /// <summary>The first offset that may be read.</summary>
    public KafkaOffset LogStartOffset => throw new NotImplementedException();

    /// <summary>The offset of the next record.</summary>
    public KafkaOffset NextOffset => throw new NotImplementedException();

    /// <summary>Bytes in all segments.</summary>
    public long SizeBytes => throw new NotImplementedException();

    /// <summary>Segment size, age and index interval; takes effect with the next append.</summary>
    public LogOptions Options
    {
        get => throw new NotImplementedException();
        set => throw new NotImplementedException();
    }

    /// <summary>Appends stamped batches in offset order, the first at <see cref="NextOffset"/>. Readers see them when it returns.</summary>
    public void Append(ReadOnlySpan<BufferSlice> batches) => throw new NotImplementedException();

    /// <summary>
    /// Whole batches from one segment, starting with the batch that contains <paramref name="from"/>; null when there are none below
    /// <paramref name="limit"/>. The caller disposes them.
    /// </summary>
    public FileRecords? Read(KafkaOffset from, KafkaOffset limit, int maxBytes, bool atLeastOneBatch) => throw new NotImplementedException();

    /// <summary>The same as <see cref="Read"/>, copied into a pooled buffer with one reference for the caller; empty when there is nothing.</summary>
    public BufferSlice ReadBatches(KafkaOffset from, KafkaOffset limit, int maxBytes) => throw new NotImplementedException();

    /// <summary>The first record at or after a time, exact to the record; null when there is none below <paramref name="limit"/>.</summary>
    public TimestampedOffset? FindByTimestamp(long timestampMs, KafkaOffset limit) => throw new NotImplementedException();

    /// <summary>The first of the records with the largest timestamp; null when there is none below <paramref name="limit"/>.</summary>
    public TimestampedOffset? MaxTimestamp(KafkaOffset limit) => throw new NotImplementedException();

    /// <summary>Moves <see cref="LogStartOffset"/> up to an offset, which may lie inside a segment. Survives a restart with the next checkpoint.</summary>
    public void DeleteBefore(KafkaOffset offset) => throw new NotImplementedException();

    /// <summary>Drops whole old segments. Returns whether <see cref="LogStartOffset"/> moved; their space is freed by the next checkpoint.</summary>
    public bool ApplyRetention(long nowMs, long? retentionMs, long? retentionBytes, KafkaOffset limit) => throw new NotImplementedException();
}

/// <summary>Batches that lie in a segment file. Holds the segment until it is disposed, whatever is deleted meanwhile.</summary>
public sealed class FileRecords : IDisposable
{
    /// <summary>How many bytes.</summary>
    public int Length => throw new NotImplementedException();

    /// <summary>Where in the file.</summary>
    public long Position => throw new NotImplementedException();

    /// <summary>The file, for sendfile; null on a disk that has none.</summary>
    public Microsoft.Win32.SafeHandles.SafeFileHandle? Handle => throw new NotImplementedException();

    /// <summary>Copies all bytes.</summary>
    public void CopyTo(Span<byte> destination) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() => throw new NotImplementedException();
}
