using Akka.Cluster.SBR;
using Xunit;
using static Akka.Cluster.Tests.Protocol.Nodes;

namespace Akka.Cluster.Tests.Protocol;

public class DowningStrategyTests
{
    private static readonly UniqueAddress[] Five = [A, B, C, D, E];

    [Fact]
    public void Keep_majority_downs_the_smaller_side_on_both_sides()
    {
        Assert.Equal(Set(D, E), Downed(new KeepMajority(null), Five, side: [A, B, C]));
        Assert.Equal(Set(D, E), Downed(new KeepMajority(null), Five, side: [D, E]));
    }

    [Fact]
    public void Keep_majority_keeps_the_lowest_address_of_two_equal_sides()
    {
        UniqueAddress[] four = [A, B, C, D];
        Assert.Equal(Set(B, C), Downed(new KeepMajority(null), four, side: [A, D]));
        Assert.Equal(Set(B, C), Downed(new KeepMajority(null), four, side: [B, C]));
    }

    [Fact]
    public void Of_three_nodes_one_that_dies_is_downed()
    {
        UniqueAddress[] three = [A, B, C];
        Assert.Equal(Set(A), Downed(new KeepMajority(null), three, side: [B, C]));
        Assert.Equal(Set(A), Downed(new KeepMajority(null), three, side: [A]));
    }

    [Fact]
    public void Keep_majority_counts_only_members_of_its_role()
    {
        var strategy = new KeepMajority("vote");
        Fill(strategy, [A, B, E], [A.Is(MemberStatus.Up), B.Is(MemberStatus.Up), C.Is(MemberStatus.Up, 3, "vote"),
            D.Is(MemberStatus.Up, 4, "vote"), E.Is(MemberStatus.Up, 5, "vote")]);
        Assert.Equal(Decision.DownUnreachable, strategy.Decide());
    }

    [Fact]
    public void New_members_do_not_count_for_the_majority_but_go_with_their_side()
    {
        var strategy = new KeepMajority(null);
        Fill(strategy, [A, B], Up(A, B, C, D.Is(MemberStatus.Joining), E.Is(MemberStatus.WeaklyUp)));
        Assert.Equal(Decision.DownReachable, strategy.Decide());
        Assert.Equal(Set(C, D, E), strategy.NodesToDown(Decision.DownReachable));
    }

    [Fact]
    public void A_member_counts_as_what_it_was_last_heard_to_be()
    {
        var strategy = new KeepMajority(null);
        Fill(strategy, [], [.. Five.Select(n => n.Is(MemberStatus.Joining))]);
        Fill(strategy, [A, B], [.. Five.Select(n => n.Is(MemberStatus.Up))]);
        Assert.Equal(Set(A, B), strategy.NodesToDown(strategy.Decide()));
    }

    [Fact]
    public void A_majority_that_may_not_be_one_on_the_other_side_downs_everybody()
    {
        // The other side may have seen D and E become Up: then it is the majority there.
        var strategy = new KeepMajority(null);
        Fill(strategy, [C, D, E], Up(A, B, C, D.Is(MemberStatus.Joining), E.Is(MemberStatus.Joining)));
        Assert.Equal(Decision.DownAll, strategy.Decide());
    }

    [Fact]
    public void Static_quorum_keeps_a_side_of_that_size_and_downs_all_when_there_could_be_two()
    {
        Assert.Equal(Set(D, E), Downed(new StaticQuorum(3, null), Five, side: [A, B, C]));
        Assert.Equal(Set(D, E), Downed(new StaticQuorum(3, null), Five, side: [D, E]));
        Assert.Equal(Set(C), Downed(new StaticQuorum(2, null), [A, B, C], side: [C]));
        Assert.Equal(Set(Five), Downed(new StaticQuorum(2, null), Five, side: [A, B, C]));
    }

