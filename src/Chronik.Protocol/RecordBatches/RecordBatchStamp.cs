using System.Buffers.Binary;
using Chronik.Model;

namespace Chronik.Protocol.RecordBatches;

/// <summary>Writes what the broker adds to a producer's batch, in place.</summary>
public static class RecordBatchStamp
{
    /// <summary>Sets the base offset and the leader epoch. The checksum covers neither.</summary>
    public static void Place(Span<byte> batch, KafkaOffset baseOffset, LeaderEpoch epoch)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch, baseOffset.Value);
        BinaryPrimitives.WriteInt32BigEndian(batch[RecordBatchView.LeaderEpochAt..], epoch.Value);
    }

    /// <summary>Marks all records as appended at <paramref name="timestamp"/> and renews the checksum.</summary>
    /// <param name="batch">The batch, whole.</param>
    /// <param name="timestamp">Milliseconds since 1970.</param>
    public static void SetLogAppendTime(Span<byte> batch, long timestamp)
    {
        var view = new RecordBatchView(batch);
        short attributes = (short)(view.Attributes | RecordBatchView.LogAppendTimeFlag);
        BinaryPrimitives.WriteInt16BigEndian(batch[RecordBatchView.AttributesAt..], attributes);
        SetMaxTimestamp(batch, timestamp);
    }

    /// <summary>Corrects the latest timestamp and renews the checksum.</summary>
    /// <param name="batch">The batch, whole.</param>
    /// <param name="timestamp">Milliseconds since 1970.</param>
    public static void SetMaxTimestamp(Span<byte> batch, long timestamp)
    {
        BinaryPrimitives.WriteInt64BigEndian(batch[RecordBatchView.MaxTimestampAt..], timestamp);
        RenewCrc(batch);
    }

    internal static void RenewCrc(Span<byte> batch) =>
        BinaryPrimitives.WriteUInt32BigEndian(batch[RecordBatchView.CrcAt..], new RecordBatchView(batch).ComputeCrc());
}
