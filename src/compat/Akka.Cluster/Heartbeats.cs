using System.Collections.Immutable;
using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using Akka.Remote;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster;

/// <summary>
/// Who sends heartbeats to whom: the members in a ring, in an order that all agree on, each to the next few. Members that cannot be reached
/// are skipped in the count, so that somebody living watches everybody, but still get heartbeats as far as there are places.
/// </summary>
internal sealed class HeartbeatRing
{
    private readonly ImmutableSortedSet<UniqueAddress> _ring;
    private readonly ImmutableHashSet<UniqueAddress> _unreachable;
    private readonly int _monitoredBy;

    public HeartbeatRing(
        UniqueAddress self, IEnumerable<UniqueAddress> nodes, ImmutableHashSet<UniqueAddress> unreachable, int monitoredBy)
    {
        // By uid, which is random: neighbours in the ring should not be neighbours in a rack.
        _ring = nodes.Append(self).ToImmutableSortedSet(Comparer<UniqueAddress>.Create(static (a, b) =>
            a.Uid != b.Uid ? a.Uid.CompareTo(b.Uid) : a.CompareTo(b)));
        _unreachable = unreachable;
        _monitoredBy = monitoredBy;
        Receivers = ReceiversOf(self);
    }

    /// <summary>To whom this node sends.</summary>
    public ImmutableHashSet<UniqueAddress> Receivers { get; }

    public ImmutableHashSet<UniqueAddress> ReceiversOf(UniqueAddress sender)
    {
        ImmutableHashSet<UniqueAddress>.Builder receivers = ImmutableHashSet.CreateBuilder<UniqueAddress>();
        int start = _ring.IndexOf(sender), reachable = 0;
        for (int i = 1; i < _ring.Count && reachable < _monitoredBy; i++)
        {
            UniqueAddress node = _ring[(start + i) % _ring.Count];
            if (!_unreachable.Contains(node) || receivers.Count >= _monitoredBy)
                reachable++;
            receivers.Add(node);
        }

        return receivers.ToImmutable();
    }
}

/// <summary>
/// What a node knows of those it sends heartbeats to. One that drops out of the receivers while it does not answer goes on getting them
/// until it answers or is removed: otherwise nobody would find out that it is back.
/// </summary>
internal sealed class HeartbeatState(UniqueAddress self, int monitoredBy, IFailureDetectorRegistry<Address> failureDetector)
{
    private ImmutableHashSet<UniqueAddress> _nodes = [];
    private ImmutableHashSet<UniqueAddress> _unreachable = [];
    private ImmutableHashSet<UniqueAddress> _kept = [];
    private HeartbeatRing _ring = new(self, [], [], monitoredBy);

    public ImmutableHashSet<UniqueAddress> ActiveReceivers => _ring.Receivers.Union(_kept);

    public bool IsActive(UniqueAddress node) => _ring.Receivers.Contains(node) || _kept.Contains(node);

    public void Add(UniqueAddress node) => Change(_nodes.Add(node), _unreachable);

    public void Remove(UniqueAddress node)
    {
        Change(_nodes.Remove(node), _unreachable.Remove(node));
        failureDetector.Remove(node.Address);
        _kept = _kept.Remove(node);
    }

    public void SetUnreachable(UniqueAddress node) => Change(_nodes, _unreachable.Add(node));

    public void SetReachable(UniqueAddress node) => Change(_nodes, _unreachable.Remove(node));

    public void Answered(UniqueAddress node)
    {
        if (!IsActive(node))
            return;
        failureDetector.Heartbeat(node.Address);
        if (!_kept.Contains(node))
            return;
        _kept = _kept.Remove(node);
        if (!_ring.Receivers.Contains(node))
            failureDetector.Remove(node.Address);
    }

    private void Change(ImmutableHashSet<UniqueAddress> nodes, ImmutableHashSet<UniqueAddress> unreachable)
    {
        if (ReferenceEquals(nodes, _nodes) && ReferenceEquals(unreachable, _unreachable))
            return;
        _nodes = nodes;
        _unreachable = unreachable;
        var ring = new HeartbeatRing(self, nodes, unreachable, monitoredBy);
        foreach (UniqueAddress former in _ring.Receivers.Except(ring.Receivers))
        {
            if (failureDetector.IsAvailable(former.Address))
                failureDetector.Remove(former.Address);
            else
                _kept = _kept.Add(former);
        }

        _ring = ring;
    }
}

