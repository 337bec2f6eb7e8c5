using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Chronik.Load;

/// <summary>Record batches of version 2 as bytes.</summary>
internal static class RecordBatches
{
    private const int CrcAt = 17;
    private const int CrcFrom = 21;
    private const int LastOffsetDeltaAt = 23;
    private const int SequenceAt = 53;
    private const int HeaderLength = 61;

    /// <summary>A batch of equal-sized random values. The first value begins at the returned position.</summary>
    public static byte[] Build(int records, int valueSize, long producerId, short epoch, out int valueAt)
    {
        var random = new Random(42);
        var value = new byte[valueSize];
        var batch = new List<byte>(HeaderLength + (records * (valueSize + 16)));
        batch.AddRange(new byte[HeaderLength]);
        valueAt = 0;
        for (var i = 0; i < records; i++)
        {
            random.NextBytes(value);
            var head = new List<byte> { 0 };
            Varint(head, 0);
            Varint(head, i);
            Varint(head, -1);
            Varint(head, valueSize);
            Varint(batch, head.Count + valueSize + 1);
            batch.AddRange(head);
            valueAt = i == 0 ? batch.Count : valueAt;
            batch.AddRange(value);
            Varint(batch, 0);
        }

        var bytes = batch.ToArray();
        var header = bytes.AsSpan();
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        BinaryPrimitives.WriteInt32BigEndian(header[8..], bytes.Length - 12);
        BinaryPrimitives.WriteInt32BigEndian(header[12..], -1);
        header[16] = 2;
        BinaryPrimitives.WriteInt32BigEndian(header[LastOffsetDeltaAt..], records - 1);
        BinaryPrimitives.WriteInt64BigEndian(header[27..], now);
        BinaryPrimitives.WriteInt64BigEndian(header[35..], now);
        BinaryPrimitives.WriteInt64BigEndian(header[43..], producerId);
        BinaryPrimitives.WriteInt16BigEndian(header[51..], epoch);
        BinaryPrimitives.WriteInt32BigEndian(header[57..], records);
        StampSequence(header, producerId < 0 ? -1 : 0);
        return bytes;
    }

    /// <summary>Writes the first sequence number and the checksum, which covers it and the values.</summary>
    public static void StampSequence(Span<byte> batch, int sequence)
    {
        BinaryPrimitives.WriteInt32BigEndian(batch[SequenceAt..], sequence);
        BinaryPrimitives.WriteUInt32BigEndian(batch[CrcAt..], Checksum(batch[CrcFrom..]));
    }

    /// <summary>Walks whole batches from an expected offset; returns the offset behind the last, or throws where one is missing.</summary>
    public static long Walk(ReadOnlySpan<byte> records, long expected, out int whole)
    {
        whole = 0;
        while (records.Length - whole >= HeaderLength)
        {
            var batch = records[whole..];
            var length = BinaryPrimitives.ReadInt32BigEndian(batch[8..]) + 12;
            if (length > batch.Length)
            {
                break;
            }

            var first = BinaryPrimitives.ReadInt64BigEndian(batch);
            var next = first + BinaryPrimitives.ReadInt32BigEndian(batch[LastOffsetDeltaAt..]) + 1;
            // A fetch from the middle of a batch is answered with the whole of it.
            if (first > expected || next <= expected)
            {
                throw new LoadException($"offset {expected} expected, a batch from {first} to {next - 1} found");
            }

            expected = next;
            whole += length;
        }

        return expected;
    }

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (var single in bytes[(words.Length * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, single);
        }

        return ~crc;
    }

    private static void Varint(List<byte> target, int value)
    {
        var zigzag = (uint)((value << 1) ^ (value >> 31));
        for (; zigzag >= 0x80; zigzag >>= 7)
        {
            target.Add((byte)(zigzag | 0x80));
        }

        target.Add((byte)zigzag);
    }
}
