namespace Chronik.Gateway.Forwarding;

/// <summary>
/// The part of the request memory that may be held by requests that other nodes have to answer. What they need there is request memory
/// too, so that nodes which pass requests on to each other could wait for each other's for ever; the rest is only held by what this node
/// answers by itself. Thread-safe; nobody waits for it.
/// </summary>
/// <param name="limit">How many bytes. A single request may hold more.</param>
internal sealed class ForwardingShare(long limit)
{
    private readonly Lock _lock = new();
    private long _inUse;

    /// <summary>Takes at once, or not at all.</summary>
    public bool TryTake(long bytes)
    {
        lock (_lock)
        {
            if (_inUse > 0 && _inUse + bytes > limit) return false;
            _inUse += bytes;
            return true;
        }
    }

    /// <summary>Gives back what was taken.</summary>
    public void Give(long bytes)
    {
        lock (_lock) _inUse -= bytes;
    }
}
