using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Event;
using Akka.Remote.Serialization;
using Akka.Remote.Transport;

namespace Akka.Remote;

/// <summary>The network of one system: its listening socket, its associations, and the way of a message out and in.</summary>
internal sealed class Remoting
{
    private const int MostGreetings = 1024;

    private readonly ConcurrentDictionary<Address, Association> _associations = new();
    private readonly ConcurrentDictionary<Address, InboundPeer> _peers = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly ActorSystemImpl _system;
    private Socket _listener;
    private Timer _silence;
    private int _greetings;

    public Remoting(ActorSystemImpl system, RemoteActorRefProvider provider)
    {
        _system = system;
        Provider = provider;
        Settings = provider.RemoteSettings;
        Log = Logging.GetLogger(system, "remoting");
        Uid = AddressUidExtension.Uid(system);
    }

    public RemoteActorRefProvider Provider { get; }

    public RemoteSettings Settings { get; }

    public ILoggingAdapter Log { get; }

    public int Uid { get; }

    /// <summary>How others know this system.</summary>
    public Address LocalAddress { get; private set; }

    /// <summary>Takes the port. Connections wait until <see cref="Start"/>.</summary>
    /// <exception cref="RemoteTransportException">The address cannot be used.</exception>
    public void Listen()
    {
        try
        {
            IPAddress address = ResolveOwn(Settings.Hostname);
            _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            Tune(_listener);
            _listener.Bind(new IPEndPoint(address, Settings.Port));
            _listener.Listen(Settings.Backlog);
        }
        catch (Exception e)
        {
            _listener?.Dispose();
            throw new RemoteTransportException($"Cannot listen on {Settings.Hostname}:{Settings.Port}: {e.Message}", e);
        }

        int port = Settings.PublicPort != 0 ? Settings.PublicPort : ((IPEndPoint)_listener.LocalEndPoint).Port;
        LocalAddress = new Address(RemoteActorRefProvider.Protocol, _system.Name, Settings.PublicHostname, port);
    }

    public void Start()
    {
        Publish(new RemotingListenEvent([LocalAddress]));
        _silence = new Timer(_ => CloseSilent(), null, Settings.TransportHeartbeatInterval, Settings.TransportHeartbeatInterval);
        _ = AcceptAsync();
    }

    public async Task Shutdown()
    {
        if (_listener is null)
            return;
        await Task.WhenAll(_associations.Values.Select(association => association.Shutdown(Settings.FlushWait))).ConfigureAwait(false);
        await _ending.CancelAsync().ConfigureAwait(false);
        _listener.Dispose();
        _silence?.Dispose();
        foreach (InboundConnection connection in _peers.Values.SelectMany(static peer => peer.Connections))
            connection.Close();
        Publish(new RemotingShutdownEvent());
    }

    public Association AssociationWith(Address address) =>
        _associations.GetOrAdd(address, static (remote, remoting) => new Association(remoting, remote), this);

    public Lane LaneOf(IReadOnlyList<string> path) => Settings.LargeMessageDestinations.Match(path) ? Lane.Bulk : Lane.Control;

    /// <summary>Turns the message into bytes on the caller's thread and queues it. What cannot be sent becomes a dead letter.</summary>
    public void Send(object message, IActorRef sender, RemoteActorRef recipient)
    {
        var selection = message as ActorSelectionMessage;
        object payload = selection is null ? message : selection.Message;
        OutboundMessage outbound;
        try
        {
            Akka.Serialization.Serializer serializer = _system.Serialization.FindSerializerFor(payload);
            outbound = new OutboundMessage
            {
                Kind = FrameKind.Message,
                SerializerId = serializer.Identifier,
                Manifest = Akka.Serialization.Serialization.ManifestFor(serializer, payload),
                Payload = serializer.ToBinary(payload),
                Recipient = recipient,
                SenderPath = PathOf(sender),
                Selection = selection,
                Message = payload,
                Sender = sender,
            };
        }
        catch (Exception e)
        {
            Log.Error(e, "A message of type {0} to {1} is not sent, it could not be serialized: {2}",
                payload.GetType(), recipient.Path, e.Message);
            Dead(payload, sender, recipient);
            return;
        }

        Association association = recipient.Association;
        int limit = association.FrameLimit;
        if (outbound.Payload.Length > limit || Frame.HeadSize(outbound) > Frame.MaximumHeader)
        {
            Oversized(outbound, limit);
            return;
        }

        association.Send(outbound, selection is null || Settings.LargeMessageDestinations.IsEmpty
            ? recipient.Lane : LaneOf([.. recipient.Path.Elements, .. selection.Elements.Select(static step => step.ToString())]));
    }

