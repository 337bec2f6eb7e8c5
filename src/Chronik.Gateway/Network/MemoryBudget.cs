using System.Diagnostics;

namespace Chronik.Gateway.Network;

/// <summary>
/// The memory that all requests of the node may occupy together. Taking waits in order of arrival until there is room; giving back wakes
/// whoever fits now. Thread-safe.
/// </summary>
/// <remarks>Invariant: 0 &lt;= InUse &lt;= Limit.</remarks>
internal sealed class MemoryBudget(long limit)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiters = new();
    private long _inUse;

    /// <summary>How much may be in use.</summary>
    public long Limit => limit;

    /// <summary>How much is in use.</summary>
    public long InUse => Volatile.Read(ref _inUse);

    /// <summary>Takes at once or not at all. Nobody overtakes those who wait.</summary>
    public bool TryTake(long bytes)
    {
        Debug.Assert(bytes >= 0 && bytes <= limit);
        lock (_lock)
        {
            if (_waiters.Count > 0 || _inUse + bytes > limit) return false;
            _inUse += bytes;
            return true;
        }
    }

    /// <summary>
    /// Takes, waiting if need be. False when the time is over or <paramref name="cancellation"/> says so; then nothing was taken.
    /// </summary>
    public async Task<bool> TakeAsync(long bytes, TimeSpan patience, CancellationToken cancellation)
    {
        if (TryTake(bytes)) return true;
        var waiter = new Waiter(bytes);
        LinkedListNode<Waiter> node;
        lock (_lock)
        {
            node = _waiters.AddLast(waiter);
            WakeThoseWhoFit();
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(patience);
        using CancellationTokenRegistration registration = timeout.Token.Register(() => Abandon(node));
        return await waiter.Granted.Task.ConfigureAwait(false);
    }

    /// <summary>Gives back what was taken.</summary>
    public void Give(long bytes)
    {
        lock (_lock)
        {
            _inUse -= bytes;
            Model.Invariant.Require(_inUse >= 0);
            WakeThoseWhoFit();
        }
    }

    private void WakeThoseWhoFit()
    {
        while (_waiters.First is { } first && _inUse + first.Value.Bytes <= limit)
        {
            _waiters.RemoveFirst();
            _inUse += first.Value.Bytes;
            first.Value.Granted.TrySetResult(true);
        }
    }

    private void Abandon(LinkedListNode<Waiter> node)
    {
        lock (_lock)
        {
            // Whoever is no longer in the list was granted its bytes before the time was over.
            if (node.List is null) return;
            _waiters.Remove(node);
            WakeThoseWhoFit();
        }

        node.Value.Granted.TrySetResult(false);
    }

    private sealed record Waiter(long Bytes)
    {
        public TaskCompletionSource<bool> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
