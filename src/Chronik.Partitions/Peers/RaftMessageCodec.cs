using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Peers;

/// <summary>A message of a Raft group as it lies in a frame. Receiver and first index of the entries follow from the rest.</summary>
internal static class RaftMessageCodec
{
    private const int FixedBytes = 20 + 2 + sizeof(int) + (7 * sizeof(long)) + sizeof(int);
    private const int EntryBytes = 1 + (2 * sizeof(long)) + sizeof(int);

    /// <summary>How many bytes a message takes.</summary>
    public static int Bytes(in RaftMessage message)
    {
        int bytes = FixedBytes;
        if (message.Entries is not { } entries) return bytes;
        for (int i = 0; i < entries.Count; i++) bytes += EntryBytes + entries[i].Payload.Length;
        return bytes;
    }

    public static void Write(ref FrameWriter writer, GroupId group, in RaftMessage message)
    {
        writer.Group(group);
        writer.Byte((byte)message.Kind);
        writer.Byte((byte)message.Flags);
        writer.Int(message.From.Value);
        writer.Long(message.Term.Value);
        writer.Long(message.Index.Value);
        writer.Long(message.LogTerm.Value);
        writer.Long(message.Commit.Value);
        writer.Long(message.NextOffset.Value);
        writer.Long((long)message.Round);
        writer.Long(message.Hint.Value);
        IReadOnlyList<LogEntry> entries = message.Entries ?? [];
        writer.Int(entries.Count);
        for (int i = 0; i < entries.Count; i++)
        {
            LogEntry entry = entries[i];
            writer.Byte((byte)entry.Kind);
            writer.Long(entry.Term.Value);
            writer.Long(entry.NextOffset.Value);
            writer.Int(entry.Payload.Length);
            writer.Bytes(entry.Payload.Span);
        }
    }

    /// <summary>
    /// Reads a message for this node. Its entries are parts of the frame, each with a reference for whoever gets the message. False, and
    /// no reference, when it is damaged or of a kind that this version does not know.
    /// </summary>
    /// <param name="reader">At the message, and ends with it.</param>
    /// <param name="to">This node.</param>
    /// <param name="frame">The frame that the message lies in.</param>
    /// <param name="position">Where in the frame the reader began.</param>
    /// <param name="group">The group.</param>
    /// <param name="message">The message.</param>
    public static bool TryRead(
        ref FrameReader reader, NodeId to, ReceivedFrame frame, int position, out GroupId group, out RaftMessage message)
    {
        group = reader.Group();
        MessageKind kind = (MessageKind)reader.Byte();
        MessageFlags flags = (MessageFlags)reader.Byte();
        message = new RaftMessage
        {
            Kind = kind,
            Flags = flags,
            From = new NodeId(reader.Int()),
            To = to,
            Term = new Term(reader.Long()),
            Index = new LogIndex(reader.Long()),
            LogTerm = new Term(reader.Long()),
            Commit = new LogIndex(reader.Long()),
            NextOffset = new KafkaOffset(reader.Long()),
            Round = (ulong)reader.Long(),
            Hint = new LogIndex(reader.Long()),
        };
        int count = reader.Count(EntryBytes);
        if (count > 0) message = message with { Entries = ReadEntries(ref reader, count, message.Index, frame, position) };
        if (!reader.Failed && reader.Left == 0 && Enum.IsDefined(kind) && IsPossible(message)) return true;
        new Outgoing(group, message, null).Release();
        return false;
    }

    private static LogEntry[] ReadEntries(ref FrameReader reader, int count, LogIndex before, ReceivedFrame frame, int position)
    {
        LogEntry[] entries = new LogEntry[count];
        for (int i = 0; i < count && !reader.Failed; i++)
        {
            EntryKind kind = (EntryKind)reader.Byte();
            Term term = new(reader.Long());
            KafkaOffset next = new(reader.Long());
            int length = reader.Int();
            int at = position + reader.Position;
            if (reader.Take(length).Length != length) break;
            BufferSlice payload = length == 0 ? BufferSlice.Empty : frame.Slice(at, length);
            payload.Retain();
            entries[i] = new LogEntry(before + i + 1, term, kind, next, payload);
        }

        return entries;
    }

    /// <summary>What no member of a group would ever say. The core relies on it.</summary>
    private static bool IsPossible(in RaftMessage message)
    {
        if (message.Term < Term.Zero || message.Index < LogIndex.Zero || message.LogTerm < Term.Zero || message.Commit < LogIndex.Zero
            || message.Hint < LogIndex.Zero || message.LogTerm > message.Term) return false;
        if (message.Entries is not { } entries) return true;
        Term term = message.LogTerm;
        foreach (LogEntry entry in entries)
        {
            if (entry.Term < term || entry.Term > message.Term || entry.NextOffset < KafkaOffset.Zero || !Enum.IsDefined(entry.Kind))
                return false;
            term = entry.Term;
        }

        return message.Kind == MessageKind.Append;
    }
}

/// <summary>A frame that has come, as a buffer once something in it is to be kept. One thread's.</summary>
internal sealed class ReceivedFrame(byte[] bytes, BufferPool pool) : IDisposable
{
    private PooledBuffer? _buffer;

    /// <summary>A part of the frame; whoever keeps it retains it.</summary>
    public BufferSlice Slice(int start, int length) => (_buffer ??= pool.Wrap(bytes)).Slice(start, length);

    public void Dispose() => _buffer?.Release();
}
