using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>What a command comes to.</summary>
/// <param name="Records">
/// The records to append to the metadata log, in order, as one batch; empty when nothing changes. The results hold once they are committed.
/// </param>
/// <param name="Results">One result for each item of the command, in its order.</param>
public sealed record Decision(IReadOnlyList<MetadataRecord> Records, IReadOnlyList<ItemResult> Results);

/// <summary>What one item of a command comes to.</summary>
/// <param name="Error">Kafka's error code; <see cref="KafkaError.None"/> when it is granted.</param>
/// <param name="Message">Why it is refused, with the limit, its value and its key where there is one; null when it is granted.</param>
public record ItemResult(KafkaError Error, string? Message);

/// <summary>What becomes of a topic.</summary>
/// <param name="Error">Kafka's error code.</param>
/// <param name="Message">Why it is refused, or null.</param>
/// <param name="Name">The topic's name; null when it was named by an id that does not exist.</param>
/// <param name="Id">The topic's id; <see cref="TopicId.None"/> when there is none.</param>
public sealed record TopicResult(KafkaError Error, string? Message, string? Name, TopicId Id) : ItemResult(Error, Message)
{
    /// <summary>How many partitions it has then; -1 when refused or deleted.</summary>
    public int PartitionCount { get; init; } = -1;

    /// <summary>How many replicas each has then; -1 when refused or deleted.</summary>
    public int ReplicationFactor { get; init; } = -1;

    /// <summary>All its configs as DescribeConfigs would show them, for a created topic; otherwise empty.</summary>
    public IReadOnlyList<ConfigDescription> Configs { get; init; } = [];
}

/// <summary>What becomes of the configs of a resource.</summary>
/// <param name="Error">Kafka's error code.</param>
/// <param name="Message">Why it is refused, or null.</param>
/// <param name="Resource">The resource.</param>
public sealed record ConfigResult(KafkaError Error, string? Message, ConfigResource Resource) : ItemResult(Error, Message);

/// <summary>A block of producer ids.</summary>
/// <param name="Error">Kafka's error code.</param>
/// <param name="Message">Why it is refused, or null.</param>
/// <param name="First">The first id of the block.</param>
/// <param name="Count">How many ids it has.</param>
public sealed record ProducerIdsResult(KafkaError Error, string? Message, long First, int Count) : ItemResult(Error, Message);

/// <summary>What a decision depends on besides the image and the command.</summary>
public sealed record DecisionContext
{
    /// <summary>The node that decides; its configs are the defaults.</summary>
    public required NodeId Self { get; init; }

    /// <summary>Its configuration.</summary>
    public required BrokerSettings Settings { get; init; }

    /// <summary>Where new topic ids come from; never gives the same id twice.</summary>
    public required Func<TopicId> NewTopicId { get; init; }
}
