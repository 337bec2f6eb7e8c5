using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>What a config belongs to; the values are Kafka's.</summary>
public enum ConfigResourceKind : byte
{
    /// <summary>A topic, named by its name.</summary>
    Topic = 2,

    /// <summary>A broker, named by its id, or all brokers, named by the empty string.</summary>
    Broker = 4,
}

/// <summary>Something that has configs.</summary>
/// <param name="Kind">What it is. A value that is not in the enumeration is refused when it is used.</param>
/// <param name="Name">Its name.</param>
public readonly record struct ConfigResource(ConfigResourceKind Kind, string Name)
{
    /// <summary>All brokers.</summary>
    public static readonly ConfigResource AllBrokers = new(ConfigResourceKind.Broker, "");

    /// <summary>A topic.</summary>
    public static ConfigResource OfTopic(string name) => new(ConfigResourceKind.Topic, name);

    /// <summary>One broker.</summary>
    public static ConfigResource OfBroker(NodeId id) => new(ConfigResourceKind.Broker, id.ToString());

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        ConfigResourceKind.Topic => $"topic '{Name}'",
        ConfigResourceKind.Broker when Name.Length == 0 => "all brokers",
        ConfigResourceKind.Broker => $"broker {Name}",
        _ => $"resource type {(byte)Kind} '{Name}'",
    };
}

/// <summary>
/// One change of the metadata: the value of one record of __cluster_metadata. <see cref="MetadataRecordCodec"/> is its form.
/// </summary>
public abstract record MetadataRecord
{
    /// <summary>The first level whose nodes read it: it is not written while the cluster is at a lower one.</summary>
    public virtual int Since => FeatureLevel.Oldest;
}

/// <summary>The cluster was formed.</summary>
/// <param name="ClusterId">The id that clients see.</param>
public sealed record ClusterFormed(string ClusterId) : MetadataRecord;

/// <summary>The cluster is at another level from here on: the records that follow may be of that level.</summary>
/// <param name="Level">The level, higher than the one before.</param>
public sealed record LevelChanged(int Level) : MetadataRecord
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>A topic came to be.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Id">Its id.</param>
/// <param name="Partitions">Its partitions.</param>
/// <param name="Configs">The configs that were set at creation.</param>
public sealed record TopicCreated(
    string Name,
    TopicId Id,
    ImmutableArray<PartitionImage> Partitions,
    ImmutableSortedDictionary<string, string> Configs) : MetadataRecord;

/// <summary>A topic is gone, with its data and its configs.</summary>
/// <param name="Id">Its id.</param>
public sealed record TopicDeleted(TopicId Id) : MetadataRecord;

/// <summary>A topic got more partitions.</summary>
/// <param name="Id">The topic's id.</param>
/// <param name="First">The number of the first new partition.</param>
/// <param name="Partitions">The new partitions.</param>
public sealed record PartitionsAdded(TopicId Id, int First, ImmutableArray<PartitionImage> Partitions) : MetadataRecord;

/// <summary>Other replicas of a partition are in sync than before, as its leader says.</summary>
/// <param name="Id">The topic's id.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="Epoch">The leader's epoch.</param>
/// <param name="Isr">Those in sync, the leader among them, in the order of the replicas.</param>
public sealed record IsrChanged(TopicId Id, int Partition, LeaderEpoch Epoch, ImmutableArray<NodeId> Isr) : MetadataRecord
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>A config was set, or removed so that the default holds again.</summary>
/// <param name="Resource">What it belongs to.</param>
/// <param name="Key">The config's key.</param>
/// <param name="Value">Its value; null when it was removed.</param>
public sealed record ConfigChanged(ConfigResource Resource, string Key, string? Value) : MetadataRecord;

/// <summary>Producer ids were given out.</summary>
/// <param name="NextProducerId">The first id that is still free.</param>
public sealed record ProducerIdsAllocated(long NextProducerId) : MetadataRecord;

/// <summary>A broker registered, or came back with other endpoints.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Endpoints">Where clients reach it.</param>
/// <param name="Rack">Its rack, or null.</param>
public sealed record BrokerRegistered(NodeId Id, ImmutableArray<BrokerEndpoint> Endpoints, string? Rack) : MetadataRecord
{
    /// <summary>The id of its data directory; empty in records of version 0.</summary>
    public Guid Directory { get; init; }

    /// <summary>The process that registered; empty in records of version 0.</summary>
    public Guid Incarnation { get; init; }

    /// <summary>What it speaks with other brokers.</summary>
    public ProtocolVersions Protocol { get; init; } = ProtocolVersions.First;
}

/// <summary>A broker was not reachable for too long, or is back. Registering makes it live, too.</summary>
/// <param name="Id">Its id.</param>
/// <param name="IsLive">Whether it is there.</param>
public sealed record BrokerLivenessChanged(NodeId Id, bool IsLive) : MetadataRecord;

/// <summary>A broker shall hold nothing any more, or may again.</summary>
/// <param name="Id">Its id.</param>
/// <param name="IsDraining">Whether what it holds is to be moved away.</param>
/// <param name="IsLeaving">Whether it is to be unregistered then; only when it drains.</param>
public sealed record BrokerDrainingChanged(NodeId Id, bool IsDraining, bool IsLeaving) : MetadataRecord
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>
/// The nodes of a partition are to become others, or have become them: what <see cref="PartitionImage"/> says of them from now on.
/// </summary>
/// <param name="Id">The topic's id.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="Replicas">The nodes that hold it.</param>
/// <param name="Directories">The data directory of each.</param>
/// <param name="Adding">Those of them that did not hold it before the move.</param>
/// <param name="Removing">Those of them that are not to hold it after the move.</param>
public sealed record ReassignmentChanged(
    TopicId Id,
    int Partition,
    ImmutableArray<NodeId> Replicas,
    ImmutableArray<Guid> Directories,
    ImmutableArray<NodeId> Adding,
    ImmutableArray<NodeId> Removing) : MetadataRecord
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>A broker is gone for good. Registering brings it back.</summary>
/// <param name="Id">Its id.</param>
public sealed record BrokerUnregistered(NodeId Id) : MetadataRecord
{
    /// <inheritdoc/>
    public override int Since => FeatureLevel.Operable;
}

/// <summary>
/// Everything before it is void: the records that follow, in the same batch, state the whole image again
/// (<see cref="MetadataImage.ToRecords"/>), so that the log before them can be deleted.
/// </summary>
public sealed record MetadataRestated : MetadataRecord;
