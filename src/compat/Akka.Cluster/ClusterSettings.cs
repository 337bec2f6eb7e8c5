using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Akka.Configuration.Hocon;
using Akka.Dispatch;

namespace Akka.Cluster;

/// <summary>What is read from akka.cluster; cluster.conf says what each key means.</summary>
public sealed class ClusterSettings
{
    public ClusterSettings(Config config, string systemName)
    {
        Config cluster = config.GetConfig("akka.cluster")
            ?? throw new ConfigurationException($"The actor system [{systemName}] has no akka.cluster in its configuration.");
        FailureDetectorConfig = cluster.GetConfig("failure-detector");
        FailureDetectorImplementationClass = FailureDetectorConfig.GetString("implementation-class");
        HeartbeatInterval = Positive(FailureDetectorConfig, "heartbeat-interval");
        HeartbeatExpectedResponseAfter = Positive(FailureDetectorConfig, "expected-response-after");
        MonitoredByNrOfMembers = AtLeastOne(FailureDetectorConfig, "monitored-by-nr-of-members");

        SeedNodes = [.. cluster.GetStringList("seed-nodes").Select(Address.Parse)];
        SeedNodeTimeout = cluster.GetTimeSpan("seed-node-timeout");
        RetryUnsuccessfulJoinAfter = TimeSpanOrOff(cluster, "retry-unsuccessful-join-after");
        ShutdownAfterUnsuccessfulJoinSeedNodes = TimeSpanOrOff(cluster, "shutdown-after-unsuccessful-join-seed-nodes");
        PeriodicTasksInitialDelay = cluster.GetTimeSpan("periodic-tasks-initial-delay");
        GossipInterval = Positive(cluster, "gossip-interval");
        LeaderActionsInterval = Positive(cluster, "leader-actions-interval");
        UnreachableNodesReaperInterval = Positive(cluster, "unreachable-nodes-reaper-interval");
        GossipDifferentViewProbability = cluster.GetDouble("gossip-different-view-probability");
        ReduceGossipDifferentViewProbability = cluster.GetInt("reduce-gossip-different-view-probability");
        if (TimeSpanOrOff(cluster, "allow-weakly-up-members", defaultWhenOn: TimeSpan.FromSeconds(7)) is { } weaklyUpAfter)
        {
            AllowWeaklyUpMembers = true;
            WeaklyUpAfter = weaklyUpAfter;
        }

        Roles = [.. cluster.GetStringList("roles")];
        MinNrOfMembers = AtLeastOne(cluster, "min-nr-of-members");
        MinNrOfMembersOfRole = MinNrOfRoles(cluster.GetConfig("role"));
        DownRemovalMargin = TimeSpanOrOff(cluster, "down-removal-margin") ?? TimeSpan.Zero;
        DowningProviderType = ProviderType(cluster.GetString("downing-provider-class"));
        RunCoordinatedShutdownWhenDown = cluster.GetBoolean("run-coordinated-shutdown-when-down", true);
        LogInfo = cluster.GetBoolean("log-info", true);
        string dispatcher = cluster.GetString("use-dispatcher");
        UseDispatcher = string.IsNullOrEmpty(dispatcher) ? Dispatchers.InternalDispatcherId : dispatcher;
    }

    public bool AllowWeaklyUpMembers { get; }

    public Type DowningProviderType { get; }

    public Config FailureDetectorConfig { get; }

    public string FailureDetectorImplementationClass { get; }

    public double GossipDifferentViewProbability { get; }

    public TimeSpan GossipInterval { get; }

    public TimeSpan HeartbeatExpectedResponseAfter { get; }

    public TimeSpan HeartbeatInterval { get; }

    public TimeSpan LeaderActionsInterval { get; }

    public bool LogInfo { get; }

    public int MinNrOfMembers { get; }

    public ImmutableDictionary<string, int> MinNrOfMembersOfRole { get; }

    public int MonitoredByNrOfMembers { get; }

    public TimeSpan PeriodicTasksInitialDelay { get; }

    public int ReduceGossipDifferentViewProbability { get; }

    /// <summary>Null when it is off.</summary>
    public TimeSpan? RetryUnsuccessfulJoinAfter { get; }

    public ImmutableHashSet<string> Roles { get; }

    public bool RunCoordinatedShutdownWhenDown { get; }

    public TimeSpan SeedNodeTimeout { get; }

    public ImmutableList<Address> SeedNodes { get; }

    /// <summary>Null when it is off.</summary>
    public TimeSpan? ShutdownAfterUnsuccessfulJoinSeedNodes { get; }

    public TimeSpan UnreachableNodesReaperInterval { get; }

    public string UseDispatcher { get; }

    public TimeSpan WeaklyUpAfter { get; }

    internal TimeSpan DownRemovalMargin { get; }

    private static ImmutableDictionary<string, int> MinNrOfRoles(Config roles)
    {
        ImmutableDictionary<string, int>.Builder least = ImmutableDictionary.CreateBuilder<string, int>();
        foreach (KeyValuePair<string, HoconValue> role in roles?.AsEnumerable() ?? [])
            least[role.Key] = role.Value.ToConfig().GetInt("min-nr-of-members", 0);
        return least.ToImmutable();
    }

    private static Type ProviderType(string name)
    {
        if (string.IsNullOrEmpty(name))
            return typeof(NoDowning);
        return TypeNames.Find(name) ?? throw new ConfigurationException(
            $"The type [{name}] of akka.cluster.downing-provider-class is unknown.");
    }

    private static int AtLeastOne(Config config, string key) => config.GetInt(key) is >= 1 and var number
        ? number
        : throw new ConfigurationException($"{key} = {config.GetString(key)}; it has to be at least 1.");

    private static TimeSpan Positive(Config config, string key)
    {
        TimeSpan time = config.GetTimeSpan(key);
        return time > TimeSpan.Zero ? time : throw new ConfigurationException($"{key} = {config.GetString(key)}; it has to be above 0.");
    }

    private static TimeSpan? TimeSpanOrOff(Config config, string key, TimeSpan? defaultWhenOn = null) =>
        config.GetString(key)?.ToLowerInvariant() switch
        {
            null or "off" or "false" or "no" => null,
            "on" or "true" or "yes" when defaultWhenOn is not null => defaultWhenOn,
            _ => config.GetTimeSpan(key),
        };
}
