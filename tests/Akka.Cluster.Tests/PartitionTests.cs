using Akka.Actor;
using Akka.Remote.Tests;
using Xunit;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster.Tests;

/// <summary>Nodes whose network falls silent in both directions: each is behind a proxy that passes nothing on for a while.</summary>
public class PartitionTests : ClusterTest
{
    [Fact]
    public async Task Members_that_could_not_hear_each_other_are_reachable_again_when_they_can()
    {
        using Partition partition = new();
        Node[] nodes = await Form(3, partition, "akka.cluster.downing-provider-class = \"\"");
        partition.Freeze();
        await Task.WhenAll(nodes.Select(node => node.Until(state => state.Unreachable.Count == 2)));
        partition.Heal();
        await AllSee(nodes, 3);
        Assert.All(nodes, node =>
        {
            Assert.Equal(2, node.Events.OfType<ReachableMember>().Select(e => e.Member.Address).Distinct().Count());
            Assert.DoesNotContain(node.Events, e => e is MemberDowned or MemberRemoved);
        });
    }

    [Fact]
    public async Task Of_two_equal_sides_that_of_the_lowest_address_stays_and_the_other_ends()
    {
        using Partition partition = new();
        Node[] nodes = await Form(2, partition, string.Empty);
        Node stays = nodes.MinBy(n => n.Address, Member.AddressOrdering), goes = nodes.Single(n => n != stays);
        partition.Freeze();
        await goes.System.WhenTerminated.WaitAsync(Long);
        Assert.IsType<CoordinatedShutdown.ClusterDowningReason>(CoordinatedShutdown.Get(goes.System).ShutdownReason);
        await AllSee([stays], 1);
        partition.Heal();
        Assert.Equal(MemberStatus.Up, stays.Cluster.SelfMember.Status);
    }

    private async Task<Node[]> Form(int count, Partition partition, string hocon)
    {
        Node[] nodes = [.. Enumerable.Range(0, count).Select(_ => Start(partition.NewProxy() + "\n" + hocon))];
        foreach (Node node in nodes)
            node.Cluster.Join(nodes[0].Address);
        await AllSee(nodes, nodes.Length);
        return nodes;
    }

    private sealed class Partition : IDisposable
    {
        private readonly List<TcpProxy> _proxies = [];

        /// <summary>What the node behind one more proxy is configured with.</summary>
        public string NewProxy()
        {
            var proxy = new TcpProxy();
            _proxies.Add(proxy);
            return proxy.Hocon;
        }

        public void Freeze() => _proxies.ForEach(static proxy => proxy.Freeze());

        public void Heal() => _proxies.ForEach(static proxy => proxy.Heal());

        public void Dispose() => _proxies.ForEach(static proxy => proxy.Dispose());
    }
}
