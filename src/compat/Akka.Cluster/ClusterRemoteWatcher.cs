using Akka.Actor;
using Akka.Event;
using Akka.Remote;

namespace Akka.Cluster;

/// <summary>
/// Leaves it to the cluster to say that a member is dead: what is watched there ends with MemberRemoved, not when heartbeats stay away.
/// Systems that are no members are watched as ever.
/// </summary>
internal sealed class ClusterRemoteWatcher(
    IFailureDetectorRegistry<Address> failureDetector, TimeSpan heartbeatInterval, TimeSpan unreachableReaperInterval,
    TimeSpan heartbeatExpectedResponseAfter)
    : RemoteWatcher(failureDetector, heartbeatInterval, unreachableReaperInterval, heartbeatExpectedResponseAfter)
{
    private readonly HashSet<Address> _members = [];
    private Cluster _cluster;

    protected override void PostStop()
    {
        base.PostStop();
        _cluster?.Unsubscribe(Self);
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            // By message: the watcher runs before there is a cluster.
            case Cluster cluster:
                _cluster = cluster;
                cluster.Subscribe(Self, ClusterEvent.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent));
                break;
            case ClusterEvent.MemberUp or ClusterEvent.MemberWeaklyUp:
                TakeOver(((ClusterEvent.IMemberEvent)message).Member.Address);
                break;
            case ClusterEvent.MemberRemoved removed when !removed.Member.Address.Equals(_cluster.SelfAddress):
                _members.Remove(removed.Member.Address);

                // It may still live; from here on nothing it sends is heard.
                if (removed.PreviousStatus == MemberStatus.Down)
                    Quarantine(removed.Member.Address, removed.Member.UniqueAddress.Uid);
                PublishAddressTerminated(removed.Member.Address);
                break;
            case ClusterEvent.IMemberEvent:
                break;
            default:
                base.OnReceive(message);
                break;
        }
    }

    protected override void WatchNode(IInternalActorRef watchee)
    {
        if (!_members.Contains(watchee.Path.Address))
            base.WatchNode(watchee);
    }

    private void TakeOver(Address address)
    {
        if (address.Equals(_cluster.SelfAddress))
            return;
        _members.Add(address);
        Unreachable.Remove(address);
        if (!WatchingNodes.Contains(address))
            return;
        Log.Debug("The cluster says from now on whether [{0}] lives", address);
        UnwatchNode(address);
    }
}
