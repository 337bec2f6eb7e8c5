using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Akka.Event;
using Chronik.Model;
using Chronik.Protocol;

namespace Chronik.Gateway.Network;

/// <summary>Makes a response later than it is known to be complete: on the connection's thread instead of a partition's.</summary>
internal interface IResponseSource
{
    /// <summary>The response, or why the connection must be closed; both null for no answer at all.</summary>
    (IResponseMessage? Response, string? CloseReason) MakeResponse();
}

/// <summary>A request that is answered at a certain time at the latest, whatever has come of it by then.</summary>
internal interface IDeadline
{
    /// <summary>When, by <see cref="Environment.TickCount64"/>.</summary>
    long DueAt { get; }

    /// <summary>Answers it, if it is not answered yet. On the connection's thread.</summary>
    void Expire();
}

/// <summary>The memory of a request that was answered while parts of it are still in use. Given back once, from any thread.</summary>
internal sealed class RequestRemains(GatewayServices services, PooledBuffer? frame, MemoryLease lease, AnswerLease? decoded)
{
    /// <summary>Gives it back.</summary>
    public void GiveBack()
    {
        if (decoded is not null) services.AnswerMemory.Give(decoded);
        if (frame is null) return;
        frame.Release();
        services.RequestMemory.Give(lease);
    }
}

/// <summary>A large request or answer finds no room; it costs its connection.</summary>
internal sealed class NoRoomException : Exception
{
    /// <summary>Says so.</summary>
    public NoRoomException()
        : base("the memory for large requests and answers is in use")
    {
    }
}

/// <summary>
/// One request from its arrival until its response has been sent. It is its own message: the reader tells it to the connection
/// actor when it has arrived, and a handler that answers from another thread tells it again.
/// </summary>
/// <remarks>
/// The frame is held, and charged to the node's request memory, until the request is answered or given up, so what a decoded message
/// points into stays valid that long. The response must not point into it.
/// </remarks>
internal sealed class Request : IDeadLetterSuppression
{
    private const int Starting = 0;
    private const int Started = 1;
    private const int Done = 2;

    // What an element of a request costs as an object, with its part of the handler's work and of the answer; measured, roughly.
    private const int BytesPerElement = 256;

    // What costs less is not counted: that is nearly everything, and connections are bounded.
    private const int CountedFrom = 64 << 10;

    private readonly int _size;
    private readonly MemoryLease _lease;
    private readonly long _receivedAt = Stopwatch.GetTimestamp();
    private PooledBuffer? _frame;
    private KafkaWriter? _writer;
    private IResponseSource? _source;
    private int _state;
    private AnswerLease? _decoded;
    private AnswerLease? _encoded;
    private List<AnswerLease>? _received;

    /// <summary>Takes over the reader's reference to the frame.</summary>
    public Request(KafkaConnection connection, PooledBuffer frame, MemoryLease lease, int size)
    {
        _lease = lease;
        Connection = connection;
        _frame = frame;
        _size = size;
        Key = BinaryPrimitives.ReadInt16BigEndian(frame.Span);
        Version = BinaryPrimitives.ReadInt16BigEndian(frame.Span[2..]);
        CorrelationId = BinaryPrimitives.ReadInt32BigEndian(frame.Span[4..]);
    }

    /// <summary>Who asks.</summary>
    public KafkaConnection Connection { get; }

    /// <summary>The API key as the client sent it; maybe none that exists.</summary>
    public short Key { get; }

    /// <summary>The version as the client sent it.</summary>
    public short Version { get; }

    /// <summary>Comes back in the response.</summary>
    public int CorrelationId { get; }

    /// <summary>How the client calls itself; empty when it does not.</summary>
    public string ClientId { get; private set; } = "";

    /// <summary>The API; only meaningful once the key was found in the API table.</summary>
    public ApiKey Api => (ApiKey)Key;

    /// <summary>Whether the actor has seen it arrive.</summary>
    public bool HasArrived { get; set; }

    /// <summary>What must be given up when the client goes away while the request waits for something.</summary>
    public IDisposable? Operation { get; set; }

    /// <summary>When it is answered at the latest; null when it may take any time.</summary>
    public IDeadline? Deadline { get; set; }

    /// <summary>Bytes of the request memory that it holds.</summary>
    public long HeldBytes => _lease.Bytes;

    /// <summary>Whether it was answered, or ended in another way.</summary>
    public bool IsDone => Volatile.Read(ref _state) == Done;

    /// <summary>The answer; null when there is none to send.</summary>
    public IResponseMessage? Response { get; private set; }

    /// <summary>Why the connection is to be closed instead of answered; null when it is not.</summary>
    public string? CloseReason { get; private set; }

    /// <summary>The encoded response.</summary>
    public List<ResponsePart> Parts { get; } = new(1);

    /// <summary>The version in which the response is written: ApiVersions answers an unknown version in the oldest (KIP-511).</summary>
    public short ResponseVersion { get; set; }

    /// <summary>The frame that the request came in.</summary>
    public PooledBuffer Frame => _frame!;

