using System.Net;
using Akka.Configuration;
using Chronik.Gateway;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Storage;

namespace Chronik.Server.Configuration;

/// <summary>Everything that a node is told at start, checked. Made from the command line, or by <see cref="Load"/>.</summary>
public sealed record ChronikOptions
{
    /// <summary>The node's id. Key: <c>chronik.node-id</c>.</summary>
    public required NodeId NodeId { get; init; }

    /// <summary>The data folder as the user named it. Key: <c>chronik.data</c>.</summary>
    public required string Data { get; init; }

    /// <summary>Where Kafka clients connect; at least one. Key: <c>chronik.kafka.listeners</c>.</summary>
    public required IReadOnlyList<Listener> Kafka { get; init; }

    /// <summary>Where health and metrics are served. Key: <c>chronik.http</c>.</summary>
    public required Listener Http { get; init; }

    /// <summary>The client-facing side: what is advertised, the rack, its limits.</summary>
    public required GatewaySettings Gateway { get; init; }

    /// <summary>The storage and its limits.</summary>
    public required StorageOptions Storage { get; init; }

    /// <summary>The limits of partitions.</summary>
    public required PartitionLimits Partitions { get; init; }

    /// <summary>The limits of group coordinators.</summary>
    public required GroupLimits Groups { get; init; }

    /// <summary>Kafka's broker keys.</summary>
    public required BrokerSettings Broker { get; init; }

    /// <summary>How the node takes part in a cluster; null when it is alone, and listens to no other.</summary>
    public ClusterSettings? Cluster { get; init; }

    /// <summary>Whether partitions are evened out over the brokers. Key: <c>chronik.balancer.enabled</c>.</summary>
    public bool Balances { get; init; }

    /// <summary>How long a leader may be silent before its followers look for another. Key: <c>chronik.raft.election-timeout</c>.</summary>
    public TimeSpan ElectionTimeout { get; init; }

    /// <summary>What the user said of Akka's own keys.</summary>
    public required Config Akka { get; init; }

    /// <summary>The defaults, changed by values of keys, for who hosts a node within another program.</summary>
    /// <param name="values">Full keys and values, as <c>--set</c> takes them.</param>
    /// <exception cref="ChronikStartException">There is no such key, or the value is not one for it.</exception>
    public static ChronikOptions Load(params IEnumerable<(string Key, string Value)> values)
    {
        var layers = new ConfigurationLayers();
        foreach (var (key, value) in values)
        {
            layers.AddOption("--set", key, value);
        }

        return new OptionsReader(layers).Read();
    }
}

/// <summary>An address to listen on, with the key and text that it comes from, for messages.</summary>
/// <param name="Endpoint">The address.</param>
/// <param name="Key">The key.</param>
/// <param name="Text">HOST:PORT as the user wrote it.</param>
public sealed record Listener(IPEndPoint Endpoint, string Key, string Text);
