using Akka.Event;
using Chronik.Model;

namespace Chronik.Partitions.Peers;

/// <summary>What a message of a snapshot's transfer says.</summary>
internal enum SnapshotPart : byte
{
    /// <summary>Sender: there is this to be had.</summary>
    Offer = 1,

    /// <summary>
    /// Receiver: go on at <see cref="SnapshotMessage.Offset"/>, and forget what was sent from there on. In the form of level 1, it asks for
    /// one piece.
    /// </summary>
    Ask = 2,

    /// <summary>Sender: the batches from there on, as far as they fit.</summary>
    Batches = 3,

    /// <summary>Sender: what else the replica is made of. Ends the transfer.</summary>
    State = 4,

    /// <summary>Receiver: it is all here, durably.</summary>
    Done = 5,

    /// <summary>Receiver: this does not lead anywhere.</summary>
    Refused = 6,

    /// <summary>Sender: what is about to come, from the offset that was asked for. Level 2.</summary>
    Manifest = 7,

    /// <summary>Receiver: it has appended everything before <see cref="SnapshotMessage.Offset"/>. Level 2.</summary>
    Received = 8,
}

/// <summary>Up to where a snapshot reaches.</summary>
/// <param name="Index">The last entry that it covers.</param>
/// <param name="Term">That entry's term.</param>
/// <param name="NextOffset">The log end offset after it.</param>
/// <param name="LogStartOffset">
/// The first offset that the sender's log had when the message was made: the receiver may lack what lies before it, and nothing else.
/// </param>
internal readonly record struct SnapshotPoint(LogIndex Index, Term Term, KafkaOffset NextOffset, KafkaOffset LogStartOffset)
{
    /// <summary>
    /// Where its batches end, and what its state describes: behind <see cref="NextOffset"/> when the sender holds committed batches of
    /// entries that it has yet to apply. The form of level 1 has no such thing.
    /// </summary>
    public KafkaOffset LogEnd { get; init; } = NextOffset;
}

/// <summary>
/// One step of the transfer of a replica's state to a member that is too far behind for single entries. The receiver says where its log
/// ends, at the beginning and whenever something was lost on the way, so a transfer that was cut off goes on there.
/// </summary>
internal sealed record SnapshotMessage : IPeerRecord, IDeadLetterSuppression
{
    private const int OldFixedBytes = 20 + 1 + (6 * sizeof(long)) + sizeof(int);
    private const int FixedBytes = OldFixedBytes + sizeof(long) + sizeof(uint) + sizeof(int);

    public required GroupId Group { get; init; }

    public required SnapshotPart Part { get; init; }

    /// <summary>The level of its form.</summary>
    public int Level { get; init; } = FeatureLevel.Oldest;

    /// <summary>Who sent it; not in the frame, which says so itself.</summary>
    public NodeId From { get; init; } = NodeId.None;

    /// <summary>The sender's number for the transfer.</summary>
    public required long Transfer { get; init; }

    /// <summary>Where the receiver's log ends, or where the batches begin.</summary>
    public KafkaOffset Offset { get; init; }

    public SnapshotPoint Point { get; init; }

    /// <summary>
    /// CRC-32C of all batches since the manifest, those of this message included, as they are when not compressed; of the state behind all
    /// of them; or of the manifest alone. Level 2.
    /// </summary>
    public uint Checksum { get; init; }

    /// <summary>How many bytes the payload has when decompressed (zstd); 0 when it is not compressed. Level 2.</summary>
    public int RawBytes { get; init; }

    /// <summary>Batches, the state or a manifest. Whoever gets the message has one reference.</summary>
    public BufferSlice Payload { get; init; }

    public FrameRecord Kind => Level < FeatureLevel.Operable ? FrameRecord.Snapshot : FrameRecord.SnapshotStep;

    /// <summary>What fills a replica lets pass what clients wait for. All of it, so that it stays in order.</summary>
    public bool YieldsToOthers => Part is SnapshotPart.Manifest or SnapshotPart.Batches or SnapshotPart.State;

    public int Bytes => (Level < FeatureLevel.Operable ? OldFixedBytes : FixedBytes) + Payload.Length;

    public void Write(ref FrameWriter writer)
    {
        writer.Group(Group);
        writer.Byte((byte)Part);
        writer.Long(Transfer);
        writer.Long(Offset.Value);
        writer.Long(Point.Index.Value);
        writer.Long(Point.Term.Value);
        writer.Long(Point.NextOffset.Value);
        writer.Long(Point.LogStartOffset.Value);
        if (Level >= FeatureLevel.Operable)
        {
            writer.Long(Point.LogEnd.Value);
            writer.Int((int)Checksum);
            writer.Int(RawBytes);
        }

        writer.Int(Payload.Length);
        writer.Bytes(Payload.Span);
    }

    /// <summary>Reads one, whose payload is a part of the frame with a reference; null when it is damaged.</summary>
    public static SnapshotMessage? Read(ref FrameReader reader, int level, NodeId from, ReceivedFrame frame, int position)
    {
        SnapshotMessage message = new()
        {
            Group = reader.Group(),
            Part = (SnapshotPart)reader.Byte(),
            Level = level,
            From = from,
            Transfer = reader.Long(),
            Offset = new KafkaOffset(reader.Long()),
            Point = new SnapshotPoint(
                new LogIndex(reader.Long()), new Term(reader.Long()), new KafkaOffset(reader.Long()), new KafkaOffset(reader.Long())),
        };
        if (level >= FeatureLevel.Operable)
        {
            message = message with
            {
                Point = message.Point with { LogEnd = new KafkaOffset(reader.Long()) },
                Checksum = (uint)reader.Int(),
                RawBytes = reader.Int(),
            };
        }

        int length = reader.Int();
        int at = position + reader.Position;
        reader.Take(length);
        SnapshotPoint point = message.Point;
        if (reader.Failed || reader.Left > 0 || !Enum.IsDefined(message.Part) || message.Offset < KafkaOffset.Zero
            || point.Index < LogIndex.Zero || point.Term < Term.Zero || point.NextOffset < KafkaOffset.Zero
            || point.NextOffset > point.LogEnd || point.LogStartOffset < KafkaOffset.Zero || point.LogStartOffset > point.LogEnd
            || message.RawBytes < 0) return null;
        if (length == 0) return message;
        BufferSlice payload = frame.Slice(at, length);
        payload.Retain();
        return message with { Payload = payload };
    }

    /// <summary>Gives the payload up.</summary>
    public void Release() => Payload.Release();
}
