using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class LevelTests
{
    private readonly World _world = new(0);

    [Fact]
    public void A_cluster_is_at_the_first_level_until_its_log_says_otherwise()
    {
        Assert.Equal(FeatureLevel.Oldest, _world.Image.Level);
        Assert.DoesNotContain(_world.Image.ToRecords(), record => record is LevelChanged);
        World.Granted(Raise(FeatureLevel.Operable));
        Assert.Equal(FeatureLevel.Operable, _world.Image.Level);
        Assert.Equal(new LevelChanged(FeatureLevel.Operable), _world.Image.ToRecords()[1]);
        Assert.Empty(_world.Do(new ChangeLevel(FeatureLevel.Operable)).Records);
    }

    [Fact]
    public void The_level_rises_only_when_every_registered_broker_speaks_it()
    {
        Register(1, FeatureLevel.Newest);
        Register(2, FeatureLevel.Oldest);
        World.Refused(Raise(2), KafkaError.InvalidUpdateVersion, "update version 2 for feature chronik.level", "broker 2 speaks 1");
        _world.Fence(2);
        World.Refused(Raise(2), KafkaError.InvalidUpdateVersion, "broker 2 speaks 1");
        Register(2, FeatureLevel.Newest);
        World.Granted(_world.Do(new ChangeLevel(2, ValidateOnly: true)).Results.Single());
        Assert.Equal(1, _world.Image.Level);
        World.Granted(Raise(2));
        Assert.Equal(2, _world.Image.Level);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(FeatureLevel.Newest + 1)]
    public void A_level_that_the_controller_does_not_speak_is_refused(int level) =>
        World.Refused(Raise(level), KafkaError.InvalidUpdateVersion, $"{level}", $"The controller speaks {ProtocolVersions.Current}");

    [Fact]
    public void The_level_never_sinks()
    {
        World.Granted(Raise(2));
        World.Refused(Raise(1), KafkaError.InvalidUpdateVersion, "The cluster is at 2");
        Assert.Throws<InvariantViolationException>(() => _world.Image.Apply(new LevelChanged(1)));
    }

    [Fact]
    public void A_broker_that_does_not_speak_the_level_of_the_cluster_is_not_registered()
    {
        World.Granted(Register(1, FeatureLevel.Oldest));
        Register(1, FeatureLevel.Newest);
        World.Granted(Raise(2));
        World.Refused(Register(1, FeatureLevel.Oldest), KafkaError.UnsupportedVersion, "Broker 1 speaks chronik.level 1", "is at 2");
        Assert.Equal(FeatureLevel.Newest, _world.Image.Brokers[new NodeId(1)].Protocol.Max);
    }

    [Fact]
    public void The_level_has_a_form_of_its_own()
    {
        LevelChanged record = new(2);
        Assert.Equal("0A0004", Convert.ToHexString(MetadataRecordCodec.ToBytes(record)));
        Assert.Equal(record, MetadataRecordCodec.Read(MetadataRecordCodec.ToBytes(record)));
        Assert.Equal(FeatureLevel.Operable, record.Since);
    }

    private ItemResult Raise(int level) => _world.Do(new ChangeLevel(level)).Results.Single();

    private ItemResult Register(int id, int newest) => _world.Do(
        new RegisterBroker(new NodeId(id), [new BrokerEndpoint("PLAINTEXT", "localhost", 9092 + id)], null)
        {
            Protocol = new ProtocolVersions(FeatureLevel.Oldest, newest),
        }).Results.Single();
}
