using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class PlacementTests
{
    [Fact]
    public void Leaders_and_replicas_are_spread_evenly()
    {
        for (int brokers = 1; brokers <= 6; brokers++)
        {
            for (int factor = 1; factor <= brokers; factor++)
            {
                World world = new(brokers);
                world.Create("a", 7, factor);
                world.Create("b", 1, factor);
                world.Create("c", (30 * brokers) - 8, factor);
                Assert.All(world.Image.PreferredCounts.Values, count => Assert.InRange(count, 29, 31));
                Assert.All(world.Image.ReplicaCounts.Values, count => Assert.InRange(count, (30 * factor) - 1, (30 * factor) + 1));
                Assert.All(Partitions(world), partition => Assert.Equal(factor, partition.Replicas.Distinct().Count()));
            }
        }
    }

    [Fact]
    public void Each_replica_is_in_another_rack_while_there_are_racks()
    {
        World world = new(0);
        for (int id = 0; id < 6; id++) world.Register(id, rack: $"r{id / 2}");
        world.Create("a", 30, 3);
        world.Create("b", 30, 2);
        world.Create("c", 30, 5);
        foreach (PartitionImage partition in Partitions(world))
        {
            int racks = partition.Replicas.Select(replica => replica.Value / 2).Distinct().Count();
            Assert.Equal(Math.Min(3, partition.Replicas.Length), racks);
        }

        Assert.All(world.Image.PreferredCounts.Values, count => Assert.Equal(15, count));
        Assert.All(world.Image.ReplicaCounts.Values, count => Assert.Equal(50, count));
    }

    [Fact]
    public void When_a_node_dies_its_leaders_move_to_different_ones()
    {
        World world = new(3);
        world.Create("a", 60, 3);
        int[] seconds = [.. Partitions(world).Where(p => p.Replicas[0].Value == 0).Select(p => p.Replicas[1].Value)];
        Assert.Equal(20, seconds.Length);
        Assert.Equal(10, seconds.Count(second => second == 1));
    }

    [Fact]
    public void Nothing_is_placed_on_a_broker_that_is_not_live()
    {
        World world = new(4);
        world.Fence(2);
        World.Granted(world.Create("a", 12, 3));
        Assert.DoesNotContain(Partitions(world), partition => partition.Replicas.Contains(new NodeId(2)));
        World.Refused(world.Create("b", 1, 4), KafkaError.InvalidReplicationFactor, "4 time(s)", "only 3", "of 4");
        World.Refused(world.Create(World.Assigned("b", [2])), KafkaError.InvalidReplicaAssignment, "live");
        World.Granted(world.Create(World.Assigned("b", [2, 0])));
    }

    [Fact]
    public void A_broker_that_joins_gets_what_comes_next()
    {
        World world = new(3);
        world.Create("a", 30, 3);
        world.Register(3);
        world.Create("b", 10, 3);
        Assert.All(world.Image.Topics["b"].Partitions, partition => Assert.Contains(new NodeId(3), partition.Replicas));
        Assert.All(world.Image.Topics["b"].Partitions, partition => Assert.Equal(3, partition.Replicas[0].Value));
    }

    private static ImmutableArray<PartitionImage> Partitions(World world) =>
        [.. world.Image.Topics.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal).SelectMany(topic => topic.Partitions)];
}
