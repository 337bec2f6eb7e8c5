using System.Text;
using Akka.Actor;

namespace Akka.Remote.Transport;

internal enum FrameKind : byte
{
    /// <summary>A message to an actor.</summary>
    Message = 1,

    /// <summary>A message of the runtime; numbered, acknowledged, delivered once.</summary>
    System = 2,

    /// <summary>The answer to <see cref="Ping"/> and to system messages: the number of the last one that was delivered.</summary>
    Ack = 3,

    Ping = 4,

    /// <summary>The other end holds this incarnation for dead.</summary>
    Quarantined = 5,
}

/// <summary>A message on its way out, with what it takes to make a dead letter of it.</summary>
internal sealed class OutboundMessage
{
    public FrameKind Kind { get; init; }

    public byte[] Payload { get; init; } = [];

    public int SerializerId { get; init; }

    public string Manifest { get; init; } = string.Empty;

    public RemoteActorRef Recipient { get; init; }

    /// <summary>The sender's path in UTF-8; empty for none.</summary>
    public byte[] SenderPath { get; init; } = [];

    /// <summary>The way that is left to the actor that is meant; null when the recipient is it.</summary>
    public ActorSelectionMessage Selection { get; init; }

    public object Message { get; init; }

    public IActorRef Sender { get; init; }

    /// <summary>The number of a system message.</summary>
    public ulong Sequence { get; set; }

    /// <summary>When a system message was sent first, in milliseconds.</summary>
    public long SentAt { get; init; }

    /// <summary>About how many bytes it takes.</summary>
    public int Size => Payload.Length + SenderPath.Length + (Recipient?.PathBytes.Length ?? 0) + 64;
}

/// <summary>
/// The bytes of a frame:
///   u32 length of what follows, u8 kind
///   Message, System: u16 length of the header, the header, the payload
///     header: [System: u64 number] u8 flags, i32 serializer, recipient, manifest, [sender], [u8 count of steps, each u8 type and name]
///   Ack: u64 number
/// Integers are little endian; a text is a u16 length and UTF-8.
/// </summary>
internal static class Frame
{
    public const int MaximumHeader = 16 * 1024;
    public const int LengthAndKind = 5;

    public const byte HasSender = 1;
    public const byte IsSelection = 2;
    public const byte IsWildcard = 4;

    public const byte StepToParent = 0;
    public const byte StepToName = 1;
    public const byte StepToPattern = 2;

    /// <summary>Writes everything but the payload; returns how many bytes that were.</summary>
    /// <exception cref="RemoteTransportException">The header is longer than a header may be.</exception>
    public static int WriteHead(OutboundMessage message, Span<byte> to)
    {
        to[4] = (byte)message.Kind;
        if (message.Kind is FrameKind.Ping or FrameKind.Quarantined)
        {
            BitConverter.TryWriteBytes(to, 1);
            return LengthAndKind;
        }

        var writer = new Writer(to[..Math.Min(to.Length, MaximumHeader)], LengthAndKind + sizeof(ushort));
        if (message.Kind == FrameKind.System)
            writer.Number(message.Sequence);
        byte flags = 0;
        if (message.SenderPath.Length > 0)
            flags |= HasSender;
        if (message.Selection is { } selected)
            flags |= (byte)(selected.WildCardFanOut ? IsSelection | IsWildcard : IsSelection);
        writer.Byte(flags);
        writer.Number(message.SerializerId);
        writer.Bytes(message.Recipient.PathBytes);
        writer.Text(message.Manifest);
        if (message.SenderPath.Length > 0)
            writer.Bytes(message.SenderPath);
        if (message.Selection is { } selection)
        {
            writer.Byte(checked((byte)selection.Elements.Length));
            foreach (SelectionPathElement step in selection.Elements)
            {
                writer.Byte(step switch { SelectParent => StepToParent, SelectChildName => StepToName, _ => StepToPattern });
                writer.Text(step is SelectParent ? string.Empty : step.ToString());
            }
        }

        int header = writer.Position - LengthAndKind - sizeof(ushort);
        BitConverter.TryWriteBytes(to, 1 + sizeof(ushort) + header + message.Payload.Length);
        BitConverter.TryWriteBytes(to[LengthAndKind..], (ushort)header);
        return writer.Position;
    }

    public static void WriteAck(ulong number, Span<byte> to)
    {
        BitConverter.TryWriteBytes(to, 1 + sizeof(ulong));
        to[4] = (byte)FrameKind.Ack;
        BitConverter.TryWriteBytes(to[LengthAndKind..], number);
    }

    /// <summary>How many bytes <see cref="WriteHead"/> writes at most.</summary>
    public static int HeadSize(OutboundMessage message)
    {
        int size = 64 + message.SenderPath.Length + (message.Recipient?.PathBytes.Length ?? 0)
            + Encoding.UTF8.GetByteCount(message.Manifest);
        if (message.Selection is { } selection)
        {
            foreach (SelectionPathElement step in selection.Elements)
                size += 3 + Encoding.UTF8.GetByteCount(step.ToString());
        }

        return size;
    }

    internal ref struct Writer(Span<byte> to, int position)
    {
        private readonly Span<byte> _to = to;

        public int Position { get; private set; } = position;

        public void Byte(byte value) => _to[Position++] = value;

        public void Number(int value)
        {
            BitConverter.TryWriteBytes(_to[Position..], value);
            Position += sizeof(int);
        }

        public void Number(ulong value)
        {
            BitConverter.TryWriteBytes(_to[Position..], value);
            Position += sizeof(ulong);
        }

        public void Bytes(ReadOnlySpan<byte> value)
        {
            BitConverter.TryWriteBytes(_to[Position..], checked((ushort)value.Length));
            value.CopyTo(_to[(Position + sizeof(ushort))..]);
            Position += sizeof(ushort) + value.Length;
        }

        public void Text(string value)
        {
            int length = Encoding.UTF8.GetBytes(value, _to[(Position + sizeof(ushort))..]);
            BitConverter.TryWriteBytes(_to[Position..], checked((ushort)length));
            Position += sizeof(ushort) + length;
        }
    }
}

/// <summary>Reads what <see cref="Frame.Writer"/> wrote.</summary>
internal ref struct FrameReader(ReadOnlySpan<byte> from)
{
    private ReadOnlySpan<byte> _from = from;

    public readonly bool AtEnd => _from.IsEmpty;

    public byte Byte() => Take(1)[0];

    public ushort Short() => BitConverter.ToUInt16(Take(sizeof(ushort)));

    public int Int() => BitConverter.ToInt32(Take(sizeof(int)));

    public ulong Number() => BitConverter.ToUInt64(Take(sizeof(ulong)));

    public ReadOnlySpan<byte> Bytes() => Take(Short());

    public string Text() => Encoding.UTF8.GetString(Bytes());

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count > _from.Length)
            throw new ProtocolException("a frame ends before its header does");
        ReadOnlySpan<byte> taken = _from[..count];
        _from = _from[count..];
        return taken;
    }
}

/// <summary>The other end does not keep to the protocol: the connection is closed.</summary>
internal sealed class ProtocolException(string message) : RemoteTransportException(message);
