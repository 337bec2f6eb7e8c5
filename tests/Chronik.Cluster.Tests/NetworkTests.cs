using Chronik.Cluster.Tests.Processes;
using Chronik.Model;
using Xunit.Abstractions;

namespace Chronik.Cluster.Tests;

/// <summary>
/// Nodes that cannot reach each other while every client still reaches all of them: the old leader is there to be asked, and must not
/// answer with what is no longer so.
/// </summary>
public sealed class NetworkTests(ITestOutputHelper output)
{
    [NetworkFact]
    public Task Nothing_is_lost_when_a_leader_is_cut_off_from_the_other_nodes() =>
        RunAsync(
            "leader cut off",
            (network, victim, other) => Task.WhenAll(network.CutAsync(victim, other), network.CutAsync(other, victim)),
            (network, victim, other) => Task.WhenAll(network.HealAsync(victim, other), network.HealAsync(other, victim)));

    [NetworkFact]
    public Task Nothing_is_lost_when_a_leader_can_send_to_the_other_nodes_but_not_hear_them() => RunAsync(
        "leader deaf", (network, victim, other) => network.CutAsync(other, victim),
        (network, victim, other) => network.HealAsync(other, victim));

    [NetworkFact]
    public Task Nothing_is_lost_when_a_leader_hears_the_other_nodes_but_cannot_send_to_them() => RunAsync(
        "leader mute", (network, victim, other) => network.CutAsync(victim, other),
        (network, victim, other) => network.HealAsync(victim, other));

    private async Task RunAsync(
        string what, Func<Namespaces, int, int, Task> cut, Func<Namespaces, int, int, Task> heal)
    {
        const int Nodes = 3;
        await using Namespaces network = await Namespaces.CreateAsync(Nodes);
        await Scenario.RunAsync(output, async scenario =>
        {
            NodeId victim = await scenario.LeaderAsync();
            int[] others = [.. Enumerable.Range(1, Nodes).Where(node => node != victim.Value)];
            await scenario.MeasureAsync(what, victim, async _ =>
            {
                foreach (int other in others) await cut(network, victim.Value, other);
                await Task.Delay(Requirements.Outage); // Nothing is waited for: so long the network is cut.
            });
            foreach (int other in others) await heal(network, victim.Value, other);
            await scenario.ProgressAsync();
        }, new TestCluster(Nodes, network.PlaceOf, Scenario.Settings));
    }
}
