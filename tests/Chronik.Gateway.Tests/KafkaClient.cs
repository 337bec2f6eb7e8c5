using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Gateway.Tests;

/// <summary>A client that says exactly what a test tells it to say.</summary>
internal sealed class KafkaClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Queue<(ApiKey Api, short Version, int CorrelationId)> _asked = new();
    private int _correlationId;

    private KafkaClient(Socket socket) => Socket = socket;

    public Socket Socket { get; }

    public static async Task<KafkaClient> ConnectAsync(IPEndPoint endpoint)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(endpoint);
        return new KafkaClient(socket);
    }

    /// <summary>A frame as it goes over the wire.</summary>
    public static byte[] Frame(
        short api, short version, int correlationId, Action<KafkaWriter> body, short headerVersion = 1)
    {
        using var writer = new KafkaWriter();
        int start = writer.BeginFrame();
        writer.WriteInt16(api);
        writer.WriteInt16(version);
        writer.WriteInt32(correlationId);
        writer.WriteNullableString("test", false, nullable: true, "ClientId");
        if (headerVersion == 2) writer.WriteUnsignedVarint(0);
        body(writer);
        writer.EndFrame(start);
        return writer.ToArray();
    }

    public static byte[] Frame(IRequestMessage message, short version, int correlationId) =>
        Frame((short)message.ApiKey, version, correlationId, writer => message.Write(writer, version),
            ApiCatalog.Get(message.ApiKey).RequestHeaderVersion(version));

    /// <summary>A batch of records with these values.</summary>
    public static byte[] Batch(params string[] values)
    {
        var builder = new RecordBatchBuilder();
        foreach (string value in values) builder.Add(1_000, null, System.Text.Encoding.UTF8.GetBytes(value));
        return builder.Build();
    }

    public static ProduceRequest Produce(string topic, byte[] records, short acks = -1, int partition = 0) => new()
    {
        Acks = acks,
        TimeoutMs = 30_000,
        TopicData = [new() { Name = topic, PartitionData = [new() { Index = partition, Records = new MemoryRecords(records) }] }],
    };

    public static FetchRequest Fetch(
        string topic, long offset, int maxWaitMs = 0, int minBytes = 1, int partitionMaxBytes = 1 << 20) => new()
        {
            MaxWaitMs = maxWaitMs,
            MinBytes = minBytes,
            Topics = [new() { Topic = topic, Partitions = [new() { FetchOffset = offset, PartitionMaxBytes = partitionMaxBytes }] }],
        };

    /// <summary>Sends bytes as they are.</summary>
    public async Task SendRawAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty) bytes = bytes[await Socket.SendAsync(bytes)..];
    }

    /// <summary>Sends a request and does not wait.</summary>
    public Task SendAsync(IRequestMessage message, short version, bool expectsAnswer = true)
    {
        int id = ++_correlationId;
        if (expectsAnswer) _asked.Enqueue((message.ApiKey, version, id));
        return SendRawAsync(Frame(message, version, id));
    }

    /// <summary>The next response, which must be the one to the oldest request that was not answered.</summary>
    public async Task<TResponse> ReceiveAsync<TResponse>()
        where TResponse : IResponseMessage
    {
        (ApiKey api, short version, int id) = _asked.Dequeue();
        byte[] frame = await ReceiveFrameAsync() ?? throw new IOException("the broker closed the connection");
        return (TResponse)Decode(frame, api, version, id);
    }

    public async Task<TResponse> CallAsync<TResponse>(IRequestMessage<TResponse> message, short version)
        where TResponse : IResponseMessage
    {
        await SendAsync(message, version);
        return await ReceiveAsync<TResponse>();
    }

    /// <summary>The next frame without its size; null when the broker has closed the connection.</summary>
    public async Task<byte[]?> ReceiveFrameAsync()
    {
        byte[]? size = await ReceiveBytesAsync(4);
        return size is null ? null : await ReceiveBytesAsync(BinaryPrimitives.ReadInt32BigEndian(size));
    }

    /// <summary>Waits for the broker to close the connection; fails if it says something instead.</summary>
    public async Task AssertClosedAsync()
    {
        byte[]? answer = await ReceiveBytesAsync(1);
        Assert.True(answer is null, "the broker answered instead of closing the connection");
    }

    public async Task<byte[]?> ReceiveBytesAsync(int count)
    {
        byte[] bytes = new byte[count];
        using var patience = new CancellationTokenSource(Patience);
        int have = 0;
        try
        {
            while (have < count)
            {
                int got = await Socket.ReceiveAsync(bytes.AsMemory(have), patience.Token);
                if (got == 0) return have == 0 ? null : throw new IOException("the broker closed the connection within a frame");
                have += got;
            }
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            return null;
        }

        return bytes;
    }

    public void Dispose() => Socket.Dispose();

    private static IResponseMessage Decode(byte[] frame, ApiKey api, short version, int id)
    {
        var reader = new KafkaReader(frame);
        Assert.Equal(id, reader.ReadInt32());
        if (ApiCatalog.Get(api).ResponseHeaderVersion(version) > 0) reader.SkipTags();
        return RequestDecoder.DecodeResponse(api, version, ref reader);
    }
}
