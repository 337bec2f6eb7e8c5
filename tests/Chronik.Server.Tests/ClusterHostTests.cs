using Chronik.Metadata;
using Chronik.Model;
using Chronik.Server.Configuration;

namespace Chronik.Server.Tests;

/// <summary>Several nodes in this process that reach each other over loopback, as processes would.</summary>
public sealed class ClusterHostTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TestCluster.Patience;
    private readonly TestCluster _cluster = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _cluster.DisposeAsync();

    [Fact]
    public async Task Three_nodes_form_a_cluster_and_any_of_them_is_as_good_as_another()
    {
        var progress = new StringWriter();
        var first = await _cluster.BeginAsync(1, 3, progress: TextWriter.Synchronized(progress));
        await TestCluster.UntilAsync(() => progress.ToString().Contains("chronik: waiting for 2 of 3 nodes", StringComparison.Ordinal));
        var second = await _cluster.BeginAsync(2, 3);
        var third = await _cluster.BeginAsync(3, 3);
        ChronikHost[] hosts = [first, second, third];
        foreach (var host in hosts) await host.Ready.WaitAsync(Patience);
        Assert.Matches(@", cluster \S{22} with [1-3] nodes at 127\.0\.0\.1:\d+, data ", first.ReadyLine);
        Assert.Single(hosts.Select(host => host.Node!.ClusterId).Distinct());
        await TestCluster.UntilAsync(() => hosts.All(host => host.Node!.Metadata.LiveCount == 3));
        await ControllerAsync(hosts);

        // Each changes the metadata through whichever node leads it, and sees its own change at once.
        for (var i = 0; i < 3; i++)
        {
            var node = hosts[i].Node!;
            await TestCluster.CreateTopicAsync(node, $"t{i}", partitions: 3, replicas: 3);
            var topic = node.Metadata.Topics[$"t{i}"];
            await TestCluster.UntilAsync(() => Enumerable.Range(0, 3).All(p => node.Locate(topic.Id, p)!.Leader.IsSome));
            Assert.Equal([1, 2, 3], topic.Partitions.Select(partition => partition.Replicas[0].Value).Order());
        }

        var blocks = new List<long>();
        foreach (var host in hosts)
        {
            IReadOnlyList<ItemResult>? block = null;
            await TestCluster.UntilAsync(
                async () => (block = await TestCluster.SubmitAsync(host.Node!, new AllocateProducerIds(10))) is not null);
            blocks.Add(((ProducerIdsResult)block![0]).First);
        }

        Assert.Equal(3, blocks.Distinct().Count());

        // All agree who coordinates a group.
        var coordinators = new HashSet<NodeId>();
        foreach (var host in hosts)
        {
            (KafkaError Error, NodeId Coordinator) found = default;
            await TestCluster.UntilAsync(async () => (found = await host.Node!.FindGroupCoordinatorAsync("g")).Error == KafkaError.None);
            coordinators.Add(found.Coordinator);
        }

        Assert.Single(coordinators);
        Assert.Equal(3, first.Node!.Metadata.Topics[TopicNames.ConsumerOffsets].ReplicationFactor);

        // The node that leads the metadata stops, and another one takes over.
        var controller = await ControllerAsync(hosts);
        var others = hosts.Where(host => host != controller).ToList();
        var former = controller.Node!.Id;
        await _cluster.StopAsync(former.Value);
        await TestCluster.UntilAsync(() => others.All(host => host.Node!.Controller.IsSome && host.Node.Controller != former));
        var after = new CreateTopics([new NewTopic { Name = "after", PartitionCount = 1, ReplicationFactor = 2 }]);
        await TestCluster.UntilAsync(async () => await TestCluster.SubmitAsync(others[0].Node!, after)
            is [{ Error: KafkaError.None or KafkaError.TopicAlreadyExists }]);
        await TestCluster.UntilAsync(() => others[1].Node!.Metadata.Topics.ContainsKey("after"));
    }

    [Fact]
    public async Task Who_is_in_sync_is_recorded_by_whichever_leader_and_controller_there_is()
    {
        var hasty = ("chronik.broker.replica.lag.time.max.ms", "5000");
        var first = await _cluster.BeginAsync(1, 3, more: hasty);
        var second = await _cluster.BeginAsync(2, 3, more: hasty);
        var third = await _cluster.BeginAsync(3, 3, more: hasty);
        List<ChronikHost> hosts = [first, second, third];
        foreach (var host in hosts) await host.Ready.WaitAsync(Patience);
        await TestCluster.UntilAsync(() => hosts.All(host => host.Node!.Metadata.LiveCount == 3));
        await TestCluster.CreateTopicAsync(first.Node!, "t", partitions: 6, replicas: 3);
        Assert.All(Partitions(first), partition => Assert.Equal((3, LeaderEpoch.Unknown), (partition.Isr.Length, partition.IsrEpoch)));

        // The node that leads the metadata and a third of the partitions dies: a new leader and a new controller find it out and record it.
        var dead = await ControllerAsync(hosts);
        var id = dead.Node!.Id;
        await _cluster.StopAsync(id.Value);
        hosts.Remove(dead);
        await TestCluster.UntilAsync(
            () => hosts.SelectMany(Partitions).All(partition => partition.Isr.Length == 2 && !partition.Isr.Contains(id)));
        await TestCluster.UntilAsync(() => hosts.All(host => host.Node!.Locate(host.Node.Metadata.Topics["t"].Id, 0)!.Isr.Count == 2));

        // It is back, has nothing to catch up with, and is in sync again; what it reads at its start says so too.
        hosts.Add(await _cluster.BeginAsync(id.Value, 3, more: hasty));
        await hosts[2].Ready.WaitAsync(Patience);
        await TestCluster.UntilAsync(() => hosts.All(host => Partitions(host).All(partition => partition.Isr.Length == 3))
            && Partitions(hosts[2]).All(partition => partition.IsrEpoch != LeaderEpoch.Unknown));
    }

    [Fact]
    public async Task A_node_that_cannot_be_in_the_cluster_says_why_and_stops()
    {
        var first = await _cluster.BeginAsync(1, 1);
        await first.Ready.WaitAsync(Patience);
        var twin = await _cluster.BeginAsync(1, 1, folder: "twin");
        var refused = await Assert.ThrowsAsync<ChronikStartException>(() => twin.Ready.WaitAsync(Patience));
        Assert.Contains("node id 1 is taken", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
        await Assert.ThrowsAsync<ChronikStartException>(() => twin.Ended.WaitAsync(Patience));
        Assert.False(first.Ended.IsCompleted);
    }

    [Fact]
    public async Task A_later_node_joins_and_gets_what_is_placed_then()
    {
        var first = await _cluster.BeginAsync(1, 1);
        await first.Ready.WaitAsync(Patience);
        var second = await _cluster.BeginAsync(2, 1);
        await second.Ready.WaitAsync(Patience);
        Assert.Equal(first.Node!.ClusterId, second.Node!.ClusterId);
        Assert.Equal(first, await ControllerAsync([first, second]));
        await TestCluster.CreateTopicAsync(second.Node, "t", partitions: 4, replicas: 2);
        await TestCluster.UntilAsync(() => first.Node.Metadata.Topics.ContainsKey("t"));
    }

    private static IEnumerable<PartitionImage> Partitions(ChronikHost host) => host.Node!.Metadata.Topics["t"].Partitions;

    /// <summary>The node that leads the metadata, once all say that it is the same one.</summary>
    private static async Task<ChronikHost> ControllerAsync(IReadOnlyList<ChronikHost> hosts)
    {
        var controller = NodeId.None;
        await TestCluster.UntilAsync(() =>
        {
            controller = hosts[0].Node!.Controller;
            return controller.IsSome && hosts.All(host => host.Node!.Controller == controller);
        });
        return hosts.Single(host => host.Node!.Id == controller);
    }
}
