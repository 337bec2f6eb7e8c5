using Xunit;
using static Akka.Cluster.Tests.Protocol.Nodes;

namespace Akka.Cluster.Tests.Protocol;

public class MembershipStepsTests
{
    [Fact]
    public void The_leader_moves_joining_members_up_in_order_of_address_and_makes_each_younger_than_all()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Joining), B.Is(MemberStatus.Up, upNumber: 4), C.Is(MemberStatus.WeaklyUp));
        LeaderDecision decision = MembershipSteps.OnConvergence(gossip.From(B), [], enoughMembers: true);
        Assert.Equal([(A, 5), (C, 6)], decision.Changed.Select(m => (m.UniqueAddress, m.UpNumber)));
        Assert.All(decision.Gossip.Members, m => Assert.Equal(MemberStatus.Up, m.Status));
    }

    [Fact]
    public void Nobody_becomes_up_before_there_are_enough_members()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Joining), B.Is(MemberStatus.Joining));
        Assert.True(MembershipSteps.OnConvergence(gossip.From(A), [], enoughMembers: false).IsEmpty);
        Assert.True(MembershipSteps.WithoutConvergence(gossip.From(A), enoughMembers: false).IsEmpty);
    }

    [Fact]
    public void The_leader_moves_leaving_members_to_exiting_and_removes_them_when_they_have_confirmed()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Leaving));
        gossip = MembershipSteps.OnConvergence(gossip.From(A), [], enoughMembers: true).Gossip;
        Assert.Equal(MemberStatus.Exiting, gossip.StatusOf(B));
        Assert.True(MembershipSteps.OnConvergence(gossip.From(A), [], enoughMembers: true).IsEmpty);
        LeaderDecision decision = MembershipSteps.OnConvergence(gossip.From(A), Set(B), enoughMembers: true);
        Assert.Equal([B], decision.Removed.Select(m => m.UniqueAddress));
        Assert.False(decision.Gossip.HasMember(B));
    }

    [Fact]
    public void The_leader_removes_unreachable_members_that_are_down_or_exiting_with_all_that_is_known_of_them()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Down), C.Is(MemberStatus.Exiting), D.Is(MemberStatus.Down))
            .Versioned(A, B, C).WasSeenBy(A, B, C).Unreachable(A, B).Unreachable(A, C);
        Gossip after = MembershipSteps.OnConvergence(gossip.From(A), [], enoughMembers: true).Gossip;
        Assert.Equal([A, D], after.Members.Select(m => m.UniqueAddress));
        Assert.Equal(Set(A), after.Seen);
        Assert.True(after.Reachability.IsAllReachable);
        Assert.Equal([A], after.Version.Versions.Keys);
    }

    [Fact]
    public void Without_convergence_reachable_joining_members_become_weakly_up()
    {
        Gossip gossip = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Joining), C.Is(MemberStatus.Joining), D.Is(MemberStatus.Leaving))
            .Unreachable(A, C);
        LeaderDecision decision = MembershipSteps.WithoutConvergence(gossip.From(A), enoughMembers: true);
        Assert.Equal([B], decision.Changed.Select(m => m.UniqueAddress));
        Assert.Equal(MemberStatus.WeaklyUp, decision.Gossip.StatusOf(B));
        Assert.Equal(MemberStatus.Leaving, decision.Gossip.StatusOf(D));
    }

    [Fact]
    public void Of_two_versions_the_later_is_taken_and_answered_until_it_is_known_to_be_seen()
    {
        Gossip older = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Joining)).Versioned(A).WasSeenBy(A, B);
        Gossip newer = older.Replace([B.Is(MemberStatus.Up)]).Versioned(A).WasSeenBy(A);
        Assert.Equal((newer, true, ReceivedGossip.Newer), MembershipSteps.Receive(older, newer, B, isExiting: false));
        Assert.Equal((newer, true, ReceivedGossip.Older), MembershipSteps.Receive(newer, older, A, isExiting: false));
        (Gossip same, bool answer, ReceivedGossip kind) = MembershipSteps.Receive(newer, newer.AddSeen(B), A, isExiting: false);
        Assert.Equal((ReceivedGossip.Same, false), (kind, answer));
        Assert.Equal(Set(A, B), same.Seen);
    }

    [Fact]
    public void A_removal_on_one_side_and_a_change_on_the_other_become_the_same_version_on_both()
    {
        Gossip common = GossipOf(A.Is(MemberStatus.Up), B.Is(MemberStatus.Up), C.Is(MemberStatus.Down))
            .Versioned(A, B, C).Unreachable(A, C);
        Gossip removed = MembershipSteps.OnConvergence(common.From(A), [], enoughMembers: true).Gossip.Increment(A);
        Gossip joined = common.With(members: common.Members.Add(D.Is(MemberStatus.Joining))).Increment(B);
        Gossip onA = MembershipSteps.Receive(removed, joined, A, isExiting: false).Winner;
        Gossip onB = MembershipSteps.Receive(joined, removed, B, isExiting: false).Winner;
        Assert.Equal([A, B, D], onA.Members.Select(m => m.UniqueAddress));
        Assert.Equal(onA.Members, onB.Members);
        Assert.Equal(onA.Version, onB.Version);
        Assert.DoesNotContain(C, onA.Version.Versions.Keys);
    }

    /// <summary>
    /// Five nodes change their versions at random, and exchange them with delays, losses and reordering. Once they only exchange they
    /// have to agree on one version that everybody has seen.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_changes_and_exchanges_end_in_one_version(int seed)
    {
        var random = new Random(seed);
        UniqueAddress[] nodes = [A, B, C, D, E];
        Gossip start = GossipOf([.. nodes.Select(n => n.Is(MemberStatus.Joining))]).Versioned(A);
        Dictionary<UniqueAddress, Gossip> states = nodes.ToDictionary(n => n, n => start.OnlySeenBy(n));
        var underway = new List<(UniqueAddress To, Gossip Gossip)>();
        for (int step = 0; step < 2000; step++)
        {
            UniqueAddress node = nodes[random.Next(nodes.Length)];
            Gossip mine = states[node];
            bool isLast = step >= 1500;
            if (!isLast && random.Next(8) == 0)
            {
                UniqueAddress other = nodes[random.Next(nodes.Length)];
                Member member = mine.GetMember(other);
                Gossip changed = random.Next(3) switch
                {
                    0 when Member.CanFollow(member.Status, MemberStatus.Leaving) => mine.Replace([member.Copy(MemberStatus.Leaving)]),
                    1 => mine.With(reachability: mine.Reachability.Unreachable(node, other)),
                    _ => mine.With(reachability: mine.Reachability.Reachable(node, other)),
                };
                MembershipState state = mine.From(node);
                if (state.IsLeader && state.Convergence([]))
                    changed = MembershipSteps.OnConvergence(state, [], enoughMembers: true).Gossip;
                states[node] = state.Changed(changed, isExiting: false).Gossip;
            }

            underway.Add((nodes[random.Next(nodes.Length)], states[node]));
            if (isLast || random.Next(3) > 0)
            {
                int at = random.Next(underway.Count);
                (UniqueAddress to, Gossip gossip) = underway[at];
                underway.RemoveAt(at);
                states[to] = MembershipSteps.Receive(states[to], gossip, to, isExiting: false).Winner.AddSeen(to);
            }
        }

        // Everybody to everybody, twice: changes first, then who has seen them.
        for (int round = 0; round < 2; round++)
        {
            foreach (UniqueAddress from in nodes)
            {
                foreach (UniqueAddress to in nodes)
                    states[to] = MembershipSteps.Receive(states[to], states[from], to, isExiting: false).Winner.AddSeen(to);
            }
        }

        Gossip first = states[A];
        Assert.All(states.Values, gossip =>
        {
            Assert.Equal(first.Version, gossip.Version);
            Assert.Equal(first.Members.Select(m => (m.UniqueAddress, m.Status)), gossip.Members.Select(m => (m.UniqueAddress, m.Status)));
            Assert.True(first.Reachability.SameAs(gossip.Reachability), $"{first.Reachability} and {gossip.Reachability}");
        });
        Assert.All(nodes, node => Assert.Contains(node, states[E].Seen));
    }
}