    [Fact]
    public void Keep_oldest_downs_the_side_without_the_oldest_unless_the_oldest_is_alone()
    {
        Assert.Equal(Set(C, D, E), Downed(new KeepOldest(true, null), Five, side: [A, B]));
        Assert.Equal(Set(C, D, E), Downed(new KeepOldest(true, null), Five, side: [C, D, E]));
        Assert.Equal(Set(A), Downed(new KeepOldest(true, null), Five, side: [A]));
        Assert.Equal(Set(A), Downed(new KeepOldest(true, null), Five, side: [B, C, D, E]));
        Assert.Equal(Set(B, C, D, E), Downed(new KeepOldest(false, null), Five, side: [B, C, D, E]));
        Assert.Equal(Set(B), Downed(new KeepOldest(true, null), [A, B], side: [A]));
    }

    [Fact]
    public void Down_all_downs_all()
    {
        Assert.Equal(Set(Five), Downed(new DownAllNodes(), Five, side: [A, B, C, D]));
    }

    [Fact]
    public void Who_is_down_or_exiting_is_not_downed_again()
    {
        var strategy = new KeepMajority(null);
        Fill(strategy, [C, D, E], Up(A, B, C, D.Is(MemberStatus.Exiting), E.Is(MemberStatus.Down)));
        Assert.Equal(Set(C), strategy.NodesToDown(strategy.Decide()));
        Assert.False(strategy.IsAllUnreachableOnItsWayOut);
    }

    [Fact]
    public void Two_nodes_that_complain_about_each_other_are_downed_and_the_others_stay()
    {
        var strategy = new KeepMajority(null);
        Fill(strategy, [B, C], [.. Five.Select(n => n.Is(MemberStatus.Up))], Reachability.Empty.Unreachable(B, C).Unreachable(C, B));
        Assert.Equal(Decision.DownIndirectlyConnected, strategy.Decide());
        Assert.Equal(Set(B, C), strategy.NodesToDown(Decision.DownIndirectlyConnected));
    }

    [Fact]
    public void A_complaint_about_a_node_that_has_seen_the_version_downs_both_ends_of_it()
    {
        var strategy = new KeepMajority(null);
        Fill(strategy, [C], [.. Five.Select(n => n.Is(MemberStatus.Up))], Reachability.Empty.Unreachable(B, C));
        strategy.SetSeenBy([.. Five.Select(n => n.Address)]);
        Assert.Equal(Set(B, C), strategy.NodesToDown(strategy.Decide()));
    }

    [Fact]
    public void Indirectly_connected_nodes_beside_a_dead_one_are_downed_together_with_it()
    {
        var strategy = new KeepMajority(null);
        Reachability complaints = Reachability.Empty.Unreachable(B, C).Unreachable(C, B);
        foreach (UniqueAddress observer in new[] { A, B, C, D })
            complaints = complaints.Unreachable(observer, E);
        Fill(strategy, [B, C, E], [.. Five.Select(n => n.Is(MemberStatus.Up))], complaints);
        Assert.Equal(Set(B, C, E), strategy.NodesToDown(strategy.Decide()));
    }

    private static Member[] Up(UniqueAddress a, UniqueAddress b, UniqueAddress c, params Member[] others) =>
        [a.Is(MemberStatus.Up), b.Is(MemberStatus.Up), c.Is(MemberStatus.Up), .. others];

    private static IReadOnlySet<UniqueAddress> Downed(DowningStrategy strategy, UniqueAddress[] all, UniqueAddress[] side)
    {
        UniqueAddress[] unreachable = [.. all.Except(side)];
        Reachability complaints = Reachability.Empty;
        foreach (UniqueAddress observer in side)
        {
            foreach (UniqueAddress subject in unreachable)
                complaints = complaints.Unreachable(observer, subject);
        }

        Fill(strategy, unreachable, [.. all.Select(n => n.Is(MemberStatus.Up))], complaints);
        strategy.SetSeenBy([.. side.Select(n => n.Address)]);
        return strategy.NodesToDown(strategy.Decide());
    }

    private static void Fill(DowningStrategy strategy, UniqueAddress[] unreachable, Member[] members, Reachability complaints = null)
    {
        foreach (Member member in members)
        {
            if (unreachable.Contains(member.UniqueAddress))
                strategy.AddUnreachable(member);
            else
                strategy.Add(member);
        }

        strategy.SetReachability(complaints ?? Reachability.Empty);
    }
}
