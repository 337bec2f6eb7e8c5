using Akka.Actor;
using Akka.Event;

namespace Akka.Remote.Transport;

/// <summary>
/// The way to one other system: a connection for control, and one for bulk once that is needed, both opened by this system.
///   Idle        nothing has been sent, or an established connection ended: the next message connects
///   Connecting  messages wait in their lane
///   Connected   both ends know each other's uid
///   Gated       connecting failed, or a connection ended as soon as it was there: messages are dead letters for a while
/// The other system sends over connections that it opens (<see cref="InboundConnection"/>).
/// A system message is kept until it is acknowledged, and sent again over the next connection to the same incarnation.
/// </summary>
internal sealed partial class Association
{
    private enum State
    {
        Idle,
        Connecting,
        Connected,
        Gated,
        Closed,
    }

    private readonly Remoting _remoting;
    private readonly LaneQueue _control = new(Lane.Control);
    private readonly LaneQueue _bulk = new(Lane.Bulk);
    private readonly Queue<OutboundMessage> _unacknowledged = new();
    private readonly HashSet<int> _quarantined = [];
    private State _state;
    private CancellationTokenSource _session;
    private ulong _id;
    private int _uid;
    private long _gatedUntil;
    private long _connectedAt;
    private ulong _nextSystemMessage = 1;
    private int _frameLimit;
    private Timer _heartbeat;
    private TaskCompletionSource _flushed;
    private bool _willRetry;
    private bool _isClosing;

    public Association(Remoting remoting, Address remote)
    {
        _remoting = remoting;
        Remote = remote;
        _frameLimit = remoting.Settings.MaximumFrameSize;
    }

    public Address Remote { get; }

    public Lock Lock { get; } = new();

    /// <summary>The largest payload that both systems take.</summary>
    public int FrameLimit => Volatile.Read(ref _frameLimit);

    /// <summary>The uid of the incarnation that was last heard of; 0 before any was.</summary>
    public int Uid
    {
        get
        {
            lock (Lock)
                return _uid;
        }
    }

    public void Send(OutboundMessage message, Lane lane)
    {
        string refused = null;
        bool report = false;
        lock (Lock)
        {
            LaneQueue queue = lane == Lane.Bulk ? _bulk : _control;
            if (_state == State.Closed)
            {
                refused = "remoting is shut down";
            }
            else if (IsGated)
            {
                refused = "the way there is closed after a failure";
            }
            else if (queue.Bytes + message.Size > _remoting.Settings.SendQueueSize && queue.Bytes > 0)
            {
                report = !queue.IsOverflowing;
                queue.IsOverflowing = true;
                refused = $"{queue.Bytes} bytes wait for the {lane} lane already";
            }
            else
            {
                Enqueue(queue, message);
            }
        }

        if (refused is null)
            return;
        if (report)
            _remoting.Report(
                new RemoteTransportException($"A message to {message.Recipient} is not sent: {refused}"), Remote, inbound: false);
        _remoting.Dead(message);
    }

    public void SendSystem(OutboundMessage message)
    {
        bool hopeless;
        int uid;
        lock (Lock)
        {
            if (_state == State.Closed || _quarantined.Contains(_uid))
                return;
            message.Sequence = _nextSystemMessage++;
            _unacknowledged.Enqueue(message);
            uid = _uid;
            hopeless = IsHopeless();
            if (hopeless)
                Forget();
            else if (_state == State.Connected)
                Enqueue(_control, message);
            else if (IsGated)
                RetryWhenOpen();
            else if (_state == State.Idle)
                Connect();
        }

        if (hopeless)
            GiveUp(uid);
    }

    public bool IsQuarantined(int uid)
    {
        lock (Lock)
            return _quarantined.Contains(uid);
    }

    /// <summary>Nothing goes to this incarnation any more. Without a uid the connection is ended and the gate closed.</summary>
    /// <returns>False when it was quarantined before.</returns>
    public bool Quarantine(int? uid)
    {
        if (uid is { } known)
        {
            lock (Lock)
            {
                if (!_quarantined.Add(known))
                    return false;
                if (_uid != known && _uid != 0)
                    return true;
                Forget();
            }
        }

        lock (Lock)
        {
            // Nobody waits any more for what was to be said to whoever would answer there.
            if (uid is null && _uid == 0)
                Forget();
        }

        End(null, new RemoteTransportException("the other system is quarantined"), gate: true, quarantine: uid is not null);
        return true;
    }

    /// <summary>The other system has connected to this one: it is there, and this is its uid.</summary>
    public void HeardOf(int uid)
    {
        bool restarted;
        lock (Lock)
            restarted = _uid != 0 && _uid != uid;
        if (restarted)
            End(null, new RemoteTransportException("the other system has restarted"), gate: false);
        lock (Lock)
        {
            Meet(uid);
            if (_state == State.Gated)
                _state = State.Idle;
            if (_state == State.Idle && _unacknowledged.Count > 0)
                Connect();
        }
    }

