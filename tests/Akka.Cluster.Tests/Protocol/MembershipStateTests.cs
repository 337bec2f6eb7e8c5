using System.Collections.Immutable;
using Xunit;
using static Akka.Cluster.Tests.Protocol.Nodes;

namespace Akka.Cluster.Tests.Protocol;

public class MembershipStateTests
{
    private static readonly ImmutableHashSet<UniqueAddress> Nobody = [];

    [Fact]
    public void The_leader_is_the_first_reachable_member_that_is_up_or_leaving()
    {
        Gossip gossip = GossipOf(
            A.Is(MemberStatus.Joining), B.Is(MemberStatus.Down), C.Is(MemberStatus.Leaving), D.Is(MemberStatus.Up));
        Assert.Equal(C, gossip.From(D).Leader);
        Assert.Equal(D, gossip.Unreachable(D, C).From(D).Leader);
    }

    [Fact]
    public void Everybody_agrees_on_the_leader_but_who_cannot_be_reached_still_sees_itself()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Up), C.Is(MemberStatus.Up)).Unreachable(B, A);
        Assert.Equal(B, gossip.From(B).Leader);
        Assert.Equal(B, gossip.From(C).Leader);
        Assert.Equal(A, gossip.From(A).Leader);
    }

    [Fact]
    public void Before_anybody_is_up_the_member_closest_to_it_leads()
    {
        Assert.Equal(B, GossipOf(A.Is(MemberStatus.Joining), B.Is(MemberStatus.WeaklyUp)).From(A).Leader);
        Assert.Equal(A, GossipOf(A.Is(MemberStatus.Joining), B.Is(MemberStatus.Exiting)).From(A).Leader);
        Assert.Null(Gossip.Empty.From(A).Leader);
    }

    [Fact]
    public void A_role_has_a_leader_of_its_own()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Up, 2, "x"), C.Is(MemberStatus.Up, 3, "x"));
        Assert.Equal(B, gossip.From(C).RoleLeader("x"));
        Assert.Null(gossip.From(C).RoleLeader("y"));
    }

    [Fact]
    public void A_version_has_settled_when_every_up_and_leaving_member_has_seen_it()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Leaving), C.Is(MemberStatus.Joining), D.Is(MemberStatus.Exiting));
        Assert.True(gossip.WasSeenBy(A, B).From(A).Convergence(Nobody));
        Assert.False(gossip.WasSeenBy(A, C, D).From(A).Convergence(Nobody));
        Assert.True(gossip.WasSeenBy(A).From(A).Convergence(Set(B)));
    }

    [Theory]
    [InlineData(MemberStatus.Joining, false)]
    [InlineData(MemberStatus.Up, false)]
    [InlineData(MemberStatus.Leaving, false)]
    [InlineData(MemberStatus.Exiting, true)]
    [InlineData(MemberStatus.Down, true)]
    public void An_unreachable_member_is_waited_for_unless_it_is_on_its_way_out(MemberStatus status, bool settled)
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(status)).Unreachable(A, B).WasSeenBy(A, B);
        Assert.Equal(settled, gossip.From(A).Convergence(Nobody));
        Assert.True(gossip.From(A).Convergence(Set(B)));
    }

    [Fact]
    public void What_a_downed_member_says_about_others_does_not_count()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Up), C.Is(MemberStatus.Down))
            .Unreachable(A, C).Unreachable(C, B).WasSeenBy(A, B);
        Assert.True(gossip.From(A).Convergence(Nobody));
    }

    [Fact]
    public void Gossip_goes_to_all_but_oneself_and_those_one_cannot_reach_oneself()
    {
        MembershipState state = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Up), C.Is(MemberStatus.Up))
            .Unreachable(A, B).Unreachable(B, C).From(A);
        Assert.False(state.IsGossipTarget(A));
        Assert.False(state.IsGossipTarget(B));
        Assert.True(state.IsGossipTarget(C));
    }
}
