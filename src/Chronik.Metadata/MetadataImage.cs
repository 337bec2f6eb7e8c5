using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>One partition of a topic.</summary>
/// <param name="Replicas">
/// The nodes that hold it, the preferred leader first. They are the voters of its Raft group, unless it is being moved: then they are the
/// nodes that it moves to, followed by those that it leaves.
/// </param>
/// <param name="Directories">
/// The data directory that each of these nodes had when the replica was placed there (KIP-858), in the same order;
/// <see cref="Guid.Empty"/> where it is not known. A node that has another one now has lost what it had promised.
/// </param>
public sealed record PartitionImage(ImmutableArray<NodeId> Replicas, ImmutableArray<Guid> Directories)
{
    /// <summary>A partition whose directories are not known.</summary>
    public PartitionImage(ImmutableArray<NodeId> replicas)
        : this(replicas, [.. new Guid[replicas.Length]])
    {
    }

    private readonly ImmutableArray<NodeId> _isr;

    /// <summary>
    /// The replicas that are in sync, as a leader said last: never a node that is no replica. All of them until a leader has said so. A
    /// leader begins with these; what it holds itself is what counts while it leads.
    /// </summary>
    public ImmutableArray<NodeId> Isr
    {
        get
        {
            if (_isr.IsDefault) return Replicas;
            foreach (NodeId node in _isr)
                if (!Replicas.Contains(node))
                    return [.. _isr.Where(Replicas.Contains)];
            return _isr;
        }

        init => _isr = value;
    }

    /// <summary>The epoch of the leader that said so; unknown until one has.</summary>
    public LeaderEpoch IsrEpoch { get; init; } = LeaderEpoch.Unknown;

    /// <summary>Those of the replicas that did not hold the partition before the move that is under way (KIP-455); normally none.</summary>
    public ImmutableArray<NodeId> Adding { get; init; } = [];

    /// <summary>
    /// Those of the replicas that are not to hold the partition after the move that is under way; normally none. One that is in
    /// <see cref="Adding"/> too was to be added by a move that another one, or its end, has replaced.
    /// </summary>
    public ImmutableArray<NodeId> Removing { get; init; } = [];

    /// <summary>
    /// The move that is under way, by the offset of the record that began it or last restated it: the same on every node, and never that of
    /// another move. Unknown when none is under way.
    /// </summary>
    public KafkaOffset Move { get; init; } = KafkaOffset.Unknown;

    /// <summary>Whether it is being moved.</summary>
    public bool IsMoving => !Adding.IsEmpty || !Removing.IsEmpty;

    /// <summary>The nodes that hold it once no move is under way.</summary>
    public ImmutableArray<NodeId> Target => Removing.IsEmpty ? Replicas : Replicas.RemoveRange(Removing);

    /// <summary>The nodes that held it before the move that is under way, in the order that is left of them.</summary>
    public ImmutableArray<NodeId> Origin => Adding.IsEmpty ? Replicas : Replicas.RemoveRange(Adding);

    internal ReassignmentChanged ToRecord(TopicId topic, int partition) =>
        new(topic, partition, Replicas, Directories, Adding, Removing);
}

/// <summary>One topic.</summary>
public sealed record TopicImage
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its identity.</summary>
    public required TopicId Id { get; init; }

    /// <summary>Its partitions; the position is the partition's number. At least one.</summary>
    public required ImmutableArray<PartitionImage> Partitions { get; init; }

    /// <summary>
    /// The configs that were set for this topic, by key. What is not in it comes from the broker (<see
    /// cref="TopicConfig.From"/>).
    /// </summary>
    public ImmutableSortedDictionary<string, string> Configs { get; init; } = MetadataImage.NoConfigs;

    /// <summary>How many replicas a partition has that is added to it.</summary>
    public int ReplicationFactor => Partitions[0].Target.Length;
}

/// <summary>Where clients reach a broker.</summary>
/// <param name="Listener">The listener's name, such as PLAINTEXT.</param>
/// <param name="Host">The host name or address that clients are told.</param>
/// <param name="Port">The TCP port.</param>
public readonly record struct BrokerEndpoint(string Listener, string Host, int Port);

/// <summary>A broker that has registered.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Endpoints">Its listeners; at least one.</param>
/// <param name="Rack">Its rack, or null.</param>
public sealed record BrokerImage(NodeId Id, ImmutableArray<BrokerEndpoint> Endpoints, string? Rack)
{
    /// <summary>The id of its data directory; empty when it registered before directories had one.</summary>
    public Guid Directory { get; init; }

    /// <summary>
    /// The process that registered: a broker that sees its own in its own log knows that it has everything that was committed before it
    /// started (KIP-631).
    /// </summary>
    public Guid Incarnation { get; init; }

    /// <summary>What it speaks with other brokers.</summary>
    public ProtocolVersions Protocol { get; init; } = ProtocolVersions.First;

    /// <summary>
    /// Whether it was reachable when the controller last looked; nothing is placed on a broker that was not. It registers again when it is
    /// back.
    /// </summary>
    public bool IsLive { get; init; } = true;

    /// <summary>
    /// Whether it shall hold nothing: nothing new is placed on it, and what it holds is moved away. Registering again does not change that.
    /// </summary>
    public bool IsDraining { get; init; }

    /// <summary>Whether it is to be unregistered once it holds nothing; it drains then.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>Whether something new may be placed on it.</summary>
    public bool IsOpen => IsLive && !IsDraining;

