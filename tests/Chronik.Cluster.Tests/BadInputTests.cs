using System.Net;
using System.Net.Sockets;
using Chronik.Cluster.Tests.Processes;
using Xunit.Abstractions;

namespace Chronik.Cluster.Tests;

/// <summary>What comes to the port between nodes and is no node of the cluster.</summary>
public sealed class BadInputTests(ITestOutputHelper output)
{
    [Fact]
    public Task Garbage_on_the_port_between_nodes_disturbs_nobody() => Scenario.RunAsync(output, async scenario =>
    {
        int seed = Environment.TickCount;
        Random random = new(seed);
        scenario.Say($"seed {seed}");
        foreach (NodeProcess node in scenario.Cluster.Nodes)
        {
            for (int i = 0; i < 50; i++)
            {
                byte[] garbage = new byte[random.Next(1, 10_000)];
                random.NextBytes(garbage);

                // Every other one claims a frame of a likely length, little endian, so that its content is looked at.
                if (i % 2 == 0 && garbage.Length > 4) BitConverter.TryWriteBytes(garbage, garbage.Length - 4);
                await SendAsync(node, garbage);
            }

            await SendAsync(node, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
        }
    });

    [Fact]
    public async Task A_node_of_another_cluster_is_refused_and_says_why()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(3, Scenario.Settings);
        NodePlace place = TestCluster.OnLoopback();
        string own = $"{place.Host}:{place.AkkaPort}";
        NodeProcess stranger = cluster.Add(4, place, "", ["--seed", own, "--bootstrap-expect", "1"]);
        stranger.Start();
        await stranger.ReadyAsync();
        await stranger.StopAsync();

        NodeProcess lost = cluster.Add(4, place);
        lost.Start();
        Assert.Equal(1, await lost.EndedAsync());
        output.WriteLine(lost.Lines.Last());
        Assert.Contains(lost.Lines, line => line.Contains("cluster", StringComparison.Ordinal));
        foreach (NodeProcess node in cluster.Nodes.Take(3)) await node.ReadyAsync();
    }

    [Fact]
    public async Task A_node_whose_id_is_taken_is_refused_and_says_why()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(3, Scenario.Settings);
        NodeProcess second = cluster.Add(2, null, "-again");
        second.Start();
        Assert.Equal(1, await second.EndedAsync());
        output.WriteLine(second.Lines.Last());
        foreach (NodeProcess node in cluster.Nodes.Take(3)) await node.ReadyAsync();
        Assert.Equal(3, (await cluster.Client.MetadataAsync()).Brokers.Count);
    }

    [Fact]
    public async Task A_seed_that_does_not_resolve_is_named_and_the_node_joins_by_another()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(3, Scenario.Settings);
        NodeProcess fourth = cluster.Add(
            4, null, "", ["--seed", "no-such-host.invalid:9192", "--seed", cluster.Nodes[0].Akka, "--bootstrap-expect", "3"]);
        fourth.Start();
        await fourth.ReadyAsync();
        await Wire.Wait.UntilAsync(
            async () => (await cluster.Client.MetadataAsync()).Brokers.Count == 4, "four brokers are there");

        NodeProcess lost = cluster.Add(5, null, "", ["--seed", "no-such-host.invalid:9192", "--bootstrap-expect", "3"]);
        lost.Start();
        const string Said = "nothing is heard of no-such-host.invalid:9192 (";
        await Wire.Wait.UntilAsync(
            () => Task.FromResult(lost.Lines.Any(line => line.Contains(Said, StringComparison.Ordinal))),
            "the node says which seed it looks for");
    }

    [Fact]
    public async Task A_fourth_node_joins_by_naming_one_seed_and_a_restart_of_all_gives_the_same_cluster()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(3, Scenario.Settings);
        string before = (await cluster.Client.MetadataAsync()).ClusterId!;
        NodeProcess fourth = cluster.Add(4, null, "", ["--seed", cluster.Nodes[2].Akka, "--bootstrap-expect", "3"]);
        fourth.Start();
        await fourth.ReadyAsync();
        await Wire.Wait.UntilAsync(
            async () => (await cluster.Client.MetadataAsync()).Brokers.Count == 4, "four brokers are there");
        foreach (NodeProcess node in cluster.Nodes) node.Kill();
        foreach (NodeProcess node in cluster.Nodes.Reverse())
        {
            node.Start();
            await node.LiveAsync(); // One after the other, unlike in other tests.
        }

        foreach (NodeProcess node in cluster.Nodes) await node.ReadyAsync();
        await cluster.Client.CreateTopicAsync("wide", 8, 3);
        await Wire.Wait.UntilAsync(
            async () => (await cluster.Client.LeadersAsync("wide")).Distinct().Count() == 4, "each node leads");
        Assert.Equal(before, (await cluster.Client.MetadataAsync()).ClusterId);
    }

    private static async Task SendAsync(NodeProcess node, byte[] bytes)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Parse(node.AkkaAddress.Host), node.AkkaAddress.Port);
        try
        {
            await socket.SendAsync(bytes);
        }
        catch (SocketException)
        {
            // Closed already: that is what should happen to garbage.
        }
    }
}
