using System.Diagnostics;
using Chronik.Cluster.Tests.Processes;
using Chronik.Cluster.Tests.Wire;
using Chronik.Cluster.Tests.Work;
using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit.Abstractions;
using Xunit.Sdk;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Chronik.Cluster.Tests;

/// <summary>
/// A cluster of three, a workload, a fault in the middle, and the reckoning at the end. Prints how long appends stopped; never asserts it,
/// as that says more about the machine than about the broker.
/// </summary>
internal sealed class Scenario(TestCluster cluster, Workload workload, ITestOutputHelper output)
{
    /// <summary>What every node is told: nothing waits for a second member, so that a test of seconds sees rebalances.</summary>
    public static readonly string[] Settings =
    [
        "--set", "chronik.groups.initial-rebalance-delay=0s", "--set", "chronik.broker.default.replication.factor=3",
    ];

    public TestCluster Cluster => cluster;

    public static async Task RunAsync(
        ITestOutputHelper output, Func<Scenario, Task> fault, TestCluster? over = null, short replicas = 3)
    {
        await using TestCluster cluster = over ?? new TestCluster(3, null, Settings);
        await cluster.StartAllAsync();
        Workload workload = new(cluster.Client, replicas);
        try
        {
            await workload.StartAsync();
            Scenario scenario = new(cluster, workload, output);
            await fault(scenario);
            await workload.ProgressAsync();
            output.WriteLine(await workload.CheckAsync());
        }
        catch (Exception e)
        {
            workload.Abandon();
            throw new XunitException($"{e.Message}\n{e.StackTrace}\n{cluster.Story()}", e);
        }
    }

    /// <summary>
    /// Does something to a node, waits until every partition is written again, and prints how long those stopped which the node led, and
    /// how long the others.
    /// </summary>
    public async Task MeasureAsync(string what, NodeId victim, Func<NodeProcess, Task> fault)
    {
        IReadOnlyList<NodeId> leaders = await cluster.Client.LeadersAsync(Workload.Topic);
        IEnumerable<int> all = Enumerable.Range(0, leaders.Count);
        long since = Stopwatch.GetTimestamp();
        await fault(cluster[victim]);
        await workload.ProgressAsync();
        Gap led = workload.GapOf(all.Where(partition => leaders[partition] == victim), since);
        Gap others = workload.GapOf(all.Where(partition => leaders[partition] != victim), since);
        Say($"{what}: longest time without an append: led by node {victim} {led}, by others {others}");
    }

    /// <summary>
    /// Starts a node again, and prints how many elections that took in all. One of several that are down together is not waited for unless
    /// it is the last.
    /// </summary>
    public async Task BringBackAsync(NodeId node, bool isLast = true)
    {
        long before = await EpochsAsync();
        cluster[node].Start();
        if (!isLast) return;
        await cluster[node].ReadyAsync();
        await workload.ProgressAsync();
        Say($"node {node} is back: leader epochs of {Workload.Topic} add up to {before} before and {await EpochsAsync()} after");
    }

    /// <summary>
    /// Waits until a node that lost its disk has all its replicas again, none of them recovers any more, and every partition counts it
    /// among those in sync, as their leaders say. The latter alone may still be so from before it was lost.
    /// </summary>
    public Task RecoveredAsync(NodeId node) => Wait.UntilAsync(async () =>
    {
        MetadataResponse all = await cluster.Client.AskAnyAsync(new MetadataRequest { Topics = null }, 12);
        List<MetadataResponse.MetadataResponsePartition> here =
            [.. all.Topics.SelectMany(topic => topic.Partitions).Where(partition => partition.ReplicaNodes.Contains(node.Value))];
        string metrics = await cluster[node].MetricsAsync();
        return here.All(partition => partition.ErrorCode == 0 && partition.IsrNodes.Contains(node.Value))
            && Metrics.Value(metrics, "chronik_partitions") > here.Count // The metadata's replica is one more.
            && Metrics.Value(metrics, "chronik_partition_recovering") == 0;
    }, $"node {node} has everything again and is in sync everywhere");

    /// <summary>Lets a time pass in which nothing can be acknowledged, and checks that nothing is.</summary>
    public async Task StandsStillAsync(TimeSpan time)
    {
        // What was committed before the fault may still be answered, and this process may be slow to hear it.
        long before = -1;
        for (int tries = 0; tries < 10 && workload.Acknowledged != before; tries++)
        {
            before = workload.Acknowledged;
            await Task.Delay(TimeSpan.FromSeconds(3));
        }

        await Task.Delay(time);
        Assert.Equal(before, workload.Acknowledged);
    }

    public async Task<NodeId> LeaderAsync() => (await cluster.Client.LeadersAsync(Workload.Topic))[0];

    public Task ProgressAsync() => workload.ProgressAsync();

    public async Task<NodeId> CoordinatorAsync()
    {
        NodeId node = NodeId.None;
        await Wait.UntilAsync(async () =>
        {
            node = (await cluster.Client.CoordinatorAsync(Workload.Group))?.Node ?? NodeId.None;
            return node.IsSome;
        }, "the group has a coordinator");
        return node;
    }

    public void Say(string text) => output.WriteLine(text);

    private async Task<long> EpochsAsync()
    {
        MetadataResponse response = await cluster.Client.MetadataAsync(Workload.Topic);
        return response.Topics[0].Partitions.Sum(partition => (long)partition.LeaderEpoch);
    }
}
