using Akka.Event;
using Chronik.Model;

namespace Chronik.Partitions.Peers;

/// <summary>What a message of a snapshot's transfer says.</summary>
internal enum SnapshotPart : byte
{
    /// <summary>Sender: there is this to be had.</summary>
    Offer = 1,

    /// <summary>Receiver: go on at <see cref="SnapshotMessage.Offset"/>.</summary>
    Ask = 2,

    /// <summary>Sender: the batches from there on, as far as they fit.</summary>
    Batches = 3,

    /// <summary>Sender: what else the replica is made of. Ends the transfer.</summary>
    State = 4,

    /// <summary>Receiver: it is all here, durably.</summary>
    Done = 5,

    /// <summary>Receiver: this does not lead anywhere.</summary>
    Refused = 6,
}

/// <summary>Up to where a snapshot reaches.</summary>
/// <param name="Index">The last entry that it covers.</param>
/// <param name="Term">That entry's term.</param>
/// <param name="NextOffset">The log end offset after it.</param>
/// <param name="LogStartOffset">
/// The first offset that the sender's log had when the message was made: the receiver may lack what lies before it, and nothing else.
/// </param>
internal readonly record struct SnapshotPoint(LogIndex Index, Term Term, KafkaOffset NextOffset, KafkaOffset LogStartOffset);

/// <summary>
/// One step of the transfer of a replica's state to a member that is too far behind for single entries. The receiver asks for each piece,
/// so one at most is under way, and a transfer that was cut off goes on where the receiver's log ends.
/// </summary>
internal sealed record SnapshotMessage : IPeerRecord, IDeadLetterSuppression
{
    private const int FixedBytes = 20 + 1 + (6 * sizeof(long)) + sizeof(int);

    public required GroupId Group { get; init; }

    public required SnapshotPart Part { get; init; }

    /// <summary>Who sent it; not in the frame, which says so itself.</summary>
    public NodeId From { get; init; } = NodeId.None;

    /// <summary>The sender's number for the transfer.</summary>
    public required long Transfer { get; init; }

    /// <summary>Where the receiver's log ends, or where the batches begin.</summary>
    public KafkaOffset Offset { get; init; }

    public SnapshotPoint Point { get; init; }

    /// <summary>Batches, or the state. Whoever gets the message has one reference.</summary>
    public BufferSlice Payload { get; init; }

    public FrameRecord Kind => FrameRecord.Snapshot;

    public int Bytes => FixedBytes + Payload.Length;

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
        writer.Int(Payload.Length);
        writer.Bytes(Payload.Span);
    }

    /// <summary>Reads one, whose payload is a part of the frame with a reference; null when it is damaged.</summary>
    public static SnapshotMessage? Read(ref FrameReader reader, NodeId from, ReceivedFrame frame, int position)
    {
        SnapshotMessage message = new()
        {
            Group = reader.Group(),
            Part = (SnapshotPart)reader.Byte(),
            From = from,
            Transfer = reader.Long(),
            Offset = new KafkaOffset(reader.Long()),
            Point = new SnapshotPoint(
                new LogIndex(reader.Long()), new Term(reader.Long()), new KafkaOffset(reader.Long()), new KafkaOffset(reader.Long())),
        };
        int length = reader.Int();
        int at = position + reader.Position;
        reader.Take(length);
        if (reader.Failed || reader.Left > 0 || !Enum.IsDefined(message.Part) || message.Offset < KafkaOffset.Zero
            || message.Point.Index < LogIndex.Zero || message.Point.Term < Term.Zero
            || message.Point.LogStartOffset < KafkaOffset.Zero || message.Point.LogStartOffset > message.Point.NextOffset) return null;
        if (length == 0) return message;
        BufferSlice payload = frame.Slice(at, length);
        payload.Retain();
        return message with { Payload = payload };
    }

    /// <summary>Gives the payload up.</summary>
    public void Release() => Payload.Release();
}
