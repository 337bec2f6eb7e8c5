using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using System.Threading.Channels;
using Chronik.Protocol;

namespace Chronik.Gateway.Forwarding;

/// <summary>
/// A connection to another node's Kafka port on behalf of one client's connection: what is sent arrives there in that order, and is
/// answered in that order. It ends with the first failure; every call is answered all the same, once.
/// </summary>
/// <remarks>
/// <code>
///   connection actor --Send--> calls --writer--> socket --> the leader
///   whoever asked &lt;--Answered-- asked &lt;--reader-- socket &lt;--
/// </code>
/// Thread-safe. How much waits here is bounded by what its client may have in flight.
/// </remarks>
internal sealed class ForwardLink : IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);

    private readonly GatewayServices _services;
    private readonly BrokerAddress _leader;
    private readonly Action _silentlyLost;
    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly Channel<ForwardedCall> _calls = Channel.CreateUnbounded<ForwardedCall>(new() { SingleReader = true });
    private readonly Queue<ForwardedCall> _asked = new(); // Written, or about to be. Its own lock.
    private readonly CancellationTokenSource _closing = new();
    private ForwardedCall? _writing; // One that nobody will answer, until it is written.
    private int _correlationId;
    private bool _hasSilent;
    private bool _isOver; // Under the lock of the queue.

    /// <summary>Begins to connect.</summary>
    /// <param name="services">What all connections of the node share.</param>
    /// <param name="leader">Where to.</param>
    /// <param name="silentlyLost">Called when the link breaks after something was sent on it that nobody answers (acks=0).</param>
    public ForwardLink(GatewayServices services, BrokerAddress leader, Action silentlyLost)
    {
        _services = services;
        _leader = leader;
        _silentlyLost = silentlyLost;
        _ = RunAsync();
    }

    /// <summary>Whether it has ended: whatever is sent now fails.</summary>
    public bool IsOver
    {
        get
        {
            lock (_asked) return _isOver;
        }
    }

    /// <summary>Sends a request; what its message points into stays valid until the call is answered.</summary>
    public void Send(ForwardedCall call)
    {
        if (!_calls.Writer.TryWrite(call)) call.Answered(null);
    }

    /// <summary>Ends the link; calls that are not answered yet fail.</summary>
    public void Dispose()
    {
        _hasSilent = false; // Whoever sent it is gone.
        _closing.Cancel();
    }

    private async Task RunAsync()
    {
        try
        {
            // A leader that is gone may not close its connections.
            using (var connecting = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token))
            {
                connecting.CancelAfter(_services.Limits.ForwardPatience);
                await _socket.ConnectAsync(_leader.Host, _leader.Port, connecting.Token).ConfigureAwait(false);
            }

            Task[] all = [WriteAsync(), ReadAsync(), WatchAsync()];
            await Task.WhenAny(all).ConfigureAwait(false);
            _closing.Cancel();
            _socket.Dispose();
            await Task.WhenAll(all).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // Nobody is there. That is what its calls are told.
        }
        finally
        {
            _socket.Dispose();
            End();
        }
    }

    private async Task WriteAsync()
    {
        await foreach (ForwardedCall call in _calls.Reader.ReadAllAsync(_closing.Token).ConfigureAwait(false))
        {
            call.SentAt = Stopwatch.GetTimestamp();
            if (!call.ExpectsAnswer) _writing = call;
            else lock (_asked) _asked.Enqueue(call);
            using var writer = new KafkaWriter();
            Encode(writer, call);
            foreach (ResponseChunk chunk in writer.Chunks)
            {
                ReadOnlyMemory<byte> bytes = chunk.Records is null ? chunk.Bytes : ((MemoryRecords)chunk.Records).Memory;
                while (!bytes.IsEmpty) bytes = bytes[await _socket.SendAsync(bytes, _closing.Token).ConfigureAwait(false)..];
            }

            if (call.ExpectsAnswer) continue;
            _hasSilent = true;
            _writing = null;
            call.Answered(ForwardedCall.NoAnswer);
        }
    }

    private void Encode(KafkaWriter writer, ForwardedCall call)
    {
        ApiInfo api = ApiCatalog.Get(call.Message.ApiKey);
        int start = writer.BeginFrame();
        writer.WriteInt16((short)call.Message.ApiKey);
        writer.WriteInt16(call.Version);
        writer.WriteInt32(++_correlationId);
        writer.WriteNullableString(Forwarder.ClientIdOf(_services.Node.Id), flexible: false, nullable: true, "ClientId");
        if (api.RequestHeaderVersion(call.Version) > 1) writer.WriteUnsignedVarint(0);
        call.Message.Write(writer, call.Version);
        writer.EndFrame(start);
    }

    private async Task ReadAsync()
    {
        byte[] size = new byte[sizeof(int)];
        while (true)
        {
            await FillAsync(size).ConfigureAwait(false);
            int length = BinaryPrimitives.ReadInt32BigEndian(size);
            if (length < sizeof(int) || length > _services.Limits.MaxRequestBytes) throw new IOException("this is no answer of a broker");
            byte[] frame = new byte[length];
            await FillAsync(frame).ConfigureAwait(false);
            ForwardedCall call;
            lock (_asked) call = _asked.Dequeue();
            IResponseMessage? response = null;
            try
            {
                response = Decode(frame, call);
            }
            finally
            {
                call.Answered(response is null ? null : new ForwardedAnswer(response, length));
            }
        }
    }

    private static IResponseMessage Decode(byte[] frame, ForwardedCall call)
    {
        var reader = new KafkaReader(frame);
        reader.ReadInt32();
        if (ApiCatalog.Get(call.Message.ApiKey).ResponseHeaderVersion(call.Version) > 0) reader.SkipTags();
        return RequestDecoder.DecodeResponse(call.Message.ApiKey, call.Version, ref reader);
    }

    private async Task FillAsync(Memory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int read = await _socket.ReceiveAsync(bytes, _closing.Token).ConfigureAwait(false);
            if (read == 0) throw new IOException("the leader closed the connection");
            bytes = bytes[read..];
        }
    }

    /// <summary>Returns when the leader's node is silent, or somebody has waited too long for it.</summary>
    private async Task WatchAsync()
    {
        while (true)
        {
            await Task.Delay(LookEvery, _services.Time, _closing.Token).ConfigureAwait(false);
            if (!_services.Node.IsReachable(_leader.Id)) return;
            lock (_asked)
            {
                if (_asked.TryPeek(out ForwardedCall? oldest)
                    && Stopwatch.GetElapsedTime(oldest.SentAt) > oldest.MaxWait + _services.Limits.ForwardPatience) return;
            }
        }
    }

    private void End()
    {
        _calls.Writer.TryComplete();
        List<ForwardedCall> lost = [];
        lock (_asked)
        {
            _isOver = true;
            lost.AddRange(_asked);
            _asked.Clear();
        }

        if (_writing is not null) lost.Add(_writing);
        while (_calls.Reader.TryRead(out ForwardedCall? call)) lost.Add(call);
        foreach (ForwardedCall call in lost) call.Answered(null);
        if (_hasSilent) _silentlyLost();
    }
}

/// <summary>A request on its way to another node.</summary>
/// <param name="Message">The request.</param>
/// <param name="Version">Its version: the one that the client uses.</param>
/// <param name="ExpectsAnswer">Whether the leader answers it: not with acks=0.</param>
/// <param name="MaxWait">How long the leader may let it wait, as it was asked to.</param>
/// <param name="Answered">Told the answer, once; null when the leader was lost. Any thread.</param>
internal sealed record ForwardedCall(
    IRequestMessage Message, short Version, bool ExpectsAnswer, TimeSpan MaxWait, Action<ForwardedAnswer?> Answered)
{
    /// <summary>What is told of a request that nobody answers, once it was sent.</summary>
    public static readonly ForwardedAnswer NoAnswer = new(null, 0);

    /// <summary>When it was sent, as a <see cref="Stopwatch"/> timestamp.</summary>
    public long SentAt { get; set; }
}

/// <summary>What another node answered.</summary>
/// <param name="Response">The response; null when none was expected.</param>
/// <param name="Bytes">The memory that it holds.</param>
internal sealed record ForwardedAnswer(IResponseMessage? Response, int Bytes);
