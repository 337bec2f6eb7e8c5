using Chronik.Model;

namespace Chronik.Metadata.Tests;

/// <summary>An image that commands are decided against, with ids that come in order.</summary>
internal sealed class World
{
    private int _ids;

    public World(int brokers = 1, BrokerSettings? settings = null)
    {
        Context = new DecisionContext
        {
            Self = new NodeId(0),
            Settings = settings ?? new BrokerSettings(),
            NewTopicId = () => new TopicId(new Guid(++_ids, 7, 7, [0, 0, 0, 0, 0, 0, 0, 1])),
        };
        for (int id = 0; id < brokers; id++) Register(id);
    }

    /// <summary>A world at the newest level.</summary>
    public static World Operable(int brokers = 1, BrokerSettings? settings = null)
    {
        World world = new(brokers, settings);
        Granted(world.Do(new ChangeLevel(FeatureLevel.Newest)).Results.Single());
        return world;
    }

    public MetadataImage Image { get; private set; } = MetadataImage.Empty;

    public DecisionContext Context { get; set; }

    public List<MetadataRecord> Log { get; } = [];

    public Decision Do(MetadataCommand command)
    {
        Decision decision = MetadataMachine.Decide(Image, command, Context);
        foreach (MetadataRecord record in decision.Records)
        {
            Image = Image.Apply(record, new KafkaOffset(Log.Count));
            Log.Add(record);
        }

        return decision;
    }

    public ItemResult Register(int id, string? rack = null, Guid directory = default) => Do(
        new RegisterBroker(new NodeId(id), [new BrokerEndpoint("PLAINTEXT", "localhost", 9092 + id)], rack) { Directory = directory })
        .Results.Single();

    public void Fence(int id) => Granted(Do(new ChangeLiveness(new NodeId(id), IsLive: false)).Results.Single());

    public TopicResult Create(string name, int partitions = -1, int factor = -1, params (string Key, string? Value)[] configs) =>
        Create(new NewTopic { Name = name, PartitionCount = partitions, ReplicationFactor = factor, Configs = Pairs(configs) });

    public TopicResult Create(NewTopic topic) => (TopicResult)Do(new CreateTopics([topic])).Results.Single();

    public TopicResult Delete(string name) => (TopicResult)Do(new DeleteTopics([TopicReference.ByName(name)])).Results.Single();

    public TopicResult Extend(string name, int total, params int[][] assignments)
    {
        MorePartitions more = new(name, total, assignments.Length == 0 ? null : [.. assignments.Select(Nodes)]);
        return (TopicResult)Do(new CreatePartitions([more])).Results.Single();
    }

    public ConfigResult Change(ConfigResource resource, params (string Key, ConfigOperation Operation, string? Value)[] changes)
    {
        ConfigAlteration alteration =
            new(resource, [.. changes.Select(change => new ConfigChange(change.Key, change.Operation, change.Value))]);
        return (ConfigResult)Do(new IncrementalAlterConfigs([alteration])).Results.Single();
    }

    public ConfigResult Replace(ConfigResource resource, params (string Key, string? Value)[] configs) =>
        (ConfigResult)Do(new AlterConfigs([new ConfigReplacement(resource, Pairs(configs))])).Results.Single();

    public TopicConfig Config(string topic) => TopicConfig.From(Image, Image.Topics[topic], Context.Self, Context.Settings);

    public static NodeId[] Nodes(params int[] ids) => [.. ids.Select(id => new NodeId(id))];

    public static NewTopic Assigned(string name, params int[][] replicas) => new()
    {
        Name = name,
        Assignments = [.. replicas.Select((nodes, partition) => new PartitionAssignment(partition, Nodes(nodes)))],
    };

    public static void Refused(ItemResult result, KafkaError error, params string[] words)
    {
        Assert.Equal(error, result.Error);
        foreach (string word in words) Assert.Contains(word, result.Message);
    }

    public static void Granted(ItemResult result)
    {
        Assert.Null(result.Message);
        Assert.Equal(KafkaError.None, result.Error);
    }

    private static KeyValuePair<string, string?>[] Pairs((string Key, string? Value)[] configs) =>
        [.. configs.Select(config => KeyValuePair.Create(config.Key, config.Value))];
}
