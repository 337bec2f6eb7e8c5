using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Partitions.Controller;

/// <summary>
/// __cluster_metadata as Kafka record batches: the value of each record is one <see cref="MetadataRecord"/>, the key is null.
/// </summary>
internal static class MetadataLog
{
    /// <summary>The committed records of a view from an offset on, with their offsets.</summary>
    public static List<(KafkaOffset Offset, MetadataRecord Record)> Read(PartitionView view, KafkaOffset from)
    {
        List<(KafkaOffset, MetadataRecord)> records = [];
        CommittedRecords.ForEach(
            view, from, (in RecordView record) => records.Add((record.Offset, MetadataRecordCodec.Read(record.Value))));
        return records;
    }

    /// <summary>One batch of records, in a buffer with one reference for the caller.</summary>
    public static BufferSlice ToBatch(IReadOnlyList<MetadataRecord> records, long nowMs, BufferPool buffers)
    {
        RecordBatchBuilder builder = new();
        foreach (MetadataRecord record in records) builder.Add(nowMs, null, MetadataRecordCodec.ToBytes(record));
        return buffers.Copy(builder.Build());
    }
}
