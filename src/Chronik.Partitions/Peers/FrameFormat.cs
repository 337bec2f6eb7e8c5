using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Chronik.Model;
using Chronik.Protocol;

namespace Chronik.Partitions.Peers;

/// <summary>What a record of a frame is.</summary>
internal enum FrameRecord : byte
{
    /// <summary>A message of a Raft group.</summary>
    Raft = 1,

    /// <summary>A sign of life.</summary>
    Ping = 2,

    /// <summary>Groups that the sender leads, or leads no longer.</summary>
    Leaders = 3,

    /// <summary>A part of the transfer of a snapshot, in the form of level 1.</summary>
    Snapshot = 4,

    /// <summary>A part of the transfer of a snapshot. Level 2.</summary>
    SnapshotStep = 7,
}

/// <summary>In front of every frame. Little endian, like the machines it runs on.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct FrameHeader
{
    /// <summary>Of everything behind it.</summary>
    public uint Crc;

    public byte Version;

    public PeerLane Lane;

    public ushort Reserved;

    public int Sender;

    /// <summary>The sender's directory: its incarnation.</summary>
    public Guid SenderDirectory;

    public Guid ReceiverDirectory;

    /// <summary>Stands for the cluster's id.</summary>
    public ulong Cluster;

    /// <summary>Bytes that the sender put on this lane before this frame.</summary>
    public long SentBefore;

    /// <summary>
    /// Bytes of bulk that the sender has received from the receiver, as the receiver counts them: they no longer burden it.
    /// </summary>
    public long BulkReceived;
}

/// <summary>
/// How messages lie in a frame: the header, then records, each with its kind (1 byte) and length (4 bytes). A reader checks the checksum
/// and every length, so a frame from whoever reaches the port costs at most its own bytes. The version is that of the header and of the
/// records' framing; what changes in a record gets a kind of its own, which is sent to nodes of that level only
/// (<see cref="PeerHub.LevelWith"/>).
/// </summary>
internal static class FrameFormat
{
    public const byte Version = 1;
    public const int RecordHeaderBytes = 5;

    public static readonly int HeaderBytes = Unsafe.SizeOf<FrameHeader>();

    /// <summary>Stands for a cluster's id in every frame (FNV-1a, 64 bits).</summary>
    public static ulong HashOf(string clusterId)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (char c in clusterId) hash = (hash ^ c) * 0x100000001B3;
        return hash;
    }

    /// <summary>Writes the header over the start of a frame whose records are written already.</summary>
    public static void Seal(byte[] frame, FrameHeader header)
    {
        header.Version = Version;
        MemoryMarshal.Write(frame, in header);
        BinaryPrimitives.WriteUInt32LittleEndian(frame, Crc32C.Compute(frame.AsSpan(sizeof(uint))));
    }

    /// <summary>The version of a frame that is whole, and newer than what is read here; otherwise null.</summary>
    public static byte? NewerVersion(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < HeaderBytes) return null;
        FrameHeader header = MemoryMarshal.Read<FrameHeader>(frame);
        return header.Version > Version && header.Crc == Crc32C.Compute(frame[sizeof(uint)..]) ? header.Version : null;
    }

    /// <summary>False when the bytes are not a frame that this version reads.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> frame, out FrameHeader header)
    {
        header = default;
        if (frame.Length < HeaderBytes) return false;
        header = MemoryMarshal.Read<FrameHeader>(frame);
        return header.Version == Version && header.Crc == Crc32C.Compute(frame[sizeof(uint)..]);
    }
}

/// <summary>Writes the records of one frame, whose size was worked out before.</summary>
internal ref struct FrameWriter(Span<byte> destination)
{
    private Span<byte> _left = destination;

    public readonly int Left => _left.Length;

    public void Byte(byte value)
    {
        _left[0] = value;
        _left = _left[1..];
    }

    public void Int(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(_left, value);
        _left = _left[sizeof(int)..];
    }

    public void Long(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_left, value);
        _left = _left[sizeof(long)..];
    }

    public void Group(GroupId group)
    {
        MemoryMarshal.Write(_left, group.Topic.Value);
        _left = _left[16..];
        Int(group.Partition);
    }

    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_left);
        _left = _left[bytes.Length..];
    }

    public void Record(FrameRecord kind, int length)
    {
        Byte((byte)kind);
        Int(length);
    }
}

/// <summary>Reads what a frame holds. What lies outside reads as zero and is remembered, so that one look at the end is enough.</summary>
internal ref struct FrameReader(ReadOnlySpan<byte> source)
{
    private readonly int _length = source.Length;
    private ReadOnlySpan<byte> _left = source;

    /// <summary>Whether something was read that is not there.</summary>
    public bool Failed { get; private set; }

    public readonly int Left => _left.Length;

    /// <summary>How many bytes lie before what is read next.</summary>
    public readonly int Position => _length - _left.Length;

    public byte Byte() => Take(1) is [byte value] ? value : (byte)0;

    public int Int() => Take(sizeof(int)) is { Length: > 0 } bytes ? BinaryPrimitives.ReadInt32LittleEndian(bytes) : 0;

    public long Long() => Take(sizeof(long)) is { Length: > 0 } bytes ? BinaryPrimitives.ReadInt64LittleEndian(bytes) : 0;

    public GroupId Group()
    {
        ReadOnlySpan<byte> topic = Take(16);
        return new GroupId(new TopicId(topic.IsEmpty ? default : new Guid(topic)), Int());
    }

    /// <summary>How many of something follow that take at least <paramref name="bytesEach"/>: never more than there is room for.</summary>
    public int Count(int bytesEach)
    {
        int count = Int();
        if (count >= 0 && (long)count * bytesEach <= _left.Length) return count;
        Fail();
        return 0;
    }

    /// <summary>The next bytes; none when there are not so many.</summary>
    public ReadOnlySpan<byte> Take(int length)
    {
        if (Failed || length < 0 || length > _left.Length)
        {
            Fail();
            return default;
        }

        ReadOnlySpan<byte> taken = _left[..length];
        _left = _left[length..];
        return taken;
    }

    private void Fail()
    {
        Failed = true;
        _left = default;
    }
}
