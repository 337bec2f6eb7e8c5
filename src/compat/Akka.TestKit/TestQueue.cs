namespace Akka.TestKit;

/// <summary>What a test actor received and the test has not taken yet. Waiting blocks or not, as the caller chooses.</summary>
internal sealed class TestQueue
{
    private readonly LinkedList<MessageEnvelope> _messages = [];
    private readonly SemaphoreSlim _available = new(0);

    public bool IsEmpty
    {
        get
        {
            lock (_messages) return _messages.Count == 0;
        }
    }

    public void Add(MessageEnvelope envelope)
    {
        lock (_messages) _messages.AddLast(envelope);
        _available.Release();
    }

    /// <summary>The next message; null when none came in time.</summary>
    public MessageEnvelope Take(TimeSpan timeout, CancellationToken cancellationToken) =>
        _available.Wait(Limit(timeout), cancellationToken) ? RemoveFirst() : null;

    public async ValueTask<MessageEnvelope> TakeAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        await _available.WaitAsync(Limit(timeout), cancellationToken) ? RemoveFirst() : null;

    /// <summary>The next message, which stays where it is; null when none came in time.</summary>
    public MessageEnvelope Peek(TimeSpan timeout, CancellationToken cancellationToken) =>
        _available.Wait(Limit(timeout), cancellationToken) ? First() : null;

    public async ValueTask<MessageEnvelope> PeekAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        await _available.WaitAsync(Limit(timeout), cancellationToken) ? First() : null;

    private static TimeSpan Limit(TimeSpan timeout) =>
        timeout == Timeout.InfiniteTimeSpan || timeout.TotalMilliseconds > int.MaxValue ? Timeout.InfiniteTimeSpan
        : timeout < TimeSpan.Zero ? TimeSpan.Zero
        : timeout;

    private MessageEnvelope RemoveFirst()
    {
        lock (_messages)
        {
            var first = _messages.First.Value;
            _messages.RemoveFirst();
            return first;
        }
    }

    private MessageEnvelope First()
    {
        MessageEnvelope first;
        lock (_messages) first = _messages.First.Value;
        _available.Release();
        return first;
    }
}