    /// <summary>Reads the header and the body.</summary>
    /// <exception cref="ProtocolException">The bytes are not such a request.</exception>
    /// <exception cref="NoRoomException">It is large, and the memory for such is in use.</exception>
    public TRequest Decode<TRequest>()
        where TRequest : IMessage<TRequest>
    {
        var reader = new KafkaReader(Frame.Memory[.._size], Connection.Services.Limits.MaxRequestElements);
        ClientId = RequestDecoder.ReadHeader(ref reader).ClientId ?? "";
        TRequest body = TRequest.Read(ref reader, Version);
        reader.RequireEnd();
        _decoded = Count((long)reader.Elements * BytesPerElement, Api is ApiKey.Fetch or ApiKey.JoinGroup or ApiKey.SyncGroup);
        return body;
    }

    /// <summary>Answers. From any thread, once.</summary>
    public void Complete(IResponseMessage response)
    {
        Response = response;
        Finish();
    }

    /// <summary>Answers with what <paramref name="source"/> will make of it on the connection's thread. From any thread, once.</summary>
    public void Complete(IResponseSource source)
    {
        _source = source;
        Finish();
    }

    /// <summary>Lets a response source make the answer; does nothing when there is none.</summary>
    public void Conclude()
    {
        if (_source is not { } source) return;
        _source = null;
        switch (source.MakeResponse())
        {
            case { Response: { } response }:
                Response = response;
                break;
            case { CloseReason: { } reason }:
                CloseReason = reason;
                break;
        }
    }

    /// <summary>Ends the request by closing its connection. From any thread, once.</summary>
    public void Close(string reason)
    {
        CloseReason = reason;
        Finish();
    }

    /// <summary>The handler has returned. True when the request is done already.</summary>
    public bool HandlerReturned() => Interlocked.CompareExchange(ref _state, Started, Starting) == Done;

    /// <summary>Gives the frame back before the request is answered, for requests that wait long. Idempotent.</summary>
    public void ReleaseFrame()
    {
        if (Interlocked.Exchange(ref _frame, null) is not { } frame) return;
        frame.Release();
        Connection.Services.RequestMemory.Give(_lease);
    }

    /// <summary>
    /// Takes over the memory of the request, for whoever answers it before others have done with it. On the connection's thread.
    /// </summary>
    public RequestRemains Detach()
    {
        AnswerLease? decoded = _decoded;
        _decoded = null;
        return new RequestRemains(Connection.Services, Interlocked.Exchange(ref _frame, null), _lease, decoded);
    }

    /// <summary>Writes the response into <see cref="Parts"/>.</summary>
    /// <exception cref="NoRoomException">It is large, and the memory for such is in use.</exception>
    public void Encode()
    {
        ApiInfo api = ApiCatalog.Get(Api);
        _writer = new KafkaWriter();
        int start = _writer.BeginFrame();
        _writer.WriteInt32(CorrelationId);
        if (api.ResponseHeaderVersion(Version) > 0) _writer.WriteUnsignedVarint(0);
        Response!.Write(_writer, ResponseVersion);
        _writer.EndFrame(start);
        long bytes = 0;
        foreach (ResponseChunk chunk in _writer.Chunks)
        {
            ResponsePart part = PartOf(chunk);
            bytes += part.Bytes.Length;
            Parts.Add(part);
        }

        _encoded = Count(bytes, waitsForClient: true);
    }

    /// <summary>
    /// Counts what other nodes answered, until this request's own answer has left. On the connection's thread.
    /// </summary>
    /// <exception cref="NoRoomException">It is large, and the memory for such is in use.</exception>
    public void CountAnswer(int bytes)
    {
        if (Count(bytes, waitsForClient: true) is { } lease) (_received ??= []).Add(lease);
    }

    /// <summary>The response has left, or never will.</summary>
    public void Release()
    {
        ReleaseFrame();
        _writer?.Dispose();
        _writer = null;
        Parts.Clear();
        Connection.Gate.Leave(_size);
        GiveBackAnswerMemory();
    }

    /// <summary>Nobody will read the answer, even if one is still being made. Idempotent; for the connection actor only.</summary>
    public void GiveBackAnswerMemory()
    {
        if (_decoded is not null) Connection.Services.AnswerMemory.Give(_decoded);
        if (_encoded is not null) Connection.Services.AnswerMemory.Give(_encoded);
        foreach (AnswerLease received in _received ?? []) Connection.Services.AnswerMemory.Give(received);
        _decoded = null;
        _encoded = null;
        _received = null;
    }

    /// <summary>Counts the answered request.</summary>
    public void Measure()
    {
        int bytes = 0;
        foreach (ResponsePart part in CollectionsMarshal.AsSpan(Parts)) bytes += part.Length;
        Connection.Services.Metrics.Answered(Api, _receivedAt, bytes);
    }

    private AnswerLease? Count(long bytes, bool waitsForClient)
    {
        if (bytes < CountedFrom) return null;
        return Connection.Services.AnswerMemory.TryTake(bytes, waitsForClient, Connection.CloseForAnswerMemory)
            ?? throw new NoRoomException();
    }

    private static ResponsePart PartOf(ResponseChunk chunk)
    {
        switch (chunk.Records)
        {
            case null:
                return new ResponsePart(chunk.Bytes);
            case MemoryRecords memory:
                return new ResponsePart(memory.Memory);
            case SegmentRecords { File: { } file } segment:
                return new ResponsePart(default, file, segment.Position, segment.Length);
            default:
                byte[] copy = new byte[chunk.Length];
                chunk.Records.CopyTo(copy);
                return new ResponsePart(copy);
        }
    }

    private void Finish()
    {
        ReleaseFrame();
        if (Interlocked.Exchange(ref _state, Done) == Started) Connection.Post(this);
    }
}
