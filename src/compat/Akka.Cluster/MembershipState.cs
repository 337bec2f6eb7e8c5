using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>The gossip as one of the nodes sees it: who leads, whether the version has settled, and whom to talk to.</summary>
internal sealed class MembershipState
{
    private readonly Lazy<UniqueAddress> _leader;

    public MembershipState(Gossip gossip, UniqueAddress self)
    {
        Gossip = gossip;
        Self = self;
        _leader = new Lazy<UniqueAddress>(() => LeaderOf(Gossip.Members));
    }

    public Gossip Gossip { get; }

    public UniqueAddress Self { get; }

    public Member SelfMember => Gossip.GetMember(Self);

    public MemberStatus SelfStatus => SelfMember.Status;

    /// <summary>The reachable member that decides, or null: the first by address of those that are Up or Leaving.</summary>
    public UniqueAddress Leader => _leader.Value;

    public bool IsLeader => Self.Equals(Leader);

    /// <summary>Who cannot be reached, without what members say that are down themselves.</summary>
    public Reachability TrustedReachability => Gossip.Reachability.RemoveObservers(
        Gossip.Members.Where(static m => m.Status == MemberStatus.Down).Select(static m => m.UniqueAddress).ToHashSet());

    public UniqueAddress RoleLeader(string role) => LeaderOf(Gossip.Members.Where(m => m.HasRole(role)));

    public UniqueAddress LeaderOf(IEnumerable<Member> members)
    {
        Member leader = null;
        foreach (Member member in members)
        {
            bool candidate = member.Status != MemberStatus.Down && Gossip.Reachability.IsReachable(member.UniqueAddress);
            if (!candidate && !(member.UniqueAddress.Equals(Self) && !Gossip.Reachability.IsAllReachable))
                continue;
            if (leader is null || Member.LeaderOrdering.Compare(member, leader) < 0)
                leader = member;
        }

        return leader?.UniqueAddress;
    }

    /// <summary>
    /// Whether the version has settled, so that the leader may decide: every member that is Up or Leaving has seen it, and whoever cannot
    /// be reached is Down or Exiting. Members whose exit is confirmed are waited for in neither way.
    /// </summary>
    public bool Convergence(ImmutableHashSet<UniqueAddress> exitConfirmed)
    {
        foreach (UniqueAddress node in TrustedReachability.AllUnreachableOrTerminated)
        {
            if (!node.Equals(Self) && !exitConfirmed.Contains(node) && Gossip.HasMember(node)
                && !Member.IsOnItsWayOut(Gossip.GetMember(node).Status))
                return false;
        }

        foreach (Member member in Gossip.Members)
        {
            if (member.Status is MemberStatus.Up or MemberStatus.Leaving
                && !Gossip.SeenBy(member.UniqueAddress) && !exitConfirmed.Contains(member.UniqueAddress))
                return false;
        }

        return true;
    }

    /// <summary>Whether gossip may go there: not to this node itself, nor where its own heartbeats find nobody.</summary>
    public bool IsGossipTarget(UniqueAddress node) => !node.Equals(Self) && Gossip.Reachability.IsReachable(Self, node);

    public MembershipState With(Gossip gossip) => ReferenceEquals(gossip, Gossip) ? this : new MembershipState(gossip, Self);

    /// <summary>A change made by this node: a new version. It counts as seen by this node unless it is busy exiting.</summary>
    public MembershipState Changed(Gossip gossip, bool isExiting)
    {
        Gossip next = gossip.Increment(Self);
        return new MembershipState(isExiting ? next.SeenByNobody() : next.OnlySeenBy(Self), Self);
    }
}
