using System.Text.Json;
using Chronik.Model;
using Chronik.Partitions.Watching;

namespace Chronik.Partitions;

/// <content>What a node shows of itself to whoever watches it.</content>
public sealed partial class ChronikNode
{
    /// <summary>How many elections replicas of this node stood for since it started.</summary>
    public long Elections => _meters.Elections;

    /// <summary>How many replicas of this node lead.</summary>
    public int Leading => _directory.All.Count(partition => partition.View.IsLeader);

    /// <summary>Bytes and records of the batches that were committed under leaders of this node since it started.</summary>
    public (long Bytes, long Records) Committed => _meters.CommittedSoFar;

    /// <summary>How long clients' batches took to be committed.</summary>
    public DurationCounts CommitTimes => _meters.CommitTimes;

    /// <summary>The partitions that this node leads and whose names contain a text, the first ones in an order.</summary>
    /// <param name="most">How many at most.</param>
    /// <param name="order">Which come first.</param>
    /// <param name="filter">What the name, topic-number, contains; empty for all.</param>
    /// <param name="shown">Those that were shown the last time, <see cref="PartitionRanking.Pick"/>.</param>
    public IReadOnlyList<LedPartition> FindLed(
        int most, PartitionOrder order, string filter = "", IReadOnlySet<GroupId>? shown = null)
    {
        IEnumerable<Partition> led = _directory.All.Where(partition =>
            partition.View.IsLeader
            && partition.Group != GroupId.Metadata
            && (filter.Length == 0 || $"{partition.Name}".Contains(filter, StringComparison.OrdinalIgnoreCase)));
        return
        [
            .. PartitionRanking.Pick(led.Select(partition => Ranked(partition, order)), most, order, shown)
                .Select(one => DescribeLed(one.Group)).OfType<LedPartition>(),
        ];
    }

    /// <summary>A partition that this node leads; null when it does not.</summary>
    public LedPartition? DescribeLed(GroupId group)
    {
        if (_directory.Find(group) is not { View: { IsLeader: true } view } partition) return null;
        return new LedPartition(
            partition.Name, group, view.Replicas, view.Isr, partition.Pulse.Followers, view.LogStartOffset, view.HighWatermark,
            view.Log.SizeBytes);
    }

    /// <summary>
    /// Answers what any node of the cluster asks about this one, in a form that is the asker's and the answerer's own; null while nobody
    /// does.
    /// </summary>
    public Func<JsonElement, Task<JsonElement>>? Answers
    {
        get => _questions.Answers;
        set => _questions.Answers = value;
    }

    /// <summary>Asks a node, this one too, what its <see cref="Answers"/> says.</summary>
    /// <returns>The answer; or null, and why there is none: the node is not there, too old, too slow, or said no.</returns>
    public Task<(JsonElement? Answer, string? Why)> AskAsync(NodeId node, JsonElement question, TimeSpan timeout) =>
        _questions.AskAsync(node, question, timeout);

    private static RankedPartition Ranked(Partition partition, PartitionOrder order)
    {
        PartitionView view = partition.Published;
        long size = order == PartitionOrder.Size ? view.Log.SizeBytes : 0;
        return new RankedPartition(
            partition.Group, partition.Name, Math.Max(0, view.Replicas.Count - view.Isr.Count), partition.Pulse.LagMax, size);
    }
}
