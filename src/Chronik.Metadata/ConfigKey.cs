namespace Chronik.Metadata;

/// <summary>The type of a config's value; the numbers are Kafka's.</summary>
public enum ConfigType : sbyte
{
    /// <summary>true or false.</summary>
    Boolean = 1,

    /// <summary>Text.</summary>
    String = 2,

    /// <summary>A 32-bit number.</summary>
    Int = 3,

    /// <summary>A 64-bit number.</summary>
    Long = 5,

    /// <summary>A decimal number.</summary>
    Double = 6,

    /// <summary>Words with commas between them.</summary>
    List = 7,
}

/// <summary>Where the value of a config comes from; the numbers are Kafka's.</summary>
public enum ConfigSource : sbyte
{
    /// <summary>Set for this topic.</summary>
    DynamicTopic = 1,

    /// <summary>Set for this broker while it ran.</summary>
    DynamicBroker = 2,

    /// <summary>Set for all brokers while they ran.</summary>
    DynamicDefaultBroker = 3,

    /// <summary>From the broker's configuration file or command line.</summary>
    StaticBroker = 4,

    /// <summary>Built in.</summary>
    Default = 5,
}

/// <summary>What setting a config does.</summary>
public enum ConfigEffect
{
    /// <summary>What its documentation says.</summary>
    Served,

    /// <summary>Nothing; accepted because tools set it and ignoring it harms nobody. Its documentation says why.</summary>
    None,
}

/// <summary>One config key that is known here.</summary>
public sealed record ConfigKey
{
    /// <summary>The key.</summary>
    public required string Name { get; init; }

    /// <summary>The type of its value.</summary>
    public required ConfigType Type { get; init; }

    /// <summary>The value where nothing else is set.</summary>
    public required string Default { get; init; }

    /// <summary>What it does, in one or two sentences.</summary>
    public required string Doc { get; init; }

    /// <summary>For a topic's key: the broker's key that holds its default. Null when there is none.</summary>
    public string? BrokerKey { get; init; }

    /// <summary>Whether it does anything.</summary>
    public ConfigEffect Effect { get; init; }

    /// <summary>For a broker's key: whether it can be changed while the broker runs.</summary>
    public bool IsDynamic { get; init; }

    /// <summary>Says what is wrong with a value of the right type, or null.</summary>
    internal Func<string, string?> Check { get; init; } = _ => null;
}

/// <summary>A config as DescribeConfigs shows it.</summary>
/// <param name="Key">The key, with its type and documentation.</param>
/// <param name="Value">The value that holds.</param>
/// <param name="Source">Where it comes from.</param>
/// <param name="IsReadOnly">Whether it cannot be changed while the broker runs.</param>
/// <param name="Synonyms">Every place that sets it, the one that holds first, down to the built-in default.</param>
public sealed record ConfigDescription(
    ConfigKey Key, string Value, ConfigSource Source, bool IsReadOnly, IReadOnlyList<ConfigSynonym> Synonyms);

/// <summary>One place that sets a config.</summary>
/// <param name="Name">The key it is set by.</param>
/// <param name="Value">The value.</param>
/// <param name="Source">The place.</param>
public sealed record ConfigSynonym(string Name, string Value, ConfigSource Source);
