using System.Buffers;
using System.Buffers.Binary;
using Chronik.Model;
using Chronik.Protocol.Compression;

namespace Chronik.Protocol.RecordBatches;

/// <summary>Makes record batches: for coordinators, control records and tests. Can be used again after <see cref="Clear"/>.</summary>
public sealed class RecordBatchBuilder
{
    private readonly ArrayBufferWriter<byte> _records = new();
    private readonly ArrayBufferWriter<byte> _body = new();
    private long _baseTimestamp;
    private long _maxTimestamp;

    /// <summary>The codec.</summary>
    public CompressionType Compression { get; set; }

    /// <summary>The offset of the first record; a leader sets it when it appends.</summary>
    public KafkaOffset BaseOffset { get; set; }

    /// <summary>The leader's epoch; a leader sets it when it appends.</summary>
    public LeaderEpoch LeaderEpoch { get; set; } = LeaderEpoch.Unknown;

    /// <summary>The producer's id, or -1.</summary>
    public long ProducerId { get; set; } = -1;

    /// <summary>The producer's epoch, or -1.</summary>
    public short ProducerEpoch { get; set; } = -1;

    /// <summary>The sequence number of the first record, or -1.</summary>
    public int BaseSequence { get; set; } = -1;

    /// <summary>Whether the batch belongs to a transaction.</summary>
    public bool IsTransactional { get; set; }

    /// <summary>Whether the records are control records.</summary>
    public bool IsControl { get; set; }

    /// <summary>How many records were added.</summary>
    public int Count { get; private set; }

    /// <summary>The size of the records so far, uncompressed, in bytes.</summary>
    public int RecordBytes => _records.WrittenCount;

    /// <summary>Adds a record.</summary>
    /// <param name="timestamp">Milliseconds since 1970, or -1.</param>
    /// <param name="key">The key or null.</param>
    /// <param name="value">The value or null.</param>
    /// <param name="headers">The headers; a value may be null.</param>
    public RecordBatchBuilder Add(long timestamp, byte[]? key, byte[]? value, params ReadOnlySpan<KeyValuePair<string, byte[]?>> headers) =>
        Add(timestamp, Wrap(key), Wrap(value), headers);

    /// <summary>Adds a record.</summary>
    /// <param name="timestamp">Milliseconds since 1970, or -1.</param>
    /// <param name="key">The key or null.</param>
    /// <param name="value">The value or null.</param>
    /// <param name="headers">The headers; a value may be null.</param>
    public RecordBatchBuilder Add(
        long timestamp, ReadOnlyMemory<byte>? key, ReadOnlyMemory<byte>? value, params ReadOnlySpan<KeyValuePair<string, byte[]?>> headers)
    {
        if (Count == 0)
        {
            _baseTimestamp = timestamp;
            _maxTimestamp = timestamp;
        }

        _body.ResetWrittenCount();
        _body.Write<byte>([0]);
        PutVarlong(_body, timestamp - _baseTimestamp);
        PutVarlong(_body, Count);
        PutBytes(key);
        PutBytes(value);
        PutVarlong(_body, headers.Length);
        foreach ((string name, byte[]? content) in headers)
        {
            PutBytes(System.Text.Encoding.UTF8.GetBytes(name));
            PutBytes(Wrap(content));
        }

        PutVarlong(_records, _body.WrittenCount);
        _records.Write(_body.WrittenSpan);
        _maxTimestamp = Math.Max(_maxTimestamp, timestamp);
        Count++;
        return this;
    }

    /// <summary>The batch, with its checksum.</summary>
    /// <exception cref="NotSupportedException">The codec is not available on this machine.</exception>
    public byte[] Build()
    {
        ReadOnlySpan<byte> payload = _records.WrittenSpan;
        if (Compression != CompressionType.None)
        {
            _body.ResetWrittenCount();
            Codecs.Compress(Compression, payload, _body);
            payload = _body.WrittenSpan;
        }

        byte[] batch = new byte[RecordBatchView.HeaderSize + payload.Length];
        payload.CopyTo(batch.AsSpan(RecordBatchView.HeaderSize));
        Span<byte> header = batch;
        BinaryPrimitives.WriteInt32BigEndian(header[RecordBatchView.LengthAt..], batch.Length - RecordBatchView.LengthOverhead);
        header[RecordBatchView.MagicAt] = (byte)RecordBatchView.CurrentMagic;
        BinaryPrimitives.WriteInt16BigEndian(header[RecordBatchView.AttributesAt..], Attributes());
        BinaryPrimitives.WriteInt32BigEndian(header[RecordBatchView.LastOffsetDeltaAt..], Count - 1);
        BinaryPrimitives.WriteInt64BigEndian(header[RecordBatchView.BaseTimestampAt..], Count == 0 ? -1 : _baseTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(header[RecordBatchView.MaxTimestampAt..], Count == 0 ? -1 : _maxTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(header[RecordBatchView.ProducerIdAt..], ProducerId);
        BinaryPrimitives.WriteInt16BigEndian(header[RecordBatchView.ProducerEpochAt..], ProducerEpoch);
        BinaryPrimitives.WriteInt32BigEndian(header[RecordBatchView.BaseSequenceAt..], BaseSequence);
        BinaryPrimitives.WriteInt32BigEndian(header[RecordBatchView.RecordCountAt..], Count);
        RecordBatchStamp.Place(batch, BaseOffset, LeaderEpoch);
        RecordBatchStamp.RenewCrc(batch);
        return batch;
    }

    /// <summary>Forgets the records, so that another batch of the same kind can be made.</summary>
    public void Clear()
    {
        _records.ResetWrittenCount();
        Count = 0;
    }

    // A null array converts to empty memory by itself, which is not the same thing.
    private static ReadOnlyMemory<byte>? Wrap(byte[]? bytes) => bytes is null ? (ReadOnlyMemory<byte>?)null : bytes;

    private static void PutVarlong(ArrayBufferWriter<byte> target, long value)
    {
        ulong zigzag = (ulong)(value << 1) ^ (ulong)(value >> 63);
        Span<byte> bytes = target.GetSpan(10);
        int length = 0;
        for (; zigzag >= 0x80; zigzag >>= 7) bytes[length++] = (byte)(zigzag | 0x80);
        bytes[length++] = (byte)zigzag;
        target.Advance(length);
    }

    private short Attributes() => (short)((int)Compression
        | (IsTransactional ? RecordBatchView.TransactionalFlag : 0)
        | (IsControl ? RecordBatchView.ControlFlag : 0));

    private void PutBytes(ReadOnlyMemory<byte>? bytes)
    {
        PutVarlong(_body, bytes?.Length ?? -1);
        if (bytes is { } present) _body.Write(present.Span);
    }
}
