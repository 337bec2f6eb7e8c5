using System.Globalization;
using Akka.Configuration;

namespace Chronik.Server.Configuration;

/// <summary>How a node takes part in a cluster, as Akka's own keys and <c>chronik.cluster</c> say it.</summary>
public sealed record ClusterSettings
{
    internal const string SystemName = "chronik";
    internal const string HostKey = "akka.remote.dot-netty.tcp.hostname";
    internal const string PortKey = "akka.remote.dot-netty.tcp.port";
    internal const string SeedsKey = "akka.cluster.seed-nodes";

    /// <summary>Where other nodes reach this one.</summary>
    public required Listener Listener { get; init; }

    /// <summary>The nodes to join, as addresses of actor systems; none for the first node of a cluster that others join.</summary>
    public required IReadOnlyList<string> Seeds { get; init; }

    /// <summary>
    /// How many nodes form a cluster, once. Key: <c>chronik.cluster.bootstrap-expect</c>; unless it is given, as many as there are seeds.
    /// </summary>
    public required int BootstrapExpect { get; init; }

    /// <summary>What the actor system must be told for that, below what the user says himself.</summary>
    /// <param name="frameBytes">The largest message between nodes.</param>
    internal Config ToHocon(long frameBytes)
    {
        var seeds = string.Join(", ", Seeds.Select(seed => $"\"{seed}\""));
        return ConfigurationFactory.ParseString($$"""
            akka {
              actor.provider = cluster
              cluster.seed-nodes = [{{seeds}}]
              remote {
                dot-netty.tcp.maximum-frame-size = {{frameBytes.ToString(CultureInfo.InvariantCulture)}}b
                send-queue-size = {{(2 * frameBytes).ToString(CultureInfo.InvariantCulture)}}b
              }
            }
            """);
    }

    /// <summary>HOST:PORT as the address of an actor system; what is one already stays as it is.</summary>
    internal static string AddressOf(string text) =>
        text.Contains("://", StringComparison.Ordinal) ? text : $"akka.tcp://{SystemName}@{text}";
}
