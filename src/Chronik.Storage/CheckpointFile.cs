using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Chronik.Model;
using Chronik.Protocol;

namespace Chronik.Storage;

/// <summary>What a checkpoint says of one segment, so that a start need not look into it.</summary>
/// <param name="BaseOffset">The segment's first offset, which is also its name.</param>
/// <param name="Bytes">Its length; what lies behind is not part of the checkpoint.</param>
/// <param name="MaxTimestamp">The largest timestamp in it.</param>
/// <param name="CreatedMs">When its first batch was appended.</param>
/// <param name="IndexEntries">Entries of its index file.</param>
/// <param name="MaxTimestampPosition">Where the first batch with the largest timestamp starts.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct SegmentInfo(
    long BaseOffset, long Bytes, long MaxTimestamp, long CreatedMs, int IndexEntries, int MaxTimestampPosition);

/// <summary>A checkpoint as it lies on disk.</summary>
/// <param name="Group">The group.</param>
/// <param name="Checkpoint">What the owner said.</param>
/// <param name="WalEnd">The end of the WAL when the owner said it: a deletion of the group behind that makes it void.</param>
/// <param name="Segments">The group's segments, oldest first.</param>
internal sealed record StoredCheckpoint(GroupId Group, Checkpoint Checkpoint, WalPosition WalEnd, SegmentInfo[] Segments)
{
    /// <summary>The same without the owner's state, which is the owner's to keep.</summary>
    public StoredCheckpoint WithoutState() => this with { Checkpoint = Checkpoint with { State = default } };
}

/// <summary>Reads and writes checkpoint files: one per group, replaced as a whole. See docs/storage-format.md.</summary>
internal static class CheckpointFile
{
    public const string Suffix = ".checkpoint";
    public const string TemporarySuffix = ".checkpoint.tmp";

    private const int Version = 1;
    private const int VersionWithLogEnd = 2; // Behind the header: where the log ends. Only written when that is not the next offset.

    public static string PathOf(string directory, GroupId group) => Path.Combine(directory, group + Suffix);

    /// <summary>Writes and syncs the file under its temporary name; the caller renames it and syncs the directory.</summary>
    public static void WriteTemporary(IDisk disk, string directory, StoredCheckpoint stored)
    {
        Checkpoint checkpoint = stored.Checkpoint;
        bool isAhead = checkpoint.LogEndOffset != checkpoint.NextOffset;
        Header header = new()
        {
            Version = isAhead ? VersionWithLogEnd : Version,
            Topic = stored.Group.Topic.Value,
            Partition = stored.Group.Partition,
            Index = stored.Checkpoint.Index.Value,
            Term = stored.Checkpoint.Term.Value,
            NextOffset = stored.Checkpoint.NextOffset.Value,
            LogStartOffset = stored.Checkpoint.LogStartOffset.Value,
            HardStateTerm = stored.Checkpoint.HardState.Term.Value,
            HardStateVote = stored.Checkpoint.HardState.Vote.Value,
            WalGeneration = stored.WalEnd.Generation,
            WalPosition = stored.WalEnd.Position,
            Segments = stored.Segments.Length,
            StateBytes = stored.Checkpoint.State.Length,
        };
        ReadOnlySpan<byte> segments = MemoryMarshal.AsBytes<SegmentInfo>(stored.Segments);
        int segmentsAt = Marshal.SizeOf<Header>() + (isAhead ? sizeof(long) : 0);
        byte[] bytes = new byte[segmentsAt + segments.Length + header.StateBytes];
        MemoryMarshal.Write(bytes, in header);
        if (isAhead) BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(Marshal.SizeOf<Header>()), checkpoint.LogEndOffset.Value);
        segments.CopyTo(bytes.AsSpan(segmentsAt));
        stored.Checkpoint.State.Span.CopyTo(bytes.AsSpan(bytes.Length - header.StateBytes));
        uint crc = Crc32C.Append(0, bytes.AsSpan(sizeof(uint)));
        MemoryMarshal.Write(bytes, in crc);

        using IDiskFile file = disk.Open(Path.Combine(directory, stored.Group + TemporarySuffix), DiskOpen.Replace);
        file.Write(bytes, 0);
        file.Sync();
    }

    /// <summary>Reads a file; throws unless every bit of it is right.</summary>
    public static StoredCheckpoint Read(IDisk disk, string path)
    {
        byte[] bytes;
        using (IDiskFile file = disk.Open(path, DiskOpen.Read))
        {
            bytes = new byte[file.Length];
            if (file.Read(bytes, 0) != bytes.Length) throw new StorageException($"{path} cannot be read to its end") { IsDamage = true };
        }

        int headerBytes = Marshal.SizeOf<Header>();
        if (bytes.Length < headerBytes || MemoryMarshal.Read<uint>(bytes) != Crc32C.Append(0, bytes.AsSpan(sizeof(uint))))
            throw new StorageException($"{path} is damaged: its checksum is wrong") { IsDamage = true };
        Header header = MemoryMarshal.Read<Header>(bytes);
        if (header.Version is not (Version or VersionWithLogEnd))
        {
            throw new StorageException(
                $"{path} has format version {header.Version}, this program reads up to {VersionWithLogEnd}");
        }

        long logEnd = header.NextOffset;
        int segmentsAt = headerBytes;
        if (header.Version == VersionWithLogEnd)
        {
            logEnd = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(headerBytes));
            segmentsAt += sizeof(long);
        }

        SegmentInfo[] segments = new SegmentInfo[header.Segments];
        Span<byte> target = MemoryMarshal.AsBytes(segments.AsSpan());
        bytes.AsSpan(segmentsAt, target.Length).CopyTo(target);
        Checkpoint checkpoint = new(
            new LogIndex(header.Index), new Term(header.Term), new KafkaOffset(header.NextOffset), new KafkaOffset(header.LogStartOffset),
            new HardState(new Term(header.HardStateTerm), new NodeId(header.HardStateVote)),
            bytes.AsMemory(segmentsAt + target.Length, header.StateBytes))
        {
            LogEndOffset = new KafkaOffset(logEnd),
        };
        GroupId group = new(new TopicId(header.Topic), header.Partition);
        return new StoredCheckpoint(group, checkpoint, new WalPosition(header.WalGeneration, header.WalPosition), segments);
    }

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct Header
    {
        public uint Crc;
        public int Version;
        public Guid Topic;
        public int Partition;
        public int HardStateVote;
        public long HardStateTerm;
        public long Index;
        public long Term;
        public long NextOffset;
        public long LogStartOffset;
        public long WalGeneration;
        public long WalPosition;
        public int Segments;
        public int StateBytes;
    }
}
