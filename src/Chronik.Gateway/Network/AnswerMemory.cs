namespace Chronik.Gateway.Network;

/// <summary>Room that a large decoded request or a large answer has until it is given back.</summary>
internal sealed class AnswerLease(Action close, bool waitsForClient, long bytes, long since)
{
    /// <summary>How much.</summary>
    public long Bytes => bytes;

    /// <summary>Whether it is the client who takes its time, not this node.</summary>
    public bool WaitsForClient => waitsForClient;

    /// <summary>When it was taken.</summary>
    public long Since => since;

    /// <summary>Closes whoever holds it.</summary>
    public Action Close => close;

    /// <summary>Its place among those that are held; null once its holder is being closed, or it was given back.</summary>
    public LinkedListNode<AnswerLease>? Node { get; set; }
}

/// <summary>
/// Memory for what large requests are decoded into and for large answers until they have been sent. Nobody waits for it: when it runs
/// short, those that have held some for longest without reading are closed, so that a client that reads its answers finds room.
/// Thread-safe.
/// </summary>
/// <remarks>
/// Invariant: what is held, and what those that are being closed have not given back yet, together never exceed the limit. The last
/// quarter of it is what newcomers take while those leave.
/// </remarks>
/// <param name="limit">How much there is.</param>
/// <param name="grace">How long anybody may take to read, however short it is.</param>
/// <param name="patience">How long while less than half of it is in use.</param>
/// <param name="time">The clock.</param>
internal sealed class AnswerMemory(long limit, TimeSpan grace, TimeSpan patience, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<AnswerLease> _held = new();
    private long _heldBytes;
    private long _leavingBytes;

    /// <summary>How much is in use.</summary>
    public long InUse
    {
        get
        {
            lock (_lock) return _heldBytes + _leavingBytes;
        }
    }

    /// <summary>Takes at once; null when there is no room.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="waitsForClient">Whether it will be held until the client does something: reads, or ends its long poll.</param>
    /// <param name="close">Closes the holder. Called on any thread.</param>
    public AnswerLease? TryTake(long bytes, bool waitsForClient, Action close)
    {
        List<AnswerLease>? leaving = null;
        AnswerLease? lease = null;
        lock (_lock)
        {
            for (LinkedListNode<AnswerLease>? at = _held.First; at is not null && _heldBytes + bytes > limit - (limit / 4);)
            {
                LinkedListNode<AnswerLease>? next = at.Next;
                if (time.GetElapsedTime(at.Value.Since) < grace) break;
                if (at.Value.WaitsForClient) MakeLeave(at.Value, ref leaving);
                at = next;
            }

            if (_heldBytes + _leavingBytes + bytes <= limit)
            {
                lease = new AnswerLease(close, waitsForClient, bytes, time.GetTimestamp());
                lease.Node = _held.AddLast(lease);
                _heldBytes += bytes;
            }
        }

        Close(leaving);
        return lease;
    }

    /// <summary>Gives back what was taken. Once.</summary>
    public void Give(AnswerLease lease)
    {
        lock (_lock)
        {
            if (lease.Node is { } node)
            {
                _held.Remove(node);
                lease.Node = null;
                _heldBytes -= lease.Bytes;
            }
            else
            {
                _leavingBytes -= lease.Bytes;
            }

            Model.Invariant.Require(_heldBytes >= 0 && _leavingBytes >= 0);
        }
    }

    /// <summary>While more than half is in use, closes those that have held some for longer than the patience.</summary>
    public void Sweep()
    {
        List<AnswerLease>? leaving = null;
        lock (_lock)
        {
            while (_heldBytes > limit / 2 && _held.First is { } oldest && time.GetElapsedTime(oldest.Value.Since) > patience)
                MakeLeave(oldest.Value, ref leaving);
        }

        Close(leaving);
    }

    private void MakeLeave(AnswerLease lease, ref List<AnswerLease>? leaving)
    {
        _held.Remove(lease.Node!);
        lease.Node = null;
        _heldBytes -= lease.Bytes;
        _leavingBytes += lease.Bytes;
        (leaving ??= []).Add(lease);
    }

    private static void Close(List<AnswerLease>? leaving)
    {
        foreach (AnswerLease lease in leaving ?? []) lease.Close();
    }
}
