using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>What was acknowledged stays, whatever the power does.</summary>
public sealed class DurabilityTests
{
    [Fact]
    public void Random_faults_on_five_nodes_break_nothing() =>
        Scenario.Seeds(25, drawn => drawn with { Nodes = 5 });

    [Fact]
    public void After_a_power_loss_of_all_nodes_any_majority_has_every_acknowledged_record() => Scenario.Each(30, seed =>
    {
        using Scenario scenario = new(Parameters.Calm(seed) with { ProduceEvery = 5_000 });
        SimRandom random = new(seed);
        scenario.Sim.Clients.Begin();
        scenario.AwaitLeader();
        for (int round = 0; round < 3; round++)
        {
            scenario.Sim.RunFor(random.Between(100_000, 2_000_000));
            int absent = random.Next(3);
            foreach (Node node in scenario.Nodes) node.Crash(CrashKind.PowerLoss);
            foreach (Node node in scenario.Nodes) if (node.Id != absent) node.Start();
            scenario.AwaitLeader();
            scenario.Produce(1);
            scenario.Nodes[absent].Start();
        }

        scenario.Sim.Clients.Stop();
        scenario.Finish();
    });

    [Fact]
    public void Power_may_fail_at_any_write_of_any_node()
    {
        // One node fails in the middle of that operation of its disk, the others lose power at the same moment.
        for (int victim = 0; victim < 3; victim++)
        {
            for (int operation = 1; operation <= 60; operation++)
            {
                using Scenario scenario = new(Parameters.Calm(7) with { CheckpointBytes = 1 << 10, ProduceEvery = 10_000 });
                scenario.AwaitLeader();
                scenario.Produce(1);
                scenario.Sim.Clients.Begin();
                scenario.Nodes[victim].TearWrite(operation);
                scenario.Sim.RunUntil(() => !scenario.Nodes[victim].IsUp, 5_000_000);
                scenario.Sim.Clients.Stop();
                foreach (Node node in scenario.Nodes) node.Crash(CrashKind.PowerLoss);
                foreach (Node node in scenario.Nodes) node.Start();
                scenario.Finish();
            }
        }
    }

    [Fact]
    public void A_conflicting_suffix_goes_even_when_power_fails_while_it_is_truncated()
    {
        for (int operation = 1; operation <= 25; operation++)
        {
            using Scenario scenario = new(3);
            int old = scenario.AwaitLeader().Node.Id;
            scenario.Produce(3);
            scenario.Isolate(old);
            scenario.ProduceAt(old, 5);
            scenario.AwaitLeader(Scenario.Partition, old);
            scenario.Produce(3);
            scenario.Sim.Network.RestoreAll();
            scenario.Nodes[old].TearWrite(operation);
            scenario.Sim.RunFor(3_000_000);
            scenario.Nodes[old].Crash(CrashKind.PowerLoss);
            scenario.Nodes[old].Start();
            scenario.Finish();
        }
    }

    [Fact]
    public void An_idempotent_producers_records_are_there_once_and_in_order_through_failovers_and_wrapping_sequences() =>
        Scenario.Seeds(25, drawn => drawn with
        {
            IdempotentEvery = 20_000,
            KillEvery = 1_500_000,
            PauseEvery = 2_000_000,
            TransferEvery = 1_000_000,
            CheckpointEvery = 300_000,
        });

    [Fact]
    public void Offsets_stay_dense_through_elections_transfers_and_membership_changes() => Scenario.Seeds(15, drawn => drawn with
    {
        TransferEvery = 400_000,
        MembershipEvery = 700_000,
        KillEvery = 2_000_000,
        WipeEvery = 0,
        BitFlipEvery = 0,
        ProduceEvery = 10_000,
        ReadEvery = 50_000,
    });
}
