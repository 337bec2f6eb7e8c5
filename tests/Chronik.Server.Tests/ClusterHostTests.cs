using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
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
        await TestCluster.UntilAsync(() => hosts.All(host => host.Node!.Metadata.LiveCount == 3 && host.Node.Controller.IsSome));
        Assert.Single(hosts.Select(host => host.Node!.Controller).Distinct());

        // Each changes the metadata through whichever node leads it, and sees its own change at once.
        for (var i = 0; i < 3; i++)
        {
            var node = hosts[i].Node!;
            var created = Assert.Single(await node.SubmitAsync(
                new CreateTopics([new NewTopic { Name = $"t{i}", PartitionCount = 3, ReplicationFactor = 3 }]), Patience));
            Assert.Equal((KafkaError.None, null), (created.Error, created.Message));
            var topic = node.Metadata.Topics[$"t{i}"];
            await TestCluster.UntilAsync(() => Enumerable.Range(0, 3).All(p => node.Locate(topic.Id, p)!.Leader.IsSome));
            Assert.Equal([1, 2, 3], topic.Partitions.Select(partition => partition.Replicas[0].Value).Order());
        }

        var blocks = new List<long>();
        foreach (var host in hosts)
            blocks.Add(((ProducerIdsResult)(await host.Node!.SubmitAsync(new AllocateProducerIds(10), Patience))[0]).First);
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
        var controller = hosts.Single(host => host.Node!.Id == first.Node.Controller);
        var others = hosts.Where(host => host != controller).ToList();
        var former = controller.Node!.Id;
        await _cluster.StopAsync(former.Value);
        await TestCluster.UntilAsync(() => others.All(host => host.Node!.Controller.IsSome && host.Node.Controller != former));
        await TestCluster.UntilAsync(async () => await SucceedsAsync(others[0].Node!, "after"));
        await TestCluster.UntilAsync(() => others[1].Node!.Metadata.Topics.ContainsKey("after"));
    }

    [Fact]
    public async Task Who_is_in_sync_is_recorded_by_whichever_leader_and_controller_there_is()
    {
        var hasty = ("chronik.broker.replica.lag.time.max.ms", "1000");
        var first = await _cluster.BeginAsync(1, 3, more: hasty);
        var second = await _cluster.BeginAsync(2, 3, more: hasty);
        var third = await _cluster.BeginAsync(3, 3, more: hasty);
        List<ChronikHost> hosts = [first, second, third];
        foreach (var host in hosts) await host.Ready.WaitAsync(Patience);
        await TestCluster.UntilAsync(() => hosts.All(host => host.Node!.Metadata.LiveCount == 3 && host.Node.Controller.IsSome));
        var created = Assert.Single(await first.Node!.SubmitAsync(
            new CreateTopics([new NewTopic { Name = "t", PartitionCount = 6, ReplicationFactor = 3 }]), Patience));
        Assert.Equal((KafkaError.None, null), (created.Error, created.Message));
        Assert.All(Partitions(first), partition => Assert.Equal((3, LeaderEpoch.Unknown), (partition.Isr.Length, partition.IsrEpoch)));

        // The node that leads the metadata and a third of the partitions dies: a new leader and a new controller find it out and record it.
        var dead = hosts.Single(host => host.Node!.Id == first.Node.Controller);
        var id = dead.Node!.Id;
        await _cluster.StopAsync(id.Value);
        hosts.Remove(dead);
        await TestCluster.UntilAsync(
            () => hosts.SelectMany(Partitions).All(partition => partition.Isr.Length == 2 && !partition.Isr.Contains(id)));
        Assert.All(hosts, host => Assert.Equal(2, host.Node!.Locate(host.Node.Metadata.Topics["t"].Id, 0)!.Isr.Count));

        // It is back, has nothing to catch up with, and is in sync again; what it reads at its start says so too.
        hosts.Add(await _cluster.BeginAsync(id.Value, 3, more: hasty));
        await hosts[2].Ready.WaitAsync(Patience);
        await TestCluster.UntilAsync(() => hosts.All(host => Partitions(host).All(partition => partition.Isr.Length == 3)));
        Assert.All(Partitions(hosts[2]), partition => Assert.NotEqual(LeaderEpoch.Unknown, partition.IsrEpoch));
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
        Assert.Equal(new NodeId(1), second.Node.Controller);
        var created = Assert.Single(await second.Node.SubmitAsync(
            new CreateTopics([new NewTopic { Name = "t", PartitionCount = 4, ReplicationFactor = 2 }]), Patience));
        Assert.Equal((KafkaError.None, null), (created.Error, created.Message));
        await TestCluster.UntilAsync(() => first.Node.Metadata.Topics.ContainsKey("t"));
    }

    private static IEnumerable<PartitionImage> Partitions(ChronikHost host) => host.Node!.Metadata.Topics["t"].Partitions;

    private static async Task<bool> SucceedsAsync(IBrokerNode node, string topic)
    {
        try
        {
            var results = await node.SubmitAsync(
                new CreateTopics([new NewTopic { Name = topic, PartitionCount = 1, ReplicationFactor = 2 }]), Patience);
            return results[0].Error is KafkaError.None or KafkaError.TopicAlreadyExists;
        }
        catch (Exception e) when (e is TimeoutException or Chronik.Partitions.Controller.MetadataAppendException)
        {
            return false; // Clients are told to try again.
        }
    }
}
