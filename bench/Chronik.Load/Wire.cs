using System.Buffers.Binary;
using System.Text;

namespace Chronik.Load;

internal enum Api : short
{
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    ApiVersions = 18,
    CreateTopics = 19,
    InitProducerId = 22,
}

/// <summary>A request frame in Kafka's encoding before flexible versions.</summary>
internal sealed class RequestWriter
{
    private const int CorrelationAt = 8;
    private byte[] _bytes = new byte[256];
    private int _length = 4;

    public RequestWriter(Api api, short version) => Int16((short)api).Int16(version).Int32(0).String("load");

    public int Position => _length;

    public RequestWriter Int8(sbyte value)
    {
        Room(1)[0] = (byte)value;
        return this;
    }

    public RequestWriter Int16(short value)
    {
        BinaryPrimitives.WriteInt16BigEndian(Room(2), value);
        return this;
    }

    public RequestWriter Int32(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(Room(4), value);
        return this;
    }

    public RequestWriter Int64(long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(Room(8), value);
        return this;
    }

    public RequestWriter String(string? value)
    {
        if (value is null)
        {
            return Int16(-1);
        }

        Int16((short)Encoding.UTF8.GetByteCount(value));
        Encoding.UTF8.GetBytes(value, Room(Encoding.UTF8.GetByteCount(value)));
        return this;
    }

    public RequestWriter Bytes(ReadOnlySpan<byte> value)
    {
        Int32(value.Length);
        value.CopyTo(Room(value.Length));
        return this;
    }

    /// <summary>The whole frame, length first. The correlation id is stamped when it is sent.</summary>
    public byte[] Frame()
    {
        BinaryPrimitives.WriteInt32BigEndian(_bytes, _length - 4);
        return _bytes.AsSpan(0, _length).ToArray();
    }

    public static void StampCorrelation(Span<byte> frame, int id) => BinaryPrimitives.WriteInt32BigEndian(frame[CorrelationAt..], id);

    private Span<byte> Room(int count)
    {
        if (_length + count > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + count));
        }

        _length += count;
        return _bytes.AsSpan(_length - count, count);
    }
}

/// <summary>A response's body, read from front to back.</summary>
internal ref struct ResponseReader(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> _rest = body;

    public sbyte Int8() => (sbyte)Take(1)[0];

    public short Int16() => BinaryPrimitives.ReadInt16BigEndian(Take(2));

    public int Int32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

    public long Int64() => BinaryPrimitives.ReadInt64BigEndian(Take(8));

    public string? String() => Int16() is >= 0 and var length ? Encoding.UTF8.GetString(Take(length)) : null;

    public ReadOnlySpan<byte> Bytes() => Int32() is > 0 and var length ? Take(length) : default;

    public void Skip(int count) => Take(count);

    private ReadOnlySpan<byte> Take(int count)
    {
        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
