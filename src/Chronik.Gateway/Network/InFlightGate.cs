namespace Chronik.Gateway.Network;

/// <summary>
/// Bounds what one connection has asked and not been answered. The reader enters before it reads a body and waits while there is too
/// much; the connection actor leaves when an answer has been sent.
/// </summary>
internal sealed class InFlightGate(int maxRequests, long maxBytes)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _waiting;
    private int _requests;
    private long _bytes;

    /// <summary>Enters with a request of this size. Only the one reader calls it.</summary>
    public ValueTask EnterAsync(int bytes)
    {
        lock (_lock)
        {
            if (HasRoomFor(bytes))
            {
                _requests++;
                _bytes += bytes;
                return ValueTask.CompletedTask;
            }

            _waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        return WaitAsync(_waiting.Task, bytes);
    }

    /// <summary>A request of this size has been answered, or given up.</summary>
    public void Leave(int bytes)
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            _requests--;
            _bytes -= bytes;
            waiting = _waiting;
            _waiting = null;
        }

        waiting?.TrySetResult();
    }

    // One request may be larger than the limit as long as it is alone.
    private bool HasRoomFor(int bytes) => _requests == 0 || (_requests < maxRequests && _bytes + bytes <= maxBytes);

    private async ValueTask WaitAsync(Task change, int bytes)
    {
        await change.ConfigureAwait(false);
        await EnterAsync(bytes).ConfigureAwait(false);
    }
}
