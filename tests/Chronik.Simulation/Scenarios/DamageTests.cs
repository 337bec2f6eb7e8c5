using Chronik.Raft;
using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>Disks that forget or lie.</summary>
public sealed class DamageTests
{
    [Fact]
    public void A_flipped_bit_in_a_minority_loses_nothing_and_the_damaged_node_does_not_lead() => Scenario.Seeds(30, drawn => drawn with
    {
        BitFlipEvery = 1_000_000,
        WipeEvery = 0,
        MembershipEvery = 0,
        CheckpointEvery = 500_000,
    });

    [Fact]
    public void A_flipped_bit_anywhere_in_a_followers_files_is_harmless_or_found_and_repaired()
    {
        int found = 0;
        Scenario.Each(40, seed =>
        {
            using Scenario scenario = new(Parameters.Calm(seed) with { BitFlipEvery = 1, CheckpointBytes = 2 << 10 });
            scenario.AwaitLeader();
            scenario.Produce(40);
            scenario.Sim.RunFor(1_000_000);
            int victim = scenario.Other(scenario.AwaitLeader().Node.Id);
            Assert.True(scenario.Nodes[victim].FlipBit());
            scenario.Nodes[victim].Crash(CrashKind.Kill);
            scenario.Nodes[victim].Start();
            if (!scenario.Nodes[victim].IsUp) found++;
            scenario.Produce(5);
            scenario.Finish();
        });
        Assert.InRange(found, 1, 40);
    }

    [Fact]
    public void A_node_that_lost_its_vote_does_not_vote_again_in_that_term()
    {
        using Scenario scenario = new(11);
        int first = scenario.AwaitLeader().Node.Id;
        scenario.Produce(3);
        scenario.Isolate(first);
        int second = scenario.AwaitLeader(Scenario.Partition, first).Node.Id;
        int voter = scenario.Other(first, second);
        scenario.Nodes[voter].Wipe("its disk was lost");
        scenario.Nodes[voter].Start();
        scenario.Sim.Network.RestoreAll();
        scenario.Isolate(second);

        // The two that see each other are a majority, but one of them no longer knows what it promised.
        long terms = scenario.Sim.Groups[Scenario.Partition].Check.Elections;
        scenario.Sim.RunFor(20_000_000);
        Assert.Equal(terms, scenario.Sim.Groups[Scenario.Partition].Check.Elections);
        Assert.True(scenario.Replica(voter).Core.IsRecovering);

        scenario.Finish();
        Assert.False(scenario.Replica(voter).Core.IsRecovering);
    }

    [Fact]
    public void Wiped_nodes_are_filled_again_and_vote_only_then() => Scenario.Seeds(30, drawn => drawn with
    {
        WipeEvery = 2_000_000,
        BitFlipEvery = 0,
        PartitionEvery = 3_000_000,
        KillEvery = 3_000_000,
    });

    [Fact]
    public void A_follower_behind_the_leaders_log_catches_up_and_an_interrupted_snapshot_resumes()
    {
        using Scenario scenario = new(Parameters.Calm(5) with { CheckpointBytes = 64 << 10 });
        int leader = scenario.AwaitLeader().Node.Id;
        int behind = scenario.Other(leader);
        scenario.Nodes[behind].Crash(CrashKind.Kill);
        const int Batches = 300;
        scenario.Produce(Batches, valueBytes: 500);
        leader = scenario.AwaitLeader().Node.Id;
        foreach (Node node in scenario.Nodes) node.Do(() => node.Replicas[Scenario.Partition]!.StartCheckpoint());
        scenario.Until(() => scenario.Replica(leader).Core.FirstIndex.Value > Batches, "checkpoint");
        scenario.Nodes[behind].Start();
        for (int cut = 1; cut <= 3; cut++)
        {
            int wanted = cut * Batches / 5;
            scenario.Until(() => scenario.Replica(behind).BatchesReceived >= wanted, "progress of the snapshot");
            scenario.Isolate(behind);
            scenario.Sim.RunFor(5_000_000);
            scenario.Sim.Network.RestoreAll();
        }

        scenario.Until(() => scenario.Replica(behind).AppliedNext.Value >= Batches, "snapshot");
        Assert.Equal(Batches, scenario.Replica(behind).BatchesReceived);
        scenario.Finish();
    }

