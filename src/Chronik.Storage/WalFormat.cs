using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Chronik.Model;
using Chronik.Protocol;

namespace Chronik.Storage;

/// <summary>What a WAL record says.</summary>
internal enum WalRecordType : byte
{
    /// <summary>
    /// Starts a write. A, B: up to where everything was durable before it (generation, position). C: its length in bytes.
    /// </summary>
    WriteStart = 1,

    /// <summary>A: index, B: term, C: next offset; the payload follows.</summary>
    Entry = 2,

    /// <summary>A: the first index that no longer holds.</summary>
    Truncate = 3,

    /// <summary>A: vote, B: term.</summary>
    HardState = 4,

    /// <summary>Everything before it about the group is void.</summary>
    DeleteGroup = 5,
}

/// <summary>A place in the WAL: just behind a record, or at its start.</summary>
internal readonly record struct WalPosition(long Generation, long Position) : IComparable<WalPosition>
{
    public int CompareTo(WalPosition other) =>
        Generation != other.Generation ? Generation.CompareTo(other.Generation) : Position.CompareTo(other.Position);

    public override string ToString() => $"file {Generation} position {Position}";
}

/// <summary>The 72 bytes in front of every record. Little-endian, like the machines it runs on; see docs/storage-format.md.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct WalHeader
{
    public uint Crc;
    public int Length;
    public long Generation;
    public long Position;
    public WalRecordType Type;
    public EntryKind Kind;
    /// <summary>Of the record's form: 0, the only one there has been. A newer one is refused.</summary>
    public ushort Version;
    public int Partition;
    public Guid Topic;
    public long A;
    public long B;
    public long C;

    public readonly GroupId Group => new(new TopicId(Topic), Partition);
}

/// <summary>Sizes and checks of WAL records.</summary>
internal static class WalFormat
{
    /// <summary>Writes start at multiples of this, so that no write touches a block that holds something durable.</summary>
    public const int BlockBytes = 4096;

    public const int HeaderBytes = 72;

    private const int CrcBytes = sizeof(uint);

    /// <summary>Bytes of a record with its padding.</summary>
    public static int RecordBytes(int payload) => HeaderBytes + ((payload + 7) & ~7);

    public static long AlignToBlock(long position) => (position + BlockBytes - 1) & ~(long)(BlockBytes - 1);

    /// <summary>Writes a header into 72 bytes, with the checksum over the rest of it and the payload.</summary>
    public static void WriteHeader(Span<byte> destination, WalHeader header, ReadOnlySpan<byte> payload)
    {
        MemoryMarshal.Write(destination, in header);
        uint crc = Crc32C.Append(0, destination[CrcBytes..HeaderBytes]);
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Crc32C.Append(crc, payload));
    }

    /// <summary>
    /// Reads the record that starts the span; false unless it lies at that place of that generation, fits into the span and its checksum
    /// is right. So neither an older record of a recycled file nor one that was written to a wrong place is ever taken for another.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, long generation, long position, out WalHeader header)
    {
        header = default;
        if (bytes.Length < HeaderBytes) return false;
        header = MemoryMarshal.Read<WalHeader>(bytes);
        if (header.Generation != generation || header.Position != position || header.Length < 0) return false;
        if (header.Length > bytes.Length - HeaderBytes) return false;
        return Crc32C.Append(0, bytes[CrcBytes..(HeaderBytes + header.Length)]) == header.Crc;
    }
}
