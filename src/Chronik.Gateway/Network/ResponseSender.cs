using Microsoft.Win32.SafeHandles;

namespace Chronik.Gateway.Network;

/// <summary>A piece of a response: bytes in memory, or a range of a file.</summary>
/// <param name="Bytes">The bytes, when there is no file.</param>
/// <param name="File">The file, or null.</param>
/// <param name="Position">Where in the file the range starts.</param>
/// <param name="FileLength">How long the range is.</param>
internal readonly record struct ResponsePart(ReadOnlyMemory<byte> Bytes, SafeFileHandle? File, long Position, int FileLength)
{
    /// <summary>Bytes in memory.</summary>
    public ResponsePart(ReadOnlyMemory<byte> bytes)
        : this(bytes, null, 0, 0)
    {
    }

    /// <summary>How many bytes the client gets.</summary>
    public int Length => File is null ? Bytes.Length : FileLength;
}

/// <summary>
/// Sends responses in the order they were handed over. Belongs to the connection actor: every call comes from its thread, and what
/// completes elsewhere is told to it.
/// </summary>
internal abstract class ResponseSender : IDisposable
{
    /// <summary>Whether bytes of a response are with the kernel or the transport, so that its buffers must stay.</summary>
    public abstract bool InFlight { get; }

    /// <summary>Hands over a response; its parts stay valid until the request is told that it was sent.</summary>
    public abstract void Enqueue(Request response);

    /// <summary>Sends what can be sent now. Returns the responses that have been sent completely since the last call.</summary>
    /// <exception cref="IOException">The client is gone.</exception>
    public abstract void Pump(List<Request> sent);

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>The sender that fits the connection's transport.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="progress">Called on any thread when <see cref="Pump"/> should be called again.</param>
    public static ResponseSender For(KafkaConnection connection, Action progress) => connection.Socket is { } socket
        ? new SocketResponseSender(socket, connection.Services.Buffers, progress)
        : new PipeResponseSender(connection.Output, connection.Services.Buffers, progress);
}
