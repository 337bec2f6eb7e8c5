using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Partitions.Controller;

/// <summary>
/// __cluster_metadata as Kafka record batches: the value of each record is one <see cref="MetadataRecord"/>, the key is null.
/// </summary>
internal static class MetadataLog
{
    /// <summary>The image that all committed records of a view give.</summary>
    public static MetadataImage Read(PartitionView view)
    {
        MetadataImage image = MetadataImage.Empty;
        CommittedRecords.ForEach(view, (in RecordView record) => image = image.Apply(MetadataRecordCodec.Read(record.Value)));
        return image;
    }

    /// <summary>One batch of records, in a buffer with one reference for the caller.</summary>
    public static BufferSlice ToBatch(IReadOnlyList<MetadataRecord> records, long nowMs, BufferPool buffers)
    {
        RecordBatchBuilder builder = new();
        foreach (MetadataRecord record in records) builder.Add(nowMs, null, MetadataRecordCodec.ToBytes(record));
        byte[] batch = builder.Build();
        PooledBuffer buffer = buffers.Rent(batch.Length);
        batch.CopyTo(buffer.Span);
        return buffer.Slice(0, batch.Length);
    }
}
