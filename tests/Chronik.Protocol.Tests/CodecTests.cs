using System.Buffers;
using System.Buffers.Binary;
using Chronik.Protocol.Compression;

namespace Chronik.Protocol.Tests;

public class CodecTests
{
    public static TheoryData<CompressionType> All => [.. Enum.GetValues<CompressionType>()];

    public static TheoryData<CompressionType> Compressing =>
        [.. Enum.GetValues<CompressionType>().Where(type => type != CompressionType.None)];

    [Theory]
    [MemberData(nameof(All))]
    public void What_is_compressed_comes_back(CompressionType type)
    {
        Assert.True(Codecs.IsAvailable(type, out string reason), reason);
        foreach (int length in new[] { 0, 1, 100, 32 * 1024, 64 * 1024 + 1, 1_000_000 })
        {
            foreach (int variety in new[] { 1, 4, 256 })
            {
                byte[] data = Data(length, variety);
                byte[] compressed = Compress(type, data);
                byte[] result = Codecs.Decompress(type, compressed, length, out int count);
                Assert.True(data.AsSpan().SequenceEqual(result.AsSpan(0, count)), $"{length} bytes of {variety} values");
                ArrayPool<byte>.Shared.Return(result);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Compressing))]
    public void What_is_longer_than_allowed_is_refused(CompressionType type)
    {
        byte[] compressed = Compress(type, new byte[100_000]);
        Assert.Throws<InvalidDataException>(() => Codecs.Decompress(type, compressed, 99_999, out _));
        Assert.Throws<InvalidDataException>(() => Codecs.Decompress(type, compressed, 10, out _));
    }

    [Theory]
    [MemberData(nameof(Compressing))]
    public void What_is_cut_short_is_refused_or_shorter(CompressionType type)
    {
        byte[] data = Data(10_000, 64);
        byte[] compressed = Compress(type, data);
        for (int length = 0; length < compressed.Length; length += 97)
        {
            try
            {
                byte[] result = Codecs.Decompress(type, compressed.AsSpan(0, length), data.Length, out int count);
                Assert.True(count < data.Length && data.AsSpan(0, count).SequenceEqual(result.AsSpan(0, count)));
                ArrayPool<byte>.Shared.Return(result);
            }
            catch (InvalidDataException)
            {
                // What is hoped for.
            }
        }
    }

    [Theory]
    [MemberData(nameof(Compressing))]
    public void Noise_is_refused_and_nothing_worse(CompressionType type)
    {
        byte[] data = Data(5_000, 64);
        byte[] compressed = Compress(type, data);
        var random = new Random(5);
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = (byte[])compressed.Clone();
            for (int flips = random.Next(1, 5); flips > 0; flips--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                ArrayPool<byte>.Shared.Return(Codecs.Decompress(type, damaged, 100_000, out _));
            }
            catch (InvalidDataException)
            {
                // Damage need not be noticed, but may be reported in no other way.
            }
        }
    }

    [Fact]
    public void Snappy_without_framing_is_read()
    {
        byte[] data = Data(50_000, 16);
        byte[] result = Codecs.Decompress(CompressionType.Snappy, IronSnappy.Snappy.Encode(data), data.Length, out int count);
        Assert.True(data.AsSpan().SequenceEqual(result.AsSpan(0, count)));
        ArrayPool<byte>.Shared.Return(result);
    }

    [Fact]
    public void A_snappy_block_that_claims_2_GB_costs_nothing()
    {
        byte[] lying = [0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0, 0, 0];
        byte[] framed = [.. Compress(CompressionType.Snappy, [])[..16], 0, 0, 0, 8, .. lying];
        byte[] shortHeader = [0x82, (byte)'S', (byte)'N', (byte)'A', (byte)'P', (byte)'P', (byte)'Y', 0, 0, 0];
        byte[] negative = [.. Compress(CompressionType.Snappy, [])[..16], 0xFF, 0xFF, 0xFF, 0xFF];
        foreach (byte[] bytes in new[] { lying, framed, shortHeader, negative })
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Throws<InvalidDataException>(() => Codecs.Decompress(CompressionType.Snappy, bytes, int.MaxValue - 100, out _));
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
        }
    }

    [Fact]
    public void Lz4_is_written_with_independent_blocks_and_a_right_header()
    {
        byte[] frame = Compress(CompressionType.Lz4, Data(200_000, 4));
        Assert.Equal(0x184D2204u, BinaryPrimitives.ReadUInt32LittleEndian(frame));
        Assert.Equal(0x60, frame[4] & 0xE0);
    }

    [Fact]
    public void An_unknown_codec_is_not_available()
    {
        Assert.False(Codecs.IsAvailable((CompressionType)5, out string reason));
        Assert.Contains("5", reason);
        Assert.Throws<NotSupportedException>(() => Codecs.Compress((CompressionType)7, default, new ArrayBufferWriter<byte>()));
    }

    internal static byte[] Compress(CompressionType type, byte[] data)
    {
        var target = new ArrayBufferWriter<byte>();
        Codecs.Compress(type, data, target);
        return target.WrittenSpan.ToArray();
    }

    private static byte[] Data(int length, int variety)
    {
        var random = new Random(length + variety);
        byte[] data = new byte[length];
        for (int i = 0; i < length; i++) data[i] = (byte)random.Next(variety);
        return data;
    }
}
