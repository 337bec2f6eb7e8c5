using Xunit;
using static Akka.Cluster.Tests.Protocol.Nodes;

namespace Akka.Cluster.Tests.Protocol;

public class ReachabilityTests
{
    [Fact]
    public void A_node_is_unreachable_as_long_as_anybody_says_so()
    {
        Reachability table = Reachability.Empty.Unreachable(A, C).Unreachable(B, C);
        Assert.Equal(ReachabilityStatus.Unreachable, table.Status(C));
        table = table.Reachable(A, C);
        Assert.False(table.IsReachable(C));
        Assert.True(table.IsReachable(A, C));
        table = table.Reachable(B, C);
        Assert.True(table.IsReachable(C));
        Assert.True(table.IsAllReachable);
    }

    [Fact]
    public void Terminated_is_for_ever()
    {
        Reachability table = Reachability.Empty.Terminated(A, B).Unreachable(C, B);
        Assert.Same(table, table.Reachable(A, B));
        Assert.Equal(ReachabilityStatus.Terminated, table.Status(B));
        Assert.Empty(table.AllUnreachable);
        Assert.Equal(Set(B), table.AllUnreachableOrTerminated);
    }

    [Fact]
    public void Saying_the_same_again_is_no_change()
    {
        Reachability table = Reachability.Empty.Unreachable(A, B);
        Assert.Same(table, table.Unreachable(A, B));
        Assert.Same(Reachability.Empty, Reachability.Empty.Reachable(A, B));
    }

    [Fact]
    public void Merging_takes_the_later_row_of_every_observer()
    {
        Reachability common = Reachability.Empty.Unreachable(A, C).Unreachable(B, C);
        Reachability one = common.Reachable(A, C), other = common.Unreachable(B, D);
        foreach (Reachability merged in new[] { one.Merge(Set(A, B, C, D), other), other.Merge(Set(A, B, C, D), one) })
        {
            Assert.True(merged.IsReachable(A, C));
            Assert.False(merged.IsReachable(B, C));
            Assert.False(merged.IsReachable(B, D));
        }
    }

    [Fact]
    public void Merging_drops_who_is_no_member()
    {
        Reachability one = Reachability.Empty.Unreachable(A, C).Unreachable(D, A), other = Reachability.Empty.Unreachable(B, A);
        Reachability merged = one.Merge(Set(A, B), other);
        Assert.Equal(new ReachabilityRecord(B, A, ReachabilityStatus.Unreachable, 1), Assert.Single(merged.Records));
        Assert.False(merged.Versions.ContainsKey(D));
    }

    [Fact]
    public void Removed_nodes_are_neither_observers_nor_subjects()
    {
        Reachability table = Reachability.Empty.Unreachable(A, B).Unreachable(B, A).Unreachable(C, A).Remove(Set(B));
        Assert.Equal(new ReachabilityRecord(C, A, ReachabilityStatus.Unreachable, 1), Assert.Single(table.Records));
        Assert.True(table.RemoveObservers(Set(C)).IsAllReachable);
    }
}
