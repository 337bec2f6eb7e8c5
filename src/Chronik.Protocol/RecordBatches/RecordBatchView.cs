using System.Buffers.Binary;
using Chronik.Model;
using Chronik.Protocol.Compression;

namespace Chronik.Protocol.RecordBatches;

/// <summary>
/// A record batch (message format 2) where it lies. Reading a header field costs a load and nothing is checked but that the header is
/// there; <see cref="RecordBatchValidator"/> checks the rest, once, when a batch arrives.
/// </summary>
public readonly ref struct RecordBatchView
{
    /// <summary>Bytes before the first record.</summary>
    public const int HeaderSize = 61;

    /// <summary>Bytes before what the length field counts.</summary>
    public const int LengthOverhead = 12;

    /// <summary>The only message format that is served.</summary>
    public const sbyte CurrentMagic = 2;

    internal const int LengthAt = 8;
    internal const int LeaderEpochAt = 12;
    internal const int MagicAt = 16;
    internal const int CrcAt = 17;
    internal const int AttributesAt = 21;
    internal const int LastOffsetDeltaAt = 23;
    internal const int BaseTimestampAt = 27;
    internal const int MaxTimestampAt = 35;
    internal const int ProducerIdAt = 43;
    internal const int ProducerEpochAt = 51;
    internal const int BaseSequenceAt = 53;
    internal const int RecordCountAt = 57;

    internal const short CodecMask = 0x07;
    internal const short LogAppendTimeFlag = 0x08;
    internal const short TransactionalFlag = 0x10;
    internal const short ControlFlag = 0x20;
    internal const short DeleteHorizonFlag = 0x40;

    /// <summary>Looks at the batch that <paramref name="bytes"/> begin with; what follows it does not matter.</summary>
    /// <exception cref="ProtocolException">There are fewer bytes than a header has.</exception>
    public RecordBatchView(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderSize) ProtocolException.Throw($"a record batch of {bytes.Length} bytes has no whole header");
        Bytes = bytes;
    }

    /// <summary>The bytes that the view was made from.</summary>
    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>The offset of the first record.</summary>
    public KafkaOffset BaseOffset => new(BinaryPrimitives.ReadInt64BigEndian(Bytes));

    /// <summary>The size of the whole batch in bytes, by its length field; a damaged batch may say anything.</summary>
    public long Size => LengthOverhead + (long)BinaryPrimitives.ReadInt32BigEndian(Bytes[LengthAt..]);

    /// <summary>The epoch of the leader that appended the batch.</summary>
    public LeaderEpoch LeaderEpoch => new(BinaryPrimitives.ReadInt32BigEndian(Bytes[LeaderEpochAt..]));

    /// <summary>The message format.</summary>
    public sbyte Magic => (sbyte)Bytes[MagicAt];

    /// <summary>The checksum of everything from the attributes on.</summary>
    public uint Crc => BinaryPrimitives.ReadUInt32BigEndian(Bytes[CrcAt..]);

    /// <summary>The attributes as they are.</summary>
    public short Attributes => BinaryPrimitives.ReadInt16BigEndian(Bytes[AttributesAt..]);

    /// <summary>How far the last record's offset is from the first one's.</summary>
    public int LastOffsetDelta => BinaryPrimitives.ReadInt32BigEndian(Bytes[LastOffsetDeltaAt..]);

    /// <summary>The offset of the last record.</summary>
    public KafkaOffset LastOffset => BaseOffset + LastOffsetDelta;

    /// <summary>The offset after the last record.</summary>
    public KafkaOffset NextOffset => BaseOffset + (LastOffsetDelta + 1L);

    /// <summary>What the records' timestamps are relative to, in milliseconds since 1970.</summary>
    public long BaseTimestamp => BinaryPrimitives.ReadInt64BigEndian(Bytes[BaseTimestampAt..]);

    /// <summary>The latest timestamp, in milliseconds since 1970; -1 for none.</summary>
    public long MaxTimestamp => BinaryPrimitives.ReadInt64BigEndian(Bytes[MaxTimestampAt..]);

    /// <summary>The producer's id; -1 for a producer that is neither idempotent nor transactional.</summary>
    public long ProducerId => BinaryPrimitives.ReadInt64BigEndian(Bytes[ProducerIdAt..]);

    /// <summary>The producer's epoch; -1 for none.</summary>
    public short ProducerEpoch => BinaryPrimitives.ReadInt16BigEndian(Bytes[ProducerEpochAt..]);

    /// <summary>The sequence number of the first record; -1 for none.</summary>
    public int BaseSequence => BinaryPrimitives.ReadInt32BigEndian(Bytes[BaseSequenceAt..]);

    /// <summary>The sequence number of the last record, which wraps from 2147483647 to 0; -1 for none.</summary>
    public int LastSequence => BaseSequence < 0 ? -1 : (int)(((long)BaseSequence + LastOffsetDelta) & int.MaxValue);

    /// <summary>How many records there are.</summary>
    public int RecordCount => BinaryPrimitives.ReadInt32BigEndian(Bytes[RecordCountAt..]);

    /// <summary>The codec.</summary>
    public CompressionType Compression => (CompressionType)(Attributes & CodecMask);

    /// <summary>Whether every record has the time at which the broker appended it, which is <see cref="MaxTimestamp"/>.</summary>
    public bool IsLogAppendTime => (Attributes & LogAppendTimeFlag) != 0;

    /// <summary>Whether the batch belongs to a transaction.</summary>
    public bool IsTransactional => (Attributes & TransactionalFlag) != 0;

    /// <summary>Whether the batch holds control records, which applications never see.</summary>
    public bool IsControl => (Attributes & ControlFlag) != 0;

    /// <summary>Whether <see cref="BaseTimestamp"/> says when tombstones may go (KIP-534).</summary>
    public bool HasDeleteHorizon => (Attributes & DeleteHorizonFlag) != 0;

    /// <summary>Whether the whole batch is there and its checksum is right.</summary>
    public bool IsIntact => Size >= HeaderSize && Size <= Bytes.Length && Crc == ComputeCrc();

    /// <summary>The bytes after the header: records, compressed as one block unless <see cref="Compression"/> is none.</summary>
    public ReadOnlySpan<byte> Payload => Bytes[HeaderSize..(int)Size];

    /// <summary>The records, for foreach. Those of a compressed batch are decompressed into pooled memory while the loop runs.</summary>
    /// <param name="maxLength">How long the decompressed records may be.</param>
    public RecordSequence Records(int maxLength = RecordBatchRules.DefaultMaxDecompressedBytes) => new(this, maxLength);

    internal uint ComputeCrc() => Crc32C.Compute(Bytes[AttributesAt..(int)Size]);
}
