using Chronik.Model;
using static Chronik.Metadata.ConfigOperation;

namespace Chronik.Metadata.Tests;

public sealed class ConfigTests
{
    private static readonly ConfigResource Topic = ConfigResource.OfTopic("t");
    private static readonly ConfigResource Broker = ConfigResource.OfBroker(new NodeId(0));
    private readonly World _world = new();

    public ConfigTests() => _world.Create("t");

    [Fact]
    public void A_topic_without_configs_has_Kafkas_defaults()
    {
        TopicConfig config = _world.Config("t");
        Assert.False(config.IsCompacted);
        Assert.True(config.IsDeleted);
        Assert.Equal(604_800_000, config.RetentionMs);
        Assert.Equal(-1, config.RetentionBytes);
        Assert.Equal(1 << 30, config.SegmentBytes);
        Assert.Equal(604_800_000, config.SegmentMs);
        Assert.Equal(1_048_588, config.MaxMessageBytes);
        Assert.Equal(TimestampType.CreateTime, config.TimestampType);
        Assert.Equal(long.MaxValue, config.TimestampBeforeMaxMs);
        Assert.Equal(3_600_000, config.TimestampAfterMaxMs);
        Assert.Equal(1, config.MinInsyncReplicas);
        Assert.Equal(Durability.Fsync, config.Durability);
    }

    [Fact]
    public void Set_and_delete_change_one_key_and_leave_the_others()
    {
        World.Granted(_world.Change(Topic, ("retention.ms", Set, "1000"), ("durability", Set, "relaxed")));
        World.Granted(_world.Change(Topic, ("message.timestamp.type", Set, " LogAppendTime ")));
        Assert.Equal(1000, _world.Config("t").RetentionMs);
        Assert.Equal(Durability.Relaxed, _world.Config("t").Durability);
        Assert.Equal(TimestampType.LogAppendTime, _world.Config("t").TimestampType);
        World.Granted(_world.Change(Topic, ("retention.ms", Delete, null), ("segment.ms", Delete, null)));
        Assert.Equal(604_800_000, _world.Config("t").RetentionMs);
        Assert.Equal(Durability.Relaxed, _world.Config("t").Durability);
    }

    [Fact]
    public void The_old_way_replaces_everything()
    {
        World.Granted(_world.Replace(Topic, ("retention.ms", "1000"), ("segment.ms", "7")));
        World.Granted(_world.Replace(Topic, ("segment.ms", "8")));
        Assert.Equal(["segment.ms"], _world.Image.Topics["t"].Configs.Keys);
        Assert.Equal(8, _world.Config("t").SegmentMs);
        World.Granted(_world.Replace(Topic));
        Assert.Empty(_world.Image.Topics["t"].Configs);
    }

    [Fact]
    public void What_is_so_already_needs_no_record()
    {
        _world.Change(Topic, ("retention.ms", Set, "1000"));
        int records = _world.Log.Count;
        World.Granted(_world.Change(Topic, ("retention.ms", Set, "1000"), ("segment.ms", Delete, null)));
        World.Granted(_world.Replace(Topic, ("retention.ms", "1000")));
        Assert.Equal(records, _world.Log.Count);
    }

    [Fact]
    public void A_topic_takes_its_brokers_value_unless_it_has_its_own()
    {
        World world = new(settings: new BrokerSettings([new("log.retention.ms", "1")]));
        world.Create("t");
        Assert.Equal(1, world.Config("t").RetentionMs);
        world.Change(ConfigResource.AllBrokers, ("log.retention.ms", Set, "2"));
        Assert.Equal(2, world.Config("t").RetentionMs);
        world.Change(Broker, ("log.retention.ms", Set, "3"));
        Assert.Equal(3, world.Config("t").RetentionMs);
        world.Change(Topic, ("retention.ms", Set, "4"));
        Assert.Equal(4, world.Config("t").RetentionMs);

        ConfigDescription shown = TopicConfigs.Describe(world.Image, world.Image.Topics["t"], world.Context.Self, world.Context.Settings)
            .Single(config => config.Key.Name == "retention.ms");
        Assert.Equal(["4", "3", "2", "1", "604800000"], shown.Synonyms.Select(synonym => synonym.Value));
        Assert.Equal(
            [
                ConfigSource.DynamicTopic, ConfigSource.DynamicBroker, ConfigSource.DynamicDefaultBroker, ConfigSource.StaticBroker,
                ConfigSource.Default,
            ],
            shown.Synonyms.Select(synonym => synonym.Source));

        world.Change(Topic, ("retention.ms", Delete, null));
        world.Change(Broker, ("log.retention.ms", Delete, null));
        world.Change(ConfigResource.AllBrokers, ("log.retention.ms", Delete, null));
        Assert.Equal(1, world.Config("t").RetentionMs);
        Assert.Empty(world.Image.BrokerConfigs);
    }

