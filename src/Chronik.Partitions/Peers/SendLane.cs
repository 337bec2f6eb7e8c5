using Akka.Actor;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Peers;

/// <summary>Something that waits to be put into a frame. The payloads of its entries are held meanwhile.</summary>
/// <param name="Group">The group of a Raft message.</param>
/// <param name="Message">A Raft message, unless there is a <paramref name="Record"/>.</param>
/// <param name="Record">Something else, or null.</param>
internal readonly record struct Outgoing(GroupId Group, RaftMessage Message, IPeerRecord? Record)
{
    /// <summary>Bytes in the frame, with the record's header.</summary>
    public int Bytes => FrameFormat.RecordHeaderBytes + (Record?.Bytes ?? RaftMessageCodec.Bytes(Message));

    public void Retain()
    {
        Record?.Payload.Retain();
        if (Message.Entries is not { } entries) return;
        for (int i = 0; i < entries.Count; i++) entries[i].Payload.Retain();
    }

    public void Release()
    {
        Record?.Payload.Release();
        if (Message.Entries is not { } entries) return;
        for (int i = 0; i < entries.Count; i++) entries[i].Payload.Release();
    }

    public void Write(ref FrameWriter writer)
    {
        int bytes = Bytes - FrameFormat.RecordHeaderBytes;
        writer.Record(Record?.Kind ?? FrameRecord.Raft, bytes);
        int before = writer.Left;
        if (Record is null) RaftMessageCodec.Write(ref writer, Group, Message);
        else Record.Write(ref writer);
        Invariant.Require(before - writer.Left == bytes);
    }
}

/// <summary>
/// One of the two ways to a peer. Whoever adds the first message sends it at once, and with it whatever others add meanwhile: a frame
/// holds what gathered while the one before it was made. What can wait is left to the thread pool, where it queues behind the actors that
/// are about to add to it. Thread-safe.
/// </summary>
internal sealed class SendLane(PeerLink link, PeerLane lane, int frameBytes) : IThreadPoolWorkItem
{
    private const int RoundsAtOnce = 8; // Of frames that one sender makes for others before the pool takes over.

    private readonly Lock _lock = new();
    private List<Outgoing> _queue = [];
    private List<Outgoing> _taken = [];
    private readonly Queue<Outgoing> _yielding = new(); // Sent one at a time, when nothing else waits.
    private long _queuedBytes;
    private long _yieldingBytes;
    private long _sentBytes;
    private bool _sending;
    private bool _scheduled;

    /// <summary>Where frames go.</summary>
    public required ICanTell Peer { get; set; }

    /// <summary>Bytes put into frames so far.</summary>
    public long SentBytes => Volatile.Read(ref _sentBytes);

    /// <summary>Bytes that wait for a frame.</summary>
    public long QueuedBytes => Volatile.Read(ref _queuedBytes) + Volatile.Read(ref _yieldingBytes);

    /// <summary>Takes a message, and sends it now unless it can wait.</summary>
    public void Add(in Outgoing message, bool canWait)
    {
        message.Retain();
        lock (_lock)
        {
            if (message.Record is { YieldsToOthers: true })
            {
                _yielding.Enqueue(message);
                _yieldingBytes += message.Bytes;
            }
            else
            {
                _queue.Add(message);
                _queuedBytes += message.Bytes;
            }

            if (_sending) return;
            if (canWait)
            {
                Schedule();
                return;
            }

            _sending = true;
        }

        Send();
    }

    /// <summary>On the thread pool: sends what waits.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        lock (_lock)
        {
            _scheduled = false;
            if (_sending) return;
            _sending = true;
        }

        Send();
    }

    private void Schedule()
    {
        if (_scheduled) return;
        _scheduled = true;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private void Send()
    {
        for (int round = 0; ; round++)
        {
            lock (_lock)
            {
                bool isEmpty = _queue.Count == 0 && _yielding.Count == 0;
                if (isEmpty || round == RoundsAtOnce)
                {
                    _sending = false;
                    if (!isEmpty) Schedule();
                    return;
                }

                if (_queue.Count > 0)
                {
                    (_queue, _taken) = (_taken, _queue);
                    _queuedBytes = 0;
                }
                else
                {
                    Outgoing one = _yielding.Dequeue();
                    _yieldingBytes -= one.Bytes;
                    _taken.Add(one);
                }
            }

            try
            {
                SendTaken();
            }
            catch (Exception)
            {
                // Messages may be lost, but whoever sends for others must go on, or nobody would again.
                foreach (Outgoing message in _taken) link.Meters.Dropped();
            }
            finally
            {
                foreach (Outgoing message in _taken) message.Release();
                _taken.Clear();
            }
        }
    }

    private void SendTaken()
    {
        for (int first = 0; first < _taken.Count;)
        {
            int bytes = FrameFormat.HeaderBytes + _taken[first].Bytes;
            int end = first + 1;
            while (end < _taken.Count && bytes + _taken[end].Bytes <= frameBytes) bytes += _taken[end++].Bytes;
            byte[] frame = GC.AllocateUninitializedArray<byte>(bytes);
            FrameWriter writer = new(frame.AsSpan(FrameFormat.HeaderBytes));
            for (; first < end; first++) _taken[first].Write(ref writer);
            FrameFormat.Seal(frame, link.Header(lane, _sentBytes));
            Volatile.Write(ref _sentBytes, _sentBytes + bytes);
            Peer.Tell(new PeerFrame(frame), ActorRefs.NoSender);
            link.Meters.Sent(lane, bytes);
        }
    }
}
