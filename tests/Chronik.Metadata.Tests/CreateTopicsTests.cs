using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class CreateTopicsTests
{
    [Fact]
    public void A_topic_gets_an_id_defaults_and_every_config_with_its_source()
    {
        World world = new(settings: new BrokerSettings([new("num.partitions", "3"), new("log.retention.ms", "5000")]));
        TopicResult result = world.Create("orders", configs: ("retention.bytes", "42"));
        World.Granted(result);
        Assert.Equal(3, result.PartitionCount);
        Assert.Equal(1, result.ReplicationFactor);
        TopicImage topic = world.Image.Topics["orders"];
        Assert.Same(topic, world.Image.TopicsById[result.Id]);
        Assert.Equal(3, topic.Partitions.Length);
        Assert.Equal(3, world.Image.ReplicaCounts[new NodeId(0)]);

        Assert.Equal(TopicConfigs.Keys.Count, result.Configs.Count);
        ConfigDescription bytes = result.Configs.Single(config => config.Key.Name == "retention.bytes");
        Assert.Equal(("42", ConfigSource.DynamicTopic), (bytes.Value, bytes.Source));
        ConfigDescription ms = result.Configs.Single(config => config.Key.Name == "retention.ms");
        Assert.Equal(("5000", ConfigSource.StaticBroker), (ms.Value, ms.Source));
        Assert.Equal(["log.retention.ms", "log.retention.ms"], ms.Synonyms.Select(synonym => synonym.Name));
        ConfigDescription durability = result.Configs.Single(config => config.Key.Name == "durability");
        Assert.Equal(("fsync", ConfigSource.Default), (durability.Value, durability.Source));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("ä")]
    [InlineData("a\0")]
    public void A_name_that_Kafka_refuses_is_refused(string name) =>
        World.Refused(new World().Create(name), KafkaError.InvalidTopicException, "Topic name is invalid");

    [Fact]
    public void A_name_has_at_most_249_characters()
    {
        World world = new();
        World.Granted(world.Create(new string('a', 249)));
        World.Refused(world.Create(new string('a', 250)), KafkaError.InvalidTopicException, "250", "249");
    }

    [Fact]
    public void Names_that_differ_in_dots_and_underscores_only_collide()
    {
        World world = new();
        World.Granted(world.Create("a.b"));
        World.Refused(world.Create("a_b"), KafkaError.InvalidTopicException, "'a_b' collides with existing topic 'a.b'");
        World.Granted(world.Delete("a.b"));
        World.Granted(world.Create("a_b"));
        World.Granted(world.Create("ab"));
    }

    [Fact]
    public void A_topic_that_exists_is_refused()
    {
        World world = new();
        World.Granted(world.Create("t"));
        World.Refused(world.Create("t"), KafkaError.TopicAlreadyExists, "'t' already exists");
    }

    [Fact]
    public void A_name_twice_in_a_request_refuses_both_and_nothing_else()
    {
        World world = new();
        NewTopic a = new() { Name = "a" };
        Decision decision = world.Do(new CreateTopics([a, new NewTopic { Name = "b" }, a]));
        World.Refused(decision.Results[0], KafkaError.InvalidRequest, "'a' appears more than once");
        World.Granted(decision.Results[1]);
        World.Refused(decision.Results[2], KafkaError.InvalidRequest);
        Assert.Equal(["b"], world.Image.Topics.Keys);
    }

    [Fact]
    public void Names_that_collide_within_a_request_are_found()
    {
        World world = new();
        Decision decision = world.Do(new CreateTopics([new NewTopic { Name = "a.b" }, new NewTopic { Name = "a_b" }]));
        World.Granted(decision.Results[0]);
        World.Refused(decision.Results[1], KafkaError.InvalidTopicException, "collides");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-2)]
    public void A_count_of_partitions_is_positive_or_minus_one(int count) =>
        World.Refused(new World().Create("t", count), KafkaError.InvalidPartitions, $"it is {count}", "num.partitions");

    [Theory]
    [InlineData(0)]
    [InlineData(-2)]
    public void A_replication_factor_is_positive_or_minus_one(int factor) =>
        World.Refused(
            new World().Create("t", 1, factor), KafkaError.InvalidReplicationFactor, $"it is {factor}", "default.replication.factor");

    [Fact]
    public void A_replication_factor_beyond_the_live_brokers_is_refused() =>
        World.Refused(new World(2).Create("t", 1, 3), KafkaError.InvalidReplicationFactor, "factor of 3", "only 2 broker(s)");

    [Fact]
    public void A_broker_holds_no_more_partitions_than_its_limit()
    {
        World world = new(settings: new BrokerSettings { MaxPartitionsPerBroker = 10 });
        World.Granted(world.Create("a", 8));
        World.Refused(world.Create("b", 3), KafkaError.PolicyViolation, "11", "10", BrokerSettings.MaxPartitionsPerBrokerKey);
        World.Refused(world.Create("b", int.MaxValue), KafkaError.PolicyViolation, "10", BrokerSettings.MaxPartitionsPerBrokerKey);
        World.Granted(world.Create("b", 2));
        World.Granted(world.Delete("a"));
        World.Granted(world.Create("c", 8));
    }

    [Fact]
    public void An_unknown_config_is_refused() =>
        World.Refused(new World().Create("t", configs: ("no.such.key", "1")), KafkaError.InvalidConfig, "no.such.key");

    [Fact]
    public void A_null_config_is_refused() =>
        World.Refused(new World().Create("t", configs: ("retention.ms", null)), KafkaError.InvalidConfig, "Null value", "retention.ms");

    [Fact]
    public void A_config_twice_is_refused() =>
        World.Refused(
            new World().Create("t", configs: [("retention.ms", "1"), ("retention.ms", "2")]),
            KafkaError.InvalidConfig,
            "retention.ms appears more than once");

    [Fact]
    public void Validate_only_decides_and_changes_nothing()
    {
        World world = new();
        NewTopic[] topics = [new() { Name = "a" }, new() { Name = "b", PartitionCount = 0 }];
        Decision decision = world.Do(new CreateTopics(topics, ValidateOnly: true));
        World.Granted(decision.Results[0]);
        World.Refused(decision.Results[1], KafkaError.InvalidPartitions);
        Assert.Empty(decision.Records);
        Assert.Empty(world.Image.Topics);
    }

    [Fact]
    public void The_metadata_topic_cannot_be_created_but_the_offsets_topic_can()
    {
        World world = new();
        World.Refused(world.Create("__cluster_metadata"), KafkaError.InvalidRequest, "__cluster_metadata");
        World.Granted(world.Create(InternalTopics.ConsumerOffsets(world.Image, world.Context.Self, world.Context.Settings, 1)));
        Assert.Equal(50, world.Image.Topics["__consumer_offsets"].Partitions.Length);
        Assert.True(world.Config("__consumer_offsets").IsCompacted);
        Assert.False(world.Config("__consumer_offsets").IsDeleted);
    }

    [Fact]
    public void Assigned_partitions_are_taken_as_they_are()
    {
        World world = new(3);
        TopicResult result = world.Create(World.Assigned("t", [2, 0], [1, 2]));
        World.Granted(result);
        Assert.Equal((2, 2), (result.PartitionCount, result.ReplicationFactor));
        Assert.Equal(World.Nodes(2, 0), world.Image.Topics["t"].Partitions[0].Replicas);
        Assert.Equal(World.Nodes(1, 2), world.Image.Topics["t"].Partitions[1].Replicas);
    }

    [Fact]
    public void Assignments_exclude_counts()
    {
        World world = new();
        World.Refused(world.Create(World.Assigned("t", [0]) with { PartitionCount = 1 }), KafkaError.InvalidRequest, "must be -1");
        World.Refused(world.Create(World.Assigned("t", [0]) with { ReplicationFactor = 1 }), KafkaError.InvalidRequest, "must be -1");
    }

    [Fact]
    public void Assignments_that_make_no_sense_are_refused()
    {
        World world = new(3);
        World.Refused(world.Create(World.Assigned("t", [[]])), KafkaError.InvalidReplicaAssignment, "no replicas");
        World.Refused(world.Create(World.Assigned("t", [0, 0])), KafkaError.InvalidReplicaAssignment, "twice");
        World.Refused(world.Create(World.Assigned("t", [0, 9])), KafkaError.InvalidReplicaAssignment, "broker 9");
        World.Refused(world.Create(World.Assigned("t", [0, 1], [2])), KafkaError.InvalidReplicaAssignment, "1 replica(s)", "have 2");
        NewTopic gap = new() { Name = "t", Assignments = [new(0, World.Nodes(0)), new(2, World.Nodes(0))] };
        World.Refused(world.Create(gap), KafkaError.InvalidReplicaAssignment, "0 to 1");
        NewTopic twice = new() { Name = "t", Assignments = [new(0, World.Nodes(0)), new(0, World.Nodes(1))] };
        World.Refused(world.Create(twice), KafkaError.InvalidReplicaAssignment, "each once");
    }

    [Fact]
    public void Replicas_and_preferred_leaders_are_spread_evenly()
    {
        World world = new(4);
        for (int i = 0; i < 40; i++) World.Granted(world.Create($"single-{i}", 1, 3));
        World.Granted(world.Create("many", 40, 3));
        Assert.All(world.Image.ReplicaCounts.Values, count => Assert.Equal(60, count));
        Dictionary<NodeId, int> leaders = world.Image.Topics.Values.SelectMany(topic => topic.Partitions)
            .CountBy(partition => partition.Replicas[0]).ToDictionary();
        Assert.Equal(4, leaders.Count);
        Assert.All(leaders.Values, count => Assert.InRange(count, 15, 25));
        Assert.All(
            world.Image.Topics.Values.SelectMany(topic => topic.Partitions),
            partition => Assert.Equal(3, partition.Replicas.Distinct().Count()));
    }
}
