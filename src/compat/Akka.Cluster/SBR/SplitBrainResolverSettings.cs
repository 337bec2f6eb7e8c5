using System.Collections.Immutable;
using Akka.Configuration;

namespace Akka.Cluster.SBR;

/// <summary>What is read from akka.cluster.split-brain-resolver. The settings of a strategy are read when they are asked for.</summary>
public sealed class SplitBrainResolverSettings
{
    public const string DownAllName = "down-all";
    public const string KeepMajorityName = "keep-majority";
    public const string KeepOldestName = "keep-oldest";
    public const string StaticQuorumName = "static-quorum";

    public static readonly ImmutableHashSet<string> AllStrategyNames = [DownAllName, KeepMajorityName, KeepOldestName, StaticQuorumName];

    private static readonly TimeSpan LeastDownAllWhenUnstable = TimeSpan.FromSeconds(4);

    private readonly Config _config;

    public SplitBrainResolverSettings(Config config)
    {
        const string Path = "akka.cluster.split-brain-resolver";
        _config = config.GetConfig(Path) ?? throw new ConfigurationException($"{Path} is missing.");
        DowningStableAfter = _config.GetTimeSpan("stable-after");
        if (DowningStableAfter <= TimeSpan.Zero)
            throw new ConfigurationException($"{Path}.stable-after has to be above 0.");
        DowningStrategy = _config.GetString("active-strategy")?.ToLowerInvariant();
        if (DowningStrategy is null || !AllStrategyNames.Contains(DowningStrategy))
        {
            throw new ConfigurationException(
                $"{Path}.active-strategy = {DowningStrategy} is unknown; there are {string.Join(", ", AllStrategyNames.Order())}.");
        }

        TimeSpan threeQuarters = DowningStableAfter * 0.75;
        DownAllWhenUnstable = _config.GetString("down-all-when-unstable")?.ToLowerInvariant() switch
        {
            "on" => threeQuarters > LeastDownAllWhenUnstable ? threeQuarters : LeastDownAllWhenUnstable,
            "off" => TimeSpan.Zero,
            _ => _config.GetTimeSpan("down-all-when-unstable"),
        };
    }

    /// <summary>How long after <see cref="DowningStableAfter"/> everybody is downed; zero for never.</summary>
    public TimeSpan DownAllWhenUnstable { get; }

    public TimeSpan DowningStableAfter { get; }

    public string DowningStrategy { get; }

    /// <summary>Only members of this role count; null for all.</summary>
    public string KeepMajorityRole => Role(KeepMajorityName);

    public KeepOldestSettings KeepOldestSettings =>
        new(_config.GetBoolean(KeepOldestName + ".down-if-alone", true), Role(KeepOldestName));

    /// <exception cref="ConfigurationException">quorum-size is missing.</exception>
    public StaticQuorumSettings StaticQuorumSettings
    {
        get
        {
            const string Key = StaticQuorumName + ".quorum-size";
            int size = _config.GetString(Key) is null or "undefined" ? 0 : _config.GetInt(Key);
            return size >= 1
                ? new StaticQuorumSettings(size, Role(StaticQuorumName))
                : throw new ConfigurationException($"akka.cluster.split-brain-resolver.{Key} has to be at least 1.");
        }
    }

    private string Role(string strategy) => _config.GetString(strategy + ".role") is { Length: > 0 } role ? role : null;
}

public sealed class KeepOldestSettings
{
    public KeepOldestSettings(bool downIfAlone, string role)
    {
        DownIfAlone = downIfAlone;
        Role = role;
    }

    public bool DownIfAlone { get; }

    public string Role { get; }
}

public sealed class StaticQuorumSettings
{
    public StaticQuorumSettings(int size, string role)
    {
        Size = size;
        Role = role;
    }

    public string Role { get; }

    public int Size { get; }
}
