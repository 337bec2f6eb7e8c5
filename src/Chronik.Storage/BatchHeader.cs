using Chronik.Protocol.RecordBatches;

namespace Chronik.Storage;

/// <summary>What storage needs of a record batch's header, as values that outlive the bytes.</summary>
internal readonly record struct BatchHeader(long BaseOffset, int Bytes, long LastOffset, long MaxTimestamp)
{
    /// <summary>False when the bytes cannot be the start of a batch.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out BatchHeader header)
    {
        header = default;
        if (bytes.Length < RecordBatchView.HeaderSize) return false;
        RecordBatchView batch = new(bytes);
        if (batch.Magic != RecordBatchView.CurrentMagic || batch.LastOffsetDelta < 0) return false;
        if (batch.Size is < RecordBatchView.HeaderSize or > int.MaxValue) return false;
        header = new BatchHeader(batch.BaseOffset.Value, (int)batch.Size, batch.LastOffset.Value, batch.MaxTimestamp);
        return true;
    }
}
