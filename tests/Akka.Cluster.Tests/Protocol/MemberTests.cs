using System.Collections.Immutable;
using Akka.Actor;
using Xunit;
using static Akka.Cluster.Tests.Protocol.Nodes;

namespace Akka.Cluster.Tests.Protocol;

public class MemberTests
{
    [Fact]
    public void Members_are_ordered_by_host_then_port_then_uid_and_equal_by_incarnation()
    {
        UniqueAddress nine = At(9), ten = At(10), other = new(new Address("akka.tcp", "sys", "elsewhere", 11), 1);
        ImmutableSortedSet<Member> members = [ten.Is(MemberStatus.Up), nine.Is(MemberStatus.Up), other.Is(MemberStatus.Up)];
        Assert.Equal([other, nine, ten], members.Select(m => m.UniqueAddress));
        Assert.Equal(A.Is(MemberStatus.Up), A.Is(MemberStatus.Down));
        Assert.NotEqual(At(1, uid: 1).Is(MemberStatus.Up), At(1, uid: 2).Is(MemberStatus.Up));
    }

    [Fact]
    public void A_status_cannot_go_back()
    {
        MemberStatus[] all = Enum.GetValues<MemberStatus>();
        Assert.Throws<InvalidOperationException>(() => A.Is(MemberStatus.Up).Copy(MemberStatus.Joining));
        Assert.Throws<InvalidOperationException>(() => A.Is(MemberStatus.Down).Copy(MemberStatus.Up));
        Assert.Throws<InvalidOperationException>(() => A.Is(MemberStatus.Up).Copy(MemberStatus.Exiting));
        Assert.DoesNotContain(all, status => Member.CanFollow(MemberStatus.Removed, status));
        foreach (MemberStatus status in all.Where(s => s != MemberStatus.Removed))
            Assert.True(Member.CanFollow(status, MemberStatus.Removed));
    }

    [Fact]
    public void Older_is_who_became_up_first_and_among_equals_the_lower_address()
    {
        Member young = A.Is(MemberStatus.Up, upNumber: 7), old = B.Is(MemberStatus.Up, upNumber: 3);
        Assert.True(old.IsOlderThan(young));
        Assert.Equal([old, young], new[] { young, old }.Order(Member.AgeOrdering));
        Assert.True(A.Is(MemberStatus.Joining).IsOlderThan(B.Is(MemberStatus.Joining)));
        Assert.True(young.IsOlderThan(C.Is(MemberStatus.Joining)));
    }

    [Theory]
    [InlineData(MemberStatus.Joining, MemberStatus.Up, MemberStatus.Up)]
    [InlineData(MemberStatus.WeaklyUp, MemberStatus.Joining, MemberStatus.WeaklyUp)]
    [InlineData(MemberStatus.Up, MemberStatus.Leaving, MemberStatus.Leaving)]
    [InlineData(MemberStatus.Leaving, MemberStatus.Exiting, MemberStatus.Exiting)]
    [InlineData(MemberStatus.Exiting, MemberStatus.Down, MemberStatus.Down)]
    public void Of_two_views_the_one_further_on_its_way_out_wins(MemberStatus one, MemberStatus other, MemberStatus winner)
    {
        Assert.Equal(winner, Member.HighestPriorityOf(A.Is(one), A.Is(other)).Status);
        Assert.Equal(winner, Member.HighestPriorityOf(A.Is(other), A.Is(one)).Status);
    }

    [Fact]
    public void A_member_that_only_one_view_has_stays_unless_it_was_on_its_way_out()
    {
        ImmutableHashSet<Member> merged = Member.PickHighestPriority(
            [A.Is(MemberStatus.Up), B.Is(MemberStatus.Down)],
            [A.Is(MemberStatus.Leaving), C.Is(MemberStatus.Joining), D.Is(MemberStatus.Exiting)]);
        Assert.Equal([A, C], merged.Select(m => m.UniqueAddress).Order());
        Assert.Equal(MemberStatus.Leaving, merged.Single(m => m.UniqueAddress.Equals(A)).Status);
    }

    [Fact]
    public void The_next_transition_of_a_member_is_picked_whichever_side_has_it()
    {
        Member joining = A.Is(MemberStatus.Joining), up = A.Is(MemberStatus.Up);
        Assert.Same(up, Member.PickNextTransition(joining, up));
        Assert.Same(up, Member.PickNextTransition(up, joining));
        Assert.Null(Member.PickNextTransition(up, B.Is(MemberStatus.Up)));
        Assert.Equal(
            [MemberStatus.Up, MemberStatus.Leaving],
            Member.PickNextTransition([joining, B.Is(MemberStatus.Leaving)], [up]).Select(m => m.Status));
    }
}
