using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>Chooses nodes for new partitions: the least loaded ones, the preferred leader taking turns among them.</summary>
internal static class Placement
{
    public static ImmutableArray<PartitionImage> Choose(MetadataImage image, IReadOnlyCollection<NodeId> live, int count, int factor)
    {
        Invariant.Require(factor >= 1 && factor <= live.Count);
        NodeId[] nodes = [.. live.OrderBy(node => node.Value)];
        long[] loads = [.. nodes.Select(node => (long)image.ReplicaCounts.GetValueOrDefault(node))];
        int[] order = [.. Enumerable.Range(0, nodes.Length)];
        long placed = loads.Sum();
        ImmutableArray<PartitionImage>.Builder partitions = ImmutableArray.CreateBuilder<PartitionImage>(count);
        for (int i = 0; i < count; i++)
        {
            Array.Sort(order, (a, b) => loads[a] != loads[b] ? loads[a].CompareTo(loads[b]) : a.CompareTo(b));
            int[] chosen = order[..factor];
            Array.Sort(chosen);
            int leader = (int)(placed / factor % factor);
            ImmutableArray<NodeId>.Builder replicas = ImmutableArray.CreateBuilder<NodeId>(factor);
            for (int j = 0; j < factor; j++) replicas.Add(nodes[chosen[(leader + j) % factor]]);
            partitions.Add(new PartitionImage(replicas.MoveToImmutable()));
            foreach (int node in chosen) loads[node]++;
            placed += factor;
        }

        return partitions.MoveToImmutable();
    }
}
