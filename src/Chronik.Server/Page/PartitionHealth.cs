using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;

namespace Chronik.Server.Page;

/// <summary>How well a partition is, the worst last.</summary>
internal enum PartitionTrouble
{
    /// <summary>All its replicas are in sync.</summary>
    None,

    /// <summary>It is being moved.</summary>
    Moving,

    /// <summary>Some replicas are not in sync.</summary>
    UnderReplicated,

    /// <summary>So few are that acks=all is refused.</summary>
    UnderMinIsr,

    /// <summary>Nobody is known to lead it: it is not available.</summary>
    Leaderless,
}

/// <summary>Says what is wrong with a partition, in words.</summary>
internal static class PartitionHealth
{
    /// <summary>Looks at where a partition is.</summary>
    /// <param name="location">Where it is.</param>
    /// <param name="image">How the metadata has it.</param>
    /// <param name="minIsr">The topic's min.insync.replicas.</param>
    /// <param name="isThere">Whether a node can be reached.</param>
    /// <param name="failure">Why this node's own replica has stopped, when it has.</param>
    public static (PartitionTrouble Trouble, string? Why) Of(
        PartitionLocation location, PartitionImage image, int minIsr, Func<NodeId, bool> isThere, string? failure)
    {
        var replicas = location.Replicas;
        List<NodeId> missing = [.. replicas.Where(node => !isThere(node))];
        var stopped = failure is null ? "" : $"; this node's replica has stopped: {failure}";
        if (!location.Leader.IsSome)
        {
            var left = replicas.Count - missing.Count;
            var majority = (replicas.Count / 2) + 1;
            return (PartitionTrouble.Leaderless, left < majority
                ? $"no majority: {Nodes(missing)} of {replicas.Count} replicas cannot be reached, {majority} are needed{stopped}"
                : $"no leader is known: an election is under way, or its replicas cannot reach each other{stopped}");
        }

        List<NodeId> behind = [.. replicas.Except(location.Isr)];
        if (behind.Count > 0)
        {
            var why = string.Join(
                ", ", behind.Select(node => missing.Contains(node) ? $"node {node} is down" : $"node {node} is behind"));
            var needed = Math.Min(minIsr, replicas.Count);
            return location.Isr.Count < needed
                ? (PartitionTrouble.UnderMinIsr, $"acks=all is refused: {location.Isr.Count} in sync, {needed} needed; {why}{stopped}")
                : (PartitionTrouble.UnderReplicated, why + stopped);
        }

        if (image.IsMoving)
            return (PartitionTrouble.Moving, $"moves from {Nodes(image.Origin)} to {Nodes(image.Target)}{stopped}");
        return (PartitionTrouble.None, failure is null ? null : stopped[2..]);
    }

    private static string Nodes(IReadOnlyCollection<NodeId> nodes) =>
        nodes.Count == 1 ? $"node {nodes.First()}" : $"nodes {string.Join(", ", nodes)}";
}
