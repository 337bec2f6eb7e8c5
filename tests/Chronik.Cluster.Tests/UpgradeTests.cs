using Chronik.Cluster.Tests.Processes;
using Chronik.Cluster.Tests.Wire;
using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit.Abstractions;

namespace Chronik.Cluster.Tests;

/// <summary>
/// A cluster whose nodes are replaced by those of the next version, one after the other, under load. A process that is told so speaks and
/// writes the first level only, as the version did that had no other; that version itself takes its place where there is one.
/// </summary>
public sealed class UpgradeTests(ITestOutputHelper output)
{
    [Fact]
    public Task Nodes_are_upgraded_one_by_one_and_one_goes_back_before_the_level_is_raised()
    {
        TestCluster cluster = new(3, null, Scenario.Settings);
        foreach (NodeProcess node in cluster.Nodes) node.IsOld = true;
        return Scenario.RunAsync(output, UpgradeAsync, cluster);
    }

    [Fact]
    public async Task In_place_of_a_broker_that_is_gone_for_good_an_empty_one_lets_the_level_rise_and_is_removed_then()
    {
        const string Topic = "t";
        await using TestCluster cluster = new(4);
        foreach (NodeProcess node in cluster.Nodes) node.IsOld = true;
        await cluster.StartAllAsync();
        await cluster.Client.CreateTopicAsync(Topic, partitions: 6, replicas: 3);
        cluster.Nodes[2].Kill();
        foreach (NodeProcess node in cluster.Nodes.Where(node => node.IsRunning).ToList())
        {
            await node.StopAsync();
            node.IsOld = false;
            node.Start();
            await node.ReadyAsync();
        }

        await UntilRaisedAsync(cluster, "broker 3 speaks 1");
        NodeProcess other = cluster.Add(3, name: "-empty");
        other.Start();
        await other.ReadyAsync();
        await UntilRaisedAsync(cluster, null);
        string said = await Command.RunAsync(
            Path.Combine(AppContext.BaseDirectory, "chronik"),
            ["cluster", "remove", "3", "--timeout", "60", "--http", cluster.Nodes[0].HttpAddress]);
        output.WriteLine(said);
        Assert.Equal(0, await other.EndedAsync());
        await Wait.UntilAsync(async () =>
        {
            MetadataResponse all = await cluster.Client.MetadataAsync(Topic);
            return all.Brokers.Select(broker => broker.NodeId).Order().SequenceEqual([1, 2, 4])
                && all.Topics[0].Partitions.TrueForAll(partition => partition.IsrNodes.Order().SequenceEqual([1, 2, 4]));
        }, "the others hold everything");
    }

    /// <summary>Asks for the new level until the answer is as expected: granted, or refused with these words.</summary>
    private async Task UntilRaisedAsync(TestCluster cluster, string? refusal)
    {
        UpdateFeaturesResponse? last = null;
        try
        {
            await Wait.UntilAsync(async () =>
            {
                last = await RaiseAsync(cluster.Client);
                if (refusal is null) return last.ErrorCode == 0;
                Assert.NotEqual(0, last.ErrorCode);
                return last.ErrorMessage?.Contains(refusal, StringComparison.Ordinal) == true;
            }, $"the level is raised, or refused: {refusal}");
        }
        finally
        {
            output.WriteLine($"{last?.ErrorCode} {last?.ErrorMessage}");
            if (last is null || (refusal is null && last.ErrorCode != 0)) output.WriteLine(cluster.Story());
        }
    }

    private async Task UpgradeAsync(Scenario scenario)
    {
        IReadOnlyList<NodeProcess> nodes = scenario.Cluster.Nodes;
        foreach (NodeProcess node in nodes) await RestartAsync(scenario, node, isOld: false);
        Assert.Equal((FeatureLevel.Newest, FeatureLevel.Oldest), await LevelsAsync(scenario.Cluster.Client));

        await RestartAsync(scenario, nodes[1], isOld: true);
        UpdateFeaturesResponse tooEarly = await RaiseAsync(scenario.Cluster.Client);
        scenario.Say(tooEarly.ErrorMessage ?? "raised too early");
        Assert.NotEqual(0, tooEarly.ErrorCode);
        await RestartAsync(scenario, nodes[1], isOld: false);
        await scenario.ProgressAsync();

        await UntilRaisedAsync(scenario.Cluster, null);
        foreach (NodeProcess node in nodes)
            await Wait.UntilAsync(
                async () => (await LevelsAsync(new ClusterClient([node.Kafka]))).Finalized == FeatureLevel.Newest,
                $"node {node.Id} is at the new level");
        await scenario.ProgressAsync();

        await nodes[2].StopAsync();
        nodes[2].IsOld = true;
        nodes[2].Start();
        Assert.Equal(1, await nodes[2].EndedAsync());
        string reason = Assert.Single(nodes[2].Lines.Reverse().TakeWhile(line => !line.StartsWith("---", StringComparison.Ordinal)));
        scenario.Say(reason);
        Assert.Contains("chronik.properties has", reason, StringComparison.Ordinal);
        nodes[2].IsOld = false;
        nodes[2].Start();
        await nodes[2].ReadyAsync();
    }

    private static async Task RestartAsync(Scenario scenario, NodeProcess node, bool isOld)
    {
        Assert.Equal(0, await node.StopAsync());
        node.IsOld = isOld;
        node.Start();
        await node.ReadyAsync();
        await Wait.UntilAsync(async () =>
        {
            MetadataResponse all = await scenario.Cluster.Client.AskAnyAsync(new MetadataRequest { Topics = null }, 12);
            return all.Topics.SelectMany(topic => topic.Partitions)
                .All(partition => partition.ErrorCode == 0 && partition.IsrNodes.Contains(node.Id.Value));
        }, $"node {node.Id} is in sync everywhere");
    }

    /// <summary>What a node speaks at most, and what the cluster is at.</summary>
    private static async Task<(int Supported, int Finalized)> LevelsAsync(ClusterClient client)
    {
        ApiVersionsRequest request = new() { ClientSoftwareName = "test", ClientSoftwareVersion = "1" };
        ApiVersionsResponse answer = await client.AskAnyAsync(request, 4);
        return (Assert.Single(answer.SupportedFeatures).MaxVersion, Assert.Single(answer.FinalizedFeatures).MaxVersionLevel);
    }

    private static Task<UpdateFeaturesResponse> RaiseAsync(ClusterClient client) => client.AskAnyAsync(
        new UpdateFeaturesRequest
        {
            TimeoutMs = 10_000,
            FeatureUpdates = [new() { Feature = FeatureLevel.Name, MaxVersionLevel = FeatureLevel.Newest }],
        },
        2);
}
