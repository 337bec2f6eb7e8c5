using System.Buffers.Binary;

namespace Chronik.Simulation.Checks;

/// <summary>
/// Reads batches for the checks, with nothing of the code under test: every record's key is a number that no other record of its group
/// has.
/// </summary>
internal static class Batches
{
    public const int HeaderBytes = 61;

    private const int LengthAt = 8;
    private const int CountAt = 57;

    public static long BaseOffset(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt64BigEndian(batch);

    public static int Size(ReadOnlySpan<byte> batch) => 12 + BinaryPrimitives.ReadInt32BigEndian(batch[LengthAt..]);

    public static int Count(ReadOnlySpan<byte> batch) => BinaryPrimitives.ReadInt32BigEndian(batch[CountAt..]);

    /// <summary>The keys of the records; -1 for one that is no number.</summary>
    public static void Keys(ReadOnlySpan<byte> batch, List<long> keys)
    {
        keys.Clear();
        int at = HeaderBytes;
        for (int i = 0; i < Count(batch); i++)
        {
            long length = Varint(batch, ref at);
            int end = at + (int)length;
            at++; // Attributes.
            Varint(batch, ref at);
            Varint(batch, ref at);
            keys.Add(Varint(batch, ref at) == sizeof(long) ? BinaryPrimitives.ReadInt64BigEndian(batch[at..]) : -1);
            at = end;
        }
    }

    /// <summary>Stands for all bytes of a batch.</summary>
    public static ulong Hash(ReadOnlySpan<byte> bytes)
    {
        ulong hash = (ulong)bytes.Length;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte b in bytes) hash = Mix(hash ^ b);
        return hash;
    }

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 32)) * 0xD6E8FEB86659FD93;
        return value ^ (value >> 32);
    }

    private static long Varint(ReadOnlySpan<byte> bytes, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte b = bytes[at++];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) break;
        }

        return (long)(value >> 1) ^ -(long)(value & 1);
    }
}
