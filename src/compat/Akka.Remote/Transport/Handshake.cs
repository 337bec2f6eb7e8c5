using System.Net.Sockets;
using System.Text;
using Akka.Actor;

namespace Akka.Remote.Transport;

internal enum Lane : byte
{
    Control = 0,
    Bulk = 1,
}

internal enum HandshakeStatus : byte
{
    Welcome = 0,
    WrongAddress = 1,
    Quarantined = 2,
    Version = 3,
    Refused = 4,
}

/// <summary>What the end that opens a connection says first.</summary>
internal sealed record Hello(Address From, int Uid, Address To, Lane Lane, ulong Association, int MaximumFrameSize);

/// <summary>The answer.</summary>
internal sealed record Welcome(HandshakeStatus Status, Address From, int Uid, int MaximumFrameSize, string Reason);

/// <summary>
/// The first bytes in each direction: eight of magic, u16 version, u16 length of the rest, the rest. They are checked one after the other,
/// so that whatever else connects to the port is recognised by its first bytes and nothing is allocated for it.
/// </summary>
internal static class Handshake
{
    public const ushort Version = 1;

    private const int PrefaceSize = 12;
    private const int MaximumBody = 2048;

    private static ReadOnlySpan<byte> Magic => "AkRemote"u8;

    public static Task SendAsync(Socket socket, Hello hello, CancellationToken cancellation)
    {
        byte[] bytes = new byte[PrefaceSize + MaximumBody];
        var writer = new Frame.Writer(bytes, PrefaceSize);
        writer.Byte((byte)hello.Lane);
        writer.Number(hello.Association);
        writer.Number(hello.Uid);
        writer.Number(hello.MaximumFrameSize);
        writer.Text(hello.From.ToString());
        writer.Text(hello.To.ToString());
        return SendAsync(socket, bytes, writer.Position, cancellation);
    }

    public static Task SendAsync(Socket socket, Welcome welcome, CancellationToken cancellation)
    {
        byte[] bytes = new byte[PrefaceSize + MaximumBody];
        var writer = new Frame.Writer(bytes, PrefaceSize);
        writer.Byte((byte)welcome.Status);
        writer.Number(welcome.Uid);
        writer.Number(welcome.MaximumFrameSize);
        writer.Text(welcome.From.ToString());
        writer.Text(welcome.Reason);
        return SendAsync(socket, bytes, writer.Position, cancellation);
    }

    /// <exception cref="ProtocolException">These are no first bytes of this protocol.</exception>
    public static async Task<Hello> ReceiveHelloAsync(Socket socket, CancellationToken cancellation)
    {
        byte[] body = await ReceiveAsync(socket, cancellation).ConfigureAwait(false);
        return Parse(body);

        static Hello Parse(byte[] body)
        {
            var reader = new FrameReader(body);
            Lane lane = reader.Byte() switch
            {
                0 => Lane.Control,
                1 => Lane.Bulk,
                var other => throw new ProtocolException($"there is no lane {other}"),
            };
            ulong association = reader.Number();
            int uid = reader.Int();
            int maximumFrameSize = reader.Int();
            return new Hello(AddressOf(reader.Text()), uid, AddressOf(reader.Text()), lane, association, maximumFrameSize);
        }
    }

    /// <exception cref="ProtocolException">These are no first bytes of this protocol.</exception>
    public static async Task<Welcome> ReceiveWelcomeAsync(Socket socket, CancellationToken cancellation)
    {
        byte[] body = await ReceiveAsync(socket, cancellation).ConfigureAwait(false);
        return Parse(body);

        static Welcome Parse(byte[] body)
        {
            var reader = new FrameReader(body);
            var status = (HandshakeStatus)reader.Byte();
            int uid = reader.Int();
            int maximumFrameSize = reader.Int();
            return new Welcome(status, AddressOf(reader.Text()), uid, maximumFrameSize, reader.Text());
        }
    }

    private static Task SendAsync(Socket socket, byte[] bytes, int length, CancellationToken cancellation)
    {
        Magic.CopyTo(bytes);
        BitConverter.TryWriteBytes(bytes.AsSpan(Magic.Length), Version);
        BitConverter.TryWriteBytes(bytes.AsSpan(Magic.Length + sizeof(ushort)), (ushort)(length - PrefaceSize));
        return socket.SendAsync(bytes.AsMemory(0, length), SocketFlags.None, cancellation).AsTask();
    }

    private static async Task<byte[]> ReceiveAsync(Socket socket, CancellationToken cancellation)
    {
        byte[] preface = new byte[PrefaceSize];
        await FillAsync(socket, preface, cancellation).ConfigureAwait(false);
        if (!preface.AsSpan(0, Magic.Length).SequenceEqual(Magic))
            throw new ProtocolException($"it does not speak this protocol, its first bytes are [{Printable(preface)}]");
        ushort version = BitConverter.ToUInt16(preface, Magic.Length);
        if (version != Version)
            throw new VersionException(version);
        ushort length = BitConverter.ToUInt16(preface, Magic.Length + sizeof(ushort));
        if (length > MaximumBody)
            throw new ProtocolException($"its greeting says it is {length} bytes long; {MaximumBody} are allowed");
        byte[] body = new byte[length];
        await FillAsync(socket, body, cancellation).ConfigureAwait(false);
        return body;
    }

    private static async Task FillAsync(Socket socket, Memory<byte> to, CancellationToken cancellation)
    {
        while (!to.IsEmpty)
        {
            int received = await socket.ReceiveAsync(to, SocketFlags.None, cancellation).ConfigureAwait(false);
            if (received == 0)
                throw new ProtocolException("it closed the connection before its greeting was complete");
            to = to[received..];
        }
    }

    private static Address AddressOf(string text) =>
        Address.TryParse(text, out Address address) ? address : throw new ProtocolException("its greeting names no address");

    private static string Printable(byte[] bytes)
    {
        var text = new StringBuilder();
        foreach (byte b in bytes)
            text.Append(b is >= 0x20 and < 0x7f ? ((char)b).ToString() : $"\\x{b:x2}");
        return text.ToString();
    }
}

/// <summary>The other end speaks another version of the protocol.</summary>
internal sealed class VersionException(ushort version)
    : RemoteTransportException($"it speaks version {version} of the protocol, this system version {Handshake.Version}");
