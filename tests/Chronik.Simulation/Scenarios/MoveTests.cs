using Chronik.Metadata;
using Chronik.Model;
using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>Partitions that move to other nodes because the metadata say so, and who is in sync meanwhile.</summary>
public sealed class MoveTests
{
    private const long Long = 300_000_000;

    private static readonly Comparer<NodeId> ById = Comparer<NodeId>.Create((a, b) => a.Value.CompareTo(b.Value));

    [Fact]
    public void All_replicas_of_a_partition_are_replaced_while_the_network_is_cut_and_nodes_crash() => Scenario.Each(20, seed =>
    {
        using Scenario scenario = new(Faulty(seed, nodes: 6, partitions: 2));
        NodeId[] before = [.. scenario.Placement().Replicas];
        NodeId[] target = [.. scenario.Nodes.Select(node => node.Self).Except(before)];
        scenario.Produce(20);
        scenario.Sim.Clients.Begin();
        scenario.Sim.Faults.Begin();
        GroupId moved = scenario.Sim.Groups[Scenario.Partition].Id;
        Move(scenario, 0, target);
        scenario.Until(() => scenario.Sim.Leader(0)?.Metadata!.Image.Find(moved) is { IsMoving: false }, "end of the move", Long);
        Assert.Equal<NodeId>(target, scenario.Placement().Replicas);
        scenario.Sim.Faults.Stop();
        scenario.Sim.Clients.Stop();
        scenario.Finish();
        Assert.All(before, node => Assert.False(scenario.Nodes[node.Value].Hosts(Scenario.Partition)));
        Assert.Contains(scenario.AwaitLeader().Node.Self, target);
    });

    [Fact]
    public void A_move_is_taken_back_whenever_that_is_asked_for() => Scenario.Each(20, seed =>
    {
        using Scenario scenario = new(Faulty(seed, nodes: 6, partitions: 1));
        NodeId[] before = [.. scenario.Placement().Replicas];
        NodeId[] target = [.. scenario.Nodes.Select(node => node.Self).Except(before)];
        scenario.Produce(20);
        scenario.Sim.Clients.Begin();
        scenario.Sim.Faults.Begin();
        Move(scenario, 0, target);
        scenario.Sim.RunFor((long)seed * 100_000);
        GroupId moved = scenario.Sim.Groups[Scenario.Partition].Id;
        Reassignment back = new(Simulation.TopicName, 0, null);
        scenario.Ask(new AlterReassignments([back]), image => image.Find(moved) is { IsMoving: false }, Long);
        scenario.Sim.Faults.Stop();
        scenario.Sim.Clients.Stop();
        scenario.Finish();
        NodeId[] after = [.. scenario.Placement().Replicas];
        Assert.True(after.SequenceEqual(before) || after.SequenceEqual(target)); // It may have been there before anybody asked.
    });

