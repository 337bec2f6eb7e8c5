using Akka.Actor;
using Akka.Event;
using Chronik.Gateway.Handlers;
using Chronik.Protocol;

namespace Chronik.Gateway.Network;

/// <summary>Something that a connection's thread has to do.</summary>
internal interface IConnectionWork
{
    /// <summary>Does it, on the connection actor's thread.</summary>
    void Run();
}

/// <summary>One per connection: starts requests in order and sends their responses in order.</summary>
/// <remarks>
/// <code>
///   reader  --Request-->  waiting --start--> running --answered--> sender --sent--> (forgotten)
///   handler --Request (again, answered)-->      |
///   reader  --InputEnded--> stops when everything is answered, or at once when the client is gone
/// </code>
/// Produce requests of one connection run side by side: their batches reach each partition in order, and waiting for one commit after
/// another would cost a pipelining client its throughput. Every other request starts when all before it have been answered and sent,
/// which is also what bounds the responses in memory when a client does not read. Nothing survives a restart of the process.
/// One timer serves the deadlines of all that runs: it is set when there is none, looks at what runs when it is over, and so costs a
/// busy connection nothing.
/// </remarks>
internal sealed class ConnectionActor : UntypedActor
{
    private readonly KafkaConnection _connection;
    private readonly ResponseSender _sender;
    private readonly Queue<Request> _waiting = new();
    private readonly Queue<Request> _running = new();
    private readonly List<Request> _sent = [];
    private ICancelable? _timer;
    private long _timerDue;
    private int _unsent;
    private bool _exclusive;
    private bool _inputEnded;
    private bool _closing;

    /// <summary>Takes over the connection.</summary>
    public ConnectionActor(KafkaConnection connection)
    {
        _connection = connection;
        _sender = ResponseSender.For(connection, () => connection.Post(SendProgress.Instance));
    }