    [Theory]
    [InlineData("retention.ms", "soon", "LONG")]
    [InlineData("retention.ms", "-2", "at least -1")]
    [InlineData("retention.ms", "9223372036854775808", "LONG")]
    [InlineData("retention.bytes", "-2", "at least -1")]
    [InlineData("segment.bytes", "1048575", "at least 1048576")]
    [InlineData("segment.bytes", "2147483648", "INT")]
    [InlineData("segment.ms", "0", "at least 1")]
    [InlineData("max.message.bytes", "-1", "at least 0")]
    [InlineData("message.timestamp.type", "createtime", "CreateTime, LogAppendTime")]
    [InlineData("message.timestamp.before.max.ms", "-1", "at least 0")]
    [InlineData("message.timestamp.after.max.ms", "", "LONG")]
    [InlineData("min.insync.replicas", "0", "at least 1")]
    [InlineData("compression.type", "zstd", "producer")]
    [InlineData("compression.gzip.level", "0", "between 1 and 9")]
    [InlineData("compression.lz4.level", "18", "at most 17")]
    [InlineData("leader.replication.throttled.replicas", "x", "partition:broker")]
    [InlineData("local.retention.ms", "-3", "at least -2")]
    [InlineData("durability", "none", "fsync, relaxed")]
    [InlineData("cleanup.policy", "compact", "compaction is not supported yet")]
    [InlineData("cleanup.policy", "delete,compact", "compaction is not supported yet")]
    [InlineData("cleanup.policy", "", "delete")]
    [InlineData("cleanup.policy", "delete,delete", "delete")]
    [InlineData("cleanup.policy", "burn", "delete")]
    [InlineData("unclean.leader.election.enable", "true", "false")]
    [InlineData("remote.storage.enable", "true", "false")]
    [InlineData("preallocate", "yes", "BOOLEAN")]
    [InlineData("min.cleanable.dirty.ratio", "1.5", "between 0 and 1")]
    [InlineData("min.cleanable.dirty.ratio", "NaN", "DOUBLE")]
    public void A_wrong_value_is_refused_with_key_value_and_reason(string key, string value, string reason)
    {
        World.Refused(_world.Change(Topic, (key, Set, value)), KafkaError.InvalidConfig, key, $"'{value}'", reason);
        World.Refused(_world.Replace(Topic, (key, value)), KafkaError.InvalidConfig, key, reason);
        World.Refused(_world.Create("other", configs: (key, value)), KafkaError.InvalidConfig, key, reason);
        Assert.Empty(_world.Image.Topics["t"].Configs);
    }

    [Fact]
    public void Keys_that_do_nothing_here_are_accepted_and_say_so()
    {
        foreach (ConfigKey key in TopicConfigs.Keys.Where(key => key.Effect == ConfigEffect.None))
        {
            Assert.StartsWith("No effect.", key.Doc);
            World.Granted(_world.Change(Topic, (key.Name, Set, key.Default)));
        }
    }

    [Fact]
    public void Every_default_in_the_tables_is_valid()
    {
        Assert.All(TopicConfigs.Keys, key => Assert.Null(TopicConfigs.Refusal("t", key.Name, key.Default)));
        _ = new BrokerSettings(BrokerConfigs.Keys.Select(key => KeyValuePair.Create(key.Name, key.Default)));
        Assert.All(
            TopicConfigs.Keys.Where(key => key.BrokerKey is not null),
            key => Assert.Equal(key.Default, BrokerConfigs.Find(key.BrokerKey!)!.Default));
        Assert.All(TopicConfigs.Keys.Where(key => key.Effect == ConfigEffect.Served), key => Assert.NotNull(key.BrokerKey));
    }

    [Fact]
    public void Lists_are_added_to_and_taken_from()
    {
        World.Granted(_world.Change(Topic, ("cleanup.policy", Append, "delete")));
        Assert.Equal("delete", _world.Image.Topics["t"].Configs["cleanup.policy"]);
        World.Refused(_world.Change(Topic, ("cleanup.policy", Append, "compact")), KafkaError.InvalidConfig, "compact", "not supported");
        World.Refused(_world.Change(Topic, ("cleanup.policy", Subtract, "delete")), KafkaError.InvalidConfig, "cleanup.policy");
        World.Refused(_world.Change(Topic, ("retention.ms", Append, "1")), KafkaError.InvalidConfig, "APPEND", "retention.ms", "LONG");
        World.Refused(_world.Change(Topic, ("retention.ms", Subtract, "1")), KafkaError.InvalidConfig, "SUBTRACT");
        World.Refused(_world.Change(Topic, ("no.such.key", Append, "1")), KafkaError.InvalidConfig, "no.such.key");
    }

    [Fact]
    public void The_offsets_topic_may_be_compacted_and_take_deletion_off()
    {
        _world.Create("__consumer_offsets", 1);
        ConfigResource offsets = ConfigResource.OfTopic("__consumer_offsets");
        World.Granted(_world.Change(offsets, ("cleanup.policy", Append, "compact")));
        World.Granted(_world.Change(offsets, ("cleanup.policy", Subtract, "delete")));
        Assert.Equal((true, false), (_world.Config("__consumer_offsets").IsCompacted, _world.Config("__consumer_offsets").IsDeleted));
    }

