using System.Collections.Immutable;
using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster.SBR;

/// <summary>
/// Waits until neither members nor reachability change any more, then downs whom the strategy says. Only the leader of the reachable side
/// decides, except that every node downs everybody when reachability does not come to rest.
/// </summary>
internal sealed class SplitBrainResolver : UntypedActor, IWithTimers
{
    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1);

    private readonly Cluster _cluster;
    private readonly DowningStrategy _strategy;
    private readonly TimeSpan _stableAfter;
    private readonly TimeSpan _downAllWhenUnstable;
    private readonly UniqueAddress _self;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private long _changedAt = Stopwatch.GetTimestamp();

    /// <summary>When the first of the reachability changes was that have not been dealt with; null when there is none.</summary>
    private long? _unstableSince;

    private long _lastReachabilityChange;
    private bool _isLeader;

    /// <summary>Nobody decides for a cluster that it has not been let into.</summary>
    private bool _isIn;

    public SplitBrainResolver(Cluster cluster, DowningStrategy strategy, TimeSpan stableAfter, TimeSpan downAllWhenUnstable)
    {
        _cluster = cluster;
        _strategy = strategy;
        _stableAfter = stableAfter;
        _downAllWhenUnstable = downAllWhenUnstable;
        _self = cluster.SelfUniqueAddress;
    }

    public ITimerScheduler Timers { get; set; }

    protected override void PreStart()
    {
        TimeSpan tick = _stableAfter / 2 < LongestTick ? _stableAfter / 2 : LongestTick;
        Timers.StartPeriodicTimer(nameof(Tick), Tick.Instance, tick);
        _cluster.Subscribe(Self, InitialStateAsEvents, typeof(IClusterDomainEvent));
    }

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Tick:
                OnTick();
                break;
            case LeaderChanged changed:
                _isLeader = _self.Address.Equals(changed.Leader);
                break;
            case SeenChanged seen:
                _strategy.SetSeenBy(seen.SeenBy);
                break;
            case ReachabilityChanged changed:
                _strategy.SetReachability(changed.Reachability);
                break;
            case MemberRemoved removed when removed.Member.UniqueAddress.Equals(_self):
                Context.Stop(Self);
                break;
            case MemberRemoved removed:
                _strategy.Remove(removed.Member);
                SettleIfNobodyIsLeft();
                break;
            case UnreachableMember unreachable:
                OnReachability(unreachable.Member, static (strategy, member) => strategy.AddUnreachable(member));
                break;
            case MemberDowned downed:
                OnReachability(downed.Member, static (strategy, member) => strategy.AddUnreachable(member));
                break;
            case ReachableMember reachable:
                OnReachability(reachable.Member, static (strategy, member) => strategy.AddReachable(member));
                break;
            case IMemberEvent member:
                OnMember(member);
                break;
        }
    }

    private void OnMember(IMemberEvent change)
    {
        _strategy.Add(change.Member);
        if (change is MemberUp or MemberWeaklyUp && change.Member.UniqueAddress.Equals(_self))
            _isIn = true;

        // Members that come and are not in yet, or say that they will go, change no decision; the others do.
        if (change is MemberUp or MemberExited)
            _changedAt = Stopwatch.GetTimestamp();
        if (change is MemberUp && _strategy is StaticQuorum { HasTooManyMembers: true })
            _log.Warning("There are more members than static-quorum allows for; in a partition every side would stay or none");
    }

    private void OnReachability(Member member, Action<DowningStrategy, Member> change)
    {
        if (member.UniqueAddress.Equals(_self))
            return;
        change(_strategy, member);
        _changedAt = _lastReachabilityChange = Stopwatch.GetTimestamp();
        _unstableSince ??= _changedAt;
        SettleIfNobodyIsLeft();
        if (_isLeader && _isIn && _strategy.Unreachable.Count > 0)
        {
            _log.Info("{0} members are unreachable; it is decided about them when nothing has changed for {1}",
                _strategy.Unreachable.Count, _stableAfter);
        }
    }

    private void SettleIfNobodyIsLeft()
    {
        if (_strategy.IsAllUnreachableOnItsWayOut)
            _unstableSince = null;
    }

    private void OnTick()
    {
        if (_unstableSince is { } since)
        {
            if (_downAllWhenUnstable > TimeSpan.Zero && Stopwatch.GetElapsedTime(since) > _stableAfter + _downAllWhenUnstable)
            {
                _log.Warning("Reachability has kept changing for {0}", Stopwatch.GetElapsedTime(since));
                Act(Decision.DownAll);
            }
            else if (_downAllWhenUnstable == TimeSpan.Zero && Stopwatch.GetElapsedTime(_lastReachabilityChange) > _stableAfter * 2)
            {
                _unstableSince = null;
            }
        }

        if (_isLeader && _isIn && _strategy.Unreachable.Count > 0 && Stopwatch.GetElapsedTime(_changedAt) > _stableAfter)
            Act(_strategy.Decide());
    }

    private void Act(Decision decision)
    {
        ImmutableHashSet<UniqueAddress> nodes;
        try
        {
            nodes = _strategy.NodesToDown(decision);
        }
        catch (InvalidOperationException e)
        {
            _log.Warning("{0} All are downed.", e.Message);
            nodes = _strategy.NodesToDown(Decision.DownAll);
        }

        if (nodes.IsEmpty)
            return;
        _log.Warning("{0}: downing [{1}]; {2} of {3} members are unreachable; {4}", decision,
            string.Join(", ", nodes.Select(static n => n.Address)), _strategy.Unreachable.Count, _strategy.AllMembers.Count(),
            _strategy.Reachability);

        // This node last, because it may end before it has told the others.
        foreach (UniqueAddress node in nodes.OrderBy(n => n.Equals(_self)))
            _cluster.Down(node.Address);
        _unstableSince = null;
        _changedAt = Stopwatch.GetTimestamp();
    }

    private sealed class Tick
    {
        public static readonly Tick Instance = new();
    }
}
