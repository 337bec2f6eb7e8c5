using System.Net.Sockets;
using System.Text;
using Akka.Actor;

namespace Akka.Remote.Transport;

/// <summary>What one incarnation of another system has sent so far, over whichever connection.</summary>
internal sealed class InboundPeer(Address address, int uid)
{
    private readonly List<InboundConnection> _connections = [];
    private readonly List<InboundConnection> _reading = [];

    public Address Address { get; } = address;

    public int Uid { get; } = uid;

    /// <summary>The number of the last system message that was delivered. Guarded by this object.</summary>
    public ulong LastSystemMessage { get; set; }

    /// <summary>
    /// A control connection takes the place of whatever connections there were; a bulk connection belongs to the control connection of the
    /// same association.
    /// </summary>
    /// <param name="connection">The new connection.</param>
    /// <param name="replaced">The connections to be closed.</param>
    /// <param name="drained">
    /// Done when nothing comes from former connections any more: what they have received already goes before what the new one receives.
    /// </param>
    /// <returns>Whether there is a place for it.</returns>
    public bool TryAdd(InboundConnection connection, out InboundConnection[] replaced, out Task drained)
    {
        lock (_connections)
        {
            replaced = [];
            drained = Task.CompletedTask;
            if (connection.Lane == Lane.Bulk)
            {
                if (!_connections.Exists(c => c.Lane == Lane.Control && c.Association == connection.Association))
                    return false;
            }
            else
            {
                replaced = [.. _connections];
                drained = Task.WhenAll(_reading.Select(static c => c.Finished));
                _connections.Clear();
            }

            _connections.Add(connection);
            _reading.Add(connection);
            return true;
        }
    }

    /// <summary>Nothing is read from it any more.</summary>
    public void HasEnded(InboundConnection connection)
    {
        lock (_connections)
            _reading.Remove(connection);
        connection.Finish();
    }

    /// <summary>Takes a connection out, with those that end with it.</summary>
    /// <returns>False when another one took its place before.</returns>
    public bool Remove(InboundConnection connection, out InboundConnection[] others)
    {
        lock (_connections)
        {
            others = [];
            if (!_connections.Remove(connection))
                return false;
            others = [.. _connections.Where(c => c.Association == connection.Association)];
            foreach (InboundConnection other in others)
                _connections.Remove(other);
            return true;
        }
    }

    public InboundConnection[] RemoveAll()
    {
        lock (_connections)
        {
            InboundConnection[] all = [.. _connections];
            _connections.Clear();
            return all;
        }
    }

    public InboundConnection[] Connections
    {
        get
        {
            lock (_connections)
                return [.. _connections];
        }
    }
}

/// <summary>
/// Reads one connection that another system opened. A payload is read into the array that its serializer gets; what arrived together with
/// the head before it is copied there once. Acknowledgements go back when nothing more is there to be read.
/// </summary>
internal sealed class InboundConnection(Remoting remoting, Socket socket, Hello hello, InboundPeer peer)
{
    private const int Buffer = 64 * 1024;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(Buffer);
    private readonly ReferenceCache _references = new(remoting.Provider);
    private readonly Dictionary<int, string> _manifests = [];
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _from, _to;
    private bool _acknowledge;
    private long _lastSign = Environment.TickCount64;

    public Lane Lane => hello.Lane;

    public ulong Association => hello.Association;

    public InboundPeer Peer => peer;

    public string RemoteEnd { get; } = socket.RemoteEndPoint?.ToString() ?? "?";

    /// <summary>When something was last received, in milliseconds.</summary>
    public long LastSign => Volatile.Read(ref _lastSign);

    /// <summary>Done when the last message that came over it has been delivered.</summary>
    public Task Finished => _finished.Task;

    public void Finish() => _finished.TrySetResult();

    public void Close() => socket.Dispose();

    /// <summary>Tells the other end that it is quarantined, as far as the socket takes it at once, and closes.</summary>
    public void CloseQuarantined()
    {
        try
        {
            byte[] frame = new byte[Frame.LengthAndKind];
            Frame.WriteHead(new OutboundMessage { Kind = FrameKind.Quarantined }, frame);
            _ = socket.SendAsync(frame, SocketFlags.None);
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It learns of it when it connects again.
        }

        Close();
    }

