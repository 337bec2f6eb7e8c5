using Chronik.Model;
using Chronik.Protocol.Compression;

namespace Chronik.Protocol.RecordBatches;

/// <summary>What a produced batch must obey.</summary>
/// <param name="MaxBatchBytes">The largest batch: the topic's max.message.bytes.</param>
/// <param name="AllowZstd">Whether the request's version may carry zstd: Produce 7 and up (KIP-110).</param>
/// <param name="EarliestTimestamp">
/// The earliest timestamp a record may have, in milliseconds since 1970. -1, no timestamp, always passes.
/// </param>
/// <param name="LatestTimestamp">The latest timestamp a record may have, in milliseconds since 1970.</param>
/// <param name="AllowControl">Whether control batches pass; never for a client.</param>
/// <param name="MaxDecompressedBytes">How long the records may be once decompressed; bounds the time that a batch can cost.</param>
public readonly record struct RecordBatchRules(
    int MaxBatchBytes,
    bool AllowZstd = true,
    long EarliestTimestamp = long.MinValue,
    long LatestTimestamp = long.MaxValue,
    bool AllowControl = false,
    int MaxDecompressedBytes = RecordBatchRules.DefaultMaxDecompressedBytes)
{
    /// <summary>How long the records of a batch may be once decompressed, unless told otherwise: 256 MiB.</summary>
    public const int DefaultMaxDecompressedBytes = 256 << 20;
}

/// <summary>What validation found out about a batch beyond its header.</summary>
/// <param name="MaxTimestamp">The latest timestamp of its records, which the header may have wrong; -1 for none.</param>
/// <param name="MaxTimestampDelta">How far the first record with that timestamp is from the first record.</param>
/// <param name="FirstNullKey">The index of the first record without a key; -1 when all have one. A compacted topic refuses those.</param>
/// <param name="BadRecord">The index of the record that is at fault; -1 when the batch is fine or is at fault as a whole.</param>
public readonly record struct RecordBatchInfo(long MaxTimestamp, int MaxTimestampDelta, int FirstNullKey, int BadRecord)
{
    /// <summary>Whether any record has no key.</summary>
    public bool HasNullKey => FirstNullKey >= 0;
}

/// <summary>
/// Checks the records field of a produce request: exactly one batch of format 2, whole, intact, and with the records that it claims.
/// </summary>
/// <remarks>
/// Every record is walked. Those of a compressed batch pass through one small pooled buffer while they are decompressed, so what a
/// decompression bomb costs is time, and that is bounded by <see cref="RecordBatchRules.MaxDecompressedBytes"/>.
/// </remarks>
public static class RecordBatchValidator
{
    /// <summary>Validates a records field.</summary>
    /// <param name="field">The whole field.</param>
    /// <param name="rules">What it must obey.</param>
    /// <param name="info">What was found; partly filled when the answer is an error.</param>
    /// <param name="message">Why it was refused; null when it was not.</param>
    /// <returns>The error that the partition is answered with; None when the batch may be appended.</returns>
    public static KafkaError Validate(ReadOnlySpan<byte> field, in RecordBatchRules rules, out RecordBatchInfo info, out string? message)
    {
        info = new RecordBatchInfo(-1, 0, -1, -1);
        (KafkaError error, message) = Header(field, rules);
        if (error != KafkaError.None) return error;

        var batch = new RecordBatchView(field);
        try
        {
            return Records(batch, rules, ref info, out message);
        }
        catch (ProtocolException e)
        {
            message = e.Message;
            return KafkaError.InvalidRecord;
        }
        catch (Exception e) when (Codecs.IsDamage(e))
        {
            message = $"the {batch.Compression} records cannot be decompressed: {e.Message}";
            return KafkaError.CorruptMessage;
        }
    }

