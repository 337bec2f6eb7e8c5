using System.Collections.Immutable;
using System.Text.Json;
using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class RecordTests
{
    private static readonly TopicId Topic = new(Guid.Parse("01234567-89ab-cdef-0123-456789abcdef"));

    private static readonly ImmutableArray<PartitionImage> Partitions =
        [new([new NodeId(0), new NodeId(2)], [Guid.Empty, Topic.Value]), new([new NodeId(int.MaxValue)])];

    private static readonly MetadataRecord[] Records =
    [
        new ClusterFormed("cluster-1"),
        new TopicCreated("t", Topic, Partitions, ImmutableSortedDictionary<string, string>.Empty.Add("a", "1").Add("b", "")),
        new TopicDeleted(Topic),
        new PartitionsAdded(Topic, 3, Partitions),
        new ConfigChanged(ConfigResource.OfTopic("tö"), "k", "v"),
        new ConfigChanged(ConfigResource.AllBrokers, "k", null),
        new ProducerIdsAllocated(long.MaxValue),
        new BrokerRegistered(new NodeId(1), [new BrokerEndpoint("PLAINTEXT", "h", 9092), new BrokerEndpoint("X", "", 1)], "rack"),
        new BrokerRegistered(new NodeId(1), [new BrokerEndpoint("PLAINTEXT", "h", 9092)], null)
        {
            Directory = Topic.Value,
            Incarnation = new Guid(7, 7, 7, new byte[8]),
            Protocol = new ProtocolVersions(2, 300),
        },
        new BrokerLivenessChanged(new NodeId(3), IsLive: true),
        new BrokerLivenessChanged(new NodeId(3), IsLive: false),
        new BrokerDrainingChanged(new NodeId(3), IsDraining: true, IsLeaving: false),
        new BrokerDrainingChanged(new NodeId(3), IsDraining: true, IsLeaving: true),
        new ReassignmentChanged(Topic, 3, [new(4), new(2)], [Topic.Value, Guid.Empty], [new(4)], [new(2)]),
        new ReassignmentChanged(Topic, 0, [new(4)], [Guid.Empty], [], []),
        new BrokerUnregistered(new NodeId(3)),
    ];

    public static TheoryData<int> All() => [.. Enumerable.Range(0, Records.Length)];

    [Theory]
    [MemberData(nameof(All))]
    public void A_record_reads_as_it_was_written(int index)
    {
        MetadataRecord record = Records[index];
        MetadataRecord read = MetadataRecordCodec.Read(MetadataRecordCodec.ToBytes(record));
        Assert.Equal(record.GetType(), read.GetType());
        Assert.Equal(Show(record), Show(read));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Damage_is_found_and_costs_no_memory(int index)
    {
        byte[] bytes = MetadataRecordCodec.ToBytes(Records[index]);
        for (int length = 0; length < bytes.Length; length++)
            Assert.Throws<MetadataFormatException>(() => MetadataRecordCodec.Read(bytes.AsSpan(0, length)));
        Assert.Throws<MetadataFormatException>(() => MetadataRecordCodec.Read([.. bytes, 0]));

        Random random = new(index);
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = [.. bytes];
            damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                MetadataRecordCodec.Read(damaged);
            }
            catch (MetadataFormatException)
            {
                // Refused; any other exception fails the test.
            }
        }
    }

    [Fact]
    public void A_newer_version_and_an_unknown_type_are_refused_by_name()
    {
        byte[] bytes = MetadataRecordCodec.ToBytes(Records[0]);
        bytes[1] = 1;
        Assert.Contains("version 1", Assert.Throws<MetadataFormatException>(() => MetadataRecordCodec.Read(bytes)).Message);
        bytes[0] = 99;
        bytes[1] = 0;
        Assert.Contains("type 99", Assert.Throws<MetadataFormatException>(() => MetadataRecordCodec.Read(bytes)).Message);
    }

    [Fact]
    public void The_form_of_a_record_never_changes()
    {
        TopicCreated created = new(
            "t", TopicId.ClusterMetadata, [new([new NodeId(2), new NodeId(1)])], ImmutableSortedDictionary<string, string>.Empty);
        string directories = new('0', 64);
        Assert.Equal("0201" + "0274" + "00000000000000000000000000000001" + "02040402" + directories + "00", Hex(created));
        Assert.Equal("0600A001", Hex(new ProducerIdsAllocated(80)));
        Assert.Equal(
            "0B00" + "00000000000000000000000000000001" + "06" + "0E" + "04" + "0204",
            Hex(new IsrChanged(TopicId.ClusterMetadata, 3, new LeaderEpoch(7), [new(1), new(2)])));
        Assert.Equal("050008" + "00" + "026B" + "01", Hex(new ConfigChanged(ConfigResource.AllBrokers, "k", null)));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void What_the_first_level_does_not_read_says_so(int index)
    {
        const int newestOfFirstLevel = 9; // What came later has a higher number.
        byte type = MetadataRecordCodec.ToBytes(Records[index])[0];
        Assert.Equal(type > newestOfFirstLevel, Records[index].Since > FeatureLevel.Oldest);
    }

    [Fact]
    public void Records_of_the_first_version_are_still_read()
    {
        TopicCreated created = (TopicCreated)Read("0200" + "0274" + "00000000000000000000000000000001" + "02040402" + "00");
        Assert.Equal(World.Nodes(2, 1), created.Partitions.Single().Replicas);
        Assert.Equal(new Guid[2], created.Partitions.Single().Directories.ToArray());
        PartitionsAdded added = (PartitionsAdded)Read("0400" + "00000000000000000000000000000001" + "06" + "02" + "0204");
        Assert.Equal((3, 2), (added.First, added.Partitions.Single().Replicas.Single().Value));
        BrokerRegistered registered = (BrokerRegistered)Read("0700" + "02" + "02" + "0241" + "0268" + "D08D01" + "01");
        Assert.Equal((1, Guid.Empty, ProtocolVersions.First), (registered.Id.Value, registered.Directory, registered.Protocol));
        Assert.Equal(new BrokerEndpoint("A", "h", 9064), registered.Endpoints.Single());
        Assert.Null(registered.Rack);
    }

    [Fact]
    public void The_log_read_again_gives_the_same_image()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            World world = Random(seed);
            MetadataImage replayed = MetadataImage.Empty;
            foreach (MetadataRecord record in world.Log)
                replayed = replayed.Apply(MetadataRecordCodec.Read(MetadataRecordCodec.ToBytes(record)));
            Assert.True(Show(world.Image) == Show(replayed), $"seed {seed}");
            Assert.Equal(world.Log.Count, replayed.Version);
            Consistent(replayed, seed);
        }
    }

    [Fact]
    public void An_image_stated_again_is_the_same_whatever_came_before()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            World world = Random(seed);
            MetadataImage again = Random(seed + 1).Image;
            foreach (MetadataRecord record in world.Image.ToRecords())
                again = again.Apply(MetadataRecordCodec.Read(MetadataRecordCodec.ToBytes(record)));
            Assert.True(Show(world.Image.ToRecords()) == Show(again.ToRecords()), $"seed {seed}");
            Consistent(again, seed);
            Consistent(world.Image, seed);
        }
    }

    [Fact]
    public void The_same_commands_give_the_same_log()
    {
        Assert.Equal(
            Random(3).Log.Select(record => Convert.ToHexString(MetadataRecordCodec.ToBytes(record))),
            Random(3).Log.Select(record => Convert.ToHexString(MetadataRecordCodec.ToBytes(record))));
    }

    private static World Random(int seed)
    {
        Random random = new(seed);
        World world = new(3, new BrokerSettings { MaxPartitionsPerBroker = 40 });
        for (int i = 0; i < 200; i++)
        {
            string name = $"t{random.Next(6)}" + (random.Next(2) == 0 ? "." : "_");
            ConfigOperation operation = (ConfigOperation)random.Next(2);
            if (i == 20 && seed % 2 == 0) world.Do(new ChangeLevel(FeatureLevel.Operable));
            switch (random.Next(7))
            {
                case 0:
                    world.Create(name, random.Next(1, 6), random.Next(1, 5), ("retention.ms", random.Next(-2, 3).ToString()));
                    break;
                case 1:
                    world.Delete(name);
                    break;
                case 2:
                    world.Extend(name, random.Next(1, 9));
                    break;
                case 3:
                    world.Change(ConfigResource.OfTopic(name), ("segment.ms", operation, random.Next(0, 5).ToString()));
                    break;
                case 4:
                    world.Change(ConfigResource.OfBroker(new NodeId(random.Next(4))), ("log.roll.ms", operation, "5"));
                    break;
                case 5 when random.Next(4) == 0:
                    world.Do(new ChangeLiveness(new NodeId(random.Next(3)), random.Next(2) == 0));
                    break;
                case 6:
                    world.Image.Topics.TryGetValue(name, out TopicImage? topic);
                    NodeId leader = new(random.Next(3));
                    NodeId[] isr = [.. World.Nodes(0, 1, 2).Where(node => node == leader || random.Next(2) == 0)];
                    world.Do(new ChangeIsr(
                        leader, [new(topic?.Id ?? TopicId.None, random.Next(4), new LeaderEpoch(random.Next(i / 10 + 1)), isr)]));
                    break;
                default:
                    world.Do(new AllocateProducerIds(random.Next(0, 5)));
                    break;
            }
        }

        return world;
    }

    private static void Consistent(MetadataImage image, int seed)
    {
        Assert.True(image.Topics.Count == image.TopicsById.Count, $"seed {seed}");
        foreach (TopicImage topic in image.Topics.Values) Assert.Same(topic, image.TopicsById[topic.Id]);
        Dictionary<NodeId, int> counts = image.Topics.Values
            .SelectMany(topic => topic.Partitions).SelectMany(partition => partition.Replicas).CountBy(node => node).ToDictionary();
        foreach ((NodeId node, int count) in image.ReplicaCounts) Assert.True(count == counts.GetValueOrDefault(node), $"seed {seed}");
        counts = image.Topics.Values
            .SelectMany(topic => topic.Partitions).Select(partition => partition.Replicas[0]).CountBy(node => node).ToDictionary();
        foreach ((NodeId node, int count) in image.PreferredCounts) Assert.True(count == counts.GetValueOrDefault(node), $"seed {seed}");
    }

    private static string Show(object value) => JsonSerializer.Serialize(value, value.GetType());

    private static string Show(IReadOnlyList<MetadataRecord> records) =>
        string.Join(' ', records.Select(record => Convert.ToHexString(MetadataRecordCodec.ToBytes(record))));

    private static string Show(MetadataImage image) => JsonSerializer.Serialize(new
    {
        image.Version,
        image.ClusterId,
        image.NextProducerId,
        Topics = image.Topics.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal),
        Brokers = image.Brokers.Values.OrderBy(broker => broker.Id.Value),
        Configs = image.BrokerConfigs.OrderBy(configs => configs.Key, StringComparer.Ordinal),
        Counts = image.ReplicaCounts.OrderBy(count => count.Key.Value).Select(count => $"{count.Key}={count.Value}"),
    });

    private static MetadataRecord Read(string hex) => MetadataRecordCodec.Read(Convert.FromHexString(hex));

    private static string Hex(MetadataRecord record) => Convert.ToHexString(MetadataRecordCodec.ToBytes(record));
}
