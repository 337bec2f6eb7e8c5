using System.Collections.Immutable;
using Akka.Actor;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>What a node is told at start.</summary>
public sealed record ChronikNodeOptions
{
    /// <summary>Where clients reach this node.</summary>
    public required ImmutableArray<BrokerEndpoint> Endpoints { get; init; }

    /// <summary>The node's rack, or null.</summary>
    public string? Rack { get; init; }

    /// <summary>The node's own values of Kafka's broker keys.</summary>
    public BrokerSettings Settings { get; init; } = new();

    /// <summary>The limits of its partitions.</summary>
    public PartitionLimits Limits { get; init; } = new();

    /// <summary>The limits of its group coordinators.</summary>
    public GroupLimits GroupLimits { get; init; } = new();

    /// <summary>
    /// The newest level that the node speaks. Lower than what this version can only in tests, where it stands for an older version; then
    /// its storage must be told the same.
    /// </summary>
    public int NewestLevel { get; init; } = FeatureLevel.Newest;

    /// <summary>Whether partitions are evened out over the brokers while this node is the controller.</summary>
    public bool Balances { get; init; }

    /// <summary>How the node takes part in a cluster; null when it is alone, and needs no other.</summary>
    public ClusterOptions? Cluster { get; init; }

    /// <summary>How long a leader may be silent before its followers look for another; that takes them up to twice as long.</summary>
    public TimeSpan ElectionTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How many records the metadata log may hold before it is stated anew: too few, and it is written all the time; too many, and every
    /// start reads them (about a million in a second).
    /// </summary>
    internal long MetadataLogRecords { get; init; } = 10_000;
}

/// <summary>How a node takes part in a cluster.</summary>
public sealed record ClusterOptions
{
    /// <summary>How many nodes must be there before a cluster is formed, once.</summary>
    public int BootstrapExpect { get; init; } = 1;

    /// <summary>
    /// Addresses of actor systems that are there if any is, such as akka.tcp://chronik@host:9192; the same as the actor system's seed
    /// nodes. None: this node is the first of its cluster, and others name it.
    /// </summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>Told, once a second, what is waited for until this node belongs to a cluster: one line.</summary>
    public Action<string> Progress { get; init; } = _ => { };

    /// <summary>Where this node's actor system is; null: where it says.</summary>
    internal Address? Self { get; init; }

    /// <summary>Finds an actor of another node by its path below /user; null: by the actor system's own means.</summary>
    internal Func<Address, string, ICanTell>? Reach { get; init; }

    /// <summary>How long a broker must be out of reach before it is recorded as not live.</summary>
    internal TimeSpan FenceAfter { get; init; } = TimeSpan.FromSeconds(10);
}
