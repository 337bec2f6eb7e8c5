using Akka.Actor;

namespace Chronik.Partitions;

/// <summary>
/// The one clock of a node's Raft groups: it tells <see cref="Tick"/> to the groups that are awake, and stands still while none is.
/// A group wakes when it needs time to pass (it has no leader) and sleeps again as soon as it does not. Thread-safe.
/// </summary>
internal sealed class Ticker : IDisposable
{
    private readonly object _gate = new();
    private readonly HashSet<IActorRef> _awake = [];
    private readonly ITimer _timer;
    private readonly TimeSpan _interval;

    public Ticker(TimeProvider time, TimeSpan interval)
    {
        _interval = interval;
        _timer = time.CreateTimer(static state => ((Ticker)state!).TellTick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>From now on the group gets ticks, the first one at once.</summary>
    public void Wake(IActorRef group)
    {
        lock (_gate)
        {
            if (!_awake.Add(group)) return;
            if (_awake.Count == 1) _timer.Change(_interval, _interval);
        }

        group.Tell(Tick.Instance, ActorRefs.NoSender);
    }

    /// <summary>The group gets no more ticks.</summary>
    public void Sleep(IActorRef group)
    {
        lock (_gate)
        {
            if (_awake.Remove(group) && _awake.Count == 0) _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void TellTick()
    {
        IActorRef[] awake;
        lock (_gate) awake = [.. _awake];
        foreach (IActorRef group in awake) group.Tell(Tick.Instance, ActorRefs.NoSender);
    }
}
