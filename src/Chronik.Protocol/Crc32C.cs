using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Chronik.Protocol;

/// <summary>CRC-32C (Castagnoli), the checksum of record batches, by the processor's own instruction where it has one.</summary>
/// <remarks>
/// The instruction takes three cycles but one can start in each, so three stretches of equal length are summed side by side. The CRC
/// is linear: the sum of a stretch is moved past the one behind it by a table that stands for that many zero bytes.
/// </remarks>
public static class Crc32C
{
    private static readonly Shift Long = new(1024);
    private static readonly Shift Short = new(128);

    /// <summary>The checksum of <paramref name="data"/>.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>The checksum of what <paramref name="crc"/> is the checksum of, followed by <paramref name="data"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        uint state = ~crc;
        while (data.Length >= 3 * Long.Length) state = ThreeLanes(state, ref data, Long);
        while (data.Length >= 3 * Short.Length) state = ThreeLanes(state, ref data, Short);
        return ~Serial(state, data);
    }

    private static uint Serial(uint state, ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (ulong word in words) state = BitOperations.Crc32C(state, ToLittleEndian(word));
        foreach (byte last in data[(words.Length * sizeof(ulong))..]) state = BitOperations.Crc32C(state, last);
        return state;
    }

    private static uint ThreeLanes(uint state, ref ReadOnlySpan<byte> data, Shift shift)
    {
        int words = shift.Length / sizeof(ulong);
        ref ulong first = ref Unsafe.As<byte, ulong>(ref MemoryMarshal.GetReference(data));
        uint a = state;
        uint b = 0;
        uint c = 0;
        for (int i = 0; i < words; i++)
        {
            a = BitOperations.Crc32C(a, ToLittleEndian(Unsafe.ReadUnaligned<ulong>(ref AsByte(ref first, i))));
            b = BitOperations.Crc32C(b, ToLittleEndian(Unsafe.ReadUnaligned<ulong>(ref AsByte(ref first, i + words))));
            c = BitOperations.Crc32C(c, ToLittleEndian(Unsafe.ReadUnaligned<ulong>(ref AsByte(ref first, i + words * 2))));
        }

        data = data[(3 * shift.Length)..];
        return shift.Apply(shift.Apply(a) ^ b) ^ c;
    }

    private static ref byte AsByte(ref ulong first, int index) => ref Unsafe.As<ulong, byte>(ref Unsafe.Add(ref first, index));

    private static ulong ToLittleEndian(ulong word) =>
        BitConverter.IsLittleEndian ? word : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word);

    /// <summary>What a run of zero bytes does to a state, as four tables, one for each byte of the state.</summary>
    private sealed class Shift
    {
        private readonly uint[] _tables = new uint[4 * 256];

        public Shift(int length)
        {
            Length = length;
            Span<uint> bits = stackalloc uint[32];
            for (int bit = 0; bit < bits.Length; bit++)
            {
                uint state = 1u << bit;
                for (int i = 0; i < length; i += sizeof(ulong)) state = BitOperations.Crc32C(state, 0UL);
                bits[bit] = state;
            }

            for (int i = 0; i < _tables.Length; i++)
            {
                for (int bit = 0; bit < 8; bit++)
                {
                    if ((i >> bit & 1) != 0) _tables[i] ^= bits[i / 256 * 8 + bit];
                }
            }
        }

        public int Length { get; }

        public uint Apply(uint state) =>
            _tables[state & 0xFF] ^ _tables[256 + (state >> 8 & 0xFF)] ^ _tables[512 + (state >> 16 & 0xFF)] ^ _tables[768 + (state >> 24)];
    }
}
