using System.Net.Sockets;
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
internal sealed class Association
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
            hopeless = _unacknowledged.Count > _remoting.Settings.SystemMessageBufferSize
                || Environment.TickCount64 - _unacknowledged.Peek().SentAt > _remoting.Settings.SystemMessageTimeout.TotalMilliseconds;
            if (hopeless)
                _unacknowledged.Clear();
            else if (_state == State.Connected)
                Enqueue(_control, message);
            else if (IsGated)
                RetryWhenOpen();
            else if (_state == State.Idle)
                Connect();
        }

        if (!hopeless)
            return;
        _remoting.Log.Error("System messages to {0} with uid {1} could not be delivered; what it watches or is watched there is unknown",
            Remote, uid);
        _remoting.Quarantine(Remote, uid == 0 ? null : uid);
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
                _unacknowledged.Clear();
            }
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
        if (queue.IsWriting || queue.Messages.Count == 0)
            return;
        queue.IsWriting = true;
        if (queue.Connection is { } connection)
            ThreadPool.UnsafeQueueUserWorkItem(connection, preferLocal: false);
        else
            _ = ConnectBulkAsync(_session, _id, _uid);
    }

    // With the lock.
    private void Connect()
    {
        _state = State.Connecting;
        _session = new CancellationTokenSource();
        _id = (ulong)Random.Shared.NextInt64();
        _ = ConnectAsync(_session, _id);
    }

    // With the lock.
    private void RetryWhenOpen()
    {
        var wait = TimeSpan.FromMilliseconds(Math.Max(0, _gatedUntil - Environment.TickCount64) + 1);
        _ = Task.Delay(wait).ContinueWith(_ => Retry(), TaskScheduler.Default);
    }

    private void Retry()
    {
        lock (Lock)
        {
            if (!IsGated && _state == State.Idle && _unacknowledged.Count > 0)
                Connect();
        }
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

    private async Task ConnectAsync(CancellationTokenSource session, ulong id)
    {
        try
        {
            (Socket socket, Welcome welcome) = await _remoting.Connect(Remote, Lane.Control, id, session.Token).ConfigureAwait(false);
            lock (Lock)
            {
                if (_session != session)
                {
                    socket.Dispose();
                    return;
                }

                if (_quarantined.Contains(welcome.Uid))
                {
                    socket.Dispose();
                    throw new RemoteTransportException($"it is quarantined until it restarts (uid {welcome.Uid})");
                }

                Meet(welcome.Uid);
                _frameLimit = Math.Min(_remoting.Settings.MaximumFrameSize, welcome.MaximumFrameSize);
                _control.Connection = new OutboundConnection(this, _control, socket);
                _connectedAt = Environment.TickCount64;
                _state = State.Connected;
                OutboundMessage[] waiting = [.. _control.Messages];
                _control.Messages.Clear();
                foreach (OutboundMessage message in _unacknowledged)
                {
                    _control.Messages.Enqueue(message);
                    _control.Bytes += message.Size;
                }

                foreach (OutboundMessage message in waiting)
                    _control.Messages.Enqueue(message);
                TimeSpan interval = _remoting.Settings.TransportHeartbeatInterval;
                _heartbeat = new Timer(_ => Heartbeat(session), null, interval, interval);
            }

            // Whoever hears of it may rely on it: events come before the first answer.
            _remoting.Publish(new AssociatedEvent(_remoting.LocalAddress, Remote, inbound: false));
            lock (Lock)
            {
                if (_session != session)
                    return;
                _control.Connection.StartReading();
                Write(_control);
                Write(_bulk);
            }
        }
        catch (Exception e)
        {
            End(session, e, gate: true);
        }
    }

    private async Task ConnectBulkAsync(CancellationTokenSource session, ulong id, int uid)
    {
        try
        {
            (Socket socket, Welcome welcome) = await _remoting.Connect(Remote, Lane.Bulk, id, session.Token).ConfigureAwait(false);
            lock (Lock)
            {
                if (_session != session || welcome.Uid != uid)
                {
                    socket.Dispose();
                    if (_session != session)
                        return;
                    throw new RemoteTransportException("the other system has restarted");
                }

                _bulk.Connection = new OutboundConnection(this, _bulk, socket);
                _bulk.Connection.StartReading();
            }

            _bulk.Connection?.Execute();
        }
        catch (Exception e)
        {
            End(session, e, gate: false);
        }
    }

    private void Heartbeat(CancellationTokenSource session)
    {
        bool silent = false;
        lock (Lock)
        {
            if (_session != session || _state != State.Connected)
                return;
            foreach (LaneQueue queue in new[] { _control, _bulk })
            {
                if (queue.Connection is not { } connection)
                    continue;
                silent |= Environment.TickCount64 - connection.LastSign > _remoting.Settings.TransportAcceptablePause.TotalMilliseconds;
                // A lane with work shows by its writes that the other end reads.
                if (queue.IsEmpty)
                    Enqueue(queue, new OutboundMessage { Kind = FrameKind.Ping });
            }
        }

        if (silent)
            End(session, new RemoteTransportException(
                $"the other system has been silent for {_remoting.Settings.TransportAcceptablePause}"), gate: true);
    }

    /// <param name="of">The connection or the session that failed; null for whatever there is. One that was replaced ends nothing.</param>
    /// <param name="cause">Why.</param>
    /// <param name="gate">Close the gate, also when the connection has been there for a while.</param>
    /// <param name="quarantine">Tell the other system that it is quarantined.</param>
    private void End(object of, Exception cause, bool gate, bool quarantine = false)
    {
        bool wasConnected;
        OutboundConnection[] connections;
        var dead = new List<OutboundMessage>();
        TimeSpan gateTime = _remoting.Settings.RetryGateClosedFor;
        lock (Lock)
        {
            if (_state == State.Closed || (_state is not (State.Connecting or State.Connected) && !gate)
                || (of is CancellationTokenSource && of != _session)
                || (of is OutboundConnection && of != _control.Connection && of != _bulk.Connection))
                return;
            wasConnected = _state == State.Connected;
            connections = Connections;
            _session?.Cancel();
            _session = null;
            _heartbeat?.Dispose();
            _heartbeat = null;
            foreach (LaneQueue queue in new[] { _control, _bulk })
            {
                dead.AddRange(queue.Messages.Where(static m => m.Kind == FrameKind.Message));
                queue.Messages.Clear();
                queue.Bytes = 0;
                queue.IsOverflowing = false;
                queue.IsWriting = false;
                queue.Connection = null;
            }

            _flushed?.TrySetResult();
            // What breaks at once would break again at once.
            bool shortLived = !wasConnected || Environment.TickCount64 - _connectedAt < gateTime.TotalMilliseconds;
            _state = gate || shortLived ? State.Gated : State.Idle;
            _gatedUntil = Environment.TickCount64 + (long)gateTime.TotalMilliseconds;
            if (_unacknowledged.Count > 0)
            {
                if (_state == State.Idle)
                    Connect();
                else
                    RetryWhenOpen();
            }
        }

        foreach (OutboundConnection connection in connections)
        {
            if (quarantine)
                connection.CloseQuarantined();
            else
                connection.Close();
        }

        if (wasConnected)
            _remoting.Publish(new DisassociatedEvent(_remoting.LocalAddress, Remote, inbound: false), cause);
        else if (of is CancellationTokenSource)
            _remoting.Report(cause, Remote, inbound: false);
        foreach (OutboundMessage message in dead)
            _remoting.Dead(message);
    }
}
