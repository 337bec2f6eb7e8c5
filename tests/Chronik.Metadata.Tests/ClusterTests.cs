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
