using Chronik.Model;
using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>Groups that sleep, and many of them.</summary>
public sealed class QuietTests
{
    [Fact]
    public void A_sleeping_group_whose_leaders_node_dies_silently_has_another_leader_soon() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(seed);
        scenario.AwaitLeader();
        scenario.Produce(3);
        scenario.Until(() => scenario.Nodes.All(node => node.Replicas.All(replica => replica!.Core.IsAsleep)), "sleep");
        int old = scenario.AwaitLeader().Node.Id;
        long term = scenario.Replica(old).Core.Term.Value;
        scenario.Nodes[old].Crash(CrashKind.PowerLoss);
        long died = scenario.Sim.Now;
        scenario.AwaitLeader(Scenario.Partition, old);
        long bound = scenario.Sim.SilenceMicros + (4 * scenario.Sim.Parameters.ElectionTicks * scenario.Sim.Parameters.TickMicros);
        Assert.InRange(scenario.Sim.Now - died, 0, bound);
        Assert.InRange(scenario.AwaitLeader().Core.Term.Value, term + 1, term + 3);
        scenario.Finish();
    });

    [Fact]
    public void A_sleeping_group_sends_nothing_and_wakes_for_a_write()
    {
        using Scenario scenario = new(4);
        scenario.AwaitLeader();
        scenario.Produce(1);
        scenario.Until(() => scenario.Nodes.All(node => node.Replicas.All(replica => replica!.Core.IsAsleep)), "sleep");
        long events = scenario.Sim.Groups[Scenario.Partition].Check.HighestTerm;
        scenario.Sim.RunFor(60_000_000);
        Assert.All(scenario.Nodes, node => Assert.All(node.Replicas, replica => Assert.True(replica!.Core.IsAsleep)));
        scenario.Produce(1);
        Assert.Equal(events, scenario.Sim.Groups[Scenario.Partition].Check.HighestTerm);
        scenario.Finish();
    }

    [Fact]
    public void With_a_thousand_groups_a_node_restarts_without_an_election_storm()
    {
        const int Groups = 1_000;
        using Scenario scenario = new(Parameters.Calm(9, partitions: Groups) with
        {
            WalFileBytes = 8 << 20,
            CheckpointBytes = 1 << 20,
            DiskMin = 2_000,
            DiskMax = 10_000,
        });
        scenario.Until(() => Enumerable.Range(0, Groups + 1).All(group => scenario.Sim.Leader(group) is not null), "leader of each group");
        scenario.Until(
            () => scenario.Nodes.All(node => node.Replicas.All(replica => replica!.Core.IsAsleep)), "sleep of all groups", 120_000_000);
        long[] terms = [.. Enumerable.Range(0, Groups + 1).Select(group => scenario.Sim.Leader(group)!.Core.Term.Value)];
        bool[] led = [.. Enumerable.Range(0, Groups + 1).Select(group => scenario.Sim.Leader(group)!.Node.Id == 0)];
        scenario.Nodes[0].Crash(CrashKind.Kill);
        scenario.Sim.RunFor(10_000_000);
        scenario.Nodes[0].Start();
        scenario.Until(() => Enumerable.Range(0, Groups + 1).All(group => scenario.Sim.Leader(group) is not null), "leader of each group");
        scenario.Sim.RunFor(20_000_000);
        int elections = 0;
        for (int group = 0; group <= Groups; group++)
        {
            Term now = scenario.Sim.Leader(group)!.Core.Term;
            elections += (int)(now.Value - terms[group]);
            if (!led[group]) Assert.Equal(terms[group], now.Value);
        }

        // Those that it led had to elect another leader, now and then in two rounds.
        Assert.InRange(elections, led.Count(l => l), 2 * led.Count(l => l));
    }
}
