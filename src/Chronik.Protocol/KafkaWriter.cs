using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace Chronik.Protocol;

/// <summary>One part of what a writer holds: either bytes or records, in the order of the wire.</summary>
/// <param name="Bytes">The bytes; empty when the part is records. Valid until the writer is cleared or disposed.</param>
/// <param name="Records">The records, owned by the writer; null when the part is bytes.</param>
public readonly record struct ResponseChunk(ReadOnlyMemory<byte> Bytes, Records? Records)
{
    /// <summary>How many bytes the part has on the wire.</summary>
    public int Length => Records?.Length ?? Bytes.Length;
}

/// <summary>
/// Builds a frame in one pooled block. Records are only noted, with the place where they belong, so that a fetch response costs no
/// copy of its data. One writer at a time; can be cleared and used again.
/// </summary>
/// <remarks>The writer owns the records that were written to it: clearing or disposing it disposes them.</remarks>
public sealed class KafkaWriter : IDisposable
{
    private const int FirstBlock = 512;

    private readonly List<(int At, Records Records)> _records = [];
    private List<ResponseChunk>? _chunks;
    private byte[] _block;
    private int _position;
    private int _recordBytes;

    /// <summary>Makes an empty writer.</summary>
    public KafkaWriter() => _block = ArrayPool<byte>.Shared.Rent(FirstBlock);

    /// <summary>How many bytes were written, records included.</summary>
    public int Length => checked(_position + _recordBytes);

    /// <summary>What was written, in order. The list is good until the next write.</summary>
    public IReadOnlyList<ResponseChunk> Chunks => _chunks ??= MakeChunks();

    /// <summary>Begins a frame: makes room for its length.</summary>
    /// <returns>What <see cref="EndFrame"/> wants.</returns>
    public int BeginFrame()
    {
        int start = Length;
        if (_records.Count > 0) throw new InvalidOperationException("a frame begins before any records");
        WriteInt32(0);
        return start;
    }

    /// <summary>Ends a frame: writes its length where it began.</summary>
    public void EndFrame(int start) => BinaryPrimitives.WriteInt32BigEndian(_block.AsSpan(start), Length - start - sizeof(int));

    /// <summary>Writes 1 or 0.</summary>
    public void WriteBool(bool value) => Grow(1)[0] = value ? (byte)1 : (byte)0;

    /// <summary>Writes one byte.</summary>
    public void WriteInt8(sbyte value) => Grow(1)[0] = (byte)value;

    /// <summary>Writes two bytes.</summary>
    public void WriteInt16(short value) => BinaryPrimitives.WriteInt16BigEndian(Grow(2), value);

    /// <summary>Writes two bytes.</summary>
    public void WriteUInt16(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Grow(2), value);

    /// <summary>Writes four bytes.</summary>
    public void WriteInt32(int value) => BinaryPrimitives.WriteInt32BigEndian(Grow(4), value);

    /// <summary>Writes eight bytes.</summary>
    public void WriteInt64(long value) => BinaryPrimitives.WriteInt64BigEndian(Grow(8), value);

    /// <summary>Writes eight bytes.</summary>
    public void WriteFloat64(double value) => BinaryPrimitives.WriteDoubleBigEndian(Grow(8), value);

    /// <summary>Writes a uuid, most significant byte first.</summary>
    public void WriteUuid(Guid value) => value.TryWriteBytes(Grow(16), bigEndian: true, out _);

    /// <summary>Writes an unsigned base-128 number in as few bytes as it takes.</summary>
    public void WriteUnsignedVarint(uint value)
    {
        Span<byte> target = Grow(VarintSize(value));
        PutVarint(target, value);
    }

    /// <summary>Writes bytes as they are, without a length.</summary>
    public void WriteRaw(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Grow(bytes.Length));

    /// <summary>Writes a string.</summary>
    /// <param name="value">The string.</param>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <exception cref="ProtocolException">It is longer than the encoding allows.</exception>
    public void WriteString(string value, bool flexible)
    {
        int length = Encoding.UTF8.GetByteCount(value);
        if (flexible) WriteUnsignedVarint((uint)length + 1);
        else if (length <= short.MaxValue) WriteInt16((short)length);
        else ProtocolException.Throw($"a string of {length} bytes does not fit");
        Encoding.UTF8.GetBytes(value, Grow(length));
    }

    /// <summary>Writes a string or null.</summary>
    /// <param name="value">The string or null.</param>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="nullable">Whether this version allows null.</param>
    /// <param name="field">Named in the exception.</param>
    /// <exception cref="ProtocolException">It is null and must not be, or is longer than the encoding allows.</exception>
    public void WriteNullableString(string? value, bool flexible, bool nullable, string field)
    {
        if (value is not null)
        {
            WriteString(value, flexible);
            return;
        }

        if (!nullable) throw ProtocolException.NullNotAllowed(field);
        if (flexible) WriteUnsignedVarint(0);
        else WriteInt16(-1);
    }

    /// <summary>Writes bytes with their length.</summary>
    /// <param name="value">The bytes.</param>
    /// <param name="flexible">Whether the length is compact.</param>
    public void WriteBytes(ReadOnlyMemory<byte> value, bool flexible)
    {
        WriteLength(value.Length, flexible);
        WriteRaw(value.Span);
    }