    /// <summary>Reads until the connection ends.</summary>
    /// <exception cref="ProtocolException">The other end does not keep to the protocol.</exception>
    public async Task RunAsync()
    {
        while (await Ensure(Frame.LengthAndKind, mayEnd: true).ConfigureAwait(false))
        {
            int length = BitConverter.ToInt32(_buffer, _from);
            var kind = (FrameKind)_buffer[_from + sizeof(int)];
            switch (kind)
            {
                case FrameKind.Ping when length == 1:
                    _from += Frame.LengthAndKind;
                    _acknowledge = true;
                    break;
                case FrameKind.Quarantined when length == 1:
                    _from += Frame.LengthAndKind;
                    remoting.AssociationWith(peer.Address).QuarantinedByPeer();
                    return;
                case FrameKind.Message or FrameKind.System:
                    await ReceiveMessage(kind, length).ConfigureAwait(false);
                    break;
                default:
                    throw new ProtocolException($"a frame of kind {(byte)kind} and {length} bytes is unknown");
            }
        }
    }

    private async Task ReceiveMessage(FrameKind kind, int length)
    {
        const int LengthKindHeader = Frame.LengthAndKind + sizeof(ushort);
        int most = remoting.Settings.MaximumFrameSize;
        if (length < 1 + sizeof(ushort) || length > most + Frame.MaximumHeader)
            throw new ProtocolException($"a frame says it is {length} bytes long; {most} are allowed");
        await Ensure(LengthKindHeader).ConfigureAwait(false);
        int headerLength = BitConverter.ToUInt16(_buffer, _from + Frame.LengthAndKind);
        int payloadLength = length - 1 - sizeof(ushort) - headerLength;
        if (headerLength > Frame.MaximumHeader || payloadLength < 0 || payloadLength > most)
            throw new ProtocolException($"a frame of {length} bytes says its header has {headerLength}");
        await Ensure(LengthKindHeader + headerLength).ConfigureAwait(false);
        InboundMessage message = Parse(kind, _buffer.AsSpan(_from + LengthKindHeader, headerLength));
        _from += LengthKindHeader + headerLength;
        byte[] payload = payloadLength == 0 ? [] : GC.AllocateUninitializedArray<byte>(payloadLength);
        int have = Math.Min(_to - _from, payloadLength);
        _buffer.AsSpan(_from, have).CopyTo(payload);
        _from += have;
        while (have < payloadLength)
        {
            int received = await socket.ReceiveAsync(payload.AsMemory(have), SocketFlags.None).ConfigureAwait(false);
            if (received == 0)
                throw new RemoteTransportException("the connection ended inside a frame");
            Volatile.Write(ref _lastSign, Environment.TickCount64);
            have += received;
        }

        if (kind == FrameKind.System)
            ReceiveSystem(message, payload);
        else
            remoting.Receive(message, payload, peer.Address);
    }

    private void ReceiveSystem(in InboundMessage message, byte[] payload)
    {
        _acknowledge = true;
        lock (peer)
        {
            // Sent again over a new connection, because the acknowledgement was lost with the former.
            if (message.Sequence <= peer.LastSystemMessage)
                return;
            if (message.Sequence != peer.LastSystemMessage + 1)
                throw new ProtocolException($"system message {message.Sequence} follows {peer.LastSystemMessage}");
            peer.LastSystemMessage = message.Sequence;
            remoting.ReceiveSystem(message, payload, peer.Address);
        }
    }

