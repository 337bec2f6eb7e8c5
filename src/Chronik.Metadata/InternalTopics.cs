using System.Globalization;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>The topics that a broker creates for itself.</summary>
public static class InternalTopics
{
    /// <summary>__consumer_offsets as a broker creates it when the first group needs it.</summary>
    public static NewTopic ConsumerOffsets(MetadataImage image, NodeId node, BrokerSettings settings) => new()
    {
        Name = TopicNames.ConsumerOffsets,
        PartitionCount = BrokerConfigs.IntValue(image, node, settings, "offsets.topic.num.partitions"),
        ReplicationFactor = BrokerConfigs.IntValue(image, node, settings, "offsets.topic.replication.factor"),
        Configs =
        [
            new(TopicConfigs.CleanupPolicy, "compact"),
            new(TopicConfigs.SegmentBytes, (100 << 20).ToString(CultureInfo.InvariantCulture)),
        ],
    };
}
