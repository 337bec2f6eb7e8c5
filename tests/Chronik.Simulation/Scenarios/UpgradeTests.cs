using System.Collections.Immutable;
using Chronik.Metadata;
using Chronik.Model;
using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>Nodes of two versions in one cluster, until its level is raised.</summary>
public sealed class UpgradeTests
{
    private static readonly ProtocolVersions Old = new(FeatureLevel.Oldest, FeatureLevel.Oldest);
    private static readonly ProtocolVersions New = new(FeatureLevel.Oldest, FeatureLevel.Operable);

    [Fact]
    public void Nodes_are_replaced_one_by_one_and_one_goes_back_before_the_level_is_raised() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(Parameters.Calm(seed, nodes: 4, partitions: 3) with
        {
            Replicas = 3,
            IsPlaced = true,
            Level = FeatureLevel.Oldest,
            Loss = 0.02,
            ProduceEvery = 10_000,
            IdempotentEvery = 20_000,
            ReadEvery = 50_000,
        });
        for (int group = 0; group <= 3; group++) scenario.AwaitLeader(group);
        scenario.Sim.Clients.Begin();
        ChangeLevel raise = new(FeatureLevel.Operable);
        Replace(0, New);
        Replace(1, New);
        Replace(0, Old);
        Replace(2, New);
        Replace(0, New);

        // One is of the old version still: nothing is written that it could not read.
        ImmutableArray<NodeId> before = scenario.Placement().Replicas;
        NodeId[] target = [.. scenario.Nodes.Select(node => node.Self).Except(before), .. before.Skip(1)];
        AlterReassignments move = new([new Reassignment(Simulation.TopicName, 0, target)]);
        Replica controller = scenario.AwaitLeader(0);
        controller.Node.Do(() => controller.Command(raise));
        controller.Node.Do(() => controller.Command(move));
        scenario.Sim.RunFor(2_000_000);
        Assert.Equal(FeatureLevel.Oldest, scenario.Image().Level);
        Assert.False(scenario.Placement().IsMoving);

        Replace(3, New);
        scenario.Ask(raise, image => image.Level == FeatureLevel.Operable);
        scenario.Ask(move, image => image.Find(scenario.Sim.Groups[Scenario.Partition].Id)!.Replicas.SequenceEqual(target));
        scenario.Until(() => scenario.Nodes.All(node => node.Level == FeatureLevel.Operable), "level everywhere");

        // Nobody goes back behind it: what is on the disk says so, whatever the network does.
        Node late = scenario.Nodes[2];
        scenario.Stop(late.Id);
        late.Speaks = Old;
        Assert.Throws<SimulationFailure>(late.Start);
        late.Crash(CrashKind.Kill);
        late.Speaks = New;
        late.Start();
        scenario.Sim.Clients.Stop();
        scenario.Finish();

        void Replace(int node, ProtocolVersions speaks)
        {
            scenario.Stop(node);
            scenario.Nodes[node].Speaks = speaks;
            scenario.Sim.RunFor(200_000);
            scenario.Nodes[node].Start();
            scenario.Until(
                () => scenario.Sim.Leader(0)?.Metadata!.Image.Brokers.GetValueOrDefault(scenario.Id(node))?.Protocol == speaks
                    && scenario.Nodes[node].Replicas.All(replica => replica is null || !replica.IsAhead),
                "return");
        }
    });
}
