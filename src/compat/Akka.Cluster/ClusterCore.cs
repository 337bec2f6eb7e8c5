using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;
using Akka.Remote;

namespace Akka.Cluster;

/// <summary>
/// Keeps the membership of this node: joins, gossips, leads when it is this node's turn, and publishes what changes.
/// <code>
///   Outside --JoinTo--> Trying --Welcome--> Inside
///      |                  |                   ^
///      +--JoinTo self-----|-------------------+
///      ^-----retry--------+
/// </code>
/// It never goes back from Inside: a node that left or was downed stops, and comes back as another incarnation. What it decides is in
/// <see cref="MembershipSteps"/>; nothing of it survives a restart of the process, and a failure of it ends the node's membership.
/// </summary>
internal sealed partial class ClusterCore : UntypedActor, IWithTimers, IRequiresMessageQueue<IUnboundedMessageQueueSemantics>
{
    /// <summary>How many nodes hear of it at once when this node goes.</summary>
    private const int GossipsBeforeEnd = 5;

    private readonly Cluster _cluster;
    private readonly UniqueAddress _self;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CoordinatedShutdown _shutdown;
    private MembershipState _state;
    private MembershipState _published;
    private Phase _phase;

    /// <summary>The coordinated shutdown runs what has to be done before this node goes; until it has, no version counts as seen.</summary>
    private bool _isExiting;

    public ClusterCore(Cluster cluster)
    {
        _cluster = cluster;
        _self = cluster.SelfUniqueAddress;
        _shutdown = CoordinatedShutdown.Get(cluster.System);
        _state = _published = new MembershipState(Gossip.Empty, _self);
        _seedNodes = cluster.Settings.SeedNodes;
    }

    private enum Phase
    {
        Outside,
        Trying,
        Inside,
    }

    public ITimerScheduler Timers { get; set; }

    private Gossip Gossip => _state.Gossip;

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(QuarantinedEvent));
        if (_cluster.DowningProvider.DowningActorProps is { } downing)
            Context.ActorOf(WithDispatcher(downing), "downingProvider");
        if (_seedNodes.IsEmpty)
            _cluster.LogInfo("There are no seed nodes; the cluster has to be joined by Cluster.Join");
        else
            Self.Tell(new JoinSeedNodes(_seedNodes));
    }

    protected override void PostStop()
    {
        Context.System.EventStream.Unsubscribe(Self);
        Context.System.EventStream.Publish(ClusterEvent.ClusterShuttingDown.Instance);
        _state = new MembershipState(Gossip.Empty, _self);
        Publish();
        _cluster.CoreStopped();
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case SubscribeTo subscribe:
                Subscribe(subscribe);
                break;
            case UnsubscribeFrom { To: null } unsubscribe:
                Context.System.EventStream.Unsubscribe(unsubscribe.Subscriber);
                break;
            case UnsubscribeFrom unsubscribe:
                Context.System.EventStream.Unsubscribe(unsubscribe.Subscriber, unsubscribe.To);
                break;
            case SendState send:
                send.Receiver.Tell(MembershipDiff.Snapshot(_published));
                break;
            case ExitingCompleted:
                CompleteExit();
                Sender.Tell(Done.Instance);
                break;
            default:
                if (_phase == Phase.Inside)
                    ReceiveInside(message);
                else
                    ReceiveOutside(message);
                break;
        }
    }

    private void ReceiveInside(object message)
    {
        switch (message)
        {
            case ClusterTick.Gossip:
                OnGossipTick();
                break;
            case ClusterTick.GossipSoon:
                if (IsGossipUrgent())
                    SendGossip();
                break;
            case ClusterTick.Leader:
                LeaderActions();
                break;
            case ClusterTick.Reap:
                ReapUnreachable();
                break;
            case GossipEnvelope envelope:
                ReceiveGossip(envelope);
                break;
            case GossipStatus status:
                ReceiveStatus(status);
                break;
            case InitJoin:
                AnswerInitJoin();
                break;
            case Join join:
                Admit(join.Node, join.Roles);
                break;
            case LeaveNode leave:
                Leave(leave.Address);
                break;
            case DownNode down:
                Down(down.Address);
                break;
            case ExitingConfirmed confirmed:
                _cluster.LogInfo("[{0}] has confirmed that it is exiting", confirmed.Node.Address);
                _exitConfirmed = _exitConfirmed.Add(confirmed.Node);
                break;
            case QuarantinedEvent quarantined:
                Quarantined(new UniqueAddress(quarantined.Address, quarantined.Uid));
                break;
            case JoinTo or JoinSeedNodes:
                _cluster.LogInfo("It is in a cluster already; what it is to join is ignored: {0}", message);
                break;
            case IClusterMessage or GiveUpJoining or RetryJoin:
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Subscribe(SubscribeTo subscribe)
    {
        if (subscribe.Mode == ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot)
        {
            subscribe.Subscriber.Tell(MembershipDiff.Snapshot(_published));
        }
        else
        {
            var nothing = new MembershipState(Gossip.Empty, _self);
            foreach (ClusterEvent.IClusterDomainEvent change in MembershipDiff.Between(nothing, _published))
            {
                if (subscribe.To.Any(type => type.IsInstanceOfType(change)))
                    subscribe.Subscriber.Tell(change);
            }
        }

        foreach (Type type in subscribe.To)
            Context.System.EventStream.Subscribe(subscribe.Subscriber, type);
    }

    private void Leave(Address address)
    {
        if (Gossip.MemberAt(address) is not { Status: MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up } member)
            return;
        Change(Gossip.Replace([member.Copy(MemberStatus.Leaving)]));
        _cluster.LogInfo("[{0}] is leaving", address);
        Publish();
        SendGossip();
    }

    private void Down(Address address)
    {
        Member member = Gossip.MemberAt(address);
        if (member is null)
        {
            _cluster.LogInfo("[{0}] is to be downed but is no member", address);
            return;
        }

        if (member.Status == MemberStatus.Down)
            return;
        _cluster.LogInfo("[{0}] is marked as down", address);
        Change(Gossip.MarkDown(member));
        Publish();

        // The others should hear of it before this node ends; another node should hear that it has to end, if it can still hear.
        if (member.UniqueAddress.Equals(_self))
            GossipToSome(GossipsBeforeEnd);
        else
            GossipTo(member.UniqueAddress);
    }

    private void Quarantined(UniqueAddress node)
    {
        if (!Gossip.HasMember(node) || Gossip.Reachability.Status(_self, node) == ReachabilityStatus.Terminated)
            return;
        Change(Gossip.With(reachability: Gossip.Reachability.Terminated(_self, node)));
        _log.Warning("[{0}] is quarantined and counts as terminated; it has to be downed to be removed", node.Address);
        Publish();
    }

    /// <summary>A change that this node makes. It is published, and gossiped at the next tick, but by whoever changes it.</summary>
    private void Change(Gossip gossip) => _state = _state.Changed(gossip, _isExiting);

    private void Publish()
    {
        MembershipState before = _published;
        _published = _state;
        _cluster.SetView(_published);
        foreach (ClusterEvent.IClusterDomainEvent change in MembershipDiff.Between(before, _published))
            Context.System.EventStream.Publish(change);
        _cluster.RunReached();
    }

    private Props WithDispatcher(Props props) =>
        string.IsNullOrEmpty(props.Dispatcher) ? props.WithDispatcher(_cluster.Settings.UseDispatcher) : props;

    private ActorSelection CoreOf(Address address) => Context.ActorSelection(new RootActorPath(address) / "system" / "cluster" / "core");
}
