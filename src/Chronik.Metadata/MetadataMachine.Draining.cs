using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <content>Brokers that shall hold nothing, and brokers that are to go.</content>
public static partial class MetadataMachine
{
    private static ItemResult Drain(Draft draft, DrainBroker drain)
    {
        MetadataImage image = draft.Image;
        if (draft.Requires(FeatureLevel.Operable, "Draining a broker") is { } refusal) return refusal.ToResult();
        if (!image.Brokers.TryGetValue(drain.Id, out BrokerImage? broker))
            return new ItemResult(KafkaError.BrokerIdNotRegistered, $"No broker has the id {drain.Id}.");
        bool leaves = drain.IsDraining && (drain.ThenRemove || broker.IsLeaving); // Draining what leaves already does not keep it.
        if (broker.IsDraining == drain.IsDraining && broker.IsLeaving == leaves) return new ItemResult(KafkaError.None, null);
        if (drain.IsDraining)
        {
            string? reason = RefuseToDrain(image, drain.Id) ?? (leaves ? RefuseToRemove(image, broker) : null);
            if (reason is not null) return new ItemResult(KafkaError.PolicyViolation, reason);
        }

        draft.Add(new BrokerDrainingChanged(drain.Id, drain.IsDraining, leaves));
        return new ItemResult(KafkaError.None, null);
    }

    private static string? RefuseToDrain(MetadataImage image, NodeId id) =>
        image.Brokers.Values.Any(other => other.Id != id && other.IsOpen)
            ? null
            : $"Broker {id} is the last one that is live and does not drain: there is nowhere to move what it holds.";

    /// <summary>Why the cluster cannot do without a broker; null when it can.</summary>
    private static string? RefuseToRemove(MetadataImage image, BrokerImage broker)
    {
        NodeId[] leaving = [.. image.Brokers.Values.Where(other => other.IsLeaving || other.Id == broker.Id).Select(other => other.Id)];
        if (2 * leaving.Length > image.Brokers.Count)
        {
            return $"Brokers {string.Join(", ", leaving.OrderBy(id => id.Value))} would be leaving at once, the majority of " +
                   $"{image.Brokers.Count}: wait until the others have left.";
        }

        int open = image.Brokers.Values.Count(other => other.Id != broker.Id && other.IsOpen);
        TopicImage? largest = image.Topics.Values.OrderByDescending(Factor).ThenBy(topic => topic.Name, StringComparer.Ordinal)
            .FirstOrDefault();
        if (largest is not null && Factor(largest) > open)
        {
            return $"Topic '{largest.Name}' has {Factor(largest)} replicas of each partition, and without broker {broker.Id} only {open} " +
                   "broker(s) would be live and not draining: add a broker first, or delete the topic.";
        }

        foreach (TopicImage topic in image.Topics.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal))
        {
            for (int i = 0; i < topic.Partitions.Length; i++)
            {
                if (RefuseToLose(image, topic.Partitions[i], broker) is { } reason)
                    return $"Partition {topic.Name}-{i}: {reason}";
            }
        }

        return null;
    }

    /// <summary>Why a partition cannot do without its replica on a broker; null when it can, or has none there.</summary>
    private static string? RefuseToLose(MetadataImage image, PartitionImage partition, BrokerImage broker)
    {
        if (!partition.Replicas.Contains(broker.Id)) return null;
        ImmutableArray<NodeId> inSync = partition.Isr;
        if (broker.IsLive)
        {
            // Its own replica is copied before it goes, so a partition with no other loses nothing.
            return partition.Replicas.Length > 1 && inSync.All(node => node == broker.Id)
                ? $"broker {broker.Id} has the last replica that is in sync; wait until another one is."
                : null;
        }

        if (!inSync.Any(node => node != broker.Id && IsLive(node)))
            return $"broker {broker.Id} is down and had the last replica in sync: what only it holds would be lost. Start it again first.";
        int live = partition.Replicas.Count(IsLive);
        return 2 * live > partition.Replicas.Length
            ? null
            : $"only {live} of its {partition.Replicas.Length} replicas are live, too few to agree to another one. " +
              "Start one of the others again first.";

        bool IsLive(NodeId node) => image.Brokers.TryGetValue(node, out BrokerImage? other) && other.IsLive;
    }

    private static int Factor(TopicImage topic) => topic.Partitions.Max(partition => partition.Target.Length);
}
