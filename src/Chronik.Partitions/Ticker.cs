using Akka.Actor;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Raft;

namespace Chronik.Partitions;

/// <summary>
/// The one clock of a node's Raft groups: it tells <see cref="Tick"/> to the groups that are awake, and stands still while none is. A
/// group wakes when it needs time to pass (it has no leader) and sleeps again as soon as it does not. Thread-safe.
/// </summary>
internal sealed class Ticker : IDisposable
{
    private readonly object _gate = new();
    private readonly HashSet<IActorRef> _awake = [];
    private readonly ITimer _timer;
    private IActorRef[]? _told; // Those awake, as long as they stay the same.

    public Ticker(TimeProvider time, TimeSpan interval)
    {
        Interval = interval;
        int ticks = new RaftOptions { Self = NodeId.None }.ElectionTimeoutTicks;
        LeaseTimestamps = (long)(interval.TotalSeconds * ticks * LeaderLease.Caution * time.TimestampFrequency);
        _timer = time.CreateTimer(static state => ((Ticker)state!).TellTick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Time from one tick to the next.</summary>
    public TimeSpan Interval { get; }

    /// <summary>For how long after a round of contact nobody else can be elected, as a difference of the clock's timestamps.</summary>
    public long LeaseTimestamps { get; }

    /// <summary>How many groups are awake.</summary>
    public int AwakeCount
    {
        get { lock (_gate) return _awake.Count; }
    }

    /// <summary>From now on the group gets ticks, the first one at once.</summary>
    public void Wake(IActorRef group)
    {
        lock (_gate)
        {
            if (!_awake.Add(group)) return;
            _told = null;
            if (_awake.Count == 1) _timer.Change(Interval, Interval);
        }

        group.Tell(Tick.Instance, ActorRefs.NoSender);
    }

    /// <summary>The group gets no more ticks.</summary>
    public void Sleep(IActorRef group)
    {
        lock (_gate)
        {
            if (!_awake.Remove(group)) return;
            _told = null;
            if (_awake.Count == 0) _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void TellTick()
    {
        IActorRef[] awake;
        lock (_gate) awake = _told ??= [.. _awake];
        foreach (IActorRef group in awake) group.Tell(Tick.Instance, ActorRefs.NoSender);
    }
}
