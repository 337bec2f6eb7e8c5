using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>
/// Chooses live nodes that do not drain for new partitions: each replica in another rack while there are racks, on the node that holds
/// least, and the preferred leader where fewest partitions have theirs.
/// </summary>
/// <remarks>A node without a rack stands alone: it counts as a rack of its own.</remarks>
internal static class Placement
{
    /// <summary>Places partitions; there are enough live nodes. The same image gives the same answer.</summary>
    public static ImmutableArray<PartitionImage> Choose(MetadataImage image, int count, int factor)
    {
        Candidate[] nodes =
        [
            .. image.Brokers.Values.Where(broker => broker.IsOpen).OrderBy(broker => broker.Id.Value).Select(broker => new Candidate(
                broker, image.ReplicaCounts.GetValueOrDefault(broker.Id), image.PreferredCounts.GetValueOrDefault(broker.Id))),
        ];
        Invariant.Require(factor >= 1 && factor <= nodes.Length);
        ImmutableArray<PartitionImage>.Builder partitions = ImmutableArray.CreateBuilder<PartitionImage>(count);
        List<Candidate> chosen = new(factor);
        Dictionary<string, int> racks = new(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            chosen.Clear();
            racks.Clear();
            for (int j = 0; j < factor; j++)
            {
                Candidate best = nodes.Where(node => !chosen.Contains(node))
                    .MinBy(node => (racks.GetValueOrDefault(node.Rack), node.Replicas, node.Id.Value))!;
                chosen.Add(best);
                racks[best.Rack] = racks.GetValueOrDefault(best.Rack) + 1;
            }

            foreach (Candidate node in chosen) node.Replicas++;
            chosen.Sort((a, b) => a.Id.Value.CompareTo(b.Id.Value));
            int leader = chosen.IndexOf(chosen.MinBy(node => (node.Preferred, node.Id.Value))!);
            chosen[leader].Preferred++;
            partitions.Add(On(image, InTurn(chosen, leader, i)));
        }

        return partitions.MoveToImmutable();
    }

    /// <summary>A partition on these nodes, with the directories that they have.</summary>
    public static PartitionImage On(MetadataImage image, ImmutableArray<NodeId> replicas) =>
        new(replicas, [.. replicas.Select(replica => image.Brokers.GetValueOrDefault(replica)?.Directory ?? Guid.Empty)]);

    /// <summary>
    /// The leader, then the others; who comes second differs from partition to partition, so that the leaders of a node that dies do not
    /// all move to the same one.
    /// </summary>
    private static ImmutableArray<NodeId> InTurn(List<Candidate> chosen, int leader, int partition)
    {
        ImmutableArray<NodeId>.Builder replicas = ImmutableArray.CreateBuilder<NodeId>(chosen.Count);
        replicas.Add(chosen[leader].Id);
        int others = chosen.Count - 1;
        for (int i = 0; i < others; i++)
            replicas.Add(chosen[(leader + 1 + ((partition / chosen.Count + i) % others)) % chosen.Count].Id);
        return replicas.MoveToImmutable();
    }

    private sealed class Candidate(BrokerImage broker, int replicas, int preferred)
    {
        public NodeId Id { get; } = broker.Id;

        public string Rack { get; } = broker.Rack ?? $"\0{broker.Id}";

        public int Replicas { get; set; } = replicas;

        public int Preferred { get; set; } = preferred;
    }
}
