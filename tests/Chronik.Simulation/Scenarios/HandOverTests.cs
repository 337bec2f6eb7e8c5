using Chronik.Raft;
using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>Nodes that are stopped on purpose, while clients go on.</summary>
public sealed class HandOverTests
{
    private const int Partitions = 4;

    /// <summary>Everything, the metadata included.</summary>
    private static readonly int[] Groups = [.. Enumerable.Range(0, Partitions + 1)];

    [Fact]
    public void A_node_that_stops_leads_nothing_any_more_and_nothing_is_lost_though_messages_are() => Scenario.Each(25, seed =>
    {
        const int Victim = 1;
        using Scenario scenario = new(Load(seed) with { Loss = 0.05, Duplication = 0.02, Reorders = seed % 2 == 0 });
        foreach (int group in Groups) scenario.Lead(Victim, group);
        scenario.Sim.Clients.Begin();
        scenario.Sim.RunFor(500_000);
        long acknowledged = scenario.Sim.Acknowledged;
        scenario.Stop(Victim);

        // Whoever leads now was elected while the node was there, and stays.
        long[] terms = [.. Groups.Select(group => scenario.Sim.Groups[group].Check.HighestTerm)];
        scenario.Sim.RunFor(3_000_000);
        foreach (int group in Groups)
        {
            Replica leader = scenario.AwaitLeader(group);
            Assert.NotEqual(Victim, leader.Node.Id);
            Assert.Equal(terms[group], leader.Core.Term.Value);
        }

        Assert.True(scenario.Sim.Acknowledged > acknowledged + 100);
        scenario.Sim.Clients.Stop();
        scenario.Finish();
    });

    [Fact]
    public void A_node_that_stops_finds_another_successor_when_the_first_is_cut_off() => Scenario.Each(10, seed =>
    {
        const int Victim = 1;
        using Scenario scenario = new(Load(seed) with { Nodes = 5, Replicas = 5 });
        foreach (int group in Groups) scenario.Lead(Victim, group);
        scenario.Sim.Clients.Begin();
        scenario.Sim.RunFor(500_000);
        bool hasStopped = false;
        bool leads = true;
        scenario.Nodes[Victim].HandOver(() =>
        {
            leads = Groups.Any(group => scenario.Replica(Victim, group).IsLeading);
            scenario.Nodes[Victim].Crash(CrashKind.Kill);
            hasStopped = true;
        });
        int successor = (int)(seed % 5) == Victim ? 0 : (int)(seed % 5);
        scenario.Isolate(successor);
        scenario.Until(() => hasStopped, "end");
        Assert.False(leads);
        foreach (int group in Groups) scenario.AwaitLeader(group, Victim, successor);
        scenario.Sim.Clients.Stop();
        scenario.Finish();
    });

    [Fact]
    public void All_nodes_are_restarted_one_by_one_and_no_group_waits_for_an_election() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(Load(seed) with { Loss = 0.02 });
        foreach (int group in Groups) scenario.AwaitLeader(group);
        scenario.Sim.Clients.Begin();
        foreach (Node node in scenario.Nodes)
        {
            scenario.Stop(node.Id);
            long[] terms = [.. Groups.Select(group => scenario.Sim.Groups[group].Check.HighestTerm)];
            scenario.Sim.RunFor(2_000_000);
            Assert.All(Groups, group => Assert.Equal(terms[group], scenario.AwaitLeader(group).Core.Term.Value));
            node.Start();
            scenario.Until(() => Groups.All(group => IsCaughtUp(scenario, node, group)), "return");
        }

        scenario.Sim.Clients.Stop();
        scenario.Finish();
    });

    [Fact]
    public void Nodes_stop_and_are_killed_cut_off_and_paused_meanwhile() => Scenario.Seeds(25, drawn => drawn with
    {
        HandOverEvery = 1_500_000,
        PartitionEvery = 3_000_000,
        PauseEvery = 3_000_000,
        KillEvery = 4_000_000,
        Loss = 0.05,
        IdempotentEvery = 20_000,
    });

    private static bool IsCaughtUp(Scenario scenario, Node node, int group) =>
        scenario.Sim.Leader(group) is { } leader && leader.Core.TryGetProgress(node.Self, out PeerProgress progress)
        && progress is { IsLost: false, State: ReplicationState.Replicate };

    private static Parameters Load(ulong seed) => Parameters.Calm(seed, partitions: Partitions) with
    {
        ProduceEvery = 5_000,
        IdempotentEvery = 10_000,
        ReadEvery = 20_000,
        CommandEvery = 100_000,
    };
}
