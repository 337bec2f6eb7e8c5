namespace Chronik.Gateway.Network;

/// <summary>Room in the request memory that somebody holds and gives back.</summary>
/// <param name="Bytes">How much.</param>
/// <param name="IsReserve">Whether it is the reserve, of which there is only one.</param>
internal readonly record struct MemoryLease(long Bytes, bool IsReserve);

/// <summary>
/// The memory that all requests of the node may occupy together. Taking waits in order of arrival until there is room; giving back wakes
/// whoever fits now. Thread-safe.
/// </summary>
/// <remarks>
/// Requests take memory step by step as their bytes arrive, so many that are half there could wait for each other for ever. Therefore
/// a part is kept in reserve, large enough for one whole request: when nobody fits, the one that has waited longest gets it, once at a
/// time.
/// Invariants: 0 &lt;= InUse &lt;= Limit; at most one lease is the reserve.
/// </remarks>
/// <param name="limit">How much may be in use, the reserve included.</param>
/// <param name="reserve">How much of it is kept for one whole request.</param>
internal sealed class MemoryBudget(long limit, long reserve)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiters = new();
    private long _inUse;
    private long _reserveInUse;

    /// <summary>How much may be in use.</summary>
    public long Limit => limit;

    /// <summary>How much is in use.</summary>
    public long InUse
    {
        get
        {
            lock (_lock) return _inUse + _reserveInUse;
        }
    }

    /// <summary>Whether somebody waits.</summary>
    public bool IsShort
    {
        get
        {
            lock (_lock) return _waiters.Count > 0;
        }
    }

    /// <summary>Takes at once or not at all. Nobody overtakes those who wait.</summary>
    public bool TryTake(long bytes)
    {
        lock (_lock)
        {
            if (_waiters.Count > 0 || _inUse + bytes > limit - reserve) return false;
            _inUse += bytes;
            return true;
        }
    }

    /// <summary>Takes, waiting if need be.</summary>
    /// <param name="bytes">How much is needed for the next step.</param>
    /// <param name="whole">How much the request needs in all: what it gets when it gets the reserve.</param>
    /// <param name="cancellation">Ends the waiting; then nothing was taken.</param>
    /// <exception cref="OperationCanceledException">The waiting was ended.</exception>
    public async ValueTask<MemoryLease> TakeAsync(long bytes, long whole, CancellationToken cancellation)
    {
        if (TryTake(bytes)) return new MemoryLease(bytes, IsReserve: false);
        LinkedListNode<Waiter> node;
        lock (_lock)
        {
            node = _waiters.AddLast(new Waiter(bytes, whole));
            WakeThoseWhoFit();
        }

        using CancellationTokenRegistration registration = cancellation.Register(() => Abandon(node, cancellation));
        return await node.Value.Granted.Task.ConfigureAwait(false);
    }

    /// <summary>Gives back what was taken.</summary>
    public void Give(MemoryLease lease)
    {
        lock (_lock)
        {
            if (lease.IsReserve) _reserveInUse -= lease.Bytes;
            else _inUse -= lease.Bytes;
            Model.Invariant.Require(_inUse >= 0 && _reserveInUse >= 0);
            WakeThoseWhoFit();
        }
    }

    private void WakeThoseWhoFit()
    {
        while (_waiters.First is { } first)
        {
            Waiter waiter = first.Value;
            MemoryLease lease;
            if (_inUse + waiter.Bytes <= limit - reserve)
            {
                lease = new MemoryLease(waiter.Bytes, IsReserve: false);
                _inUse += waiter.Bytes;
            }
            else if (_reserveInUse == 0)
            {
                lease = new MemoryLease(waiter.Whole, IsReserve: true);
                _reserveInUse = waiter.Whole;
            }
            else
            {
                return;
            }

            _waiters.RemoveFirst();
            waiter.Granted.TrySetResult(lease);
        }
    }

    private void Abandon(LinkedListNode<Waiter> node, CancellationToken cancellation)
    {
        lock (_lock)
        {
            // Whoever is no longer in the list was granted its bytes before.
            if (node.List is null) return;
            _waiters.Remove(node);
            WakeThoseWhoFit();
        }

        node.Value.Granted.TrySetCanceled(cancellation);
    }

    private sealed record Waiter(long Bytes, long Whole)
    {
        public TaskCompletionSource<MemoryLease> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
