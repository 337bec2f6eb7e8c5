using Chronik.Cluster.Tests.Processes;
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
            await Task.Delay(Requirements.Outage);
        });
        await scenario.Cluster[victim].ResumeAsync();
        await scenario.ProgressAsync();
    });

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
