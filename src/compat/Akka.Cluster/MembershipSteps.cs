using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>What a node does with a version that another node sent.</summary>
internal enum ReceivedGossip
{
    Same,
    Newer,
    Older,
    Merged,
}

/// <summary>What the leader did.</summary>
internal sealed record LeaderDecision(Gossip Gossip, ImmutableArray<Member> Changed, ImmutableArray<Member> Removed)
{
    public bool IsEmpty => Changed.IsEmpty && Removed.IsEmpty;
}

/// <summary>The decisions of the membership protocol, without actors, clocks or randomness.</summary>
internal static class MembershipSteps
{
    /// <summary>
    /// What a leader does with a settled version: Joining and WeaklyUp members become Up once there are enough, oldest first by address;
    /// Leaving ones Exiting; those that are Down or Exiting and unreachable, or have confirmed their exit, are removed.
    /// </summary>
    public static LeaderDecision OnConvergence(MembershipState state, ImmutableHashSet<UniqueAddress> exitConfirmed, bool enoughMembers)
    {
        Gossip gossip = state.Gossip;
        ImmutableHashSet<UniqueAddress> unreachable = gossip.Reachability.AllUnreachableOrTerminated;
        ImmutableArray<Member> removed =
        [
            .. gossip.Members.Where(m =>
                (Member.IsOnItsWayOut(m.Status) && unreachable.Contains(m.UniqueAddress))
                || (m.Status == MemberStatus.Exiting && exitConfirmed.Contains(m.UniqueAddress))),
        ];
        int upNumber = gossip.NextUpNumber;
        ImmutableArray<Member>.Builder changed = ImmutableArray.CreateBuilder<Member>();
        foreach (Member member in gossip.Members)
        {
            if (enoughMembers && member.Status is MemberStatus.Joining or MemberStatus.WeaklyUp)
                changed.Add(member.CopyUp(upNumber++));
            else if (member.Status == MemberStatus.Leaving)
                changed.Add(member.Copy(MemberStatus.Exiting));
        }

        if (changed.Count > 0)
            gossip = gossip.Replace(changed);
        if (!removed.IsEmpty)
            gossip = gossip.Remove([.. removed.Select(static m => m.UniqueAddress)]);
        return new LeaderDecision(gossip, changed.ToImmutable(), removed);
    }

    /// <summary>What a leader does when the version does not settle for long: reachable Joining members become WeaklyUp.</summary>
    public static LeaderDecision WithoutConvergence(MembershipState state, bool enoughMembers)
    {
        Reachability reachability = state.TrustedReachability;
        ImmutableArray<Member> changed =
        [
            .. state.Gossip.Members
                .Where(m => enoughMembers && m.Status == MemberStatus.Joining && reachability.IsReachable(m.UniqueAddress))
                .Select(static m => m.Copy(MemberStatus.WeaklyUp)),
        ];
        return new LeaderDecision(changed.IsEmpty ? state.Gossip : state.Gossip.Replace(changed), changed, []);
    }

    /// <summary>The version to go on with after another one came in, and whether its sender should get it.</summary>
    public static (Gossip Winner, bool Answer, ReceivedGossip Kind) Receive(Gossip local, Gossip remote, UniqueAddress self, bool isExiting)
    {
        // A node that is exiting does not mark versions as seen, so it would answer for ever.
        bool unseen = !isExiting && !remote.SeenBy(self);
        return remote.Version.CompareTo(local.Version) switch
        {
            VersionOrder.Same => (remote.MergeSeen(local), unseen, ReceivedGossip.Same),
            VersionOrder.Before => (local, true, ReceivedGossip.Older),
            VersionOrder.After => (remote, unseen, ReceivedGossip.Newer),
            _ => (PruneRemoved(remote, local).Merge(PruneRemoved(local, remote)), true, ReceivedGossip.Merged),
        };
    }

    /// <summary>
    /// A member that was on its way out here and is missing there was removed there, and its share of the version with it. Unless it is
    /// pruned here as well the two versions would never become the same.
    /// </summary>
    private static Gossip PruneRemoved(Gossip here, Gossip there)
    {
        Gossip pruned = here;
        foreach (Member member in here.Members)
        {
            if (Member.IsOnItsWayOut(member.Status) && !there.HasMember(member.UniqueAddress))
                pruned = pruned.Prune(member.UniqueAddress);
        }

        return pruned;
    }
}
