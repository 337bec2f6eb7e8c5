using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;

namespace Chronik.Gateway.Handlers;

/// <summary>Finds partitions as clients name them, and says with Kafka's errors why one cannot be served here.</summary>
internal static class PartitionLookup
{
    /// <summary>Finds a partition by its topic's name.</summary>
    public static (Partition? Partition, KafkaError Error) FindHere(this IBrokerNode node, string topic, int index)
    {
        // The metadata log is a partition like any other to this node, but none that clients know of.
        if (topic == TopicNames.ClusterMetadata) return (null, KafkaError.UnknownTopicOrPartition);
        if (node.Find(new TopicPartition(topic, index)) is { } partition) return Check(partition);
        bool exists = Exists(node.Metadata.Topics.GetValueOrDefault(topic), index);
        return (null, exists ? KafkaError.NotLeaderOrFollower : KafkaError.UnknownTopicOrPartition);
    }

    /// <summary>Finds a partition by its topic's id.</summary>
    public static (Partition? Partition, KafkaError Error) FindHere(this IBrokerNode node, TopicId topic, int index)
    {
        if (topic == TopicId.ClusterMetadata || !node.Metadata.TopicsById.TryGetValue(topic, out TopicImage? image))
            return (null, KafkaError.UnknownTopicId);
        if (node.Find(topic, index) is { } partition) return Check(partition);
        return (null, Exists(image, index) ? KafkaError.NotLeaderOrFollower : KafkaError.UnknownTopicOrPartition);
    }

    /// <summary>Where a partition is, by its topic's name; null when it does not exist.</summary>
    public static PartitionLocation? Locate(this IBrokerNode node, string topic, int index) =>
        node.Metadata.Topics.TryGetValue(topic, out TopicImage? image) ? node.Locate(image.Id, index) : null;

    /// <summary>
    /// Whether a client that gets this error is told who leads (KIP-951): then it need not ask for the metadata first.
    /// </summary>
    public static bool HintsAtLeader(KafkaError error) => error is KafkaError.NotLeaderOrFollower or KafkaError.FencedLeaderEpoch;

    /// <summary>Whether a reader may use the view: the node leads, and the client's idea of the epoch is the right one.</summary>
    /// <param name="view">What the partition shows.</param>
    /// <param name="currentLeaderEpoch">The epoch the client believes in; -1 for none.</param>
    public static KafkaError CheckLeader(this PartitionView view, int currentLeaderEpoch)
    {
        KafkaError error = view.CheckEpoch(currentLeaderEpoch);
        return error != KafkaError.None || view.IsLeader ? error : KafkaError.NotLeaderOrFollower;
    }

    /// <summary>Whether the client's idea of the epoch is the right one, whoever leads.</summary>
    /// <param name="view">What the partition shows.</param>
    /// <param name="currentLeaderEpoch">The epoch the client believes in; -1 for none.</param>
    public static KafkaError CheckEpoch(this PartitionView view, int currentLeaderEpoch)
    {
        if (currentLeaderEpoch >= 0 && currentLeaderEpoch < view.Epoch.Value) return KafkaError.FencedLeaderEpoch;
        return currentLeaderEpoch > view.Epoch.Value ? KafkaError.UnknownLeaderEpoch : KafkaError.None;
    }

    private static bool Exists(TopicImage? topic, int index) => topic is not null && (uint)index < (uint)topic.Partitions.Length;

    private static (Partition?, KafkaError) Check(Partition partition) =>
        partition.View.Failure is null ? (partition, KafkaError.None) : (null, KafkaError.KafkaStorageError);
}
