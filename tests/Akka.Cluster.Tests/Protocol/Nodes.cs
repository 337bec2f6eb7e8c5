using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Cluster.Tests.Protocol;

/// <summary>Nodes a to e on ports 1 to 5, in that order in every ordering of members.</summary>
internal static class Nodes
{
    public static readonly UniqueAddress A = At(1), B = At(2), C = At(3), D = At(4), E = At(5);

    public static UniqueAddress At(int port, int uid = 100) => new(new Address("akka.tcp", "sys", "localhost", port), uid + port);

    public static Member Is(this UniqueAddress node, MemberStatus status, int upNumber = -1, params string[] roles) => new(
        node,
        upNumber >= 0 ? upNumber : status is MemberStatus.Joining or MemberStatus.WeaklyUp ? Member.NeverUp : node.Address.Port.Value,
        status, [.. roles]);

    public static Gossip GossipOf(params Member[] members) => Gossip.Empty.With(members: [.. members]);

    public static Gossip WasSeenBy(this Gossip gossip, params UniqueAddress[] nodes) => gossip.With(seen: [.. nodes]);

    public static Gossip Unreachable(this Gossip gossip, UniqueAddress observer, UniqueAddress subject) =>
        gossip.With(reachability: gossip.Reachability.Unreachable(observer, subject));

    public static Gossip Versioned(this Gossip gossip, params UniqueAddress[] changes)
    {
        foreach (UniqueAddress node in changes)
            gossip = gossip.Increment(node);
        return gossip;
    }

    public static MembershipState From(this Gossip gossip, UniqueAddress self) => new(gossip, self);

    public static MemberStatus StatusOf(this Gossip gossip, UniqueAddress node) => gossip.GetMember(node).Status;

    public static ImmutableHashSet<UniqueAddress> Set(params UniqueAddress[] nodes) => [.. nodes];
}