    /// <summary>Writes bytes with their length, or null.</summary>
    /// <param name="value">The bytes or null.</param>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="nullable">Whether this version allows null.</param>
    /// <param name="field">Named in the exception.</param>
    /// <exception cref="ProtocolException">The value is null and must not be.</exception>
    public void WriteNullableBytes(ReadOnlyMemory<byte>? value, bool flexible, bool nullable, string field)
    {
        if (value is { } bytes) WriteBytes(bytes, flexible);
        else if (nullable) WriteLength(-1, flexible);
        else throw ProtocolException.NullNotAllowed(field);
    }

    /// <summary>Writes records by reference and takes them over.</summary>
    /// <param name="value">The records or null.</param>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="nullable">Whether this version allows null; if not, null is written as no records, which is what it means.</param>
    /// <param name="field">Not used: records are never refused.</param>
    public void WriteNullableRecords(Records? value, bool flexible, bool nullable, string field)
    {
        WriteLength(value?.Length ?? (nullable ? -1 : 0), flexible);
        if (value is null) return;
        _recordBytes = checked(_recordBytes + value.Length);
        _records.Add((_position, value));
    }

    /// <summary>Writes the length of an array.</summary>
    /// <param name="count">How many elements follow.</param>
    /// <param name="flexible">Whether the length is compact.</param>
    public void WriteArrayLength(int count, bool flexible) => WriteLength(count, flexible);

    /// <summary>Writes the length of an array that may be null.</summary>
    /// <param name="count">How many elements follow; -1 for null.</param>
    /// <param name="flexible">Whether the length is compact.</param>
    /// <param name="nullable">Whether this version allows null.</param>
    /// <param name="field">Named in the exception.</param>
    /// <exception cref="ProtocolException">It is null and must not be.</exception>
    public void WriteArrayLength(int count, bool flexible, bool nullable, string field)
    {
        if (count < 0 && !nullable) throw ProtocolException.NullNotAllowed(field);
        WriteLength(count, flexible);
    }

    /// <summary>Writes whether a struct that may be null follows.</summary>
    public void WritePresence(bool present) => WriteInt8(present ? (sbyte)1 : (sbyte)-1);

    /// <summary>Begins a tagged field.</summary>
    /// <returns>What <see cref="EndTag"/> wants.</returns>
    public int BeginTag(uint tag)
    {
        WriteUnsignedVarint(tag);
        return _position;
    }

    /// <summary>Ends a tagged field: puts its length in front of it.</summary>
    public void EndTag(int start)
    {
        int length = _position - start;
        int prefix = VarintSize((uint)length);
        Grow(prefix);
        _block.AsSpan(start, length).CopyTo(_block.AsSpan(start + prefix));
        PutVarint(_block.AsSpan(start, prefix), (uint)length);
    }

    /// <summary>Copies everything, records included, to the start of <paramref name="destination"/>.</summary>
    public void CopyTo(Span<byte> destination)
    {
        foreach (ResponseChunk chunk in Chunks)
        {
            if (chunk.Records is { } records) records.CopyTo(destination);
            else chunk.Bytes.Span.CopyTo(destination);
            destination = destination[chunk.Length..];
        }
    }

    /// <summary>Everything, records included, as an array of its own.</summary>
    public byte[] ToArray()
    {
        byte[] copy = new byte[Length];
        CopyTo(copy);
        return copy;
    }

    /// <summary>Forgets everything and disposes the records, so that the writer can be used again.</summary>
    public void Clear()
    {
        foreach ((_, Records records) in CollectionsMarshal.AsSpan(_records)) records.Dispose();
        _records.Clear();
        _chunks = null;
        _position = 0;
        _recordBytes = 0;
    }

    /// <summary>Disposes the records and gives the block back. The writer must not be used after this.</summary>
    public void Dispose()
    {
        Clear();
        byte[] block = _block;
        _block = [];
        if (block.Length > 0) ArrayPool<byte>.Shared.Return(block);
    }

    private static int VarintSize(uint value) => (38 - BitOperations.LeadingZeroCount(value | 1)) / 7;

    private static void PutVarint(Span<byte> target, uint value)
    {
        int i = 0;
        for (; value >= 0x80; value >>= 7) target[i++] = (byte)(value | 0x80);
        target[i] = (byte)value;
    }

    private void WriteLength(int length, bool flexible)
    {
        if (flexible) WriteUnsignedVarint((uint)(length + 1));
        else WriteInt32(length);
    }

    private Span<byte> Grow(int count)
    {
        _chunks = null;
        if (count > _block.Length - _position) Enlarge(count);
        Span<byte> grown = _block.AsSpan(_position, count);
        _position += count;
        return grown;
    }

    private void Enlarge(int count)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(checked(_position + count), _block.Length * 2));
        _block.AsSpan(0, _position).CopyTo(larger);
        if (_block.Length > 0) ArrayPool<byte>.Shared.Return(_block);
        _block = larger;
    }

    private List<ResponseChunk> MakeChunks()
    {
        var chunks = new List<ResponseChunk>(_records.Count * 2 + 1);
        int from = 0;
        foreach ((int at, Records records) in _records)
        {
            if (at > from) chunks.Add(new ResponseChunk(_block.AsMemory(from, at - from), null));
            if (records.Length > 0) chunks.Add(new ResponseChunk(default, records));
            from = at;
        }

        if (_position > from) chunks.Add(new ResponseChunk(_block.AsMemory(from, _position - from), null));
        return chunks;
    }
}
