using System.Globalization;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>The topics that a broker creates for itself.</summary>
public static class InternalTopics
{
    private const string ReplicationFactor = "offsets.topic.replication.factor";

    /// <summary>__consumer_offsets as a broker creates it when the first group needs it.</summary>
    /// <param name="image">What is known of the cluster.</param>
    /// <param name="node">The broker.</param>
    /// <param name="settings">Its configuration.</param>
    /// <param name="expected">
    /// How many brokers the cluster was formed of. The default of three replicas needs no more than these, or than have registered since;
    /// a number that was set is taken as it is, and refused while too few brokers are live.
    /// </param>
    public static NewTopic ConsumerOffsets(MetadataImage image, NodeId node, BrokerSettings settings, int expected) => new()
    {
        Name = TopicNames.ConsumerOffsets,
        PartitionCount = BrokerConfigs.IntValue(image, node, settings, "offsets.topic.num.partitions"),
        ReplicationFactor = settings.Find(ReplicationFactor) is null
            ? Math.Min(BrokerConfigs.IntValue(image, node, settings, ReplicationFactor), Math.Max(expected, image.Brokers.Count))
            : BrokerConfigs.IntValue(image, node, settings, ReplicationFactor),
        Configs =
        [
            new(TopicConfigs.CleanupPolicy, "compact"),
            new(TopicConfigs.SegmentBytes, (100 << 20).ToString(CultureInfo.InvariantCulture)),
        ],
    };
}
