using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Chronik.Gateway.Forwarding;
using Chronik.Model;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Chronik.Gateway.Network;

/// <summary>
/// One client's connection: the reader that frames requests, and what the reader and the connection actor share.
/// </summary>
/// <remarks>
/// <code>
///   socket --> Kestrel's pipe --> reader: size checked, room taken, body copied once --> Request --> connection actor
///   socket &lt;------------------------------ ResponseSender &lt;------------------------------ response --'
/// </code>
/// The reader's last message to the actor is <see cref="InputEnded"/>, whatever ended it, so the actor sees every request that was read.
/// </remarks>
internal sealed class KafkaConnection
{
    private const int SizeBytes = 4;

    // Key, version and correlation id: what every request begins with.
    private const int RequestHeaderMinimum = 8;
    private const int FirstBlockBytes = 64 << 10;
    private const int GrowthFactor = 4;

    private readonly ConnectionContext _context;
    private readonly TaskCompletionSource<IActorRef> _actor = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _closing = new();
    private Forwarder? _forwarder;
    private PooledBuffer? _body;
    private MemoryLease _lease;
    private volatile bool _waitsForRoom;
    private long _arrivingSinceMs;
    private int _size;
    private int _received;
    private long _lastActivityMs = Environment.TickCount64;

    /// <summary>Wraps a connection that Kestrel accepted.</summary>
    public KafkaConnection(long id, ConnectionContext context, GatewayServices services)
    {
        Id = id;
        _context = context;
        Services = services;
        Socket = context.Features.Get<IConnectionSocketFeature>()?.Socket;
        Gate = new InFlightGate(services.Limits.MaxInFlightRequestsPerConnection, services.Limits.MaxInFlightBytesPerConnection);
    }

    /// <summary>A number that no other connection of this process has.</summary>
    public long Id { get; }

    /// <summary>What all connections of the node share.</summary>
    public GatewayServices Services { get; }

    /// <summary>The socket, or null when the transport has none (then responses go through the transport's pipe).</summary>
    public Socket? Socket { get; }

    /// <summary>Where responses go when there is no socket.</summary>
    public PipeWriter Output => _context.Transport.Output;

    /// <summary>The bound on unanswered requests.</summary>
    public InFlightGate Gate { get; }

    /// <summary>Passes on what other nodes lead; made when it is first needed. For the connection actor's thread.</summary>
    public Forwarder Forwarder => _forwarder ??= new Forwarder(Services, this);

    /// <summary>
    /// The partitions of which the latest fetch said nothing, as their confirmation took longer than it could wait; null for none. The
    /// next one waits for them. For the connection actor's thread.
    /// </summary>
    public HashSet<FetchKey>? LeftUnsettled { get; set; }

    /// <summary>The client's address.</summary>
    public EndPoint? Remote => _context.RemoteEndPoint;

    /// <summary>The address that the client reached.</summary>
    public EndPoint? Local => _context.LocalEndPoint;

    /// <summary>The client's host as Kafka shows it in group descriptions: a slash and the address.</summary>
    public string ClientHost => Remote is IPEndPoint ip ? "/" + ip.Address : "/unknown";

    /// <summary>How long no request has been completed.</summary>
    public TimeSpan Idle => TimeSpan.FromMilliseconds(Environment.TickCount64 - Volatile.Read(ref _lastActivityMs));

    /// <summary>
    /// For how long a request has been arriving here and holding memory; zero when none is, or when it waits for memory itself.
    /// </summary>
    public TimeSpan Arriving => Volatile.Read(ref _arrivingSinceMs) is > 0 and var since && !_waitsForRoom
        ? TimeSpan.FromMilliseconds(Environment.TickCount64 - since)
        : TimeSpan.Zero;

    /// <summary>Says that something was asked or answered.</summary>
    public void Touch() => Volatile.Write(ref _lastActivityMs, Environment.TickCount64);

    /// <summary>The actor is there; the reader may start.</summary>
    public void Attach(IActorRef actor) => _actor.TrySetResult(actor);

    /// <summary>The actor is gone and touches neither socket nor buffers any more.</summary>
    public void Finish()
    {
        _forwarder?.Dispose();
        _finished.TrySetResult();
    }

    /// <summary>The connection's actor, or nobody while there is none.</summary>
    public IActorRef Actor => _actor.Task.IsCompletedSuccessfully ? _actor.Task.Result : ActorRefs.Nobody;

    /// <summary>Hands work to the connection actor; also safe when the actor is gone.</summary>
    public void Post(object message) => Actor.Tell(message, ActorRefs.NoSender);

    /// <summary>Stops reading: what has been sent reaches the client, then the connection ends.</summary>
    public void StopReading() => _closing.Cancel();

    /// <summary>Ends the connection now, whatever is under way.</summary>
    public void Abort(string reason)
    {
        Post(ConnectionAborted.Instance);
        _context.Abort(new ConnectionAbortedException(reason));
        _closing.Cancel();
    }

    /// <summary>Ends the connection because others need the memory that its large answers hold.</summary>
    public void CloseForAnswerMemory()
    {
        Log.NotReading(Services.Log, Remote, Services.Limits.MaxAnswerMemory);
        Abort("holds a large answer while memory is short");
    }

