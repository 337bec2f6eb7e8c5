using Chronik.Model;

namespace Chronik.Partitions.Watching;

/// <summary>Which of many partitions come first.</summary>
public enum PartitionOrder
{
    /// <summary>Those with replicas out of sync, then those whose followers are far behind, then by name.</summary>
    Trouble,

    /// <summary>Those whose followers are furthest behind.</summary>
    Lag,

    /// <summary>The largest.</summary>
    Size,
}

/// <summary>What a partition is ranked by.</summary>
/// <param name="Group">Its identity.</param>
/// <param name="Name">Its name.</param>
/// <param name="OutOfSync">How many of its replicas are not in sync.</param>
/// <param name="LagMax">How far its worst follower is behind, in records.</param>
/// <param name="SizeBytes">Its size.</param>
public readonly record struct RankedPartition(GroupId Group, TopicPartition Name, int OutOfSync, long LagMax, long SizeBytes);

/// <summary>Picks the first of many partitions without sorting them all.</summary>
public static class PartitionRanking
{
    /// <summary>A lag below this is how replication works, not a reason to be looked at, in records.</summary>
    public const long OrdinaryLag = 1_000;

    /// <summary>The first ones, in order.</summary>
    /// <param name="all">What there is to choose from.</param>
    /// <param name="most">How many to pick.</param>
    /// <param name="order">What comes first.</param>
    /// <param name="shown">
    /// Those that were picked the last time: in the order of trouble they stay before others that are no worse, so that the choice does
    /// not change with every moment.
    /// </param>
    public static IReadOnlyList<RankedPartition> Pick(
        IEnumerable<RankedPartition> all, int most, PartitionOrder order, IReadOnlySet<GroupId>? shown = null)
    {
        Comparer<RankedPartition> comparer = Comparer<RankedPartition>.Create((a, b) => Compare(a, b, order, shown));
        PriorityQueue<RankedPartition, RankedPartition> picked = new(
            Comparer<RankedPartition>.Create((a, b) => comparer.Compare(b, a))); // The worst place first: that is the one to give up.
        foreach (RankedPartition partition in all)
        {
            if (picked.Count < most) picked.Enqueue(partition, partition);
            else if (most > 0 && comparer.Compare(partition, picked.Peek()) < 0) picked.EnqueueDequeue(partition, partition);
        }

        List<RankedPartition> result = [.. picked.UnorderedItems.Select(item => item.Element)];
        result.Sort(comparer);
        return result;
    }

    private static int Compare(
        in RankedPartition a, in RankedPartition b, PartitionOrder order, IReadOnlySet<GroupId>? shown)
    {
        int difference = order switch
        {
            PartitionOrder.Lag => b.LagMax.CompareTo(a.LagMax),
            PartitionOrder.Size => b.SizeBytes.CompareTo(a.SizeBytes),
            _ => Trouble(a, b, shown),
        };
        if (difference != 0) return difference;
        difference = string.CompareOrdinal(a.Name.Topic, b.Name.Topic);
        return difference != 0 ? difference : a.Name.Partition.CompareTo(b.Name.Partition);
    }

    private static int Trouble(in RankedPartition a, in RankedPartition b, IReadOnlySet<GroupId>? shown)
    {
        int difference = b.OutOfSync.CompareTo(a.OutOfSync);
        if (difference == 0) difference = LagClass(b.LagMax).CompareTo(LagClass(a.LagMax));
        if (difference == 0 && shown is not null) difference = shown.Contains(b.Group).CompareTo(shown.Contains(a.Group));
        return difference;
    }

    /// <summary>Lags that are about the same are the same.</summary>
    private static int LagClass(long lag) => lag < OrdinaryLag ? 0 : 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)lag);
}
