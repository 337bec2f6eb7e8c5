using System.Collections.Immutable;
using Chronik.Model;
using Chronik.Raft;
using Xunit;

namespace Chronik.Simulation.Scenarios;

/// <summary>Networks that come apart, and members that come and go.</summary>
public sealed class PartitionTests
{
    [Fact]
    public void An_isolated_leader_acknowledges_nothing_and_answers_no_read() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(seed);
        int old = scenario.AwaitLeader().Node.Id;
        scenario.Produce(3);
        scenario.Isolate(old);
        scenario.Sim.RunFor(10_000); // What was on its way has arrived.
        Checks.GroupCheck check = scenario.Sim.Groups[Scenario.Partition].Check;
        long acknowledged = check.Acknowledged;
        long reads = check.Reads;
        scenario.ProduceAt(old, 3);
        scenario.Nodes[old].Do(scenario.Replica(old).Read);
        scenario.Until(() => !scenario.Replica(old).IsLeading, "end of the old leadership");
        Assert.Equal(acknowledged, check.Acknowledged);
        scenario.AwaitLeader(Scenario.Partition, old);
        scenario.Produce(3);
        scenario.Nodes[old].Do(scenario.Replica(old).Read);
        scenario.Sim.RunFor(3_000_000);
        Assert.Equal(reads, check.Reads);
        scenario.Finish();
    });

    [Fact]
    public void A_node_that_hears_nothing_does_not_drive_terms_up() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(seed);
        int leader = scenario.AwaitLeader().Node.Id;
        scenario.Produce(3);
        int deaf = scenario.Other(leader);
        long term = scenario.Replica(leader).Core.Term.Value;
        for (int other = 0; other < 3; other++)
            if (other != deaf) scenario.Sim.Network.Cut(other, deaf);
        scenario.Sim.RunFor(30_000_000);
        scenario.Produce(3);
        scenario.Sim.Network.RestoreAll();
        scenario.Sim.RunFor(5_000_000);
        Assert.Equal(term, scenario.AwaitLeader().Core.Term.Value);
        scenario.Finish();
    });

    [Fact]
    public void With_the_leader_deaf_or_mute_the_others_go_on() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(seed);
        int old = scenario.AwaitLeader().Node.Id;
        scenario.Produce(3);
        long term = scenario.Replica(old).Core.Term.Value;
        for (int other = 0; other < 3; other++)
        {
            if (other == old) continue;
            if (seed % 2 == 0) scenario.Sim.Network.Cut(other, old);
            else scenario.Sim.Network.Cut(old, other);
        }

        scenario.AwaitLeader(Scenario.Partition, old);
        scenario.Sim.RunFor(30_000_000);
        scenario.Produce(3);
        Assert.InRange(scenario.AwaitLeader().Core.Term.Value, term + 1, term + 5);
        scenario.Finish();
    });

    [Fact]
    public void In_a_ring_of_five_the_cluster_makes_progress_and_terms_stay_bounded() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(seed, nodes: 5);
        scenario.AwaitLeader();
        scenario.Produce(3);
        for (int a = 0; a < 5; a++)
            for (int b = 0; b < 5; b++)
                if (a != b && (a + 1) % 5 != b && (b + 1) % 5 != a) scenario.Sim.Network.Cut(a, b);
        scenario.Sim.RunFor(60_000_000);
        Assert.InRange(scenario.Sim.Groups[Scenario.Partition].Check.HighestTerm, 1, 60);
        scenario.Produce(3); // Each node and its two neighbours are a majority.
        scenario.Finish();
    });

    [Fact]
    public void Members_change_during_partitions() => Scenario.Seeds(25, drawn => drawn with
    {
        Nodes = 5,
        IsPlaced = false,
        MembershipEvery = 500_000,
        PartitionEvery = 1_500_000,
        TransferEvery = 2_000_000,
    });

    [Fact]
    public void A_leader_replaces_itself_and_what_was_removed_cannot_disrupt() => Scenario.Each(10, seed =>
    {
        using Scenario scenario = new(Parameters.Calm(seed, nodes: 5) with { Replicas = 3 });
        int old = scenario.AwaitLeader().Node.Id;
        scenario.Produce(3);
        ImmutableArray<NodeId> voters = scenario.Replica(old).Core.Membership.Voters;
        NodeId added = scenario.Nodes.Select(node => new NodeId(node.Id)).First(id => !voters.Contains(id));
        Membership target = new(voters.Replace(new NodeId(old), added));
        scenario.Nodes[old].Do(() => Assert.True(scenario.Replica(old).TryControl(RaftInput.ChangeMembership(target))));
        scenario.Until(() => scenario.Sim.Leader(Scenario.Partition) is { } leader && leader.Node.Id != old, "other leader");
        scenario.Until(() => scenario.AwaitLeader().Core.Membership == target, "new membership");
        scenario.Produce(3);
        long term = scenario.AwaitLeader().Core.Term.Value;

        // The removed node may still believe that it belongs; it comes back from its disk, too, and stands as often as it likes.
        scenario.Sim.RunFor(10_000_000);
        scenario.Nodes[old].Crash(CrashKind.Kill);
        scenario.Nodes[old].Start();
        scenario.Sim.RunFor(20_000_000);
        scenario.Produce(3);
        Assert.Equal(term, scenario.AwaitLeader().Core.Term.Value);
        scenario.Finish();
    });

    [Fact]
    public void Who_is_being_removed_still_stands_when_those_who_stay_lack_the_entry() => Scenario.Each(5, seed =>
    {
        using Scenario scenario = new(seed);
        int leader = scenario.AwaitLeader().Node.Id;
        scenario.Produce(3);
        int stays = scenario.Other(leader);
        int goes = scenario.Other(leader, stays);
        Membership target = new([new NodeId(stays)]);
        scenario.Nodes[leader].Do(() => Assert.True(scenario.Replica(leader).TryControl(RaftInput.ChangeMembership(target))));
        RaftCore only = scenario.Replica(stays).Core;
        scenario.Until(() => only.Membership.IsJoint && only.DurableIndex == only.LastIndex, "joint state at the one that stays");

        // What leaves the joint state reaches the one that goes, and not the one that stays, whose log is too short then for the votes
        // that it needs.
        scenario.Sim.Network.Cut(leader, stays);
        scenario.Until(() => scenario.Replica(goes).Core.Membership == target, "last entry at the one that goes");
        scenario.Nodes[leader].Crash(CrashKind.Kill);
        scenario.Nodes[leader].Start();
        scenario.Sim.Network.RestoreAll();
        scenario.Until(() => scenario.Sim.Leader(Scenario.Partition) is { } last && last.Node.Id == stays, "leader that stays");
        scenario.Finish();
    });
}