    public void SendSystem(SystemMessage message, RemoteActorRef recipient) => recipient.Association.SendSystem(new OutboundMessage
    {
        Kind = FrameKind.System,
        SerializerId = SystemMessageCodec.KindOf(message),
        Payload = SystemMessageCodec.ToBinary(message),
        Recipient = recipient,
        Message = message,
        SentAt = Environment.TickCount64,
    });

    /// <summary>A message from another system.</summary>
    public void Receive(in InboundMessage inbound, byte[] payload, Address from)
    {
        object message;
        try
        {
            message = _system.Serialization.Deserialize(payload, inbound.SerializerId, inbound.Manifest);
        }
        catch (Exception e)
        {
            Log.Error(e, "A message from {0} to {1} could not be read (serializer {2}, manifest [{3}]): {4}",
                from, inbound.Recipient.Path, inbound.SerializerId, inbound.Manifest, e.Message);
            return;
        }

        if (inbound.Recipient is RemoteActorRef)
        {
            Log.Error("A message of type {0} from {1} is for {2}, which is not here but at {3}",
                message?.GetType(), from, inbound.Recipient.Path, LocalAddress);
            return;
        }

        IActorRef sender = inbound.Sender ?? _system.DeadLetters;
        if (inbound.Selection is { } steps)
            SelectionSupport.Deliver(
                (IInternalActorRef)inbound.Recipient, sender, new ActorSelectionMessage(message, steps, inbound.IsWildcard));
        else
            inbound.Recipient.Tell(message, sender);
    }

    /// <summary>A message of another system's runtime.</summary>
    public void ReceiveSystem(in InboundMessage inbound, byte[] payload, Address from)
    {
        if (inbound.Recipient is RemoteActorRef)
        {
            Log.Error("A system message from {0} is for {1}, which is not here but at {2}", from, inbound.Recipient.Path, LocalAddress);
            return;
        }

        var recipient = (IInternalActorRef)inbound.Recipient;
        try
        {
            recipient.SendSystemMessage(SystemMessageCodec.FromBinary(inbound.SerializerId, payload, recipient, Provider));
        }
        catch (ProtocolException e)
        {
            Log.Error(e, "A system message from {0} to {1} could not be read: {2}", from, recipient.Path, e.Message);
        }
    }

    public void Quarantine(Address address, int? uid)
    {
        if (!AssociationWith(address).Quarantine(uid) || uid is not { } quarantined)
            return;
        if (_peers.TryGetValue(address, out InboundPeer peer) && peer.Uid == quarantined)
        {
            foreach (InboundConnection connection in peer.Connections)
                connection.CloseQuarantined();
        }

        Publish(new QuarantinedEvent(address, quarantined));
    }

    public void Publish(RemotingLifecycleEvent happened, Exception cause = null)
    {
        _system.EventStream.Publish(happened);
        if (!Settings.LogLifecycleEvents)
            return;
        if (cause is null)
            Log.Log(happened.LogLevel(), null, "{0}", happened);
        else
            Log.Log(happened.LogLevel(), null, "{0}: {1}", happened, cause.Message);
    }

    public void Report(Exception cause, Address remote, bool inbound)
    {
        if (!_ending.IsCancellationRequested)
            Publish(new AssociationErrorEvent(cause, LocalAddress, remote, inbound, LogLevel.WarningLevel));
    }

    public void Dead(OutboundMessage message) => Dead(message.Message, message.Sender, message.Recipient);

    /// <summary>A message that does not fit into a frame is not sent.</summary>
    public void Oversized(OutboundMessage message, int limit)
    {
        var reason = new OversizedPayloadException(
            $"Discarding oversized payload sent to {message.Recipient}: max allowed size {limit} bytes, "
            + $"actual size of encoded {message.Message.GetType()} was {message.Payload.Length} bytes.");
        Log.Error(reason, "A message of type {0} to {1} is not sent: {2}",
            message.Message.GetType(), message.Recipient.Path, reason.Message);
        Dead(message);
    }

