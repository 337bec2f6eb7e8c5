using System.Buffers;
using System.Buffers.Binary;
using IronSnappy;

namespace Chronik.Protocol.Compression;

/// <summary>
/// Snappy as Kafka clients write it: one raw block, or the framing of Java's snappy library (a header, then blocks that each have their
/// length in front). Written is the framing, which every client reads.
/// </summary>
internal sealed unsafe class SnappyFrame : PullStream
{
    private const int HeaderSize = 16;
    private const int BlockSize = 32 * 1024;

    /// <summary>No element of the format makes more than 64 bytes out of three, so a block that claims more lies.</summary>
    private const int LargestRatio = 22;

    private readonly byte* _source;
    private readonly int _length;
    private readonly bool _framed;
    private int _position;
    private byte[] _block = [];
    private int _blockPosition;

    public SnappyFrame(byte* source, int length)
    {
        _source = source;
        _length = length;
        _framed = new ReadOnlySpan<byte>(source, length).StartsWith(Magic);
        if (!_framed) return;
        if (length < HeaderSize) throw new InvalidDataException("the header of the snappy framing is cut short");
        _position = HeaderSize;
    }

    private static ReadOnlySpan<byte> Magic => [0x82, (byte)'S', (byte)'N', (byte)'A', (byte)'P', (byte)'P', (byte)'Y', 0];

    public static void Compress(ReadOnlySpan<byte> source, IBufferWriter<byte> destination)
    {
        Span<byte> header = destination.GetSpan(HeaderSize);
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32BigEndian(header[8..], 1);
        BinaryPrimitives.WriteInt32BigEndian(header[12..], 1);
        destination.Advance(HeaderSize);
        while (!source.IsEmpty)
        {
            ReadOnlySpan<byte> part = source[..Math.Min(source.Length, BlockSize)];
            byte[] block = Snappy.Encode(part);
            BinaryPrimitives.WriteInt32BigEndian(destination.GetSpan(sizeof(int)), block.Length);
            destination.Advance(sizeof(int));
            destination.Write(block);
            source = source[part.Length..];
        }
    }

    public override int Read(Span<byte> buffer)
    {
        while (_blockPosition == _block.Length)
        {
            if (_position == _length) return 0;
            _block = Decode(NextBlock());
            _blockPosition = 0;
        }

        int count = Math.Min(buffer.Length, _block.Length - _blockPosition);
        _block.AsSpan(_blockPosition, count).CopyTo(buffer);
        _blockPosition += count;
        return count;
    }

    private static byte[] Decode(ReadOnlySpan<byte> block)
    {
        long claimed = 0;
        for (int i = 0; ; i++)
        {
            if (i == block.Length || i == 5) throw new InvalidDataException("a snappy block without a length");
            claimed |= (long)(block[i] & 0x7F) << (7 * i);
            if (block[i] < 0x80) break;
        }

        if (claimed > (long)block.Length * LargestRatio) throw new InvalidDataException($"a snappy block claims {claimed} bytes");
        try
        {
            return Snappy.Decode(block);
        }
        catch (Exception e) when (e is IndexOutOfRangeException or ArgumentException)
        {
            throw new InvalidDataException("a snappy block is damaged", e);
        }
    }

    private ReadOnlySpan<byte> NextBlock()
    {
        int size = _length - _position;
        if (_framed)
        {
            if (size < sizeof(int)) throw new InvalidDataException("a snappy block is cut short");
            size = BinaryPrimitives.ReadInt32BigEndian(new ReadOnlySpan<byte>(_source + _position, sizeof(int)));
            _position += sizeof(int);
            if (size < 0 || size > _length - _position) throw new InvalidDataException("a snappy block is cut short");
        }

        var block = new ReadOnlySpan<byte>(_source + _position, size);
        _position += size;
        return block;
    }
}
