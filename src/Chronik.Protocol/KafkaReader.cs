using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Chronik.Protocol;

/// <summary>
/// Walks one frame that lies in memory in one piece. Every read checks its bounds, every length is checked against what is left
/// before anything is allocated for it, so that reading never allocates more than a small multiple of the frame.
/// </summary>
/// <remarks>Bytes and records are slices of the frame: whoever keeps them retains the frame's buffer.</remarks>
public ref struct KafkaReader
{
    /// <summary>How many array elements a frame may hold in total unless told otherwise.</summary>
    public const int DefaultMaxElements = 1_000_000;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ReadOnlyMemory<byte> _memory;
    private readonly ReadOnlySpan<byte> _span;
    private int _position;
    private readonly int _maxElements;
    private int _elementsLeft;

    /// <summary>Starts at the first byte of <paramref name="frame"/>.</summary>
    /// <param name="frame">The bytes after the frame's length prefix.</param>
    /// <param name="maxElements">How many elements all arrays of the frame may have together: small elements become larger objects.</param>
    public KafkaReader(ReadOnlyMemory<byte> frame, int maxElements = DefaultMaxElements)
    {
        _memory = frame;
        _span = frame.Span;
        _maxElements = maxElements;
        _elementsLeft = maxElements;
    }

    /// <summary>How many bytes were read.</summary>
    public readonly int Position => _position;

    /// <summary>How many elements the arrays that were read have together.</summary>
    public readonly int Elements => _maxElements - _elementsLeft;

    /// <summary>How many bytes are left.</summary>
    public readonly int Remaining => _span.Length - _position;

    /// <summary>Reads a byte that is not 0 for true.</summary>
    public bool ReadBool() => Take(1)[0] != 0;

    /// <summary>Reads one byte.</summary>
    public sbyte ReadInt8() => (sbyte)Take(1)[0];

    /// <summary>Reads two bytes.</summary>
    public short ReadInt16() => BinaryPrimitives.ReadInt16BigEndian(Take(2));

    /// <summary>Reads two bytes.</summary>
    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    /// <summary>Reads four bytes.</summary>
    public int ReadInt32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

    /// <summary>Reads eight bytes.</summary>
    public long ReadInt64() => BinaryPrimitives.ReadInt64BigEndian(Take(8));

    /// <summary>Reads eight bytes.</summary>
    public double ReadFloat64() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    /// <summary>Reads a uuid, most significant byte first.</summary>
    public Guid ReadUuid() => new(Take(16), bigEndian: true);

    /// <summary>Reads an unsigned base-128 number of at most five bytes.</summary>
    public uint ReadUnsignedVarint()
    {
        uint value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = Take(1)[0];
            if (shift == 28 && next > 0x0F) Fail("a variable-length number is longer than 32 bits");
            value |= (uint)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
    }

    /// <summary>Reads a string that must be there.</summary>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="field">Named in the exception.</param>
    public string ReadString(bool flexible, string field) => ReadNullableString(flexible, field) ?? throw Null(field);

    /// <summary>Reads a string or null.</summary>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="field">Named in the exception.</param>
    public string? ReadNullableString(bool flexible, string field)
    {
        int length = flexible ? CompactLength(field) : ReadInt16();
        if (length < 0) return length == -1 ? null : throw Negative(field, length);
        if (length == 0) return "";
        try
        {
            return Utf8.GetString(Take(length, field));
        }
        catch (DecoderFallbackException)
        {
            throw new ProtocolException($"{field} is not UTF-8, before byte {_position}");
        }
    }

    /// <summary>Reads bytes that must be there; a slice of the frame.</summary>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="field">Named in the exception.</param>
    public ReadOnlyMemory<byte> ReadBytes(bool flexible, string field) => ReadNullableBytes(flexible, field) ?? throw Null(field);

    /// <summary>Reads bytes or null; a slice of the frame.</summary>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="field">Named in the exception.</param>
    public ReadOnlyMemory<byte>? ReadNullableBytes(bool flexible, string field)
    {
        int length = flexible ? CompactLength(field) : ReadInt32();
        if (length < 0) return length == -1 ? null : throw Negative(field, length);
        int start = _position;
        Take(length, field);
        return _memory.Slice(start, length);
    }

    /// <summary>Reads a records field that must be there; a slice of the frame.</summary>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="field">Named in the exception.</param>
    public Records ReadRecords(bool flexible, string field) => ReadNullableRecords(flexible, field) ?? throw Null(field);

    /// <summary>Reads a records field or null; a slice of the frame.</summary>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="field">Named in the exception.</param>
    public Records? ReadNullableRecords(bool flexible, string field) =>
        ReadNullableBytes(flexible, field) is { } bytes ? new MemoryRecords(bytes) : null;

    /// <summary>Reads the length of an array: -1 for null, else a count of elements for which the frame has room.</summary>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="smallest">The fewest bytes that one element takes.</param>
    /// <param name="field">Named in the exception.</param>
    /// <param name="nullable">Whether null is allowed.</param>
    public int ReadArrayLength(bool flexible, int smallest, string field, bool nullable)
    {
        int count = flexible ? CompactLength(field) : ReadInt32();
        if (count < 0)
        {
            if (count != -1) throw Negative(field, count);
            return nullable ? -1 : throw Null(field);
        }

        if ((long)count * smallest > Remaining) Fail($"{field} claims {count} elements, for which there is no room");
        if (count > _elementsLeft) Fail($"{field} has {count} elements, more than the frame may have");
        _elementsLeft -= count;
        return count;
    }

    /// <summary>Reads whether a struct that may be null is there.</summary>
    public bool ReadPresence() => ReadInt8() >= 0;

    /// <summary>Begins a section of tagged fields.</summary>
    public TagSection ReadTags()
    {
        uint count = ReadUnsignedVarint();
        if (count * 2L > Remaining) Fail($"{count} tagged fields, for which there is no room");
        return new TagSection { Left = (int)count };
    }

    /// <summary>Goes to the next tagged field; false when there is none.</summary>
    public bool NextTag(ref TagSection tags)
    {
        if (tags.Left == 0) return false;
        tags.Left--;
        tags.Tag = ReadUnsignedVarint();
        uint size = ReadUnsignedVarint();
        if (size > Remaining) Fail($"tagged field {tags.Tag} claims {size} bytes");
        tags.End = _position + (int)size;
        return true;
    }

    /// <summary>Skips the current tagged field.</summary>
    public void SkipTag(ref TagSection tags) => _position = tags.End;

    /// <summary>Checks that the current tagged field was as long as it said.</summary>
    public readonly void EndTag(ref TagSection tags)
    {
        if (_position != tags.End) Fail($"tagged field {tags.Tag} is not as long as it says");
    }

    /// <summary>Skips a section of tagged fields of which none is known.</summary>
    public void SkipTags()
    {
        TagSection tags = ReadTags();
        while (NextTag(ref tags)) SkipTag(ref tags);
    }

    /// <summary>Checks that nothing is left.</summary>
    /// <exception cref="ProtocolException">There are more bytes than the message has.</exception>
    public readonly void RequireEnd()
    {
        if (Remaining != 0) Fail($"{Remaining} bytes follow the message");
    }

    private int CompactLength(string field)
    {
        uint plusOne = ReadUnsignedVarint();
        if (plusOne > int.MaxValue) throw Negative(field, plusOne - 1L);
        return (int)plusOne - 1;
    }

    private ReadOnlySpan<byte> Take(int count, string field = "the message")
    {
        if (count > Remaining) Fail($"{field} needs {count} bytes, {Remaining} are left");
        ReadOnlySpan<byte> taken = _span.Slice(_position, count);
        _position += count;
        return taken;
    }

    private readonly ProtocolException Null(string field) => new($"{field} must not be null, before byte {_position}");

    private readonly ProtocolException Negative(string field, long length) =>
        new($"{field} has the length {length}, before byte {_position}");

    [DoesNotReturn]
    private readonly void Fail(string what) => throw new ProtocolException($"{what}, at byte {_position}");
}

/// <summary>Where a reader is in a section of tagged fields (KIP-482).</summary>
public struct TagSection
{
    /// <summary>The tag of the current field.</summary>
    public uint Tag { get; internal set; }

    internal int Left { get; set; }

    internal int End { get; set; }
}
