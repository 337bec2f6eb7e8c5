using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>
/// Something that a client or a broker asks of the metadata. <see cref="MetadataMachine.Decide"/> answers each item on its own.
/// </summary>
public abstract record MetadataCommand
{
    /// <summary>
    /// The first level whose nodes know the command: a controller that speaks less is not asked, and the command is refused.
    /// </summary>
    public virtual int Since => FeatureLevel.Oldest;
}

/// <summary>Form the cluster; done once, before anything else. Answered by one <see cref="ItemResult"/>.</summary>
/// <param name="ClusterId">The id that clients will see.</param>
public sealed record FormCluster(string ClusterId) : MetadataCommand;

/// <summary>Create topics. Answered by a <see cref="TopicResult"/> each.</summary>
/// <param name="Topics">The topics.</param>
/// <param name="ValidateOnly">Check everything, change nothing.</param>
public sealed record CreateTopics(IReadOnlyList<NewTopic> Topics, bool ValidateOnly = false) : MetadataCommand;

/// <summary>A topic to create.</summary>
public sealed record NewTopic
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>How many partitions; -1 for the broker's default, or when <see cref="Assignments"/> says it.</summary>
    public int PartitionCount { get; init; } = -1;

    /// <summary>How many replicas of each; -1 for the broker's default, or when <see cref="Assignments"/> says it.</summary>
    public int ReplicationFactor { get; init; } = -1;

    /// <summary>Which nodes hold which partition, chosen by the client; empty to let the broker choose.</summary>
    public IReadOnlyList<PartitionAssignment> Assignments { get; init; } = [];

    /// <summary>Configs by key. A null value is refused.</summary>
    public IReadOnlyList<KeyValuePair<string, string?>> Configs { get; init; } = [];
}

/// <summary>The nodes of one partition as a client chose them.</summary>
/// <param name="Partition">The partition's number.</param>
/// <param name="Replicas">The nodes, the preferred leader first.</param>
public sealed record PartitionAssignment(int Partition, IReadOnlyList<NodeId> Replicas);

/// <summary>Delete topics. Answered by a <see cref="TopicResult"/> each.</summary>
/// <param name="Topics">The topics.</param>
public sealed record DeleteTopics(IReadOnlyList<TopicReference> Topics) : MetadataCommand;

/// <summary>A topic by name or by id; one of the two.</summary>
/// <param name="Name">The name, or null.</param>
/// <param name="Id">The id, or <see cref="TopicId.None"/>.</param>
public readonly record struct TopicReference(string? Name, TopicId Id)
{
    /// <summary>A topic by name.</summary>
    public static TopicReference ByName(string name) => new(name, TopicId.None);

    /// <summary>A topic by id.</summary>
    public static TopicReference ById(TopicId id) => new(null, id);
}

/// <summary>Give topics more partitions. Answered by a <see cref="TopicResult"/> each.</summary>
/// <param name="Topics">The topics.</param>
/// <param name="ValidateOnly">Check everything, change nothing.</param>
public sealed record CreatePartitions(IReadOnlyList<MorePartitions> Topics, bool ValidateOnly = false) : MetadataCommand;

/// <summary>More partitions for one topic.</summary>
/// <param name="Name">The topic's name.</param>
/// <param name="TotalCount">How many partitions it shall have in all.</param>
/// <param name="Assignments">The nodes of each new partition in order, or null to let the broker choose.</param>
public sealed record MorePartitions(string Name, int TotalCount, IReadOnlyList<IReadOnlyList<NodeId>>? Assignments = null);

/// <summary>Replace all configs of resources (AlterConfigs). Answered by a <see cref="ConfigResult"/> each.</summary>
/// <param name="Resources">The resources with everything they shall have; keys that are not named go back to their defaults.</param>
/// <param name="ValidateOnly">Check everything, change nothing.</param>
public sealed record AlterConfigs(IReadOnlyList<ConfigReplacement> Resources, bool ValidateOnly = false) : MetadataCommand;

/// <summary>All configs that a resource shall have.</summary>
/// <param name="Resource">The resource.</param>
/// <param name="Configs">The configs by key. A null value is refused.</param>
public sealed record ConfigReplacement(ConfigResource Resource, IReadOnlyList<KeyValuePair<string, string?>> Configs);

/// <summary>
/// Change single configs of resources (KIP-339). Answered by a <see cref="ConfigResult"/> each; a resource changes wholly or not
/// at all.
/// </summary>
/// <param name="Resources">The resources and their changes.</param>
/// <param name="ValidateOnly">Check everything, change nothing.</param>
public sealed record IncrementalAlterConfigs(IReadOnlyList<ConfigAlteration> Resources, bool ValidateOnly = false) : MetadataCommand;

/// <summary>Changes of one resource.</summary>
/// <param name="Resource">The resource.</param>
/// <param name="Changes">The changes; each key at most once.</param>
public sealed record ConfigAlteration(ConfigResource Resource, IReadOnlyList<ConfigChange> Changes);

/// <summary>What to do with a config; the values are Kafka's.</summary>
public enum ConfigOperation : byte
{
    /// <summary>Set the value.</summary>
    Set = 0,

    /// <summary>Go back to the default.</summary>
    Delete = 1,

    /// <summary>Add items to a list.</summary>
    Append = 2,

    /// <summary>Take items off a list.</summary>
    Subtract = 3,
}

/// <summary>One change of one config.</summary>
/// <param name="Key">The key.</param>
/// <param name="Operation">What to do. A value that is not in the enumeration is refused.</param>
/// <param name="Value">The value or the list items; null only for <see cref="ConfigOperation.Delete"/>.</param>
public sealed record ConfigChange(string Key, ConfigOperation Operation, string? Value);

