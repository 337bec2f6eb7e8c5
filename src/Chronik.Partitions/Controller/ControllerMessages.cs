using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Controller;

/// <summary>Something that nodes say to each other about the metadata. Written as JSON by <see cref="RpcSerializer"/>.</summary>
internal interface IRpcMessage;

/// <summary>
/// To a controller, by way of /user/chronik/rpc when it is on another node: decide on a command. Answered with <see cref="CommandDone"/>
/// or <see cref="CommandRefused"/>.
/// </summary>
/// <param name="Command">The command.</param>
/// <param name="Timeout">How long new partitions may take to get leaders before the answer comes without them.</param>
internal sealed record Submit(MetadataCommand Command, TimeSpan Timeout) : IRpcMessage;

/// <summary>A command was decided, and what it changed is committed.</summary>
/// <param name="End">Where the metadata log ended then: whoever has applied it up to here sees the change.</param>
/// <param name="Results">One for each item.</param>
internal sealed record CommandDone(KafkaOffset End, IReadOnlyList<ItemResult> Results) : IRpcMessage;

/// <summary>A command was not carried out, or it is not known whether it was.</summary>
/// <param name="Error">NOT_CONTROLLER when nothing was done because somebody else decides; otherwise why.</param>
/// <param name="Message">Details, for people.</param>
internal sealed record CommandRefused(KafkaError Error, string Message) : IRpcMessage;

/// <summary>
/// To /user/chronik/rpc of the node that leads the metadata: how its group stands. Answered with a <see cref="QuorumDescribed"/>.
/// </summary>
internal sealed class DescribeMetadataQuorum : IRpcMessage
{
    public static readonly DescribeMetadataQuorum Instance = new();
}

/// <summary>How the metadata's group stands.</summary>
internal sealed record QuorumDescribed(QuorumState State) : IRpcMessage;

/// <summary>What the controller is made from.</summary>
/// <param name="Node">What the node's actors share.</param>
/// <param name="Directory">The replicas of this node.</param>
/// <param name="Registration">How this node registers.</param>
/// <param name="Settings">The node's own configuration.</param>
/// <param name="LogRecords">How many records the metadata log may hold before it is stated anew, if most of it is dead.</param>
/// <param name="Others">The other nodes, as far as they have been met.</param>
/// <param name="Published">Told every new image.</param>
/// <param name="Failed">Told why the node cannot work, when it cannot.</param>
internal sealed record ControllerSetup(
    NodeContext Node,
    PartitionDirectory Directory,
    RegisterBroker Registration,
    BrokerSettings Settings,
    long LogRecords,
    PeerBook Others,
    PublishedMetadata Published,
    Action<Exception> Failed)
{
    /// <summary>How long a broker must be out of reach before it is recorded as not live.</summary>
    public TimeSpan FenceAfter { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Told why this node cannot be in this cluster, when it cannot.</summary>
    public Action<string> Refused { get; init; } = _ => { };

    /// <summary>Whether the balancer evens out by itself, while this node is the controller.</summary>
    public bool Balances { get; init; }

    /// <summary>Where this node keeps its data, and how full that is.</summary>
    public Func<StorageStatus> StorageStatus { get; init; } = () => new StorageStatus("", -1, -1, null);

    /// <summary>Told when this node holds nothing any more, and was removed from the cluster.</summary>
    public Action Left { get; init; } = () => { };

    /// <summary>How often the controller looks around.</summary>
    public TimeSpan LookInterval { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>A change of the metadata was not made, or it is not known whether it was.</summary>
public sealed class MetadataAppendException : Exception
{
    internal MetadataAppendException(KafkaError error, string message)
        : base($"the metadata was not changed: {error}, {message}") => Error = error;

    /// <summary>What a client is told; one that it retries.</summary>
    public KafkaError Error { get; }
}
