using System.Buffers.Binary;
using Chronik.Model;
using Chronik.Protocol.Compression;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Protocol.Tests;

public class ValidatorTests
{
    private const long Now = 1_700_000_000_000;

    private static readonly RecordBatchRules Rules = new(MaxBatchBytes: 1 << 20);

    public static TheoryData<CompressionType> Codecs => [.. Enum.GetValues<CompressionType>()];

    [Theory]
    [InlineData("none")]
    [InlineData("gzip")]
    [InlineData("snappy")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    public void Batches_of_Kafka_pass(string name)
    {
        Assert.Equal(KafkaError.None, Validate(GoldenBatches.Get(name), out RecordBatchInfo info));
        Assert.Equal(new RecordBatchInfo(Now + GoldenBatches.Records - 1, GoldenBatches.Records - 1, -1, -1), info);
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void What_the_records_hold_is_found_out(CompressionType type)
    {
        byte[] bytes = new RecordBatchBuilder { Compression = type }
            .Add(Now, [1], []).Add(Now + 9, [2], null).Add(Now + 9, null, new byte[200_000]).Add(Now + 3, null, []).Build();
        Assert.Equal(KafkaError.None, Validate(bytes, out RecordBatchInfo info));
        Assert.Equal(new RecordBatchInfo(Now + 9, 1, 2, -1), info);
        Assert.True(info.HasNullKey);
    }

    [Fact]
    public void Records_may_have_no_timestamp()
    {
        byte[] bytes = new RecordBatchBuilder().Add(-1, null, []).Build();
        RecordBatchRules rules = Rules with { EarliestTimestamp = Now };
        Assert.Equal(KafkaError.None, RecordBatchValidator.Validate(bytes, rules, out RecordBatchInfo info, out _));
        Assert.Equal(-1, info.MaxTimestamp);
    }

    [Fact]
    public void Nothing_and_scraps_are_refused()
    {
        Assert.Equal(KafkaError.InvalidRecord, Validate([], out _));
        byte[] golden = GoldenBatches.Get("few");
        RecordBatchStamp.Place(golden, KafkaOffset.Zero, LeaderEpoch.Unknown);
        Assert.Equal(KafkaError.None, Validate(golden, out _));
        for (int length = 1; length < golden.Length; length++)
        {
            Assert.Equal(KafkaError.CorruptMessage, Validate(golden[..length], out _));
        }
    }

    [Fact]
    public void Two_batches_in_one_field_are_refused()
    {
        byte[] one = new RecordBatchBuilder().Add(Now, null, []).Build();
        Assert.Equal(KafkaError.InvalidRecord, Validate([.. one, .. one], out _));
        Assert.Equal(KafkaError.InvalidRecord, Validate([.. one, 0], out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void Other_message_formats_are_refused(byte magic) =>
        Assert.Equal(KafkaError.InvalidRecord, Changed(bytes => bytes[16] = magic));

    [Fact]
    public void A_wrong_checksum_is_refused() => Assert.Equal(KafkaError.CorruptMessage, Changed(bytes => bytes[^1] ^= 1, renewCrc: false));

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    [InlineData(0)]
    [InlineData(48)]
    public void A_lying_batch_length_is_refused(int length) => Assert.Equal(
        KafkaError.CorruptMessage, Changed(bytes => BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(8), length), renewCrc: false));

    [Fact]
    public void A_batch_larger_than_allowed_is_refused_before_its_checksum_is_looked_at()
    {
        byte[] bytes = new RecordBatchBuilder().Add(Now, null, new byte[1000]).Build();
        RecordBatchRules rules = Rules with { MaxBatchBytes = bytes.Length - 1 };
        Assert.Equal(KafkaError.MessageTooLarge, RecordBatchValidator.Validate(bytes, rules, out _, out string? message));
        Assert.Contains($"{bytes.Length}", message);
        Assert.Equal(KafkaError.None, RecordBatchValidator.Validate(bytes, Rules with { MaxBatchBytes = bytes.Length }, out _, out _));
    }

    [Fact]
    public void Lying_counts_are_refused()
    {
        foreach ((int count, int last) in new[] { (3, 1), (2, 2), (0, -1), (-1, -2), (1, 0), (3, 2), (int.MaxValue, int.MaxValue - 1) })
        {
            Assert.Equal(KafkaError.InvalidRecord, Changed(bytes =>
            {
                BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(23), last);
                BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(57), count);
            }));
        }
    }

    [Fact]
    public void A_base_offset_other_than_0_is_refused() => Assert.Equal(KafkaError.InvalidRecord, Changed(bytes => bytes[7] = 1));

    [Fact]
    public void Control_records_are_refused_unless_allowed()
    {
        byte[] bytes = new RecordBatchBuilder { IsControl = true, ProducerId = 1, ProducerEpoch = 1 }.Add(Now, [0, 0, 0, 1], []).Build();
        Assert.Equal(KafkaError.InvalidRecord, Validate(bytes, out _));
        Assert.Equal(KafkaError.None, RecordBatchValidator.Validate(bytes, Rules with { AllowControl = true }, out _, out _));
    }

    [Fact]
    public void A_producer_id_needs_an_epoch_and_a_sequence()
    {
        byte[] noSequence = new RecordBatchBuilder { ProducerId = 1, ProducerEpoch = 0 }.Add(Now, null, []).Build();
        byte[] noProducer = new RecordBatchBuilder { IsTransactional = true }.Add(Now, null, []).Build();
        Assert.Equal(KafkaError.InvalidRecord, Validate(noSequence, out _));
        Assert.Equal(KafkaError.InvalidRecord, Validate(noProducer, out _));
    }

    [Fact]
    public void Only_the_broker_may_set_log_append_time()
    {
        byte[] bytes = new RecordBatchBuilder().Add(Now, null, []).Build();
        RecordBatchStamp.SetLogAppendTime(bytes, Now);
        Assert.Equal(KafkaError.InvalidTimestamp, Validate(bytes, out _));
    }

    [Fact]
    public void A_timestamp_out_of_bounds_is_refused_with_its_index()
    {
        byte[] bytes = new RecordBatchBuilder().Add(Now, null, []).Add(Now + 2, null, []).Add(Now - 2, null, []).Build();
        RecordBatchRules late = Rules with { LatestTimestamp = Now + 1 };
        RecordBatchRules early = Rules with { EarliestTimestamp = Now - 1 };
        Assert.Equal(KafkaError.InvalidTimestamp, RecordBatchValidator.Validate(bytes, late, out RecordBatchInfo info, out _));
        Assert.Equal(1, info.BadRecord);
        Assert.Equal(KafkaError.InvalidTimestamp, RecordBatchValidator.Validate(bytes, early, out info, out _));
        Assert.Equal(2, info.BadRecord);
    }

    [Fact]
    public void Zstd_is_refused_where_the_version_does_not_allow_it()
    {
        byte[] bytes = new RecordBatchBuilder { Compression = CompressionType.Zstd }.Add(Now, null, []).Build();
        RecordBatchRules old = Rules with { AllowZstd = false };
        Assert.Equal(KafkaError.UnsupportedCompressionType, RecordBatchValidator.Validate(bytes, old, out _, out _));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void An_unknown_codec_is_refused(byte codec) =>
        Assert.Equal(KafkaError.UnsupportedCompressionType, Changed(bytes => bytes[22] = codec));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Records_that_are_not_what_the_codec_makes_are_refused(byte codec) =>
        Assert.Equal(KafkaError.CorruptMessage, Changed(bytes => bytes[22] = codec));

    /// <summary>Records by hand: length, attributes, timestamp delta, offset delta, key, value, header count.</summary>
    [Theory]
    [InlineData("0E 00 00 00 01 01 00 00", "a byte too many")]
    [InlineData("0A 00 00 00 01 01 00", "a length that is too short")]
    [InlineData("0C 00 00 02 01 01 00", "offset delta 1")]
    [InlineData("0C 00 00 00 03 01 00", "a key of -2 bytes")]
    [InlineData("0C 00 00 00 01 03 00", "a value of -2 bytes")]
    [InlineData("0C 00 00 00 01 40 00", "a value longer than the record")]
    [InlineData("0C 00 00 00 01 01 01", "-1 headers")]
    [InlineData("0C 00 00 00 01 01 02", "a header that is not there")]
    [InlineData("10 00 00 00 01 01 02 01 00", "a header without a key")]
    [InlineData("0C 00 00 00 01 01 00 00", "a byte behind the last record")]
    [InlineData("01 00", "a negative length")]
    [InlineData("FE FF FF FF 0F", "a record of 2 GB")]
    [InlineData("FF FF FF FF FF FF FF FF FF FF 01", "a number that never ends")]
    public void Malformed_records_are_refused_with_every_codec(string hex, string what)
    {
        byte[] records = Convert.FromHexString(hex.Replace(" ", ""));
        foreach (CompressionType type in Enum.GetValues<CompressionType>())
        {
            byte[] batch = Around(CodecTests.Compress(type, records), type, count: 1);
            Assert.True(Validate(batch, out _) == KafkaError.InvalidRecord, $"{type}: {what}");
        }
    }

    [Theory]
    [MemberData(nameof(Codecs))]
    public void A_batch_without_any_bytes_behind_the_header_is_refused(CompressionType type) =>
        Assert.NotEqual(KafkaError.None, Validate(Around([], type, count: 1), out _));

    [Theory]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public void A_decompression_bomb_ends_at_the_limit_without_memory(CompressionType type)
    {
        // One record that says it is as long as the zeros behind it.
        byte[] bomb = new byte[64 << 20];
        Convert.FromHexString("FEFFFF3F0000000180FFFF3F").CopyTo(bomb, 0);
        byte[] batch = Around(CodecTests.Compress(type, bomb), type, count: 1);
        RecordBatchRules rules = Rules with { MaxDecompressedBytes = 16 << 20 };
        RecordBatchValidator.Validate(batch, rules, out _, out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(KafkaError.InvalidRecord, RecordBatchValidator.Validate(batch, rules, out _, out string? message));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 300_000);
        Assert.Contains("decompressed", message);
    }

    private static KafkaError Validate(byte[] bytes, out RecordBatchInfo info) =>
        RecordBatchValidator.Validate(bytes, Rules, out info, out _);

    private static KafkaError Changed(Action<byte[]> change, bool renewCrc = true)
    {
        byte[] bytes = new RecordBatchBuilder().Add(Now, [1], [1, 2]).Add(Now, [2], [3]).Build();
        change(bytes);
        if (renewCrc) RecordBatchStamp.RenewCrc(bytes);
        return Validate(bytes, out _);
    }

    private static byte[] Around(byte[] payload, CompressionType type, int count)
    {
        byte[] header = new RecordBatchBuilder().Build();
        byte[] bytes = [.. header, .. payload];
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(8), bytes.Length - 12);
        bytes[22] = (byte)type;
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(23), count - 1);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(57), count);
        RecordBatchStamp.RenewCrc(bytes);
        return bytes;
    }
}
