using Xunit;
using static Akka.Cluster.Tests.Protocol.Nodes;

namespace Akka.Cluster.Tests.Protocol;

public class VectorClockTests
{
    [Fact]
    public void A_clock_is_the_same_as_itself_and_as_the_empty_one_when_nothing_happened()
    {
        Assert.Equal(VersionOrder.Same, VectorClock.Empty.CompareTo(VectorClock.Empty));
        Assert.Equal(Clock(A, B, A), Clock(A, A, B));
    }

    [Fact]
    public void A_change_comes_after_what_it_changed()
    {
        VectorClock before = Clock(A, B), after = before.Increment(C);
        Assert.Equal(VersionOrder.After, after.CompareTo(before));
        Assert.Equal(VersionOrder.Before, before.CompareTo(after));
        Assert.Equal(VersionOrder.Before, VectorClock.Empty.CompareTo(before));
    }

    [Fact]
    public void Changes_on_two_sides_are_concurrent_and_their_merge_comes_after_both()
    {
        VectorClock one = Clock(A, A), other = Clock(A, B);
        Assert.Equal(VersionOrder.Concurrent, one.CompareTo(other));
        VectorClock merged = one.Merge(other);
        Assert.Equal(VersionOrder.After, merged.CompareTo(one));
        Assert.Equal(VersionOrder.After, merged.CompareTo(other));
        Assert.Equal(merged, other.Merge(one));
    }

    [Fact]
    public void A_pruned_node_counts_no_more()
    {
        Assert.Equal(Clock(A), Clock(A, B, B).Prune(B));
        Assert.Equal(Clock(A), Clock(A).Prune(C));
    }

    private static VectorClock Clock(params UniqueAddress[] changes) => GossipOf().Versioned(changes).Version;
}