    /// <summary>Opens a connection and greets.</summary>
    /// <exception cref="RemoteTransportException">There is nobody, or not who was looked for, or this system is not wanted.</exception>
    public async Task<(Socket Socket, Welcome Welcome)> Connect(Address remote, Lane lane, ulong association, CancellationToken session)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            Tune(socket);
            using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(session, _ending.Token);
            cancellation.CancelAfter(Settings.ConnectionTimeout);
            await socket.ConnectAsync(remote.Host, remote.Port.GetValueOrDefault(), cancellation.Token).ConfigureAwait(false);
            cancellation.CancelAfter(Settings.HandshakeTimeout);
            var hello = new Hello(LocalAddress, Uid, remote, lane, association, Settings.MaximumFrameSize);
            await Handshake.SendAsync(socket, hello, cancellation.Token).ConfigureAwait(false);
            Welcome welcome = await Handshake.ReceiveWelcomeAsync(socket, cancellation.Token).ConfigureAwait(false);
            if (welcome.Status == HandshakeStatus.Quarantined)
                Publish(new ThisActorSystemQuarantinedEvent(LocalAddress, remote));
            if (welcome.Status != HandshakeStatus.Welcome)
                throw new RemoteTransportException($"{remote} refuses the connection: {welcome.Reason}");
            if (!welcome.From.Equals(remote))
                throw new RemoteTransportException($"at {remote} there is {welcome.From}");
            return (socket, welcome);
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (e is RemoteTransportException and not (ProtocolException or VersionException))
                throw;
            string reason = e is OperationCanceledException ? "no answer in time" : e.Message;
            throw new RemoteTransportException($"No connection to {remote}: {reason}", e);
        }
    }

    private async Task AcceptAsync()
    {
        while (!_ending.IsCancellationRequested)
        {
            try
            {
                Socket socket = await _listener.AcceptAsync(_ending.Token).ConfigureAwait(false);
                if (Interlocked.Increment(ref _greetings) > MostGreetings)
                {
                    Interlocked.Decrement(ref _greetings);
                    socket.Dispose();
                    Log.Warning("A connection is closed: {0} others have not yet said who they are", MostGreetings);
                    continue;
                }

                _ = ServeAsync(socket);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // Out of file handles, or the connection was gone already.
                Log.Warning("A connection could not be accepted: {0}", e.Message);
                await Task.Delay(100).ConfigureAwait(false);
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        string remoteEnd = "?";
        InboundConnection connection = null;
        try
        {
            remoteEnd = socket.RemoteEndPoint?.ToString() ?? remoteEnd;
            try
            {
                Tune(socket);
                connection = await GreetAsync(socket).ConfigureAwait(false);
            }
            finally
            {
                Interlocked.Decrement(ref _greetings);
            }

            if (connection is not null)
                await connection.RunAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is ProtocolException or VersionException)
        {
            Log.Warning("The connection from {0} is closed: {1}", connection?.Peer.Address.ToString() ?? remoteEnd, e.Message);
        }
        catch (OperationCanceledException) when (connection is null)
        {
            if (!_ending.IsCancellationRequested)
                Log.Warning(
                    "The connection from {0} is closed: it has not said who it is within {1}", remoteEnd, Settings.HandshakeTimeout);
        }
        catch (Exception e)
        {
            if (e is not (SocketException or ObjectDisposedException or RemoteTransportException))
                Log.Error(e, "The connection from {0} failed", remoteEnd);
        }
        finally
        {
            socket.Dispose();
            if (connection is not null)
            {
                connection.Peer.HasEnded(connection);
                Ended(connection);
            }
        }
    }

    /// <summary>Hears who opened a connection and answers; null when it is not taken.</summary>
    private async Task<InboundConnection> GreetAsync(Socket socket)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        time.CancelAfter(Settings.HandshakeTimeout);
        Hello hello;
        try
        {
            hello = await Handshake.ReceiveHelloAsync(socket, time.Token).ConfigureAwait(false);
        }
        catch (VersionException e)
        {
            await Answer(HandshakeStatus.Version, e.Message).ConfigureAwait(false);
            throw;
        }

        if (!hello.To.Equals(LocalAddress))
            return await Refuse(HandshakeStatus.WrongAddress, $"it looks for {hello.To}, here is {LocalAddress}").ConfigureAwait(false);
        if (hello.From.Protocol != RemoteActorRefProvider.Protocol || !hello.From.HasGlobalScope || hello.From.Port is null
            || hello.From.Equals(LocalAddress))
            return await Refuse(HandshakeStatus.Refused, $"{hello.From} is no address of another system").ConfigureAwait(false);
        if (_associations.TryGetValue(hello.From, out Association association) && association.IsQuarantined(hello.Uid))
            return await Refuse(HandshakeStatus.Quarantined, $"uid {hello.Uid} is quarantined").ConfigureAwait(false);
        InboundPeer peer = PeerOf(hello);
        var connection = new InboundConnection(this, socket, hello, peer);
        if (!peer.TryAdd(connection, out InboundConnection[] replaced, out Task drained))
            return await Refuse(HandshakeStatus.Refused, "its control connection is not there").ConfigureAwait(false);
        CloseReplaced(replaced);
        try
        {
            await drained.WaitAsync(time.Token).ConfigureAwait(false);
            await Answer(HandshakeStatus.Welcome, string.Empty).ConfigureAwait(false);
            if (hello.Lane == Lane.Control)
            {
                association?.HeardOf(hello.Uid);
                Publish(new AssociatedEvent(LocalAddress, hello.From, inbound: true));
            }

            return connection;
        }
        catch
        {
            peer.Remove(connection, out _);
            peer.HasEnded(connection);
            throw;
        }

        Task Answer(HandshakeStatus status, string reason) => Handshake.SendAsync(
            socket, new Welcome(status, LocalAddress, Uid, Settings.MaximumFrameSize, reason), time.Token);

        async Task<InboundConnection> Refuse(HandshakeStatus status, string reason)
        {
            Log.Warning("The connection from {0} at {1} is refused: {2}", hello.From, socket.RemoteEndPoint, reason);
            await Answer(status, reason).ConfigureAwait(false);
            return null;
        }
    }

    private InboundPeer PeerOf(Hello hello)
    {
        InboundPeer former = null;
        InboundPeer peer = _peers.AddOrUpdate(
            hello.From, address => new InboundPeer(address, hello.Uid), (address, known) =>
            {
                former = known.Uid == hello.Uid ? null : known;
                return known.Uid == hello.Uid ? known : new InboundPeer(address, hello.Uid);
            });
        CloseReplaced(former?.RemoveAll() ?? []);
        return peer;
    }

    /// <summary>The other system has connected anew: that the former connections ended is published before the new one is.</summary>
    private void CloseReplaced(InboundConnection[] connections)
    {
        foreach (InboundConnection connection in connections)
        {
            connection.Close();
            if (connection.Lane == Lane.Control)
                Publish(new DisassociatedEvent(LocalAddress, connection.Peer.Address, inbound: true));
        }
    }

    private void Ended(InboundConnection connection)
    {
        if (!connection.Peer.Remove(connection, out InboundConnection[] others))
            return;
        foreach (InboundConnection other in others)
            other.Close();
        if (connection.Lane == Lane.Control)
            Publish(new DisassociatedEvent(LocalAddress, connection.Peer.Address, inbound: true));
    }

    /// <summary>The other end of a connection says something every interval; one that is gone without a word is given up.</summary>
    private void CloseSilent()
    {
        foreach (InboundConnection connection in _peers.Values.SelectMany(static peer => peer.Connections))
        {
            if (Environment.TickCount64 - connection.LastSign > Settings.TransportAcceptablePause.TotalMilliseconds)
                connection.Close();
        }
    }

    private void Dead(object message, IActorRef sender, IActorRef recipient)
    {
        if (message is not null)
            _system.DeadLetters.Tell(new DeadLetter(message, sender ?? _system.DeadLetters, recipient), sender);
    }

    private byte[] PathOf(IActorRef sender) => sender is null or Nobody || ReferenceEquals(sender, _system.DeadLetters)
        ? [] : sender is RemoteActorRef remote
            ? remote.PathBytes : Encoding.UTF8.GetBytes(Akka.Serialization.Serialization.SerializedActorPath(sender));

    private void Tune(Socket socket)
    {
        socket.NoDelay = Settings.NoDelay;
        if (Settings.SendBufferSize > 0)
            socket.SendBufferSize = Settings.SendBufferSize;
        if (Settings.ReceiveBufferSize > 0)
            socket.ReceiveBufferSize = Settings.ReceiveBufferSize;
    }

    private static IPAddress ResolveOwn(string hostname)
    {
        if (IPAddress.TryParse(hostname, out IPAddress parsed))
            return parsed;
        IPAddress[] found = Dns.GetHostAddresses(hostname);
        return Array.Find(found, static a => a.AddressFamily == AddressFamily.InterNetwork) ?? found[0];
    }
}

/// <summary>A message is larger than a frame may be.</summary>
internal sealed class OversizedPayloadException(string message) : RemoteTransportException(message);