    private static (KafkaError Error, string? Message) Header(ReadOnlySpan<byte> field, in RecordBatchRules rules)
    {
        if (field.IsEmpty) return (KafkaError.InvalidRecord, "there is no record batch");
        if (field.Length > RecordBatchView.MagicAt && (sbyte)field[RecordBatchView.MagicAt] != RecordBatchView.CurrentMagic)
        {
            return (KafkaError.InvalidRecord, $"message format {(sbyte)field[RecordBatchView.MagicAt]} is not accepted, only 2");
        }

        if (field.Length < RecordBatchView.HeaderSize) return (KafkaError.CorruptMessage, $"{field.Length} bytes are no record batch");
        var batch = new RecordBatchView(field);
        if (batch.Size < RecordBatchView.HeaderSize || batch.Size > field.Length)
        {
            return (KafkaError.CorruptMessage, $"the batch claims {batch.Size} bytes, the field has {field.Length}");
        }

        if (batch.Size < field.Length) return (KafkaError.InvalidRecord, "the field holds more than one record batch");
        if (batch.Size > rules.MaxBatchBytes)
        {
            return (KafkaError.MessageTooLarge, $"the batch has {batch.Size} bytes, {rules.MaxBatchBytes} are allowed");
        }

        if (batch.Crc != batch.ComputeCrc()) return (KafkaError.CorruptMessage, "the checksum is wrong");
        if (batch.BaseOffset != KafkaOffset.Zero) return (KafkaError.InvalidRecord, $"the base offset is {batch.BaseOffset}, not 0");
        if (batch.RecordCount <= 0 || batch.RecordCount != batch.LastOffsetDelta + 1L)
        {
            return (KafkaError.InvalidRecord, $"{batch.RecordCount} records cannot end at offset delta {batch.LastOffsetDelta}");
        }

        if (batch.IsControl && !rules.AllowControl) return (KafkaError.InvalidRecord, "control records are not accepted from clients");
        if (batch.ProducerId >= 0 && !batch.IsControl && (batch.BaseSequence < 0 || batch.ProducerEpoch < 0))
        {
            return (KafkaError.InvalidRecord, $"producer {batch.ProducerId} sent no sequence number or no epoch");
        }

        if (batch.IsTransactional && batch.ProducerId < 0) return (KafkaError.InvalidRecord, "a transaction without a producer id");
        if (batch.IsLogAppendTime) return (KafkaError.InvalidTimestamp, "only the broker may say that it appended the records");
        return Codec(batch.Compression, rules);
    }

    private static (KafkaError Error, string? Message) Codec(CompressionType type, in RecordBatchRules rules)
    {
        if (type == CompressionType.Zstd && !rules.AllowZstd)
        {
            return (KafkaError.UnsupportedCompressionType, "zstd is accepted from version 7 of the request on");
        }

        return Codecs.IsAvailable(type, out string reason) ? (KafkaError.None, null) : (KafkaError.UnsupportedCompressionType, reason);
    }

    private static unsafe KafkaError Records(
        RecordBatchView batch, in RecordBatchRules rules, ref RecordBatchInfo info, out string? message)
    {
        ReadOnlySpan<byte> payload = batch.Payload;
        if (batch.Compression == CompressionType.None)
        {
            var memory = new RecordWalker(payload);
            return Walk(ref memory, batch, rules, ref info, out message);
        }

        fixed (byte* source = payload)
        {
            using Stream stream = Codecs.OpenRead(batch.Compression, source, payload.Length);
            var decompressed = new RecordWalker(stream, rules.MaxDecompressedBytes);
            try
            {
                return Walk(ref decompressed, batch, rules, ref info, out message);
            }
            finally
            {
                decompressed.Dispose();
            }
        }
    }

    private static KafkaError Walk(
        ref RecordWalker walker, RecordBatchView batch, in RecordBatchRules rules, ref RecordBatchInfo info, out string? message)
    {
        for (int index = 0; index < batch.RecordCount; index++)
        {
            info = info with { BadRecord = index };
            WalkedRecord record = walker.Next();
            if (record.OffsetDelta != index)
            {
                message = $"record {index} has the offset delta {record.OffsetDelta}";
                return KafkaError.InvalidRecord;
            }

            long timestamp = batch.BaseTimestamp + record.TimestampDelta;
            if (timestamp != -1 && (timestamp < rules.EarliestTimestamp || timestamp > rules.LatestTimestamp))
            {
                message = $"record {index} has the timestamp {timestamp}, allowed are {rules.EarliestTimestamp} to {rules.LatestTimestamp}";
                return KafkaError.InvalidTimestamp;
            }

            if (timestamp > info.MaxTimestamp) info = info with { MaxTimestamp = timestamp, MaxTimestampDelta = index };
            if (record.IsKeyNull && info.FirstNullKey < 0) info = info with { FirstNullKey = index };
        }

        info = info with { BadRecord = -1 };
        walker.RequireEnd();
        message = null;
        return KafkaError.None;
    }
}
