using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class DrainTests
{
    [Fact]
    public void Nothing_new_is_placed_on_a_broker_that_drains()
    {
        World world = World.Operable(3);
        World.Granted(Drain(world, 1));
        Assert.True(world.Image.Brokers[new NodeId(1)].IsDraining);
        World.Granted(world.Create("t", 12, 2));
        Assert.All(world.Image.Topics["t"].Partitions, partition => Assert.DoesNotContain(new NodeId(1), partition.Replicas));
        World.Refused(world.Create("u", 1, 3), KafkaError.InvalidReplicationFactor, "draining: 1", "of 3");
        World.Granted(Drain(world, 1, drains: false));
        World.Granted(world.Create("u", 1, 3));
    }

    [Fact]
    public void Before_the_level_is_raised_nothing_drains() => World.Refused(
        Drain(new World(3), 1), KafkaError.UnsupportedVersion, "Draining a broker needs chronik.level 2", "at 1", "upgrade");

    [Fact]
    public void Draining_survives_a_registration_and_a_restatement()
    {
        World world = World.Operable(3);
        World.Granted(Drain(world, 1, remove: true));
        world.Fence(1);
        World.Granted(world.Register(1, rack: "other"));
        BrokerImage broker = world.Image.Brokers[new NodeId(1)];
        Assert.True(broker is { IsDraining: true, IsLeaving: true, IsLive: true, IsOpen: false });
        MetadataImage stated = world.Image.ToRecords().Aggregate(MetadataImage.Empty, (image, record) => image.Apply(record));
        Assert.True(stated.Brokers[new NodeId(1)] is { IsDraining: true, IsLeaving: true });
    }

    [Fact]
    public void Two_operators_who_want_the_same_change_it_once()
    {
        World world = World.Operable(3);
        Assert.Single(world.Do(new DrainBroker(new NodeId(1), true)).Records);
        Assert.Empty(world.Do(new DrainBroker(new NodeId(1), true)).Records);
        Assert.Single(world.Do(new DrainBroker(new NodeId(1), true) { ThenRemove = true }).Records);
        Assert.Empty(world.Do(new DrainBroker(new NodeId(1), true)).Records); // It leaves, and drains for that.
        Assert.Single(world.Do(new DrainBroker(new NodeId(1), false)).Records);
        Assert.Empty(world.Do(new DrainBroker(new NodeId(1), false)).Records);
        Assert.False(world.Image.Brokers[new NodeId(1)].IsLeaving);
    }

    [Fact]
    public void The_last_broker_cannot_drain()
    {
        World world = World.Operable(3);
        World.Refused(Drain(world, 7), KafkaError.BrokerIdNotRegistered, "7");
        World.Granted(Drain(world, 0));
        world.Fence(1);
        World.Refused(Drain(world, 2), KafkaError.PolicyViolation, "Broker 2 is the last one");
        World.Refused(Drain(world, 2, remove: true), KafkaError.PolicyViolation, "Broker 2 is the last one");
        World.Refused(Drain(World.Operable(1), 0, remove: true), KafkaError.PolicyViolation, "Broker 0 is the last one");
    }

    [Fact]
    public void A_majority_cannot_leave_at_once()
    {
        World world = World.Operable(5);
        World.Granted(Drain(world, 0, remove: true));
        World.Granted(Drain(world, 1, remove: true));
        World.Refused(Drain(world, 2, remove: true), KafkaError.PolicyViolation, "Brokers 0, 1, 2", "majority of 5");
        World.Granted(Drain(world, 2));
    }

    [Fact]
    public void A_broker_cannot_go_while_a_topic_needs_it()
    {
        World world = World.Operable(3);
        world.Create("a", 1, 2);
        world.Create("big", 1, 3);
        World.Refused(Drain(world, 0, remove: true), KafkaError.PolicyViolation, "'big' has 3 replicas", "only 2");
        Assert.False(world.Image.Brokers[new NodeId(0)].IsDraining);
        world.Delete("big");
        World.Granted(Drain(world, 0, remove: true));
    }

    [Fact]
    public void A_dead_broker_cannot_go_while_only_it_holds_something()
    {
        World world = World.Operable(5);
        world.Create(World.Assigned("t", [0, 1, 2]));
        world.Create(World.Assigned("one", [4]));
        world.Fence(4);
        World.Refused(Drain(world, 4, remove: true), KafkaError.PolicyViolation, "one-0", "last replica in sync");
        world.Delete("one");
        World.Granted(Drain(world, 4, remove: true));
        world.Fence(0);
        world.Register(5);
        World.Granted(Drain(world, 0, remove: true));
        World.Granted(Drain(world, 0, drains: false));
        world.Fence(1);
        World.Refused(Drain(world, 0, remove: true), KafkaError.PolicyViolation, "t-0", "only 1 of its 3 replicas");
    }

    private static ItemResult Drain(World world, int id, bool drains = true, bool remove = false) =>
        world.Do(new DrainBroker(new NodeId(id), drains) { ThenRemove = remove }).Results.Single();
}
