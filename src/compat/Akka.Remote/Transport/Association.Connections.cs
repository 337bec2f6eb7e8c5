using System.Net.Sockets;

namespace Akka.Remote.Transport;

/// <summary>How an association gets its connections, finds out that one is dead, and loses them.</summary>
internal sealed partial class Association
{
    // With the lock.
    private void Connect()
    {
        _state = State.Connecting;
        _session = new CancellationTokenSource();
        _id = (ulong)Random.Shared.NextInt64();
        (CancellationTokenSource session, ulong id) = (_session, _id);
        _ = Task.Run(() => ConnectAsync(session, id));
    }

    // With the lock.
    private void ConnectBulk()
    {
        (CancellationTokenSource session, ulong id, int uid) = (_session, _id, _uid);
        _ = Task.Run(() => ConnectBulkAsync(session, id, uid));
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
            }

            // Before anything happens that could end it.
            _remoting.Publish(new AssociatedEvent(_remoting.LocalAddress, Remote, inbound: false));
            if (Established(session, socket, welcome, out List<OutboundMessage> tooLarge))
            {
                foreach (OutboundMessage message in tooLarge)
                    _remoting.Oversized(message, FrameLimit);
                return;
            }

            socket.Dispose();
            _remoting.Publish(new DisassociatedEvent(_remoting.LocalAddress, Remote, inbound: false));
        }
        catch (Exception e)
        {
            End(session, e, gate: true);
        }
    }

    /// <summary>What has waited for the connection leaves; system messages that were not acknowledged before come first.</summary>
    /// <returns>False when the session was ended meanwhile.</returns>
    private bool Established(CancellationTokenSource session, Socket socket, Welcome welcome, out List<OutboundMessage> tooLarge)
    {
        tooLarge = [];
        lock (Lock)
        {
            if (_session != session)
                return false;
            _frameLimit = Math.Min(_remoting.Settings.MaximumFrameSize, welcome.MaximumFrameSize);
            _connectedAt = Environment.TickCount64;
            _state = State.Connected;
            foreach (LaneQueue queue in new[] { _control, _bulk })
            {
                OutboundMessage[] waiting = [.. queue.Messages];
                queue.Messages.Clear();
                queue.Bytes = 0;
                foreach (OutboundMessage message in queue == _control ? [.. _unacknowledged, .. waiting] : waiting)
                {
                    if (message.Payload.Length > _frameLimit)
                    {
                        tooLarge.Add(message);
                        continue;
                    }

                    queue.Messages.Enqueue(message);
                    queue.Bytes += message.Size;
                }
            }

            _control.Connection = new OutboundConnection(this, _control, socket);
            _control.Connection.StartReading();
            Write(_control);
            Write(_bulk);
            TimeSpan interval = _remoting.Settings.TransportHeartbeatInterval;
            _heartbeat = new Timer(_ => Heartbeat(session), null, interval, interval);
            return true;
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
                queue.IsPingDue = true;
                Write(queue);
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
        CancellationTokenSource ended;
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
            ended = _session;
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
                queue.IsPingDue = false;
                queue.Connection = null;
            }

            _flushed?.TrySetResult();
            // What breaks at once would break again at once.
            bool shortLived = !wasConnected || Environment.TickCount64 - _connectedAt < gateTime.TotalMilliseconds;
            _state = gate || shortLived ? State.Gated : State.Idle;
            _gatedUntil = Environment.TickCount64 + (long)gateTime.TotalMilliseconds;
            if (_unacknowledged.Count > 0 && !_isClosing)
            {
                if (_state == State.Idle)
                    Connect();
                else
                    RetryWhenOpen();
            }
        }

        ended?.Cancel();
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
