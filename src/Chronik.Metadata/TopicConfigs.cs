using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>The configs that a topic can have: one table, which validation, defaults and DescribeConfigs all read.</summary>
public static partial class TopicConfigs
{
    /// <summary>cleanup.policy.</summary>
    public const string CleanupPolicy = "cleanup.policy";

    /// <summary>retention.ms.</summary>
    public const string RetentionMs = "retention.ms";

    /// <summary>retention.bytes.</summary>
    public const string RetentionBytes = "retention.bytes";

    /// <summary>segment.bytes.</summary>
    public const string SegmentBytes = "segment.bytes";

    /// <summary>segment.ms.</summary>
    public const string SegmentMs = "segment.ms";

    /// <summary>max.message.bytes.</summary>
    public const string MaxMessageBytes = "max.message.bytes";

    /// <summary>message.timestamp.type.</summary>
    public const string MessageTimestampType = "message.timestamp.type";

    /// <summary>message.timestamp.before.max.ms.</summary>
    public const string MessageTimestampBeforeMaxMs = "message.timestamp.before.max.ms";

    /// <summary>message.timestamp.after.max.ms.</summary>
    public const string MessageTimestampAfterMaxMs = "message.timestamp.after.max.ms";

    /// <summary>min.insync.replicas.</summary>
    public const string MinInsyncReplicas = "min.insync.replicas";

    /// <summary>compression.type.</summary>
    public const string CompressionType = "compression.type";

    /// <summary>durability; ours, not Kafka's.</summary>
    public const string Durability = "durability";

    private static readonly ConfigKey[] Table = BuildTable();
    private static readonly Dictionary<string, ConfigKey> ByName = Table.ToDictionary(key => key.Name, StringComparer.Ordinal);

    /// <summary>Every key, by name.</summary>
    public static IReadOnlyList<ConfigKey> Keys => Table;

    /// <summary>The key of this name, or null when it is not known here.</summary>
    public static ConfigKey? Find(string name) => ByName.GetValueOrDefault(name);

    /// <summary>The value of a key that holds for a topic on a broker.</summary>
    public static string Value(MetadataImage image, TopicImage topic, NodeId node, BrokerSettings settings, string key)
    {
        if (topic.Configs.TryGetValue(key, out string? value)) return value;
        ConfigKey known = ByName[key];
        return known.BrokerKey is null ? known.Default : BrokerConfigs.Value(image, node, settings, known.BrokerKey);
    }

    /// <summary>All configs of a topic, as DescribeConfigs shows them.</summary>
    public static IReadOnlyList<ConfigDescription> Describe(MetadataImage image, TopicImage topic, NodeId node, BrokerSettings settings)
    {
        ConfigDescription[] descriptions = new ConfigDescription[Table.Length];
        for (int i = 0; i < Table.Length; i++)
        {
            ConfigKey key = Table[i];
            List<ConfigSynonym> synonyms = [];
            if (topic.Configs.TryGetValue(key.Name, out string? value))
                synonyms.Add(new ConfigSynonym(key.Name, value, ConfigSource.DynamicTopic));
            if (key.BrokerKey is null) synonyms.Add(new ConfigSynonym(key.Name, key.Default, ConfigSource.Default));
            else BrokerConfigs.AddSynonyms(image, node, settings, key.BrokerKey, synonyms);
            descriptions[i] = new ConfigDescription(key, synonyms[0].Value, synonyms[0].Source, IsReadOnly: false, synonyms);
        }

        return descriptions;
    }

    /// <summary>Why a topic cannot have this value; null when it can. The message names the key and the value.</summary>
    public static string? Refusal(string topic, string name, string value)
    {
        ConfigKey? key = Find(name);
        if (key is null) return $"Unknown topic config name: {name}";
        bool compacts = name == CleanupPolicy && ConfigValues.List(value).Contains("compact");
        if (compacts && !TopicNames.IsInternal(topic))
            return $"Invalid value '{value}' for configuration {name}: compaction is not supported yet; only 'delete' is";
        return ConfigValues.Refusal(key, value);
    }
}
