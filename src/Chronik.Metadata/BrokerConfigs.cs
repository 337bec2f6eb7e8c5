using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>The configs of a broker under Kafka's names, for DescribeConfigs and as defaults of topics.</summary>
public static partial class BrokerConfigs
{
    /// <summary>replica.lag.time.max.ms.</summary>
    public const string ReplicaLagTimeMaxMs = "replica.lag.time.max.ms";

    private static readonly ConfigKey[] Table = BuildTable();
    private static readonly Dictionary<string, ConfigKey> ByName = Table.ToDictionary(key => key.Name, StringComparer.Ordinal);

    /// <summary>Every key, by name.</summary>
    public static IReadOnlyList<ConfigKey> Keys => Table;

    /// <summary>The key of this name, or null when it is not known here.</summary>
    public static ConfigKey? Find(string name) => ByName.GetValueOrDefault(name);

    /// <summary>
    /// The value that holds on a broker: changed for it while it ran, changed for all brokers, its own configuration, or the default.
    /// </summary>
    public static string Value(MetadataImage image, NodeId node, BrokerSettings settings, string key)
    {
        ConfigKey known = ByName[key];
        if (known.IsDynamic)
        {
            if (Changed(image, ConfigResource.OfBroker(node), key) is { } own) return own;
            if (Changed(image, ConfigResource.AllBrokers, key) is { } common) return common;
        }

        return settings.Find(key) ?? known.Default;
    }

    /// <summary>The value that holds on a broker, for a key of type <see cref="ConfigType.Int"/>.</summary>
    public static int IntValue(MetadataImage image, NodeId node, BrokerSettings settings, string key) =>
        ConfigValues.Int(Value(image, node, settings, key));

    /// <summary>The value that a broker's own configuration gives to a key that cannot be changed while it runs, in milliseconds.</summary>
    public static TimeSpan OwnDuration(BrokerSettings settings, string key) =>
        TimeSpan.FromMilliseconds(ConfigValues.Long(settings.Find(key) ?? ByName[key].Default));

    /// <summary>The value that holds on a broker, for a key of type <see cref="ConfigType.Boolean"/>.</summary>
    public static bool BooleanValue(MetadataImage image, NodeId node, BrokerSettings settings, string key) =>
        ConfigValues.Boolean(Value(image, node, settings, key));

    /// <summary>All configs of one broker, as DescribeConfigs shows them.</summary>
    public static IReadOnlyList<ConfigDescription> Describe(MetadataImage image, NodeId node, BrokerSettings settings)
    {
        List<ConfigDescription> descriptions = [];
        foreach (ConfigKey key in Table)
        {
            List<ConfigSynonym> synonyms = [];
            AddSynonyms(image, node, settings, key.Name, synonyms);
            descriptions.Add(new ConfigDescription(key, synonyms[0].Value, synonyms[0].Source, !key.IsDynamic, synonyms));
        }

        return descriptions;
    }

    /// <summary>What was changed for all brokers while they ran, as DescribeConfigs shows it for the broker without a name.</summary>
    public static IReadOnlyList<ConfigDescription> DescribeAllBrokers(MetadataImage image)
    {
        List<ConfigDescription> descriptions = [];
        foreach (ConfigKey key in Table)
        {
            if (Changed(image, ConfigResource.AllBrokers, key.Name) is not { } value) continue;
            ConfigSynonym synonym = new(key.Name, value, ConfigSource.DynamicDefaultBroker);
            descriptions.Add(new ConfigDescription(key, value, ConfigSource.DynamicDefaultBroker, IsReadOnly: false, [synonym]));
        }

        return descriptions;
    }

    internal static void AddSynonyms(MetadataImage image, NodeId node, BrokerSettings settings, string name, List<ConfigSynonym> synonyms)
    {
        if (Changed(image, ConfigResource.OfBroker(node), name) is { } own)
            synonyms.Add(new ConfigSynonym(name, own, ConfigSource.DynamicBroker));
        if (Changed(image, ConfigResource.AllBrokers, name) is { } common)
            synonyms.Add(new ConfigSynonym(name, common, ConfigSource.DynamicDefaultBroker));
        if (settings.Find(name) is { } set) synonyms.Add(new ConfigSynonym(name, set, ConfigSource.StaticBroker));
        synonyms.Add(new ConfigSynonym(name, ByName[name].Default, ConfigSource.Default));
    }

    private static string? Changed(MetadataImage image, ConfigResource resource, string key) =>
        image.BrokerConfigs.TryGetValue(resource.Name, out var configs) ? configs.GetValueOrDefault(key) : null;
}