/// <summary>Answers heartbeats.</summary>
internal sealed class HeartbeatReceiver(Cluster cluster) : UntypedActor
{
    protected override void OnReceive(object message)
    {
        if (message is Heartbeat heartbeat)
            Sender.Tell(new HeartbeatRsp(cluster.SelfUniqueAddress, heartbeat.SequenceNr), Self);
        else
            Unhandled(message);
    }
}

/// <summary>Sends heartbeats, and tells the failure detector of the answers.</summary>
internal sealed class HeartbeatSender : UntypedActor, IWithTimers
{
    private readonly Cluster _cluster;
    private readonly HeartbeatState _state;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private long _sequenceNr;
    private long _lastTick = Stopwatch.GetTimestamp();

    public HeartbeatSender(Cluster cluster)
    {
        _cluster = cluster;
        _state = new HeartbeatState(cluster.SelfUniqueAddress, cluster.Settings.MonitoredByNrOfMembers, cluster.FailureDetector);
    }

    public ITimerScheduler Timers { get; set; }

    protected override void PreStart()
    {
        ClusterSettings settings = _cluster.Settings;
        TimeSpan first = settings.PeriodicTasksInitialDelay > settings.HeartbeatInterval
            ? settings.PeriodicTasksInitialDelay : settings.HeartbeatInterval;
        Timers.StartPeriodicTimer(nameof(Tick), Tick.Instance, first, settings.HeartbeatInterval);
        _cluster.Subscribe(Self, InitialStateAsEvents, typeof(IMemberEvent), typeof(IReachabilityEvent));
    }

    protected override void PostStop()
    {
        foreach (UniqueAddress receiver in _state.ActiveReceivers)
            _cluster.FailureDetector.Remove(receiver.Address);
        _cluster.Unsubscribe(Self);
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Tick:
                OnTick();
                break;
            case HeartbeatRsp answer:
                _state.Answered(answer.From);
                break;
            case ExpectFirstAnswer expected:
                // From now on the absence of an answer counts.
                if (_state.IsActive(expected.From) && !_cluster.FailureDetector.IsMonitoring(expected.From.Address))
                    _cluster.FailureDetector.Heartbeat(expected.From.Address);
                break;
            case MemberRemoved removed when IsSelf(removed.Member):
                Context.Stop(Self);
                break;
            case MemberRemoved removed:
                _state.Remove(removed.Member.UniqueAddress);
                break;
            case IMemberEvent change when !IsSelf(change.Member):
                _state.Add(change.Member.UniqueAddress);
                break;
            case UnreachableMember unreachable:
                _state.SetUnreachable(unreachable.Member.UniqueAddress);
                break;
            case ReachableMember reachable:
                _state.SetReachable(reachable.Member.UniqueAddress);
                break;
        }
    }

    private void OnTick()
    {
        TimeSpan sinceLast = Stopwatch.GetElapsedTime(_lastTick);
        _lastTick = Stopwatch.GetTimestamp();
        if (sinceLast > _cluster.Settings.PeriodicTasksInitialDelay + (_cluster.Settings.HeartbeatInterval * 2))
        {
            _log.Warning(
                "Heartbeats were late: the last were sent {0} ago. Was the process stopped, or short of processor time or threads?",
                sinceLast);
        }

        var heartbeat = new Heartbeat(_cluster.SelfAddress, ++_sequenceNr);
        foreach (UniqueAddress receiver in _state.ActiveReceivers)
        {
            if (!_cluster.FailureDetector.IsMonitoring(receiver.Address))
            {
                Context.System.Scheduler.ScheduleTellOnce(
                    _cluster.Settings.HeartbeatExpectedResponseAfter, Self, new ExpectFirstAnswer(receiver), Self);
            }

            Context.ActorSelection(new RootActorPath(receiver.Address) / "system" / "cluster" / "heartbeatReceiver").Tell(heartbeat, Self);
        }
    }

    private bool IsSelf(Member member) => member.UniqueAddress.Equals(_cluster.SelfUniqueAddress);

    private sealed record ExpectFirstAnswer(UniqueAddress From);

    private sealed class Tick
    {
        public static readonly Tick Instance = new();
    }
}
