using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Chronik.Protocol.RecordBatches;

/// <summary>What validation wants to know about a record.</summary>
internal readonly record struct WalkedRecord(long TimestampDelta, int OffsetDelta, bool IsKeyNull);

/// <summary>Walks records in memory, or as they come out of a decompressor, through one window that is never larger than a chunk.</summary>
internal ref struct RecordWalker
{
    private const int ChunkSize = 64 * 1024;

    private readonly Stream? _more;
    private readonly long _limit;
    private byte[]? _chunk;
    private ReadOnlySpan<byte> _window;
    private int _position;
    private long _consumedBefore;

    /// <summary>Walks records that are all there.</summary>
    public RecordWalker(ReadOnlySpan<byte> records) => _window = records;

    /// <summary>Walks records as they are decompressed, but no more than <paramref name="limit"/> bytes of them.</summary>
    public RecordWalker(Stream decompressed, long limit)
    {
        _more = decompressed;
        _limit = limit;
        _chunk = ArrayPool<byte>.Shared.Rent(ChunkSize);
    }

    private readonly long Consumed => _consumedBefore + _position;

    /// <summary>Walks one record.</summary>
    /// <exception cref="ProtocolException">It does not fit its length, or the batch.</exception>
    public WalkedRecord Next()
    {
        int length = Varint();
        if (length < 0) Fail($"a record of {length} bytes");
        long end = Consumed + length;
        Skip(1, end);
        long timestampDelta = Varlong();
        int offsetDelta = Varint();
        int keyLength = Varint();
        Skip(Length(keyLength, nullable: true), end);
        Skip(Length(Varint(), nullable: true), end);
        int headers = Varint();
        if (headers < 0 || headers > end - Consumed) Fail($"a record claims {headers} headers");
        for (int i = 0; i < headers; i++)
        {
            Skip(Length(Varint(), nullable: false), end);
            Skip(Length(Varint(), nullable: true), end);
        }

        if (Consumed != end) Fail("a record is not as long as it says");
        return new WalkedRecord(timestampDelta, offsetDelta, keyLength < 0);
    }

    /// <summary>Checks that nothing follows the last record.</summary>
    public void RequireEnd()
    {
        if (_position < _window.Length || Fill()) Fail("bytes follow the last record");
    }

    public void Dispose()
    {
        if (_chunk is null) return;
        ArrayPool<byte>.Shared.Return(_chunk);
        _chunk = null;
    }

    private static int Length(int length, bool nullable)
    {
        if (length >= 0) return length;
        if (length < -1 || !nullable) Fail($"a record has a field of {length} bytes");
        return 0;
    }

    private int Varint()
    {
        long value = Varlong();
        if (value is < int.MinValue or > int.MaxValue) Fail("a number in a record is longer than 32 bits");
        return (int)value;
    }

    private long Varlong()
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            if (_position == _window.Length && !Fill()) Fail("the records are cut short");
            byte next = _window[_position++];
            if (shift == 63 && next > 1) Fail("a number in a record is longer than 64 bits");
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return (long)(value >> 1) ^ -(long)(value & 1);
        }
    }

    private void Skip(int count, long end)
    {
        if (count > end - Consumed) Fail("a field is longer than its record");
        while (count > _window.Length - _position)
        {
            count -= _window.Length - _position;
            _position = _window.Length;
            if (!Fill()) Fail("the records are cut short");
        }

        _position += count;
    }

    private bool Fill()
    {
        if (_more is null) return false;
        _consumedBefore += _window.Length;
        _position = 0;
        int count = _more.Read(_chunk);
        _window = _chunk.AsSpan(0, count);
        if (_consumedBefore + count > _limit) Fail($"the records have more than {_limit} bytes when decompressed");
        return count > 0;
    }

    [DoesNotReturn]
    private static void Fail(string what) => ProtocolException.Throw(what);
}
