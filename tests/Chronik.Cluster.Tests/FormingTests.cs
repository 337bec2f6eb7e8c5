using Chronik.Cluster.Tests.Processes;
using Chronik.Cluster.Tests.Wire;

namespace Chronik.Cluster.Tests;

/// <summary>Nodes that die while the cluster has yet to be formed.</summary>
public sealed class FormingTests
{
    [Fact]
    public async Task A_founder_that_is_killed_before_the_cluster_is_formed_is_replaced_by_another_node()
    {
        await using TestCluster cluster = new(3);
        NodeProcess first = cluster.Nodes[0], second = cluster.Nodes[1], third = cluster.Nodes[2], fourth = cluster.Add(4);
        first.Start();
        second.Start();
        await Wait.UntilAsync(
            () => Task.FromResult(second.Lines.Any(line => line.Contains("met 1 at", StringComparison.Ordinal))), "the first two have met");
        first.Kill();
        third.Start();
        fourth.Start();
        foreach (NodeProcess node in (NodeProcess[])[second, third, fourth]) await node.ReadyAsync();
        await Wait.UntilAsync(
            async () => (await cluster.Client.MetadataAsync()).Brokers.Select(broker => broker.NodeId).Order().SequenceEqual([2, 3, 4]),
            "the three are a cluster");

        first.Start();
        await first.ReadyAsync();
        await Wait.UntilAsync(
            async () => (await cluster.Client.MetadataAsync()).Brokers.Exists(broker => broker.NodeId == 1), "the first has joined it");
    }
}
