using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <content>Who is in sync, as leaders say.</content>
public static partial class MetadataMachine
{
    /// <summary>
    /// What an epoch has said already leaves no record, so that reports may be repeated at will. A later leader's does, even of the same
    /// set: from then on no earlier leader is heard, and whoever reads the record knows everything that earlier leaders went by.
    /// </summary>
    private static ItemResult Change(Draft draft, NodeId leader, PartitionIsr change)
    {
        if (draft.Requires(FeatureLevel.Operable, "To record who is in sync") is { } refusal) return refusal.ToResult();
        if (!draft.Image.TopicsById.TryGetValue(change.Topic, out TopicImage? topic)
            || (uint)change.Partition >= (uint)topic.Partitions.Length)
            return new ItemResult(KafkaError.UnknownTopicOrPartition, $"There is no partition {change.Partition} of topic {change.Topic}.");
        PartitionImage partition = topic.Partitions[change.Partition];
        if (change.Epoch.Value < partition.IsrEpoch.Value)
        {
            string message = $"{topic.Name}-{change.Partition}: epoch {change.Epoch} is over, {partition.IsrEpoch} has begun.";
            return new ItemResult(KafkaError.FencedLeaderEpoch, message);
        }

        // Members that the group has beside the replicas are on their way in or out.
        ImmutableArray<NodeId> isr = [.. partition.Replicas.Where(change.Isr.Contains)];
        if (!change.Isr.Contains(leader) || isr.IsEmpty)
        {
            string message = $"{topic.Name}-{change.Partition}: a leader, node {leader}, that is not in sync itself leads nobody.";
            return new ItemResult(KafkaError.InvalidRequest, message);
        }

        if (change.Epoch != partition.IsrEpoch || !isr.AsSpan().SequenceEqual(partition.Isr.AsSpan()))
            draft.Add(new IsrChanged(topic.Id, change.Partition, change.Epoch, isr));
        return new ItemResult(KafkaError.None, null);
    }
}
