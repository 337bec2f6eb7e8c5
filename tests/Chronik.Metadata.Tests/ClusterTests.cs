using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class ClusterTests
{
    private readonly World _world = new(0);

    [Fact]
    public void A_cluster_is_formed_once()
    {
        World.Granted(_world.Do(new FormCluster("c1")).Results[0]);
        Assert.Empty(_world.Do(new FormCluster("c1")).Records);
        World.Refused(_world.Do(new FormCluster("c2")).Results[0], KafkaError.InconsistentClusterId, "c1", "c2");
        World.Refused(_world.Do(new FormCluster("")).Results[0], KafkaError.InvalidRequest);
        Assert.Equal("c1", _world.Image.ClusterId);
    }

    [Fact]
    public void Producer_ids_are_given_out_once()
    {
        ProducerIdsResult first = (ProducerIdsResult)_world.Do(new AllocateProducerIds(1000)).Results[0];
        ProducerIdsResult second = (ProducerIdsResult)_world.Do(new AllocateProducerIds(10)).Results[0];
        Assert.Equal((0, 1000), (first.First, first.Count));
        Assert.Equal((1000, 10), (second.First, second.Count));
        Assert.Equal(1010, _world.Image.NextProducerId);
    }

    [Fact]
    public void Producer_ids_run_out_loudly()
    {
        World.Refused(_world.Do(new AllocateProducerIds(0)).Results[0], KafkaError.InvalidRequest, "0");
        MetadataImage nearEnd = _world.Image.Apply(new ProducerIdsAllocated(long.MaxValue - 5));
        Decision decision = MetadataMachine.Decide(nearEnd, new AllocateProducerIds(6), _world.Context);
        World.Refused(decision.Results[0], KafkaError.InvalidRequest, "6");
        Assert.Empty(decision.Records);
    }

    [Fact]
    public void A_broker_registers_and_may_come_back_elsewhere()
    {
        RegisterBroker here = new(new NodeId(3), [new BrokerEndpoint("PLAINTEXT", "a", 1)], "r1");
        World.Granted(_world.Do(here).Results[0]);
        Assert.Empty(_world.Do(here).Records);
        RegisterBroker there = here with { Endpoints = [new BrokerEndpoint("PLAINTEXT", "b", 2)], Rack = null };
        World.Granted(_world.Do(there).Results[0]);
        BrokerImage broker = _world.Image.Brokers[new NodeId(3)];
        Assert.Equal(("b", 2, null), (broker.Endpoints[0].Host, broker.Endpoints[0].Port, broker.Rack));
    }

    [Fact]
    public void A_registration_needs_an_id_and_endpoints()
    {
        BrokerEndpoint endpoint = new("PLAINTEXT", "a", 1);
        World.Refused(_world.Do(new RegisterBroker(NodeId.None, [endpoint], null)).Results[0], KafkaError.InvalidRegistration);
        World.Refused(_world.Do(new RegisterBroker(new NodeId(1), [], null)).Results[0], KafkaError.InvalidRegistration);
        RegisterBroker portless = new(new NodeId(1), [endpoint with { Port = 0 }], null);
        World.Refused(_world.Do(portless).Results[0], KafkaError.InvalidRegistration);
    }

    [Fact]
    public void An_id_belongs_to_one_directory_while_its_broker_is_live()
    {
        Guid first = new(1, 0, 0, new byte[8]);
        Guid second = new(2, 0, 0, new byte[8]);
        World.Granted(_world.Register(3, directory: first));
        World.Refused(_world.Register(3, directory: second), KafkaError.DuplicateBrokerRegistration, "3", $"{first}", $"{second}");
        _world.Fence(3);
        Assert.False(_world.Image.Brokers[new NodeId(3)].IsLive);
        World.Granted(_world.Register(3, directory: second));
        Assert.True(_world.Image.Brokers[new NodeId(3)].IsLive);
        Assert.Equal(second, _world.Image.Brokers[new NodeId(3)].Directory);
    }

    [Fact]
    public void A_broker_of_the_first_version_gets_its_directory_when_it_registers_again()
    {
        World.Granted(_world.Register(3));
        World.Granted(_world.Register(3, directory: Guid.NewGuid()));
        Assert.NotEqual(Guid.Empty, _world.Image.Brokers[new NodeId(3)].Directory);
    }

    [Fact]
    public void Every_process_leaves_a_record_of_its_registration()
    {
        RegisterBroker first = new(new NodeId(1), [new BrokerEndpoint("PLAINTEXT", "a", 1)], null) { Incarnation = Guid.NewGuid() };
        Assert.Single(_world.Do(first).Records);
        Assert.Empty(_world.Do(first).Records);
        Assert.Single(_world.Do(first with { Incarnation = Guid.NewGuid() }).Records);
    }

    [Fact]
    public void A_broker_that_speaks_another_protocol_is_refused()
    {
        RegisterBroker newer = new(new NodeId(1), [new BrokerEndpoint("PLAINTEXT", "a", 1)], null)
        {
            Protocol = new ProtocolVersions(7, 9),
        };
        World.Refused(_world.Do(newer).Results[0], KafkaError.UnsupportedVersion, "7 to 9", "is at 1");
        World.Granted(_world.Do(newer with { Protocol = new ProtocolVersions(1, 9) }).Results[0]);
    }

    [Fact]
    public void Liveness_is_of_brokers_that_are_known_and_changes_once()
    {
        World.Refused(_world.Do(new ChangeLiveness(new NodeId(3), false)).Results[0], KafkaError.BrokerIdNotRegistered, "3");
        World.Granted(_world.Register(3));
        Assert.Empty(_world.Do(new ChangeLiveness(new NodeId(3), true)).Records);
        _world.Fence(3);
        Assert.Empty(_world.Do(new ChangeLiveness(new NodeId(3), false)).Records);
        World.Granted(_world.Do(new ChangeLiveness(new NodeId(3), true)).Results[0]);
        Assert.Equal(1, _world.Image.LiveCount);
    }

    [Fact]
    public void Partitions_remember_the_directories_that_they_were_placed_in()
    {
        World world = new(0);
        Guid[] directories = [Guid.NewGuid(), Guid.NewGuid()];
        for (int id = 0; id < 2; id++) world.Register(id, directory: directories[id]);
        TopicId topic = world.Create("t", 3, 2).Id;
        Assert.All(world.Image.TopicsById[topic].Partitions, partition =>
            Assert.Equal(partition.Replicas.Select(replica => directories[replica.Value]), partition.Directories));
    }

    [Fact]
    public void The_offsets_topic_has_three_replicas_where_there_are_three_brokers_to_be()
    {
        World world = new(1);
        Assert.Equal(1, Factor(1));
        Assert.Equal(3, Factor(3));
        Assert.Equal(3, Factor(5));
        world.Register(1);
        Assert.Equal(2, Factor(1));
        Assert.Equal(5, Factor(1, new BrokerSettings([new("offsets.topic.replication.factor", "5")])));

        int Factor(int expected, BrokerSettings? settings = null) =>
            InternalTopics.ConsumerOffsets(world.Image, new NodeId(0), settings ?? new BrokerSettings(), expected).ReplicationFactor;
    }

    [Fact]
    public void A_record_that_does_not_fit_the_image_is_a_damaged_log()
    {
        TopicId id = new(Guid.Parse("00000000-0000-0000-0000-0000000000aa"));
        Assert.Throws<InvariantViolationException>(() => _world.Image.Apply(new TopicDeleted(id)));
        ConfigChanged nowhere = new(ConfigResource.OfTopic("x"), "retention.ms", "1");
        Assert.Throws<InvariantViolationException>(() => _world.Image.Apply(nowhere));
        World world = new();
        TopicId topic = world.Create("t", 2).Id;
        Assert.Throws<InvariantViolationException>(() => world.Image.Apply(new PartitionsAdded(topic, 1, [])));
        Assert.Throws<InvariantViolationException>(() => world.Image.Apply(new ProducerIdsAllocated(-1)));
        Assert.Throws<InvariantViolationException>(() => world.Image.Apply(world.Log.OfType<TopicCreated>().Single()));
    }
}
