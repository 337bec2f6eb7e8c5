using Chronik.Model;

namespace Chronik.Metadata.Tests;

/// <summary>Who votes on the metadata's own log.</summary>
public sealed class VotersTests
{
    [Fact]
    public void Whoever_leaves_is_replaced_by_a_broker_that_has_no_vote_yet()
    {
        World world = World.Operable(5);
        Remove(world, 0);
        Remove(world, 1);
        Assert.Equal(World.Nodes(3, 4, 2), Choose(world, 0, 1, 2));
    }

    [Fact]
    public void Whoever_leaves_votes_no_more_though_nobody_can_take_its_place()
    {
        World world = World.Operable(3);
        Remove(world, 2);
        Assert.Equal(World.Nodes(0, 1), Choose(world, 0, 1, 2));
        world.Fence(2);
        World.Granted(world.Do(new UnregisterBroker(new NodeId(2))).Results.Single());
        Remove(world, 1);
        Assert.Equal(World.Nodes(0), Choose(world, 0, 1));
    }

    [Fact]
    public void The_last_voter_votes_until_another_one_is_in_reach()
    {
        World world = World.Operable(2);
        Remove(world, 0);
        Assert.Equal(World.Nodes(0), MetadataVoters.Choose(world.Image, [new NodeId(0)], 1, _ => false));
        Assert.Equal(World.Nodes(1), Choose(world, 0));
    }

    private static void Remove(World world, int id) =>
        World.Granted(world.Do(new DrainBroker(new NodeId(id), IsDraining: true) { ThenRemove = true }).Results.Single());

    private static IEnumerable<NodeId> Choose(World world, params int[] voters) =>
        MetadataVoters.Choose(world.Image, [.. World.Nodes(voters)], voters.Length, _ => true);
}