    [Fact]
    public void A_snapshot_goes_on_after_three_restarts_of_either_side_and_a_flipped_bit() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(Parameters.Calm(seed) with { CheckpointBytes = 32 << 10 });
        int behind = scenario.Other(scenario.AwaitLeader().Node.Id);
        scenario.Nodes[behind].Crash(CrashKind.Kill);
        const int Batches = 400;
        scenario.Produce(Batches, valueBytes: 500);
        foreach (Node node in scenario.Nodes) node.Do(() => node.Replicas[Scenario.Partition]!.StartCheckpoint());
        int[] others = [.. scenario.Nodes.Select(node => node.Id).Where(id => id != behind)];
        scenario.Until(() => others.All(id => scenario.Replica(id).Core.FirstIndex.Value > Batches), "checkpoints");
        scenario.Nodes[behind].Start();
        int received = 0;
        for (int restart = 1; restart <= 3; restart++)
        {
            int wanted = restart * Batches / 4;
            scenario.Until(() => scenario.Replica(behind).Log.NextOffset.Value >= wanted, "progress of the snapshot");
            int restarted = restart == 2 ? scenario.AwaitLeader().Node.Id : behind;
            long before = scenario.Replica(behind).Log.NextOffset.Value;
            if (restarted == behind) received += scenario.Replica(behind).BatchesReceived;
            scenario.Nodes[restarted].Crash(restart == 3 ? CrashKind.PowerLoss : CrashKind.Kill);
            scenario.Sim.RunFor(500_000);
            scenario.Nodes[restarted].Start();

            // What it had since its last checkpoint is sent again, and no more; what was on its way may have come.
            long underWay = scenario.Sim.Parameters.ChunksUnderWay * scenario.Sim.Parameters.ChunkBytes / 500;
            Assert.InRange(scenario.Replica(behind).Log.NextOffset.Value, before - (3 * (32 << 10) / 500), before + underWay);
            if (restart == 2) scenario.Sim.ChunksToFlip = 1;
        }

        scenario.Until(() => scenario.Replica(behind).AppliedNext.Value >= Batches, "snapshot");
        received += scenario.Replica(behind).BatchesReceived;
        Assert.InRange(received, Batches, Batches + (2 * 3 * (32 << 10) / 500));
        Assert.Equal(0, scenario.Sim.ChunksToFlip);
        scenario.Finish();
    });

    [Fact]
    public void A_failed_sync_stops_a_node_and_loses_nothing() => Scenario.Seeds(15, drawn => drawn with
    {
        FailedSyncEvery = 1_000_000,
        BitFlipEvery = 0,
        WipeEvery = 0,
    });

    [Fact]
    public void A_node_that_is_wiped_twice_is_repaired_twice()
    {
        using Scenario scenario = new(13);
        scenario.AwaitLeader();
        for (int round = 0; round < 2; round++)
        {
            scenario.Produce(20);
            int victim = scenario.Other(scenario.AwaitLeader().Node.Id);
            scenario.Nodes[victim].Wipe("its disk was lost");
            scenario.Nodes[victim].Start();
            scenario.Until(() => !scenario.Nodes[victim].IsRecovering(Scenario.Partition), "repair");
            Assert.Equal(RaftRole.Follower, scenario.Replica(victim).Core.Role);
        }

        scenario.Finish();
    }

    [Fact]
    public void A_node_may_be_wiped_again_at_any_moment_of_its_repair()
    {
        // What the leader said to the life before must mean nothing to this one: the checks see to it.
        for (int after = 0; after < 120; after++)
        {
            using Scenario scenario = new(13);
            scenario.AwaitLeader();
            scenario.Produce(10);
            int victim = scenario.Other(scenario.AwaitLeader().Node.Id);
            for (int life = 0; life < 2; life++)
            {
                scenario.Nodes[victim].Wipe("its disk was lost");
                scenario.Nodes[victim].Start();
                scenario.Sim.RunFor(after * 1_000);
            }

            scenario.Finish();
        }
    }
}