    [Fact]
    public void The_balancer_empties_a_node_that_drains_while_the_network_is_cut_and_nodes_crash() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(Faulty(seed, nodes: 5, partitions: 6) with { CommandEvery = 0 });
        NodeId drained = scenario.Placement().Replicas[0];
        scenario.Sim.Clients.Begin();
        scenario.Until(() => scenario.Image().Brokers.Count == 5, "registration of all");
        scenario.Ask(new DrainBroker(drained, IsDraining: true), image => image.Brokers[drained].IsDraining);
        scenario.Sim.Faults.Begin();
        long next = 0;
        scenario.Until(
            () =>
            {
                if (scenario.Sim.Leader(0) is not { } leader) return false;
                if (scenario.Sim.Now >= next)
                {
                    next = scenario.Sim.Now + 1_000_000;
                    leader.Node.Do(leader.Balance);
                }

                return leader.Metadata!.Image.ReplicaCounts.GetValueOrDefault(drained) == 0;
            },
            "empty node",
            Long);
        scenario.Sim.Faults.Stop();
        scenario.Sim.Clients.Stop();
        scenario.Finish();
        Assert.DoesNotContain(Enumerable.Range(1, 6), group => scenario.Nodes[drained.Value].Hosts(group));
    });

    [Fact]
    public void Partitions_move_all_the_time_among_five_nodes() => Scenario.Seeds(30, drawn => drawn with
    {
        Nodes = 5,
        IsPlaced = true,
        MoveEvery = 500_000,
        PartitionEvery = 2_000_000,
        KillEvery = 3_000_000,
        TransferEvery = 2_000_000,
    });

    [Fact]
    public void A_leader_that_follows_the_metadata_late_does_not_go_on_with_a_move_that_is_over() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(Parameters.Calm(seed, nodes: 4) with { Replicas = 3, IsPlaced = true });
        NodeId[] before = [.. scenario.Placement().Replicas];
        NodeId added = scenario.Nodes.Select(node => node.Self).Except(before).Single();
        (NodeId leader, NodeId late) = (before[0], before[1]);
        scenario.Until(() => scenario.Image().Brokers.Count == 4, "registration of all");
        scenario.Produce(5);
        scenario.Lead(leader.Value);
        scenario.Nodes[late.Value].Lag(12_000_000);
        scenario.Nodes[added.Value].Crash(CrashKind.Kill);
        NodeId[] first = [leader, late, added];
        Move(scenario, 0, first);
        scenario.Sim.RunFor(8_000_000);
        scenario.Nodes[added.Value].Start();
        AwaitMoved();
        NodeId[] after = [.. first, before[2]];
        Move(scenario, 0, after);
        AwaitMoved();
        scenario.Until(() => scenario.Nodes[late.Value].Followed.Find(Moved())!.IsMoving, "move at the late node");
        scenario.Lead(late.Value);
        scenario.Produce(5);
        scenario.Sim.RunFor(2_000_000);
        Assert.Equal<NodeId>(first, scenario.Nodes[late.Value].Followed.Find(Moved())!.Target); // It still sees the first move.
        Assert.Equal(after.Order(ById), scenario.AwaitLeader().Core.Membership.Voters.Order(ById));
        scenario.Finish();
        Assert.Equal<NodeId>(after, scenario.Placement().Replicas);

        GroupId Moved() => scenario.Sim.Groups[Scenario.Partition].Id;
        void AwaitMoved() => scenario.Until(() => scenario.Placement() is { IsMoving: false }, "end of the move");
    });

    [Fact]
    public void A_node_that_reads_late_that_it_was_sent_away_is_not_called_back_before_it_has() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(Parameters.Calm(seed, nodes: 4) with { Replicas = 3, IsPlaced = true });
        NodeId[] before = [.. scenario.Placement().Replicas];
        GroupId moved = scenario.Sim.Groups[Scenario.Partition].Id;
        NodeId late = before[1];
        scenario.Produce(5);
        scenario.Lead(before[0].Value);
        scenario.Nodes[late.Value].Lag(5_000_000);
        Move(scenario, 0, [.. before.Where(node => node != late)]);
        scenario.Until(() => scenario.Placement() is { IsMoving: false }, "end of the move");
        Assert.True(scenario.Nodes[late.Value].Hosts(Scenario.Partition)); // It does not know yet.
        Move(scenario, 0, before);
        scenario.Sim.RunFor(2_000_000);
        Assert.DoesNotContain(late, scenario.AwaitLeader().Core.Membership.Voters);
        scenario.Until(() => scenario.Image().Find(moved) is { IsMoving: false }, "end of the move");
        scenario.Finish();
        Assert.Contains(late, scenario.AwaitLeader().Core.Membership.Voters);
    });

    [Fact]
    public void Who_is_in_sync_is_recorded_and_an_earlier_leader_is_not_believed() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(Parameters.Calm(seed) with { IsPlaced = true, ProduceEvery = 20_000 });
        GroupId group = scenario.Sim.Groups[Scenario.Partition].Id;
        NodeId[] all = [.. scenario.Placement().Replicas];
        Replica first = scenario.AwaitLeader();
        scenario.Sim.Clients.Begin();
        NodeId silent = scenario.Id(scenario.Other(first.Node.Id));
        long before = scenario.Sim.Now;
        scenario.Nodes[silent.Value].Crash(CrashKind.PowerLoss);
        AwaitInSync(all.Where(node => node != silent));
        Assert.True(scenario.Sim.Now - before >= scenario.Sim.Parameters.InSyncMicros * 9 / 10);
        Assert.Equal(first.Core.Term.ToLeaderEpoch(), scenario.Placement().IsrEpoch);
        scenario.Nodes[silent.Value].Start();
        AwaitInSync(all);

        scenario.Isolate(first.Node.Id);
        Replica second = scenario.AwaitLeader(Scenario.Partition, first.Node.Id);
        AwaitInSync(all.Where(node => node != first.Node.Self));
        Assert.Equal(second.Core.Term.ToLeaderEpoch(), scenario.Placement().IsrEpoch);
        Replica controller = scenario.AwaitLeader(0, first.Node.Id);
        PartitionIsr late = new(Simulation.Topic, 0, new LeaderEpoch(scenario.Placement().IsrEpoch.Value - 1), [first.Node.Self]);
        controller.Node.Do(() => controller.Command(new ChangeIsr(first.Node.Self, [late])));
        scenario.Sim.RunFor(500_000);
        Assert.Equal<NodeId>(all.Where(node => node != first.Node.Self), scenario.Placement().Isr);
        scenario.Sim.Network.RestoreAll();
        AwaitInSync(all);
        scenario.Sim.Clients.Stop();
        scenario.Finish();

        void AwaitInSync(IEnumerable<NodeId> expected) => scenario.Until(
            () => scenario.Sim.Leader(0)?.Metadata!.Image.Find(group)!.Isr.SequenceEqual(expected) == true,
            $"record that {string.Join(' ', expected)} are in sync");
    });

    private static void Move(Scenario scenario, int partition, NodeId[] target)
    {
        GroupId group = scenario.Sim.Groups[1 + partition].Id;
        scenario.Ask(
            new AlterReassignments([new Reassignment(Simulation.TopicName, partition, target)]),
            image => image.Find(group) is { } found && (found.IsMoving || found.Replicas.SequenceEqual(target)),
            Long);
    }

    private static Parameters Faulty(ulong seed, int nodes, int partitions) => Parameters.Calm(seed, nodes, partitions) with
    {
        Replicas = 3,
        IsPlaced = true,
        Loss = 0.02,
        Duplication = 0.02,
        ProduceEvery = 10_000,
        IdempotentEvery = 20_000,
        ReadEvery = 50_000,
        CommandEvery = 500_000,
        ChunkBytes = 2 << 10,
        ChunksUnderWay = 4,
        PartitionEvery = 1_500_000,
        PartitionMax = 1_500_000,
        KillEvery = 2_000_000,
        PowerLossEvery = 3_000_000,
        DownMax = 1_000_000,
    };
}
