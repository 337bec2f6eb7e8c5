using Akka.Actor;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol;

namespace Chronik.Partitions;

/// <summary>
/// A running node, as the gateway uses it: its partitions, the cluster's metadata, and the coordinators of the groups it hosts.
/// Thread-safe.
/// </summary>
public interface IBrokerNode
{
    /// <summary>This node.</summary>
    NodeId Id { get; }

    /// <summary>The cluster's id.</summary>
    string ClusterId { get; }

    /// <summary>The metadata as far as it is committed and applied here; empty until the node is ready.</summary>
    MetadataImage Metadata { get; }

    /// <summary>This node's own configuration, as far as metadata depends on it.</summary>
    BrokerSettings Settings { get; }

    /// <summary>Where this node keeps its data, and how full that is.</summary>
    StorageStatus Storage { get; }

    /// <summary>
    /// The replica of a partition that this node hosts, by name; null when the topic does not exist or the replica is elsewhere.
    /// </summary>
    Partition? Find(TopicPartition name);

    /// <summary>The replica of a partition that this node hosts, by topic id.</summary>
    Partition? Find(TopicId topic, int partition);

    /// <summary>
    /// Where a partition is and who leads it, wherever that is; null when the metadata does not know the partition.
    /// </summary>
    PartitionLocation? Locate(TopicId topic, int partition);

    /// <summary>The node that changes the metadata: the leader of its log; none while there is none.</summary>
    NodeId Controller { get; }

    /// <summary>
    /// Whether another node was heard of lately. One may be, though the metadata does not hold its broker to be live yet, or any more.
    /// </summary>
    bool IsReachable(NodeId node);

    /// <summary>
    /// Whether consumers may be sent to another node's replicas: it was heard of lately, is not about to stop, and is new enough to serve
    /// them (<see cref="FeatureLevel.Operable"/>). An older one, or one that is gone, would have them come back at once.
    /// </summary>
    bool CanServeReads(NodeId node);

    /// <summary>
    /// How the metadata's group stands (KIP-595), as its leader sees it; no leader and no members when none can be asked.
    /// </summary>
    Task<QuorumState> DescribeMetadataQuorumAsync();

    /// <summary>
    /// The replicas that this node fills at this moment, those that wait for it, and its own that others fill; in the order in which they
    /// began.
    /// </summary>
    IReadOnlyList<SnapshotTransferStatus> SnapshotTransfers { get; }

    /// <summary>Makes an actor below /user/chronik.</summary>
    Task<IActorRef> ActorOfAsync(Props props, string name);

    /// <summary>
    /// Changes the metadata, on whichever node leads it. Completes with one result for each item, once what was granted is committed,
    /// applied here, and new partitions have leaders, or the time is over. Fails with <see cref="TimeoutException"/> when no controller
    /// could be reached or it did not answer, and with <see cref="MetadataAppendException"/> when it could not carry the change out or was
    /// lost; the change may still come true.
    /// </summary>
    Task<IReadOnlyList<ItemResult>> SubmitAsync(MetadataCommand command, TimeSpan timeout);

    /// <summary>
    /// Has partitions led by other replicas of theirs, wherever their leaders are. Completes with one result for each move, in order, once
    /// each is known here to have the leader, or cannot have it, or the time is over: UNKNOWN_TOPIC_OR_PARTITION; ELECTION_NOT_NEEDED when
    /// it leads already; PREFERRED_LEADER_NOT_AVAILABLE when it cannot lead at the moment, because its node is lost, stops or is not in
    /// sync; LEADER_NOT_AVAILABLE while there is no leader that could hand over; REQUEST_TIMED_OUT.
    /// </summary>
    Task<IReadOnlyList<ItemResult>> MoveLeadersAsync(IReadOnlyList<LeaderMove> moves, TimeSpan timeout);

    /// <summary>Who coordinates a group. Creates __consumer_offsets when it does not exist yet.</summary>
    Task<(KafkaError Error, NodeId Coordinator)> FindGroupCoordinatorAsync(string groupId);

    /// <summary>
    /// Hands a request about one group to its coordinator on this node. Null when the coordinator is not here, or its partition does
    /// not lead at the moment: the caller answers NOT_COORDINATOR.
    /// </summary>
    Task<IResponseMessage?> AskGroupCoordinatorAsync(string groupId, IRequestMessage request, short version, RequestOrigin origin);

    /// <summary>Hands a request to every group coordinator of this node; their answers, in no order.</summary>
    Task<IReadOnlyList<IResponseMessage>> AskAllGroupCoordinatorsAsync(IRequestMessage request, short version, RequestOrigin origin);
}

/// <summary>Where a node keeps its data, and how full that is.</summary>
/// <param name="DataDirectory">The folder.</param>
/// <param name="TotalBytes">The size of the disk; -1 when unknown.</param>
/// <param name="FreeBytes">What is free on it; -1 when unknown.</param>
/// <param name="Failure">Why storage has stopped; null while it works.</param>
public sealed record StorageStatus(string DataDirectory, long TotalBytes, long FreeBytes, string? Failure);