    [Fact]
    public void A_resource_changes_wholly_or_not_at_all()
    {
        World.Refused(_world.Change(Topic, ("retention.ms", Set, "1"), ("segment.ms", Set, "0")), KafkaError.InvalidConfig, "segment.ms");
        Assert.Empty(_world.Image.Topics["t"].Configs);
    }

    [Fact]
    public void Requests_that_contradict_themselves_are_refused()
    {
        World.Refused(
            _world.Change(Topic, ("retention.ms", Set, "1"), ("retention.ms", Delete, null)), KafkaError.InvalidRequest, "retention.ms");
        World.Refused(_world.Replace(Topic, ("retention.ms", "1"), ("retention.ms", "2")), KafkaError.InvalidRequest, "retention.ms");
        World.Refused(_world.Change(Topic, ("retention.ms", Set, null)), KafkaError.InvalidRequest, "Null value", "retention.ms");
        World.Refused(_world.Change(Topic, ("cleanup.policy", Append, null)), KafkaError.InvalidRequest, "Null value");
        World.Refused(_world.Replace(Topic, ("retention.ms", null)), KafkaError.InvalidRequest, "Null value");
        World.Refused(_world.Change(Topic, ("retention.ms", (ConfigOperation)9, "1")), KafkaError.InvalidRequest, "9");
        ConfigReplacement twice = new(Topic, []);
        Assert.All(
            _world.Do(new AlterConfigs([twice, twice])).Results,
            result => World.Refused(result, KafkaError.InvalidRequest, "topic 't'"));
    }

    [Fact]
    public void Unknown_resources_are_refused()
    {
        World.Refused(_world.Change(ConfigResource.OfTopic("nope")), KafkaError.UnknownTopicOrPartition, "'nope'");
        World.Refused(_world.Change(ConfigResource.OfTopic("")), KafkaError.InvalidRequest, "Default topic resources");
        World.Refused(_world.Change(ConfigResource.OfTopic("a b")), KafkaError.InvalidTopicException, "'a b'");
        World.Refused(_world.Change(ConfigResource.OfBroker(new NodeId(9))), KafkaError.InvalidRequest, "'9'");
        World.Refused(_world.Change(new ConfigResource(ConfigResourceKind.Broker, "00")), KafkaError.InvalidRequest, "'00'");
        World.Refused(_world.Change(new ConfigResource(ConfigResourceKind.Broker, "one")), KafkaError.InvalidRequest, "'one'");
        World.Refused(_world.Change(new ConfigResource((ConfigResourceKind)8, "0")), KafkaError.InvalidRequest, "type 8");
    }

    [Fact]
    public void A_brokers_configs_change_only_where_they_can()
    {
        World.Granted(_world.Change(Broker, ("message.max.bytes", Set, "5")));
        Assert.Equal(5, _world.Config("t").MaxMessageBytes);
        World.Refused(_world.Change(Broker, ("num.partitions", Set, "5")), KafkaError.InvalidRequest, "dynamically", "num.partitions");
        World.Refused(_world.Change(Broker, ("no.such.key", Set, "5")), KafkaError.InvalidRequest, "no.such.key");
        World.Refused(_world.Change(Broker, ("message.max.bytes", Set, "x")), KafkaError.InvalidRequest, "message.max.bytes", "'x'");
        World.Refused(_world.Change(Broker, ("log.cleanup.policy", Set, "compact")), KafkaError.InvalidRequest, "log.cleanup.policy");
        World.Granted(_world.Replace(Broker, ("log.roll.ms", "9")));
        Assert.Equal(1_048_588, _world.Config("t").MaxMessageBytes);
        Assert.Equal(9, _world.Config("t").SegmentMs);
    }

    [Fact]
    public void A_brokers_description_tells_what_can_be_changed()
    {
        _world.Change(ConfigResource.AllBrokers, ("log.roll.ms", Set, "9"));
        IReadOnlyList<ConfigDescription> shown = BrokerConfigs.Describe(_world.Image, _world.Context.Self, _world.Context.Settings);
        Assert.Equal(BrokerConfigs.Keys.Count, shown.Count);
        ConfigDescription roll = shown.Single(config => config.Key.Name == "log.roll.ms");
        Assert.Equal(("9", ConfigSource.DynamicDefaultBroker, false), (roll.Value, roll.Source, roll.IsReadOnly));
        ConfigDescription partitions = shown.Single(config => config.Key.Name == "num.partitions");
        Assert.Equal(("1", ConfigSource.Default, true), (partitions.Value, partitions.Source, partitions.IsReadOnly));
        ConfigDescription common = Assert.Single(BrokerConfigs.DescribeAllBrokers(_world.Image));
        Assert.Equal(("log.roll.ms", "9"), (common.Key.Name, common.Value));
    }

    [Fact]
    public void A_broker_that_is_started_with_a_wrong_config_is_told_which()
    {
        ArgumentException unknown = Assert.Throws<ArgumentException>(() => new BrokerSettings([new("nope", "1")]));
        Assert.Contains("nope", unknown.Message);
        ArgumentException wrong = Assert.Throws<ArgumentException>(() => new BrokerSettings([new("num.partitions", "0")]));
        Assert.Contains("num.partitions", wrong.Message);
        Assert.Contains("'0'", wrong.Message);
    }
}