    /// <summary>Whether it registered with just this, whichever process did.</summary>
    public bool IsAs(BrokerImage other) =>
        Rack == other.Rack
        && Directory == other.Directory
        && Protocol == other.Protocol
        && IsLive == other.IsLive
        && Endpoints.SequenceEqual(other.Endpoints);
}

/// <summary>
/// The levels (<see cref="FeatureLevel"/>) that a broker speaks with others. Two can work together when the ranges overlap; a broker of a
/// cluster must speak the cluster's.
/// </summary>
/// <param name="Min">The oldest.</param>
/// <param name="Max">The newest.</param>
public readonly record struct ProtocolVersions(int Min, int Max)
{
    /// <summary>What the first version speaks.</summary>
    public static readonly ProtocolVersions First = new(1, 1);

    /// <summary>What this version speaks.</summary>
    public static readonly ProtocolVersions Current = new(FeatureLevel.Oldest, FeatureLevel.Newest);

    /// <summary>Whether there is a version that both speak.</summary>
    public bool Overlaps(ProtocolVersions other) => Min <= other.Max && other.Min <= Max;

    /// <summary>Whether a level is one of them.</summary>
    public bool Includes(int level) => Min <= level && level <= Max;

    /// <inheritdoc/>
    public override string ToString() => Min == Max ? $"{Min}" : $"{Min} to {Max}";
}

/// <summary>
/// The cluster's metadata at one point of the metadata log. Immutable: readers take a reference and see one consistent state.
/// </summary>
/// <remarks>
/// Built from persistent dictionaries: a change to one of thousands of topics costs a path of tree nodes, and old images stay valid
/// for whoever still reads them. Every topic appears under its name and its id, or not at all.
/// </remarks>
public sealed partial class MetadataImage
{
    internal static readonly ImmutableSortedDictionary<string, string> NoConfigs =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>Before the first record.</summary>
    public static readonly MetadataImage Empty = new();

    private MetadataImage()
    {
    }

    private MetadataImage(MetadataImage from)
    {
        Version = from.Version + 1;
        ClusterId = from.ClusterId;
        Level = from.Level;
        Topics = from.Topics;
        TopicsById = from.TopicsById;
        Brokers = from.Brokers;
        Unregistered = from.Unregistered;
        BrokerConfigs = from.BrokerConfigs;
        NextProducerId = from.NextProducerId;
        ReplicaCounts = from.ReplicaCounts;
        PreferredCounts = from.PreferredCounts;
        NamesByShape = from.NamesByShape;
    }

    /// <summary>How many records it was built from.</summary>
    public long Version { get; private init; }

    /// <summary>The cluster's id as clients see it; empty until the cluster was formed.</summary>
    public string ClusterId { get; private init; } = "";

    /// <summary>
    /// The level that the cluster is at: what of <see cref="FeatureLevel"/> may be written. It never sinks.
    /// </summary>
    public int Level { get; private init; } = FeatureLevel.Oldest;

    /// <summary>The topics by name.</summary>
    public ImmutableDictionary<string, TopicImage> Topics { get; private init; } =
        ImmutableDictionary.Create<string, TopicImage>(StringComparer.Ordinal);

    /// <summary>The topics by id.</summary>
    public ImmutableDictionary<TopicId, TopicImage> TopicsById { get; private init; } = ImmutableDictionary<TopicId, TopicImage>.Empty;

    /// <summary>The brokers that have registered, by id.</summary>
    public ImmutableDictionary<NodeId, BrokerImage> Brokers { get; private init; } = ImmutableDictionary<NodeId, BrokerImage>.Empty;

    /// <summary>The brokers that are gone for good, and have not registered again.</summary>
    public ImmutableHashSet<NodeId> Unregistered { get; private init; } = [];

    /// <summary>
    /// The configs of brokers that were changed while running, by resource name: a broker's id, or the empty string for what holds for
    /// every broker.
    /// </summary>
    public ImmutableDictionary<string, ImmutableSortedDictionary<string, string>> BrokerConfigs { get; private init; } =
        ImmutableDictionary.Create<string, ImmutableSortedDictionary<string, string>>(StringComparer.Ordinal);

    /// <summary>The first producer id that nobody was given yet.</summary>
    public long NextProducerId { get; private init; }

    /// <summary>How many replicas each node holds.</summary>
    public ImmutableDictionary<NodeId, int> ReplicaCounts { get; private init; } = ImmutableDictionary<NodeId, int>.Empty;

    /// <summary>Of how many partitions each node is the preferred leader.</summary>
    public ImmutableDictionary<NodeId, int> PreferredCounts { get; private init; } = ImmutableDictionary<NodeId, int>.Empty;

    /// <summary>The partition of this identity, or null when there is none.</summary>
    public PartitionImage? Find(GroupId group) =>
        TopicsById.TryGetValue(group.Topic, out TopicImage? topic) && (uint)group.Partition < (uint)topic.Partitions.Length
            ? topic.Partitions[group.Partition]
            : null;

    /// <summary>How many brokers are live.</summary>
    public int LiveCount => Brokers.Values.Count(broker => broker.IsLive);

    /// <summary>On how many brokers something new may be placed.</summary>
    public int OpenCount => Brokers.Values.Count(broker => broker.IsOpen);

    /// <summary>
    /// Topic names with '.' or '_' in them, by their name with every '.' made '_': two such names would share a metric name.
    /// </summary>
    internal ImmutableDictionary<string, string> NamesByShape { get; private init; } =
        ImmutableDictionary.Create<string, string>(StringComparer.Ordinal);
}