    /// <summary>Reads until the client is done or the connection is aborted; returns when the actor has ended too.</summary>
    public async Task RunAsync()
    {
        // When the server stops it asks for an end first: what was read is answered, nothing more is read.
        var lifetime = _context.Features.Get<IConnectionLifetimeNotificationFeature>();
        CancellationToken stopping = lifetime?.ConnectionClosedRequested ?? default;
        IActorRef actor;
        try
        {
            // Not only until the connection is closed, which it is when the client has closed its side: what it sent before wants answers.
            actor = await _actor.Task.WaitAsync(stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // If the actor still comes, it is told that nobody is there and ends.
            _ = TellLateActorAsync();
            return;
        }

        bool orderly = false;
        using CancellationTokenRegistration asked = stopping.Register(_context.Transport.Input.CancelPendingRead);
        try
        {
            orderly = await ReadAsync(actor).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or OperationCanceledException or SocketException)
        {
            // The client went away in the middle of something. That is its right.
        }
        finally
        {
            DropBody();
            actor.Tell(orderly ? InputEnded.Orderly : InputEnded.Broken, ActorRefs.NoSender);
        }

        await _finished.Task.ConfigureAwait(false);
    }

    private async Task TellLateActorAsync()
    {
        IActorRef actor = await _actor.Task.ConfigureAwait(false);
        actor.Tell(InputEnded.Broken, ActorRefs.NoSender);
    }

    private async Task<bool> ReadAsync(IActorRef actor)
    {
        PipeReader input = _context.Transport.Input;
        while (true)
        {
            ReadResult result = await input.ReadAsync(_closing.Token).ConfigureAwait(false);
            ReadOnlySequence<byte> unread = result.Buffer;
            Services.Metrics.BytesIn(unread.Length);
            while (true)
            {
                if (_size == 0)
                {
                    if (unread.Length < SizeBytes) break;
                    if (!ReadSize(ref unread)) return false;
                    ValueTask entered = Gate.EnterAsync(_size);
                    if (!entered.IsCompleted) Services.Metrics.Throttled("in-flight");
                    await entered.AsTask().WaitAsync(_closing.Token).ConfigureAwait(false);
                }

                if (unread.IsEmpty) break;
                if (_body is null || _received == _body.Length) await GrowAsync(unread.Length).ConfigureAwait(false);
                Copy(ref unread);
                if (_received == _size) Deliver(actor);
            }

            // A size of which less than four bytes are there waits for more; everything else has been consumed.
            input.AdvanceTo(unread.Start, unread.End);
            if (result.IsCompleted || result.IsCanceled) return _size == 0 && unread.IsEmpty;
        }
    }

    // Says why it closes; a client that sends such a size gets no other answer.
    private bool ReadSize(ref ReadOnlySequence<byte> unread)
    {
        Span<byte> bytes = stackalloc byte[SizeBytes];
        unread.Slice(0, SizeBytes).CopyTo(bytes);
        int size = BinaryPrimitives.ReadInt32BigEndian(bytes);
        if (size < RequestHeaderMinimum || size > Services.Limits.MaxRequestBytes)
        {
            Services.Metrics.Error("framing");
            if (ForeignProtocol.Describe(bytes) is { } what) Log.Foreign(Services.Log, Remote, what);
            else Log.WrongSize(Services.Log, Remote, size, GatewayLimits.MaxRequestBytesKey, Services.Limits.MaxRequestBytes);
            return false;
        }

        unread = unread.Slice(SizeBytes);
        _size = size;
        Volatile.Write(ref _arrivingSinceMs, Environment.TickCount64);
        return true;
    }

    // Memory follows what has arrived, not what was announced: a block first, then four times what is there. Whoever has to wait for room
    // may get it for the whole request at once.
    private async ValueTask GrowAsync(long available)
    {
        int length = (int)Math.Min(_size, Math.Max(FirstBlockBytes, GrowthFactor * (_received + available)));
        long bytes = BufferPool.BlockBytes(length);
        MemoryBudget memory = Services.RequestMemory;
        MemoryLease lease;
        if (memory.TryTake(bytes))
        {
            lease = new MemoryLease(bytes, IsReserve: false);
        }
        else
        {
            _waitsForRoom = true;
            Services.Metrics.Throttled("memory");
            lease = await memory.TakeAsync(bytes, BufferPool.BlockBytes(_size), _closing.Token).ConfigureAwait(false);
            // Only what it holds of others' time counts, not how long it had to wait itself.
            Volatile.Write(ref _arrivingSinceMs, Environment.TickCount64);
            _waitsForRoom = false;
            if (lease.IsReserve) length = _size;
        }

        PooledBuffer larger = Services.Buffers.Rent(length);
        if (_body is { } smaller)
        {
            smaller.Span[.._received].CopyTo(larger.Span);
            smaller.Release();
            memory.Give(_lease);
        }

        _body = larger;
        _lease = lease;
    }

    private void Copy(ref ReadOnlySequence<byte> unread)
    {
        int count = (int)Math.Min(unread.Length, _body!.Length - _received);
        unread.Slice(0, count).CopyTo(_body.Span[_received..]);
        _received += count;
        unread = unread.Slice(count);
    }

    private void Deliver(IActorRef actor)
    {
        var request = new Request(this, _body!, _lease, _size);
        _body = null;
        _size = 0;
        Volatile.Write(ref _arrivingSinceMs, 0);
        _received = 0;
        Touch();
        actor.Tell(request, ActorRefs.NoSender);
    }

    private void DropBody()
    {
        if (_body is not { } body) return;
        _body = null;
        body.Release();
        Services.RequestMemory.Give(_lease);
    }
}
