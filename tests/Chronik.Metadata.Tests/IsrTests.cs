using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class IsrTests
{
    private readonly World _world = new(4);

    public IsrTests()
    {
        World.Granted(_world.Do(new ChangeLevel(FeatureLevel.Operable)).Results.Single());
        World.Granted(_world.Create(World.Assigned("t", [3, 1, 2], [1, 2, 3])));
    }

    [Fact]
    public void All_replicas_are_in_sync_until_a_leader_says_otherwise()
    {
        Assert.Equal(World.Nodes(3, 1, 2), Of(0).Isr);
        Assert.Equal(LeaderEpoch.Unknown, Of(0).IsrEpoch);
        Assert.DoesNotContain(_world.Image.ToRecords(), record => record is IsrChanged);
    }

    [Fact]
    public void What_a_leader_says_is_kept_in_the_order_of_the_replicas()
    {
        World.Granted(Say(0, 5, 1, 2, 3, 1).Results.Single());
        Assert.Equal(World.Nodes(3, 1, 2), Of(0).Isr);
        World.Granted(Say(0, 5, 1, 1, 3).Results.Single());
        Assert.Equal(World.Nodes(3, 1), Of(0).Isr);
        Assert.Equal(5, Of(0).IsrEpoch.Value);
        Assert.Equal(World.Nodes(1, 2, 3), Of(1).Isr);
    }

    [Fact]
    public void What_is_known_already_leaves_no_record()
    {
        Say(0, 5, 1, 1, 3);
        Assert.Empty(Say(0, 5, 1, 3, 1).Records);
        Assert.Single(Say(0, 5, 1, 1).Records);
    }

    [Fact]
    public void A_later_leader_is_recorded_even_if_it_says_the_same_and_no_earlier_one_is_heard_then()
    {
        Say(0, 5, 1, 1, 3);
        Assert.Single(Say(0, 6, 3, 3, 1).Records);
        Assert.Equal((6, 2), (Of(0).IsrEpoch.Value, Of(0).Isr.Length));
        Assert.Empty(Say(0, 6, 3, 3, 1).Records);
        World.Refused(Say(0, 5, 1, 1, 3).Results.Single(), KafkaError.FencedLeaderEpoch, "epoch 5", "6");
    }

    [Fact]
    public void An_earlier_leader_is_not_heard_after_a_later_one()
    {
        Say(0, 5, 1, 1, 3);
        World.Refused(Say(0, 4, 2, 2).Results.Single(), KafkaError.FencedLeaderEpoch, "t-0", "epoch 4", "5");
        Assert.Equal(World.Nodes(3, 1), Of(0).Isr);
    }

    [Fact]
    public void Nodes_that_are_no_replicas_do_not_count_and_a_leader_alone_does()
    {
        World.Granted(Say(0, 5, 1, 0, 1).Results.Single());
        Assert.Equal(World.Nodes(1), Of(0).Isr);
        World.Refused(Say(0, 5, 1, 2, 3).Results.Single(), KafkaError.InvalidRequest, "node 1");
        World.Refused(Say(0, 5, 0, 0).Results.Single(), KafkaError.InvalidRequest, "node 0");
    }

    [Fact]
    public void One_that_is_refused_does_not_keep_the_others_back()
    {
        TopicId id = _world.Image.Topics["t"].Id;
        Decision decision = _world.Do(new ChangeIsr(new NodeId(1),
        [
            new(id, 0, new LeaderEpoch(1), World.Nodes(1)), new(id, 2, new LeaderEpoch(1), World.Nodes(1)),
            new(TopicId.None, 0, new LeaderEpoch(1), World.Nodes(1)), new(id, 1, new LeaderEpoch(1), World.Nodes(1, 2)),
        ]));
        Assert.Equal(
            [KafkaError.None, KafkaError.UnknownTopicOrPartition, KafkaError.UnknownTopicOrPartition, KafkaError.None],
            decision.Results.Select(result => result.Error));
        Assert.Equal(2, decision.Records.Count);
    }

    [Fact]
    public void A_cluster_of_the_first_level_records_nothing()
    {
        World old = new(3);
        World.Granted(old.Create(World.Assigned("t", [0, 1, 2])));
        Decision decision = old.Do(
            new ChangeIsr(new NodeId(1), [new(old.Image.Topics["t"].Id, 0, new LeaderEpoch(1), World.Nodes(1))]));
        World.Refused(decision.Results.Single(), KafkaError.UnsupportedVersion, FeatureLevel.Name);
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void An_image_stated_again_still_knows_it()
    {
        Say(0, 5, 1, 1, 3);
        MetadataImage again = MetadataImage.Empty;
        foreach (MetadataRecord record in _world.Image.ToRecords())
            again = again.Apply(MetadataRecordCodec.Read(MetadataRecordCodec.ToBytes(record)));
        Assert.Equal(World.Nodes(3, 1), again.Topics["t"].Partitions[0].Isr);
        Assert.Equal(5, again.Topics["t"].Partitions[0].IsrEpoch.Value);
        Assert.Equal(World.Nodes(1, 2, 3), again.Topics["t"].Partitions[1].Isr);
    }

    private PartitionImage Of(int partition) => _world.Image.Topics["t"].Partitions[partition];

    private Decision Say(int partition, int epoch, int leader, params int[] isr) => _world.Do(new ChangeIsr(
        new NodeId(leader), [new(_world.Image.Topics["t"].Id, partition, new LeaderEpoch(epoch), World.Nodes(isr))]));
}
