using Chronik.Cluster.Tests.Processes;
using Chronik.Cluster.Tests.Work;
using Chronik.Model;
using Xunit.Abstractions;

namespace Chronik.Cluster.Tests;

/// <summary>Processes that end without warning (SIGKILL), one at a time and all at once, and one that stands still (SIGSTOP).</summary>
public sealed class CrashTests(ITestOutputHelper output)
{
    [Fact]
    public Task Nothing_is_lost_when_a_leader_is_killed() =>
        Scenario.RunAsync(output, scenario => KillAsync(scenario, "leader killed", scenario.LeaderAsync));

    [Fact]
    public Task Nothing_is_lost_when_a_follower_is_killed() => Scenario.RunAsync(output, scenario => KillAsync(
        scenario, "follower killed", async () =>
        {
            NodeId leader = await scenario.LeaderAsync();
            return scenario.Cluster.Nodes.Select(node => node.Id).First(id => id != leader);
        }));

    [Fact]
    public Task No_offset_of_a_group_goes_back_when_its_coordinator_is_killed() =>
        Scenario.RunAsync(output, scenario => KillAsync(scenario, "coordinator killed", scenario.CoordinatorAsync));

    [Fact]
    public Task Topics_are_created_although_the_controller_is_killed() => Scenario.RunAsync(
        output, scenario => KillAsync(scenario, "controller killed", scenario.Cluster.Client.ControllerAsync));

    [Fact]
    public Task Nothing_is_lost_when_all_nodes_are_killed_at_once() => Scenario.RunAsync(output, async scenario =>
    {
        for (int round = 0; round < Requirements.Rounds; round++)
        {
            foreach (NodeProcess node in scenario.Cluster.Nodes) node.Kill();
            await scenario.Cluster.StartAllAsync();
            await scenario.ProgressAsync();
        }
    });

    [Fact]
    public Task Nothing_is_lost_when_a_leader_stands_still_and_goes_on() => Scenario.RunAsync(output, async scenario =>
    {
        NodeId victim = await scenario.LeaderAsync();
        await scenario.MeasureAsync("leader stopped", victim, async node =>
        {
            await node.PauseAsync();
            await Task.Delay(Requirements.Outage); // Nothing is waited for: so long it stands still.
        });
        await scenario.Cluster[victim].ResumeAsync();
        await scenario.ProgressAsync();
    });

    [Fact]
    public Task Writes_wait_while_most_nodes_are_down_and_go_on_when_they_are_back() => Scenario.RunAsync(output, async scenario =>
    {
        NodeProcess survivor = scenario.Cluster[await scenario.LeaderAsync()];
        NodeProcess[] victims = [.. scenario.Cluster.Nodes.Where(node => node != survivor)];
        foreach (NodeProcess victim in victims) victim.Kill();
        await scenario.StandsStillAsync(Requirements.Outage);

        // Who is left still says what it knows; it only acknowledges nothing.
        Assert.Equal(3, (await scenario.Cluster.Client.MetadataAsync(Workload.Topic)).Brokers.Count);
        Assert.True(survivor.IsRunning);
        foreach (NodeProcess victim in victims) await scenario.BringBackAsync(victim.Id, isLast: victim == victims[^1]);
    });

    [Fact]
    public Task Five_replicas_lose_nothing_when_two_nodes_die() => Scenario.RunAsync(output, async scenario =>
    {
        NodeId[] victims = [.. (await scenario.Cluster.Client.LeadersAsync(Workload.Topic)).Distinct().Take(2)];
        foreach (NodeId victim in victims)
        {
            await scenario.MeasureAsync("one of five killed", victim, node =>
            {
                node.Kill();
                return Task.CompletedTask;
            });
        }

        foreach (NodeId victim in victims) await scenario.BringBackAsync(victim);
    }, new TestCluster(5, null, [.. Scenario.Settings, "--set", "chronik.broker.offsets.topic.replication.factor=5"]), replicas: 5);

    private static async Task KillAsync(Scenario scenario, string what, Func<Task<NodeId>> choose)
    {
        for (int round = 0; round < Requirements.Rounds; round++)
        {
            NodeId victim = await choose();
            await scenario.MeasureAsync(what, victim, node =>
            {
                node.Kill();
                return Task.CompletedTask;
            });
            await scenario.BringBackAsync(victim);
        }
    }
}