    private InboundMessage Parse(FrameKind kind, ReadOnlySpan<byte> header)
    {
        var reader = new FrameReader(header);
        var message = new InboundMessage();
        if (kind == FrameKind.System)
            message.Sequence = reader.Number();
        byte flags = reader.Byte();
        message.SerializerId = reader.Int();
        message.Recipient = _references.Resolve(reader.Bytes());
        message.Manifest = Manifest(reader.Bytes());
        if ((flags & Frame.HasSender) != 0)
            message.Sender = _references.Resolve(reader.Bytes());
        if ((flags & Frame.IsSelection) == 0)
            return message;
        var steps = new SelectionPathElement[reader.Byte()];
        for (int i = 0; i < steps.Length; i++)
        {
            byte type = reader.Byte();
            string name = reader.Text();
            steps[i] = type switch
            {
                Frame.StepToParent => SelectParent.Instance,
                Frame.StepToName => new SelectChildName(name),
                Frame.StepToPattern => new SelectChildPattern(name),
                _ => throw new ProtocolException($"there is no step {type} of a selection"),
            };
        }

        message.Selection = steps;
        message.IsWildcard = (flags & Frame.IsWildcard) != 0;
        return message;
    }

    /// <summary>The few manifests that are in use are not made anew for each message.</summary>
    private string Manifest(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty)
            return string.Empty;
        var hash = new HashCode();
        hash.AddBytes(utf8);
        int key = hash.ToHashCode();
        if (_manifests.TryGetValue(key, out string known) && Encoding.UTF8.GetByteCount(known) == utf8.Length
            && Encoding.UTF8.GetString(utf8) == known)
            return known;
        string manifest = Encoding.UTF8.GetString(utf8);
        if (_manifests.Count >= 1024)
            _manifests.Clear();
        _manifests[key] = manifest;
        return manifest;
    }

    /// <summary>Has so many unread bytes in the buffer, from the read position on.</summary>
    /// <returns>False when the connection ended where it may.</returns>
    private async ValueTask<bool> Ensure(int bytes, bool mayEnd = false)
    {
        while (_to - _from < bytes)
        {
            if (_acknowledge)
                await Acknowledge().ConfigureAwait(false);
            if (_from == _to)
            {
                _from = _to = 0;
            }
            else if (_from + bytes > _buffer.Length)
            {
                _buffer.AsSpan(_from, _to - _from).CopyTo(_buffer);
                _to -= _from;
                _from = 0;
            }

            int received = await socket.ReceiveAsync(_buffer.AsMemory(_to), SocketFlags.None).ConfigureAwait(false);
            if (received == 0)
            {
                return mayEnd && _from == _to
                    ? false : throw new RemoteTransportException("the connection ended inside a frame");
            }

            Volatile.Write(ref _lastSign, Environment.TickCount64);
            _to += received;
        }

        return true;
    }

    private async ValueTask Acknowledge()
    {
        _acknowledge = false;
        byte[] ack = new byte[Frame.LengthAndKind + sizeof(ulong)];
        lock (peer)
            Frame.WriteAck(peer.LastSystemMessage, ack);
        await socket.SendAsync(ack, SocketFlags.None).ConfigureAwait(false);
    }
}

/// <summary>The head of a message that was received.</summary>
internal struct InboundMessage
{
    public IActorRef Recipient;
    public IActorRef Sender;
    public int SerializerId;
    public string Manifest;
    public ulong Sequence;
    public SelectionPathElement[] Selection;
    public bool IsWildcard;
}

/// <summary>The references of the paths that were last read; a path is parsed and looked up once, as long as its actor lives.</summary>
internal sealed class ReferenceCache(RemoteActorRefProvider provider)
{
    private const int Slots = 256;

    private readonly (byte[] Path, IInternalActorRef Reference)[] _slots = new (byte[], IInternalActorRef)[Slots];

    public IActorRef Resolve(ReadOnlySpan<byte> path)
    {
        var hash = new HashCode();
        hash.AddBytes(path);
        ref (byte[] Path, IInternalActorRef Reference) slot = ref _slots[(uint)hash.ToHashCode() % Slots];
        if (slot.Path is not null && path.SequenceEqual(slot.Path) && !slot.Reference.IsTerminated)
            return slot.Reference;
        IActorRef resolved = provider.ResolveActorRef(Encoding.UTF8.GetString(path));
        // Others are used once, or may become an actor later.
        if (resolved is LocalActorRef or RemoteActorRef)
            slot = (path.ToArray(), (IInternalActorRef)resolved);
        return resolved;
    }
}