    public void Written(OutboundConnection connection, LaneQueue queue, long bytes)
    {
        lock (Lock)
        {
            if (queue.Connection != connection)
                return;
            queue.Bytes -= bytes;
            if (queue.IsOverflowing && queue.Bytes <= _remoting.Settings.SendQueueSize / 2)
                queue.IsOverflowing = false;
            if (_flushed is not null && _control.Bytes == 0 && _bulk.Bytes == 0)
                _flushed.TrySetResult();
        }
    }

    public void Acknowledged(ulong number)
    {
        lock (Lock)
        {
            while (_unacknowledged.TryPeek(out OutboundMessage oldest) && oldest.Sequence <= number)
                _unacknowledged.Dequeue();
        }
    }

    public void QuarantinedByPeer()
    {
        _remoting.Publish(new ThisActorSystemQuarantinedEvent(_remoting.LocalAddress, Remote));
        End(null, new RemoteTransportException("the other system has quarantined this one"), gate: true);
    }

    /// <summary>A connection ended.</summary>
    public void Failed(OutboundConnection connection, Exception cause) => End(connection, cause, gate: false);

    /// <summary>Waits until everything has left and the other system has read it, or until the time is over; then closes.</summary>
    public async Task Shutdown(TimeSpan flushWait)
    {
        Task flushed = Task.CompletedTask;
        lock (Lock)
        {
            _isClosing = true;
            if (_state is State.Connected or State.Connecting && (_control.Bytes > 0 || _bulk.Bytes > 0))
            {
                _flushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                flushed = _flushed.Task;
            }
        }

        try
        {
            using var time = new CancellationTokenSource(flushWait);
            await flushed.WaitAsync(time.Token).ConfigureAwait(false);
            OutboundConnection[] connections;
            lock (Lock)
                connections = Connections;
            foreach (OutboundConnection connection in connections)
                connection.EndSending();
            foreach (OutboundConnection connection in connections)
                await connection.Reading.WaitAsync(time.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _remoting.Log.Warning("Not everything that was sent to {0} has left within {1}", Remote, flushWait);
        }

        End(null, new RemoteTransportException("remoting is shut down"), gate: false);
        lock (Lock)
            _state = State.Closed;
    }

    private OutboundConnection[] Connections => [.. new[] { _control.Connection, _bulk.Connection }.OfType<OutboundConnection>()];

    private bool IsGated
    {
        get
        {
            if (_state == State.Gated && Environment.TickCount64 >= _gatedUntil)
                _state = State.Idle;
            return _state == State.Gated;
        }
    }

    // With the lock.
    private void Enqueue(LaneQueue queue, OutboundMessage message)
    {
        queue.Messages.Enqueue(message);
        queue.Bytes += message.Size;
        if (_state == State.Idle)
            Connect();
        else if (_state == State.Connected)
            Write(queue);
    }

    // With the lock.
    private void Write(LaneQueue queue)
    {
        if (queue.IsWriting || (queue.Messages.Count == 0 && !queue.IsPingDue))
            return;
        queue.IsWriting = true;
        if (queue.Connection is { } connection)
            ThreadPool.UnsafeQueueUserWorkItem(connection, preferLocal: false);
        else
            ConnectBulk();
    }

    // With the lock.
    private void RetryWhenOpen()
    {
        if (_willRetry)
            return;
        _willRetry = true;
        var wait = TimeSpan.FromMilliseconds(Math.Max(0, _gatedUntil - Environment.TickCount64) + 1);
        _ = Task.Delay(wait).ContinueWith(_ => Retry(), TaskScheduler.Default);
    }

    private void Retry()
    {
        bool hopeless;
        int uid;
        lock (Lock)
        {
            _willRetry = false;
            uid = _uid;
            hopeless = IsHopeless();
            if (hopeless)
                Forget();
            else if (!IsGated && _state == State.Idle && _unacknowledged.Count > 0)
                Connect();
        }

        if (hopeless)
            GiveUp(uid);
    }

    // With the lock.
    private bool IsHopeless() => _unacknowledged.TryPeek(out OutboundMessage oldest)
        && (_unacknowledged.Count > _remoting.Settings.SystemMessageBufferSize
            || Environment.TickCount64 - oldest.SentAt > _remoting.Settings.SystemMessageTimeout.TotalMilliseconds);

    // With the lock.
    private void Forget()
    {
        _unacknowledged.Clear();
        // Whoever hears of this system for the first time expects the first number.
        if (_uid == 0)
            _nextSystemMessage = 1;
    }

    private void GiveUp(int uid)
    {
        _remoting.Log.Error("System messages to {0} with uid {1} could not be delivered: who watches whom there is unknown", Remote, uid);
        _remoting.Quarantine(Remote, uid == 0 ? null : uid);
    }

    // With the lock.
    private void Meet(int uid)
    {
        if (_uid != 0 && _uid != uid)
        {
            // What was kept for the former incarnation means nothing to this one, which counts from the beginning.
            _unacknowledged.Clear();
            _nextSystemMessage = 1;
        }

        _uid = uid;
    }
}