/// <summary>Take a block of producer ids that nobody else gets. Answered by one <see cref="ProducerIdsResult"/>.</summary>
/// <param name="Count">How many; 1 or more.</param>
public sealed record AllocateProducerIds(int Count) : MetadataCommand;

/// <summary>
/// Register a broker, or its new endpoints; it is live then. Answered by one <see cref="ItemResult"/>: an id that a live broker with
/// another data directory has is refused with DUPLICATE_BROKER_REGISTRATION.
/// </summary>
/// <param name="Id">Its id.</param>
/// <param name="Endpoints">Where clients reach it; at least one.</param>
/// <param name="Rack">Its rack, or null.</param>
public sealed record RegisterBroker(NodeId Id, ImmutableArray<BrokerEndpoint> Endpoints, string? Rack) : MetadataCommand
{
    /// <summary>The id of its data directory.</summary>
    public Guid Directory { get; init; }

    /// <summary>The process that registers; one that has not registered yet leaves a record whatever is known of the broker.</summary>
    public Guid Incarnation { get; init; }

    /// <summary>What it speaks with other brokers.</summary>
    public ProtocolVersions Protocol { get; init; } = ProtocolVersions.Current;
}

/// <summary>
/// Raise the cluster's level (KIP-584). Answered by one <see cref="ItemResult"/>: INVALID_UPDATE_VERSION with the reason when this version
/// or a registered broker does not speak the level, or when it is lower than the present one, because what was written at a level only
/// nodes of that level read.
/// </summary>
/// <param name="Level">The level.</param>
/// <param name="ValidateOnly">Check everything, change nothing.</param>
public sealed record ChangeLevel(int Level, bool ValidateOnly = false) : MetadataCommand
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>
/// From a leader of partitions: these replicas are in sync now, and this is its epoch. Answered by an <see cref="ItemResult"/> each, which
/// concerns nobody but who asks: FENCED_LEADER_EPOCH when a later leader has said something since, UNKNOWN_TOPIC_OR_PARTITION when the
/// partition is gone.
/// </summary>
/// <param name="Leader">The node that leads them.</param>
/// <param name="Partitions">The partitions.</param>
public sealed record ChangeIsr(NodeId Leader, IReadOnlyList<PartitionIsr> Partitions) : MetadataCommand
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>Who is in sync of one partition.</summary>
/// <param name="Topic">The topic.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="Epoch">The leader's epoch.</param>
/// <param name="Isr">The nodes, the leader among them.</param>
public sealed record PartitionIsr(TopicId Topic, int Partition, LeaderEpoch Epoch, IReadOnlyList<NodeId> Isr);

/// <summary>
/// Move partitions to other nodes, or back (KIP-455). Answered by an <see cref="ItemResult"/> each. A partition's own leader carries its
/// move out and ends it with <see cref="CompleteReassignment"/>; whoever leads next goes on with it.
/// </summary>
/// <param name="Items">The partitions; each at most once.</param>
/// <param name="AllowFactorChange">Whether a partition may have more or fewer replicas afterwards than before.</param>
public sealed record AlterReassignments(IReadOnlyList<Reassignment> Items, bool AllowFactorChange = true) : MetadataCommand
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>Where one partition shall be.</summary>
/// <param name="Topic">The topic's name.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="Target">The nodes, the preferred leader first; null: back to where it was before the move that is under way.</param>
public sealed record Reassignment(string Topic, int Partition, IReadOnlyList<NodeId>? Target);

/// <summary>
/// From a partition's leader: its group has the members that the move was to bring, and that is committed. Answered by one
/// <see cref="ItemResult"/>; refused with INVALID_REQUEST when another move is under way by now, and with FENCED_LEADER_EPOCH when a later
/// leader has spoken. The present leader repeats its report until it sees the end in the metadata, so a refusal costs nothing.
/// </summary>
/// <param name="Topic">The topic.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="Epoch">The leader's epoch.</param>
/// <param name="Voters">The nodes that the group has now, in any order.</param>
public sealed record CompleteReassignment(TopicId Topic, int Partition, LeaderEpoch Epoch, IReadOnlyList<NodeId> Voters) : MetadataCommand
{
    /// <summary>
    /// The move that is meant (<see cref="PartitionImage.Move"/>); null from a node of a version that did not say so, which is taken by its
    /// voters alone.
    /// </summary>
    public KafkaOffset? Move { get; init; }

    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>
/// Forget a broker that does not come back. Answered by one <see cref="ItemResult"/>: refused while it is live, because it would register
/// again at once, and while it holds replicas, because nobody would fill them.
/// </summary>
/// <param name="Id">Its id.</param>
public sealed record UnregisterBroker(NodeId Id) : MetadataCommand
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>Note that a broker is not reachable, or that it is again. Answered by one <see cref="ItemResult"/>.</summary>
/// <param name="Id">Its id.</param>
/// <param name="IsLive">Whether it is there.</param>
public sealed record ChangeLiveness(NodeId Id, bool IsLive) : MetadataCommand;

/// <summary>
/// Empty a broker, so that it can be taken away or given another disk, or let it be used again. Answered by one <see cref="ItemResult"/>:
/// POLICY_VIOLATION names what would be lost. What is so already is granted and changes nothing.
/// </summary>
/// <param name="Id">The broker.</param>
/// <param name="IsDraining">Whether it shall hold nothing.</param>
public sealed record DrainBroker(NodeId Id, bool IsDraining) : MetadataCommand
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;

    /// <summary>Whether it is to be unregistered once it is empty.</summary>
    public bool ThenRemove { get; init; }
}
