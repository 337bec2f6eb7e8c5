using System.Collections.Immutable;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster;

/// <summary>The events that lead from one state to another, and a state as one message.</summary>
internal static class MembershipDiff
{
    public static IEnumerable<IClusterDomainEvent> Between(MembershipState before, MembershipState after)
    {
        if (ReferenceEquals(before, after))
            return [];
        return Members(before.Gossip, after.Gossip)
            .Concat(ReachabilityOfMembers(before, after))
            .Concat(Leaders(before, after))
            .Concat(Details(before, after));
    }

    public static CurrentClusterState Snapshot(MembershipState state)
    {
        Gossip gossip = state.Gossip;
        return new CurrentClusterState(
            gossip.Members,
            [.. gossip.Reachability.AllUnreachableOrTerminated.Where(n => !n.Equals(state.Self)).Select(gossip.GetMember)],
            [.. gossip.Seen.Select(static n => n.Address)],
            state.Leader?.Address,
            gossip.AllRoles.ToImmutableDictionary(static role => role, role => state.RoleLeader(role)?.Address));
    }

    private static IEnumerable<IClusterDomainEvent> Members(Gossip before, Gossip after)
    {
        foreach (Member member in after.Members)
        {
            Member old = before.GetMember(member.UniqueAddress);
            if (old.Status == member.Status && old.UpNumber == member.UpNumber)
                continue;
            yield return member.Status switch
            {
                MemberStatus.Joining => new MemberJoined(member),
                MemberStatus.WeaklyUp => new MemberWeaklyUp(member),
                MemberStatus.Up => new MemberUp(member),
                MemberStatus.Leaving => new MemberLeft(member),
                MemberStatus.Exiting => new MemberExited(member),
                MemberStatus.Down => new MemberDowned(member),
                _ => throw new InvalidOperationException($"{member} cannot be in a gossip."),
            };
        }

        foreach (Member member in before.Members)
        {
            if (!after.HasMember(member.UniqueAddress))
                yield return new MemberRemoved(member.Copy(MemberStatus.Removed), member.Status);
        }
    }

    private static IEnumerable<IClusterDomainEvent> ReachabilityOfMembers(MembershipState before, MembershipState after)
    {
        Reachability old = before.Gossip.Reachability, now = after.Gossip.Reachability;
        if (ReferenceEquals(old, now))
            yield break;
        foreach (UniqueAddress node in now.AllUnreachableOrTerminated)
        {
            if (old.IsReachable(node) && !node.Equals(after.Self) && after.Gossip.HasMember(node))
                yield return new UnreachableMember(after.Gossip.GetMember(node));
        }

        foreach (UniqueAddress node in old.AllUnreachable)
        {
            if (now.IsReachable(node) && !node.Equals(after.Self) && after.Gossip.HasMember(node))
                yield return new ReachableMember(after.Gossip.GetMember(node));
        }
    }

    private static IEnumerable<IClusterDomainEvent> Leaders(MembershipState before, MembershipState after)
    {
        if (before.Leader != after.Leader)
            yield return new LeaderChanged(after.Leader?.Address);
        foreach (string role in before.Gossip.AllRoles.Union(after.Gossip.AllRoles))
        {
            UniqueAddress leader = after.RoleLeader(role);
            if (leader != before.RoleLeader(role))
                yield return new RoleLeaderChanged(role, leader?.Address);
        }
    }

    private static IEnumerable<IClusterDomainEvent> Details(MembershipState before, MembershipState after)
    {
        bool convergence = after.Convergence([]);
        if (convergence != before.Convergence([]) || !after.Gossip.Seen.SetEquals(before.Gossip.Seen))
            yield return new SeenChanged(convergence, [.. after.Gossip.Seen.Select(static n => n.Address)]);
        if (!after.Gossip.Reachability.SameAs(before.Gossip.Reachability))
            yield return new ReachabilityChanged(after.Gossip.Reachability);
    }
}
