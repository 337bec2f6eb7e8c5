using Chronik.Cluster.Tests.Processes;
using Chronik.Cluster.Tests.Wire;
using Chronik.Cluster.Tests.Work;
using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Chronik.Cluster.Tests;

/// <summary>What operators do to a cluster while clients use it.</summary>
public sealed class OperationTests(ITestOutputHelper output)
{
    private const int Partitions = 9;
    private const int Factor = 3;

    [Fact]
    public async Task Partitions_spread_to_a_fourth_node_by_themselves_and_leave_it_when_it_is_removed()
    {
        await using TestCluster cluster = new(
            3, null, [.. Scenario.Settings, "--set", "chronik.broker.offsets.topic.num.partitions=3"]);
        await cluster.StartAllAsync();
        Workload workload = new(cluster.Client, Factor, Partitions);
        try
        {
            await workload.StartAsync();
            NodeProcess fourth = cluster.Add(4);
            fourth.Start();
            await fourth.ReadyAsync();
            await Wait.UntilAsync(async () =>
            {
                List<MetadataResponse.MetadataResponsePartition> all = await PartitionsAsync(cluster);
                return all.All(partition => partition.ReplicaNodes.Count == Factor && partition.IsrNodes.Count == Factor)
                    && Nodes.All(node => all.Count(partition => partition.ReplicaNodes.Contains(node)) is >= 5 and <= 9)
                    && Nodes.All(node => all.Count(partition => partition.LeaderId == node) is >= 1 and <= 4);
            }, "nine partitions and their leaders are spread over four nodes");
            await workload.ProgressAsync();
            output.WriteLine(await ChronikAsync(cluster, "status"));

            output.WriteLine(await ChronikAsync(cluster, "drain", "4", "--timeout", "60"));
            await Wait.UntilAsync(
                async () => (await PartitionsAsync(cluster)).TrueForAll(partition => !partition.ReplicaNodes.Contains(4)),
                "whichever broker is asked knows that node 4 is empty");
            await workload.ProgressAsync();
            output.WriteLine(await ChronikAsync(cluster, "remove", "4", "--timeout", "60"));
            Assert.Equal(0, await fourth.EndedAsync());
            await workload.ProgressAsync();
            output.WriteLine(await workload.CheckAsync());
        }
        catch (Exception e)
        {
            workload.Abandon();
            throw new XunitException($"{e.Message}\n{e.StackTrace}\n{cluster.Story()}", e);
        }
    }

    private static int[] Nodes => [1, 2, 3, 4];

    private static async Task<List<MetadataResponse.MetadataResponsePartition>> PartitionsAsync(TestCluster cluster) =>
        [.. (await cluster.Client.MetadataAsync(Workload.Topic)).Topics[0].Partitions];

    /// <summary>The executable as an operator calls it, by way of the first node.</summary>
    private static Task<string> ChronikAsync(TestCluster cluster, params string[] arguments) => Command.RunAsync(
        Path.Combine(AppContext.BaseDirectory, "chronik"), ["cluster", .. arguments, "--http", cluster[new NodeId(1)].HttpAddress]);
}
