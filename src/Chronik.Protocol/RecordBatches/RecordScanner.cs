namespace Chronik.Protocol.RecordBatches;

/// <summary>Reads the variable-length numbers of records from memory.</summary>
internal ref struct RecordScanner(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Position { get; private set; }

    public readonly int Remaining => _bytes.Length - Position;

    /// <summary>A zigzag number of at most 32 bits.</summary>
    public int Varint()
    {
        long value = Varlong();
        if (value is < int.MinValue or > int.MaxValue) ProtocolException.Throw("a number in a record is longer than 32 bits");
        return (int)value;
    }

    /// <summary>A zigzag number of at most 64 bits.</summary>
    public long Varlong()
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            if (Position == _bytes.Length) ProtocolException.Throw("a record is cut short");
            byte next = _bytes[Position++];
            if (shift == 63 && next > 1) ProtocolException.Throw("a number in a record is longer than 64 bits");
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return (long)(value >> 1) ^ -(long)(value & 1);
        }
    }

    /// <summary>The next bytes as they are.</summary>
    public ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > Remaining) ProtocolException.Throw($"a record claims {count} bytes where {Remaining} are left");
        ReadOnlySpan<byte> taken = _bytes.Slice(Position, count);
        Position += count;
        return taken;
    }

    /// <summary>Everything that is left.</summary>
    public ReadOnlySpan<byte> Rest() => Take(Remaining);
}
