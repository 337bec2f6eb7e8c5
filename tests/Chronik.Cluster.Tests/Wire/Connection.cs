using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Chronik.Protocol;

namespace Chronik.Cluster.Tests.Wire;

/// <summary>A broker's address.</summary>
internal readonly record struct Address(string Host, int Port);

/// <summary>Something that goes away by itself: the caller looks for another broker, or asks again.</summary>
internal sealed class RetryException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// One connection to one broker. Requests may follow each other before the first is answered; answers come in that order. Every failure
/// of the connection, also an answer that does not come in time, is a <see cref="RetryException"/>.
/// </summary>
internal sealed class Connection : IDisposable
{
    /// <summary>How long an answer may take: short, so that a broker that was stopped is left soon.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private const int MaxFrame = 32 << 20;

    private readonly Queue<(ApiKey Api, short Version, int CorrelationId)> _asked = new();
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private int _correlationId;

    private Connection(Address address) => Address = address;

    public Address Address { get; }

    public static async Task<Connection> OpenAsync(Address address)
    {
        Connection connection = new(address);
        try
        {
            using CancellationTokenSource patience = new(Patience);
            await connection._socket.ConnectAsync(IPAddress.Parse(address.Host), address.Port, patience.Token);
            return connection;
        }
        catch (Exception e)
        {
            connection.Dispose();
            throw e is SocketException or OperationCanceledException ? new RetryException($"{address}: {e.Message}", e) : e;
        }
    }

    public async Task SendAsync(IRequestMessage message, short version)
    {
        int id = ++_correlationId;
        using KafkaWriter writer = new();
        int start = writer.BeginFrame();
        writer.WriteInt16((short)message.ApiKey);
        writer.WriteInt16(version);
        writer.WriteInt32(id);
        writer.WriteNullableString("cluster-test", false, nullable: true, "ClientId");
        if (ApiCatalog.Get(message.ApiKey).RequestHeaderVersion(version) == 2) writer.WriteUnsignedVarint(0);
        message.Write(writer, version);
        writer.EndFrame(start);
        _asked.Enqueue((message.ApiKey, version, id));
        ReadOnlyMemory<byte> bytes = writer.ToArray();
        await GuardAsync(Patience, async stop =>
        {
            while (!bytes.IsEmpty) bytes = bytes[await _socket.SendAsync(bytes, stop)..];
        });
    }

    /// <summary>The answer to the oldest request that was not answered.</summary>
    public async Task<TResponse> ReceiveAsync<TResponse>(TimeSpan? patience = null)
        where TResponse : IResponseMessage
    {
        (ApiKey api, short version, int id) = _asked.Dequeue();
        byte[] frame = [];
        await GuardAsync(patience ?? Patience, async stop =>
        {
            int size = BinaryPrimitives.ReadInt32BigEndian(await ReadAsync(4, stop));
            if (size is < 4 or > MaxFrame) throw new IOException($"an answer of {size} bytes: this is no broker");
            frame = await ReadAsync(size, stop);
        });
        return (TResponse)Decode(frame, api, version, id);
    }

    public async Task<TResponse> CallAsync<TResponse>(IRequestMessage<TResponse> message, short version, TimeSpan? patience = null)
        where TResponse : IResponseMessage
    {
        await SendAsync(message, version);
        return await ReceiveAsync<TResponse>(patience);
    }

    public void Dispose() => _socket.Dispose();

    private static IResponseMessage Decode(byte[] frame, ApiKey api, short version, int id)
    {
        KafkaReader reader = new(frame);
        Assert.Equal(id, reader.ReadInt32());
        if (ApiCatalog.Get(api).ResponseHeaderVersion(version) > 0) reader.SkipTags();
        return RequestDecoder.DecodeResponse(api, version, ref reader);
    }

    private async Task GuardAsync(TimeSpan patience, Func<CancellationToken, Task> work)
    {
        using CancellationTokenSource limit = new(patience);
        try
        {
            await work(limit.Token);
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            Dispose();
            throw new RetryException($"{Address}: {e.Message}", e);
        }
    }

    private async Task<byte[]> ReadAsync(int count, CancellationToken stop)
    {
        byte[] bytes = new byte[count];
        for (int have = 0; have < count;)
        {
            int got = await _socket.ReceiveAsync(bytes.AsMemory(have), stop);
            if (got == 0) throw new IOException("the broker closed the connection");
            have += got;
        }

        return bytes;
    }
}