    /// <inheritdoc/>
    protected override void PreStart() => _connection.Attach(Self);

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _closing = true;
        _timer?.Cancel();
        GiveUp();
        if (!_sender.InFlight) _sender.Dispose();
        _connection.Finish();
    }

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        try
        {
            switch (message)
            {
                case Request { HasArrived: false } request:
                    request.HasArrived = true;
                    _waiting.Enqueue(request);
                    break;
                case Request or SendProgress:
                    break;
                case TimeIsUp:
                    _timer = null;
                    if (!_closing) ExpireOverdue();
                    break;
                case IConnectionWork work:
                    if (!_closing) work.Run();
                    break;
                case InputEnded ended:
                    _inputEnded = true;
                    if (ended == InputEnded.Broken || SomethingElseThanProduceRuns) Close("the client is gone");
                    break;
                case ConnectionAborted:
                    _closing = true;
                    break;
                default:
                    Unhandled(message);
                    return;
            }

            if (!_closing) Advance();
        }
        catch (IOException)
        {
            Close("the client is gone");
        }
        catch (NoRoomException)
        {
            LogNoRoom();
            Close("no room for the answer");
        }
        catch (Exception e)
        {
            Log.Failed(_connection.Services.Log, e, _connection.Remote);
            Close("internal error");
        }

        if (_closing) GiveUp();
        if (_inputEnded && !_sender.InFlight && (_closing || (_waiting.Count == 0 && _running.Count == 0 && _unsent == 0)))
            Context.Stop(Self);
    }

    // A client that has closed its side waits for no long poll or join any more; batches that it has sent are appended all the same.
    private bool SomethingElseThanProduceRuns =>
        _running.TryPeek(out Request? first) && first.Key != (short)ApiKey.Produce && !first.IsDone;

    private void Advance()
    {
        do
        {
            StartWhatMayStart();
        }
        while (SendWhatIsAnswered() && _waiting.Count > 0);
    }

    private void StartWhatMayStart()
    {
        while (_waiting.TryPeek(out Request? next) && !_closing)
        {
            bool alone = _running.Count == 0 && _unsent == 0;
            bool overlaps = next.Key == (short)ApiKey.Produce && !_exclusive;
            if (!alone && !overlaps) return;
            _waiting.Dequeue();
            _exclusive = next.Key != (short)ApiKey.Produce;
            _running.Enqueue(next);
            Start(next);
        }
    }

    private void Start(Request request)
    {
        ApiHandler? handler = _connection.Services.Apis.Find(request.Key);
        try
        {
            if (handler is not null && handler.Serves(request.Version))
            {
                request.ResponseVersion = request.Version;
                handler.Handle(request);
            }
            else if (handler is ApiVersionsHandler versions)
            {
                versions.AnswerUnknownVersion(request);
            }
            else
            {
                Log.NotServed(_connection.Services.Log, _connection.Remote, request.Key, request.Version);
                request.Close("the API or version is not served");
            }
        }
        catch (ProtocolException e)
        {
            Log.Malformed(_connection.Services.Log, _connection.Remote, request.Key, request.Version, e.Message);
            request.Close("malformed request");
        }
        catch (NoRoomException) when (!request.IsDone)
        {
            LogNoRoom();
            request.Close("no room for the request");
        }
        catch (Exception e) when (!request.IsDone)
        {
            Log.HandlerFailed(_connection.Services.Log, e, request.Api, request.Version);
            request.Close("the request failed");
        }

        if (!request.HandlerReturned() && request.Deadline is { } deadline) ExpireAt(deadline.DueAt);
    }

    private void ExpireAt(long due)
    {
        if (_timer is not null && _timerDue <= due) return;
        _timer?.Cancel();
        _timerDue = due;
        _timer = _connection.Services.Scheduler.ScheduleTellOnceCancelable(
            TimeSpan.FromMilliseconds(Math.Max(1, due - Environment.TickCount64)), Self, TimeIsUp.Instance, ActorRefs.NoSender);
    }

    private void ExpireOverdue()
    {
        long now = Environment.TickCount64;
        long next = long.MaxValue;
        foreach (Request request in _running)
        {
            if (request.IsDone || request.Deadline is not { } deadline) continue;
            if (deadline.DueAt <= now) deadline.Expire();
            else next = Math.Min(next, deadline.DueAt);
        }

        if (next < long.MaxValue) ExpireAt(next);
    }

    private void LogNoRoom()
    {
        GatewayServices services = _connection.Services;
        Log.NoRoom(services.Log, _connection.Remote, services.Limits.MaxAnswerMemory);
    }

    // Returns whether something was sent completely, so that more may start.
    private bool SendWhatIsAnswered()
    {
        while (_running.TryPeek(out Request? first) && first.IsDone)
        {
            first.Conclude();
            if (first.CloseReason is not null) break;
            _running.Dequeue();
            if (first.Response is null)
            {
                first.Measure();
                first.Release();
                continue;
            }

            try
            {
                first.Encode();
            }
            catch
            {
                first.Release();
                throw;
            }

            _sender.Enqueue(first);
            _unsent++;
        }

        _sent.Clear();
        _sender.Pump(_sent);
        foreach (Request request in _sent)
        {
            _unsent--;
            request.Measure();
            request.Release();
        }

        if (_sent.Count > 0) _connection.Touch();
        if (_unsent == 0 && _running.TryPeek(out Request? next) && next is { IsDone: true, CloseReason: { } reason }) Close(reason);
        return _running.Count == 0 && _unsent == 0;
    }

    private void Close(string reason)
    {
        if (_closing) return;
        _closing = true;
        _connection.Services.Metrics.Error("closed");
        if (_sender.InFlight) _connection.Abort(reason);
        else _connection.StopReading();
    }

    // What still runs elsewhere gives its frame back when it ends.
    private void GiveUp()
    {
        while (_waiting.TryDequeue(out Request? request)) request.Release();
        while (_running.TryDequeue(out Request? request))
        {
            request.Operation?.Dispose();
            request.Operation = null;
            if (request.IsDone) request.Release();
            else request.GiveBackAnswerMemory();
        }
    }

    private sealed class TimeIsUp : IDeadLetterSuppression
    {
        public static readonly TimeIsUp Instance = new();
    }

    private sealed class SendProgress : IDeadLetterSuppression
    {
        public static readonly SendProgress Instance = new();
    }
}
