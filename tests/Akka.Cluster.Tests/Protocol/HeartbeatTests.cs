using Akka.Actor;
using Akka.Remote;
using Xunit;
using static Akka.Cluster.Tests.Protocol.Nodes;

namespace Akka.Cluster.Tests.Protocol;

public class HeartbeatTests
{
    private static readonly UniqueAddress[] Ten = [.. Enumerable.Range(1, 10).Select(port => At(port))];

    [Fact]
    public void In_a_small_cluster_everybody_watches_everybody()
    {
        Assert.Equal(Set(B, C, D), new HeartbeatRing(A, [A, B, C, D], [], monitoredBy: 9).Receivers);
        Assert.Empty(new HeartbeatRing(A, [], [], monitoredBy: 9).Receivers);
    }

    [Fact]
    public void In_a_large_cluster_everybody_is_watched_by_so_many()
    {
        var ring = new HeartbeatRing(A, Ten, [], monitoredBy: 3);
        foreach (UniqueAddress node in Ten)
            Assert.Equal(3, Ten.Count(sender => ring.ReceiversOf(sender).Contains(node)));
    }

    [Fact]
    public void Unreachable_nodes_do_not_use_up_the_places_of_reachable_ones()
    {
        var ring = new HeartbeatRing(Ten[0], Ten, Set(Ten[1], Ten[2]), monitoredBy: 3);
        Assert.Equal(Set(Ten[1], Ten[2], Ten[3], Ten[4], Ten[5]), ring.Receivers);
    }

    [Fact]
    public void A_receiver_that_drops_out_while_it_is_silent_is_kept_until_it_answers()
    {
        var detector = new Detector();
        var state = new HeartbeatState(Ten[0], monitoredBy: 1, detector);
        state.Add(Ten[5]);
        state.Answered(Ten[5]);
        detector.Silent.Add(Ten[5].Address);
        state.Add(Ten[1]);
        Assert.Equal(Set(Ten[1], Ten[5]), state.ActiveReceivers);
        detector.Silent.Clear();
        state.Answered(Ten[5]);
        Assert.Equal(Set(Ten[1]), state.ActiveReceivers);
        Assert.False(detector.IsMonitoring(Ten[5].Address));
    }

    [Fact]
    public void A_removed_member_is_neither_a_receiver_nor_watched_any_more()
    {
        var detector = new Detector();
        var state = new HeartbeatState(A, monitoredBy: 9, detector);
        state.Add(B);
        state.Answered(B);
        detector.Silent.Add(B.Address);
        state.Remove(B);
        state.Answered(B);
        Assert.Empty(state.ActiveReceivers);
        Assert.False(detector.IsMonitoring(B.Address));
    }

    private sealed class Detector : IFailureDetectorRegistry<Address>
    {
        private readonly HashSet<Address> _watched = [];

        public HashSet<Address> Silent { get; } = [];

        public void Heartbeat(Address resource) => _watched.Add(resource);

        public bool IsAvailable(Address resource) => !Silent.Contains(resource);

        public bool IsMonitoring(Address resource) => _watched.Contains(resource);

        public void Remove(Address resource) => _watched.Remove(resource);

        public void Reset() => _watched.Clear();
    }
}
