using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class DeleteTopicsTests
{
    [Fact]
    public void A_topic_is_deleted_by_name_or_by_id_and_its_name_is_free_again()
    {
        World world = new();
        TopicId first = world.Create("a").Id;
        TopicResult byName = world.Delete("a");
        World.Granted(byName);
        Assert.Equal(("a", first), (byName.Name, byName.Id));
        TopicId second = world.Create("a").Id;
        Assert.NotEqual(first, second);
        ItemResult byId = world.Do(new DeleteTopics([TopicReference.ById(second)])).Results.Single();
        World.Granted(byId);
        Assert.Empty(world.Image.Topics);
        Assert.Empty(world.Image.TopicsById);
        Assert.Equal(0, world.Image.ReplicaCounts[new NodeId(0)]);
    }

    [Fact]
    public void An_unknown_name_and_an_unknown_id_have_errors_of_their_own()
    {
        World world = new();
        TopicId stale = world.Create("a").Id;
        world.Delete("a");
        World.Refused(world.Delete("a"), KafkaError.UnknownTopicOrPartition, "'a'");
        World.Refused(world.Do(new DeleteTopics([TopicReference.ById(stale)])).Results[0], KafkaError.UnknownTopicId, stale.ToString());
    }

    [Fact]
    public void A_reference_is_a_name_or_an_id_and_appears_once()
    {
        World world = new();
        TopicId id = world.Create("a").Id;
        World.Refused(world.Do(new DeleteTopics([new TopicReference("a", id)])).Results[0], KafkaError.InvalidRequest, "both");
        World.Refused(world.Do(new DeleteTopics([default])).Results[0], KafkaError.InvalidRequest, "Neither");
        TopicReference name = TopicReference.ByName("a");
        TopicReference number = TopicReference.ById(id);
        Assert.All(world.Do(new DeleteTopics([name, name])).Results, result => World.Refused(result, KafkaError.InvalidRequest, "'a'"));
        Assert.All(world.Do(new DeleteTopics([number, number])).Results, result => World.Refused(result, KafkaError.InvalidRequest, "id"));
        Assert.Single(world.Image.Topics);
    }

    [Fact]
    public void Name_and_id_of_one_topic_in_a_request_delete_it_once()
    {
        World world = new();
        TopicId id = world.Create("a").Id;
        Decision decision = world.Do(new DeleteTopics([TopicReference.ByName("a"), TopicReference.ById(id)]));
        World.Granted(decision.Results[0]);
        World.Refused(decision.Results[1], KafkaError.UnknownTopicId);
        Assert.Single(decision.Records);
    }

    [Fact]
    public void Deletion_can_be_disabled()
    {
        World world = new(settings: new BrokerSettings([new("delete.topic.enable", "false")]));
        world.Create("a");
        World.Refused(world.Delete("a"), KafkaError.TopicDeletionDisabled, "delete.topic.enable=false");
    }

    [Fact]
    public void The_metadata_topic_is_not_there_to_be_deleted()
    {
        World world = new();
        World.Refused(world.Delete("__cluster_metadata"), KafkaError.UnknownTopicOrPartition);
        ItemResult byId = world.Do(new DeleteTopics([TopicReference.ById(TopicId.ClusterMetadata)])).Results[0];
        World.Refused(byId, KafkaError.UnknownTopicId);
    }
}

public sealed class CreatePartitionsTests
{
    [Fact]
    public void New_partitions_follow_the_old_ones()
    {
        World world = new(3);
        world.Create(World.Assigned("t", [2, 1]));
        TopicResult result = world.Extend("t", 4);
        World.Granted(result);
        Assert.Equal((4, 2), (result.PartitionCount, result.ReplicationFactor));
        TopicImage topic = world.Image.Topics["t"];
        Assert.Equal(4, topic.Partitions.Length);
        Assert.Equal(World.Nodes(2, 1), topic.Partitions[0].Replicas);
        Assert.All(topic.Partitions, partition => Assert.Equal(2, partition.Replicas.Length));
        Assert.Same(topic, world.Image.TopicsById[topic.Id]);
        Assert.Equal(8, world.Image.ReplicaCounts.Values.Sum());
    }

    [Fact]
    public void New_partitions_can_be_assigned()
    {
        World world = new(3);
        world.Create(World.Assigned("t", [0, 1]));
        World.Granted(world.Extend("t", 3, [1, 2], [2, 0]));
        Assert.Equal(World.Nodes(2, 0), world.Image.Topics["t"].Partitions[2].Replicas);
    }

    [Fact]
    public void The_count_only_grows()
    {
        World world = new();
        world.Create("t", 3);
        World.Refused(world.Extend("t", 3), KafkaError.InvalidPartitions, "already has 3");
        World.Refused(world.Extend("t", 2), KafkaError.InvalidPartitions, "currently has 3", "2");
        World.Refused(world.Extend("t", int.MinValue), KafkaError.InvalidPartitions);
    }

    [Fact]
    public void What_makes_no_sense_is_refused()
    {
        World world = new(2);
        world.Create("t", 1, 1);
        World.Refused(world.Extend("nope", 2), KafkaError.UnknownTopicOrPartition, "'nope'");
        World.Refused(world.Extend("t", 3, [0]), KafkaError.InvalidReplicaAssignment, "2 partition(s)", "1 are assigned");
        World.Refused(world.Extend("t", 2, [0, 1]), KafkaError.InvalidReplicaAssignment, "2 replica(s)", "have 1");
        World.Refused(world.Extend("t", 2, [7]), KafkaError.InvalidReplicaAssignment, "broker 7");
        MorePartitions more = new("t", 2);
        Assert.All(world.Do(new CreatePartitions([more, more])).Results, result => World.Refused(result, KafkaError.InvalidRequest, "'t'"));
    }

    [Fact]
    public void A_factor_that_the_live_brokers_cannot_give_is_refused()
    {
        World world = new(2);
        world.Create("t", 1, 2);
        world.Fence(1);
        World.Refused(world.Extend("t", 2), KafkaError.InvalidReplicationFactor, "factor of 2", "only 1", "of 2");
    }

    [Fact]
    public void The_limit_of_partitions_holds()
    {
        World world = new(settings: new BrokerSettings { MaxPartitionsPerBroker = 5 });
        world.Create("t", 4);
        World.Refused(world.Extend("t", 6), KafkaError.PolicyViolation, "6", "5", BrokerSettings.MaxPartitionsPerBrokerKey);
        World.Refused(world.Extend("t", int.MaxValue), KafkaError.PolicyViolation, BrokerSettings.MaxPartitionsPerBrokerKey);
        World.Granted(world.Extend("t", 5));
    }

    [Fact]
    public void The_offsets_topic_keeps_its_count()
    {
        World world = new();
        world.Create("__consumer_offsets", 2);
        World.Refused(world.Extend("__consumer_offsets", 3), KafkaError.InvalidRequest, "__consumer_offsets");
    }

    [Fact]
    public void Validate_only_changes_nothing()
    {
        World world = new();
        world.Create("t");
        Decision decision = world.Do(new CreatePartitions([new MorePartitions("t", 2)], ValidateOnly: true));
        World.Granted(decision.Results[0]);
        Assert.Empty(decision.Records);
    }
}
