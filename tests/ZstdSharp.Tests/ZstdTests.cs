namespace ZstdSharp.Tests;

public class ZstdTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(3_000_000)]
    public void A_block_comes_back(int length)
    {
        byte[] data = Data(length);
        using var compressor = new Compressor(3);
        using var decompressor = new Decompressor();
        byte[] compressed = compressor.Wrap(data).ToArray();
        byte[] result = new byte[length];
        Assert.Equal(length, decompressor.Unwrap(compressed, result));
        Assert.Equal(data, result);
    }

    [Fact]
    public void A_level_can_be_chosen_and_changed()
    {
        byte[] data = Data(500_000);
        using var compressor = new Compressor();
        Assert.Equal(Compressor.DefaultCompressionLevel, compressor.Level);
        int usual = compressor.Wrap(data).Length;
        compressor.Level = 19;
        Assert.Equal(19, compressor.Level);
        Assert.True(compressor.Wrap(data).Length < usual);
    }

    [Fact]
    public void Too_little_room_throws()
    {
        using var compressor = new Compressor();
        using var decompressor = new Decompressor();
        byte[] compressed = compressor.Wrap(Data(1000)).ToArray();
        Assert.Throws<ZstdException>(() => compressor.Wrap(Data(1000), new byte[10]));
        Assert.Throws<ZstdException>(() => decompressor.Unwrap(compressed, new byte[999]));
    }

    [Fact]
    public void Garbage_throws()
    {
        using var decompressor = new Decompressor();
        Assert.Throws<ZstdException>(() => decompressor.Unwrap(new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 }, new byte[100]));
        using var stream = new DecompressionStream(new MemoryStream([1, 2, 3, 4, 5, 6, 7, 8]));
        Assert.Throws<ZstdException>(() => stream.Read(new byte[100]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void A_stream_gives_all_frames_one_after_another(int bufferSize)
    {
        byte[] first = Data(200_000);
        byte[] second = Data(10);
        using var compressor = new Compressor();
        using var both = new MemoryStream([.. compressor.Wrap(first), .. compressor.Wrap(second)]);
        using var stream = new DecompressionStream(both, bufferSize);
        using var result = new MemoryStream();
        stream.CopyTo(result, 1000);
        Assert.Equal([.. first, .. second], result.ToArray());
        Assert.True(stream.CanRead && !stream.CanSeek && !stream.CanWrite);
    }

    [Fact]
    public void A_stream_that_is_cut_short_throws_unless_told_otherwise()
    {
        using var compressor = new Compressor();
        byte[] cut = compressor.Wrap(Data(200_000))[..^5].ToArray();
        using var strict = new DecompressionStream(new MemoryStream(cut));
        Assert.Throws<EndOfStreamException>(() => strict.CopyTo(Stream.Null));
        using var lenient = new DecompressionStream(new MemoryStream(cut), checkEndOfStream: false);
        lenient.CopyTo(Stream.Null);
    }

    [Fact]
    public void The_inner_stream_stays_open_unless_told_otherwise()
    {
        var kept = new MemoryStream();
        new DecompressionStream(kept).Dispose();
        Assert.True(kept.CanRead);
        new DecompressionStream(kept, leaveOpen: false).Dispose();
        Assert.False(kept.CanRead);
    }

    [Fact]
    public void What_is_disposed_cannot_be_used()
    {
        var compressor = new Compressor();
        var decompressor = new Decompressor();
        var stream = new DecompressionStream(new MemoryStream([1]));
        compressor.Dispose();
        decompressor.Dispose();
        stream.Dispose();
        compressor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => compressor.Wrap(new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => decompressor.Unwrap(new byte[1], new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => stream.Read(new byte[1]));
    }

    private static byte[] Data(int length)
    {
        var random = new Random(length);
        byte[] data = new byte[length];
        for (int i = 0; i < length; i++) data[i] = (byte)random.Next(12);
        return data;
    }
}
