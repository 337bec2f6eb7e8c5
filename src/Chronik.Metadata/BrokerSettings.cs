namespace Chronik.Metadata;

/// <summary>A broker's own configuration, as far as metadata depends on it: Kafka's broker keys and the limits.</summary>
public sealed class BrokerSettings
{
    /// <summary>The configuration key of <see cref="MaxPartitionsPerBroker"/>, as refusals name it.</summary>
    public const string MaxPartitionsPerBrokerKey = "chronik.limits.partitions-per-broker";

    private readonly Dictionary<string, string> _configs = new(StringComparer.Ordinal);

    /// <summary>Settings with nothing but defaults.</summary>
    public BrokerSettings()
    {
    }

    /// <summary>Settings with values of Kafka's broker keys; an unknown key or a wrong value throws, naming both.</summary>
    public BrokerSettings(IEnumerable<KeyValuePair<string, string>> configs)
    {
        foreach ((string name, string value) in configs)
        {
            ConfigKey key = BrokerConfigs.Find(name) ?? throw new ArgumentException($"{name} is not a broker config", nameof(configs));
            if (ConfigValues.Refusal(key, value) is { } refusal) throw new ArgumentException(refusal, nameof(configs));
            _configs[name] = value.Trim();
        }
    }

    /// <summary>How many replicas one broker may hold.</summary>
    public int MaxPartitionsPerBroker { get; init; } = 10_000;

    /// <summary>The value of a broker key that was set, or null.</summary>
    public string? Find(string key) => _configs.GetValueOrDefault(key);
}
