using System.Buffers;
using System.Globalization;
using System.Text;
using Chronik.Model;
using Chronik.Partitions.Watching;

namespace Chronik.Server;

/// <summary>
/// The metrics that have a series for each partition, written into the answer to a scrape. Those of at most <see cref="PartitionsMax"/>
/// partitions that this node leads: the ones with replicas out of sync first, then those furthest behind.
/// </summary>
/// <remarks>
/// They do not come from a meter because the SDK shows a series for ever once it was measured: of a partition that is led elsewhere by now
/// the last value would stay, and after a while all of them would be there.
/// </remarks>
internal sealed class PartitionSeries
{
    /// <summary>
    /// How many partitions have series of their own. All others are in chronik_raft_leader_count, chronik_raft_follower_lag_max and the
    /// counts of partitions that are not well.
    /// </summary>
    public const int PartitionsMax = 100;

    /// <summary>What is written.</summary>
    public static readonly IReadOnlyList<PartitionMetric> All =
    [
        new(
            "chronik_raft_isr_size", "replicas", ["partition"],
            $"Replicas in sync of partitions led here, the leader included. At most {PartitionsMax} partitions, the worst first."),
        new(
            "chronik_raft_follower_lag", "records", ["partition", "follower_id"],
            "Records that the leader has and the follower has not confirmed, of partitions led here. Of the same partitions."),
    ];

    private HashSet<GroupId> _shown = [];

    /// <summary>Chooses the partitions and writes their series.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="find">
    /// The first partitions that this node leads, in the order of trouble: how many, and which were there the last time.
    /// </param>
    public void Write(IBufferWriter<byte> target, Func<int, IReadOnlySet<GroupId>, IReadOnlyList<LedPartition>> find)
    {
        var partitions = find(PartitionsMax, _shown);
        _shown = [.. partitions.Select(partition => partition.Group)];
        if (partitions.Count == 0) return;
        Head(target, All[0]);
        foreach (var partition in partitions)
            Put(target, $"{All[0].Name}{{partition=\"{partition.Name}\"}} {partition.Isr.Count}\n");
        if (partitions.All(partition => partition.Followers.Count == 0)) return;
        Head(target, All[1]);
        foreach (var partition in partitions)
            foreach (var follower in partition.Followers)
                Put(target, $"{All[1].Name}{{partition=\"{partition.Name}\",follower_id=\"{follower.Node}\"}} {follower.Records}\n");
    }

    private static void Head(IBufferWriter<byte> target, PartitionMetric metric) =>
        Put(target, $"# HELP {metric.Name} {metric.Help}\n# TYPE {metric.Name} gauge\n");

    // The names of topics have letters, digits, dots, dashes and underscores only: nothing that a label would have to escape.
    private static void Put(IBufferWriter<byte> target, FormattableString text) =>
        Encoding.UTF8.GetBytes(text.ToString(CultureInfo.InvariantCulture), target);
}

/// <summary>A metric that has a series for each partition.</summary>
/// <param name="Name">Its name as it is scraped.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Labels">Its labels.</param>
/// <param name="Help">What it says.</param>
internal sealed record PartitionMetric(string Name, string Unit, IReadOnlyList<string> Labels, string Help);
