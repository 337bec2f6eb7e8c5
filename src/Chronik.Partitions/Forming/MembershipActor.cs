using Akka;
using Akka.Actor;
using Akka.Cluster;
using Akka.Remote;

namespace Chronik.Partitions.Forming;

/// <summary>/user/chronik/membership: tells forming what Akka.Cluster and Akka.Remote notice.</summary>
/// <remarks>
/// <code>
///   Akka.Cluster - member and reachability events --> membership -- MemberSeen, MemberUnreachable, MemberGone --> forming
///   forming -- TellMembers -------------------------> membership
///   Akka.Remote -- DisassociatedEvent --------------> membership -- AssociationLost -----------------------------> forming
/// </code>
/// A node that has no seed nodes is the first member of a cluster of its own. When this node itself has joined, forming hears of all others
/// first and of this node last: from then on it knows everybody that was there before it.
/// <para>
/// When the system stops its node is taken off the list of members, to which all others have to agree. One that is away cannot, and is
/// never expelled; so a node that has waited for it for a while goes without, and is off the list once they are all there.
/// </para>
/// </remarks>
internal sealed class MembershipActor : ReceiveActor
{
    public const string Name = "membership";

    private static readonly TimeSpan LeaveTimeout = TimeSpan.FromSeconds(1);

    private readonly Cluster _cluster = Cluster.Get(Context.System);
    private readonly bool _isFirst;
    private readonly Dictionary<Address, UniqueAddress> _seen = []; // The process that was seen last at an address.

    public MembershipActor(IActorRef forming, bool isFirst)
    {
        _isFirst = isFirst;
        Receive<ClusterEvent.CurrentClusterState>(state =>
        {
            foreach (Member member in state.Members.Where(IsThere).OrderBy(IsSelf))
                Seen(member);
        });
        Receive<ClusterEvent.MemberRemoved>(removed =>
        {
            // One that was started again is seen before it is said that the process before it is gone.
            UniqueAddress address = removed.Member.UniqueAddress;
            if (IsSelf(removed.Member) || (_seen.TryGetValue(address.Address, out UniqueAddress? seen) && !seen.Equals(address))) return;
            _seen.Remove(address.Address);
            forming.Tell(new MemberGone(address.Address));
        });
        Receive<ClusterEvent.IMemberEvent>(changed =>
        {
            if (!IsThere(changed.Member)) return;
            if (IsSelf(changed.Member)) _cluster.SendCurrentClusterState(Self);
            else Seen(changed.Member);
        });
        Receive<ClusterEvent.UnreachableMember>(lost => forming.Tell(new MemberUnreachable(lost.Member.Address)));
        Receive<ClusterEvent.ReachableMember>(found => Seen(found.Member));
        Receive<TellMembers>(_ => _cluster.SendCurrentClusterState(Self));
        Receive<DisassociatedEvent>(lost => forming.Tell(new AssociationLost(lost.RemoteAddress)));

        void Seen(Member member)
        {
            _seen[member.Address] = member.UniqueAddress;
            forming.Tell(new MemberSeen(member.Address));
        }
    }

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(DisassociatedEvent));
        _cluster.Subscribe(
            Self, ClusterEvent.InitialStateAsSnapshot, typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
        if (_isFirst) _cluster.Join(_cluster.SelfAddress);
        Cluster cluster = _cluster;
        CoordinatedShutdown.Get(Context.System).AddTask(CoordinatedShutdown.PhaseClusterExiting, "chronik-go-without", () =>
        {
            _ = Task.Delay(LeaveTimeout).ContinueWith(_ =>
            {
                if (!cluster.IsTerminated && cluster.SelfMember.Status == MemberStatus.Leaving) cluster.Down(cluster.SelfAddress);
            }, TaskScheduler.Default);
            return Task.FromResult(Done.Instance);
        });
    }

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    private bool IsSelf(Member member) => member.Address.Equals(_cluster.SelfAddress);

    private static bool IsThere(Member member) => member.Status is MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up;
}
