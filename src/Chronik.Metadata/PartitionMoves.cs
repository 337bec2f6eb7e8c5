using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>What the balancer asks of a partition.</summary>
internal static class PartitionMoves
{
    /// <summary>Whether the partition is on its way to other nodes.</summary>
    public static bool IsMoving(this PartitionImage partition) => partition.IsMoving;

    /// <summary>Where it will be.</summary>
    public static ImmutableArray<NodeId> Target(this PartitionImage partition) => partition.Target;

    /// <summary>Whether a node is being added to it.</summary>
    public static bool IsAdding(this PartitionImage partition, NodeId node) => partition.Adding.Contains(node);

    /// <summary>Who has everything that was committed.</summary>
    public static ImmutableArray<NodeId> InSync(this PartitionImage partition) => partition.Isr;
}
