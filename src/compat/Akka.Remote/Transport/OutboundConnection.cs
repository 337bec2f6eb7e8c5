using System.Net.Sockets;

namespace Akka.Remote.Transport;

/// <summary>What waits for one lane of an association. Guarded by the association's lock.</summary>
internal sealed class LaneQueue(Lane lane)
{
    public Lane Lane { get; } = lane;

    public Queue<OutboundMessage> Messages { get; } = new();

    /// <summary>Bytes that wait or are being written.</summary>
    public long Bytes { get; set; }

    /// <summary>It was full and has not been half empty since.</summary>
    public bool IsOverflowing { get; set; }

    /// <summary>Somebody writes, or is about to.</summary>
    public bool IsWriting { get; set; }

    /// <summary>The other end is to be asked for a sign of life, before anything else that waits.</summary>
    public bool IsPingDue { get; set; }

    public OutboundConnection Connection { get; set; }
}

/// <summary>
/// One of the two connections over which an association sends. What waits is gathered into one write: heads and small payloads lie one
/// after the other in one buffer, larger payloads are written from where the serializer left them. Only acknowledgements come back.
/// </summary>
internal sealed class OutboundConnection : IThreadPoolWorkItem
{
    /// <summary>Payloads up to this size are copied behind their head.</summary>
    private const int SmallPayload = 4096;
    private const int HeadBuffer = 64 * 1024;
    private const int BatchBytes = 512 * 1024;
    private const int BatchSegments = 128;

    private readonly Association _association;
    private readonly LaneQueue _queue;
    private readonly Socket _socket;
    private readonly byte[] _heads = GC.AllocateUninitializedArray<byte>(HeadBuffer, pinned: true);
    private readonly List<ArraySegment<byte>> _segments = [];
    private long _lastSign = Environment.TickCount64;

    public OutboundConnection(Association association, LaneQueue queue, Socket socket)
    {
        _association = association;
        _queue = queue;
        _socket = socket;
    }

    /// <summary>Done when nothing more can come from the other end.</summary>
    public Task Reading { get; private set; } = Task.CompletedTask;

    /// <summary>When something last came from the other end, in milliseconds.</summary>
    public long LastSign => Volatile.Read(ref _lastSign);

    public void StartReading() => Reading = Task.Run(ReadAsync);

    /// <summary>Writes what waits; the queue says already that somebody does.</summary>
    public void Execute() => _ = WriteAsync();

    /// <summary>No more is sent; the other end closes when it has read everything.</summary>
    public void EndSending()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is gone already, which is what was wanted.
        }
    }

    /// <summary>Tells the other end, as far as the socket takes it at once, and closes.</summary>
    public void CloseQuarantined()
    {
        try
        {
            byte[] frame = new byte[Frame.LengthAndKind];
            Frame.WriteHead(new OutboundMessage { Kind = FrameKind.Quarantined }, frame);
            _ = _socket.SendAsync(frame, SocketFlags.None);
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It learns of it when it connects again.
        }

        Close();
    }

    public void Close() => _socket.Dispose();

    private async Task WriteAsync()
    {
        try
        {
            while (true)
            {
                long bytes = Gather(out int toSend);
                if (toSend == 0)
                    return;
                int sent = await _socket.SendAsync(_segments, SocketFlags.None).ConfigureAwait(false);
                if (sent != toSend)
                    throw new RemoteTransportException($"{sent} of {toSend} bytes were sent");
                _association.Written(this, _queue, bytes);
            }
        }
        catch (Exception e)
        {
            _association.Failed(this, e);
        }
    }

    /// <summary>Takes messages into the next write; when there is none the queue has no writer any more.</summary>
    private long Gather(out int toSend)
    {
        _segments.Clear();
        toSend = 0;
        long bytes = 0;
        int start = 0, position = 0;
        lock (_association.Lock)
        {
            // What waits now waits for the connection that replaced this one.
            if (_queue.Connection != this)
                return 0;
            if (_queue.IsPingDue)
            {
                _queue.IsPingDue = false;
                position = toSend = Frame.WriteHead(new OutboundMessage { Kind = FrameKind.Ping }, _heads);
            }

            while (_queue.Messages.TryPeek(out OutboundMessage message))
            {
                int needed = Frame.HeadSize(message) + (message.Payload.Length <= SmallPayload ? message.Payload.Length : 0);
                if (needed > HeadBuffer - position || _segments.Count >= BatchSegments || toSend >= BatchBytes)
                    break;
                _queue.Messages.Dequeue();
                bytes += message.Size;
                int head = Frame.WriteHead(message, _heads.AsSpan(position));
                position += head;
                toSend += head + message.Payload.Length;
                if (message.Payload.Length <= SmallPayload)
                {
                    message.Payload.CopyTo(_heads.AsSpan(position));
                    position += message.Payload.Length;
                    continue;
                }

                _segments.Add(new ArraySegment<byte>(_heads, start, position - start));
                _segments.Add(message.Payload);
                start = position;
            }

            if (toSend == 0)
                _queue.IsWriting = false;
        }

        if (position > start)
            _segments.Add(new ArraySegment<byte>(_heads, start, position - start));
        return bytes;
    }

    private async Task ReadAsync()
    {
        byte[] buffer = new byte[512];
        int have = 0;
        try
        {
            while (true)
            {
                int received = await _socket.ReceiveAsync(buffer.AsMemory(have), SocketFlags.None).ConfigureAwait(false);
                if (received == 0)
                    throw new RemoteTransportException("the other system closed the connection");
                Volatile.Write(ref _lastSign, Environment.TickCount64);
                have += received;
                int used = Take(buffer.AsSpan(0, have));
                buffer.AsSpan(used, have - used).CopyTo(buffer);
                have -= used;
            }
        }
        catch (Exception e)
        {
            _association.Failed(this, e);
        }
    }

    private int Take(ReadOnlySpan<byte> received)
    {
        int used = 0;
        while (received.Length - used >= Frame.LengthAndKind)
        {
            ReadOnlySpan<byte> frame = received[used..];
            int length = BitConverter.ToInt32(frame);
            switch ((FrameKind)frame[4])
            {
                case FrameKind.Ack when length == 1 + sizeof(ulong):
                    if (frame.Length < sizeof(int) + length)
                        return used;
                    _association.Acknowledged(BitConverter.ToUInt64(frame[Frame.LengthAndKind..]));
                    break;
                case FrameKind.Quarantined when length == 1:
                    _association.QuarantinedByPeer();
                    break;
                default:
                    throw new ProtocolException($"an answer of kind {frame[4]} and {length} bytes is unknown");
            }

            used += sizeof(int) + length;
        }

        return used;
    }
}
