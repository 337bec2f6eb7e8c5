using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Operating;

/// <summary>How the cluster stands, as one node knows it and the others told it. What could not be asked in time is null.</summary>
public sealed record ClusterStatus
{
    /// <summary>The cluster's id.</summary>
    public required string ClusterId { get; init; }

    /// <summary>The level that the cluster is at.</summary>
    public required int Level { get; init; }

    /// <summary>The node that answers.</summary>
    public required NodeId AnsweredBy { get; init; }

    /// <summary>The node that changes the metadata; none while there is none.</summary>
    public required NodeId Controller { get; init; }

    /// <summary>Who votes on the metadata and who only hears it; null when its leader could not be asked.</summary>
    public QuorumStatus? Quorum { get; init; }

    /// <summary>Every registered broker, by id.</summary>
    public required IReadOnlyList<NodeStatus> Nodes { get; init; }

    /// <summary>Partitions by what is wrong with them.</summary>
    public required PartitionCounts Partitions { get; init; }

    /// <summary>The first of the partitions that lack a replica in sync or a leader; not more than a hundred.</summary>
    public required IReadOnlyList<PartitionTrouble> UnderReplicated { get; init; }

    /// <summary>The partitions that are being moved.</summary>
    public required IReadOnlyList<MoveStatus> Moves { get; init; }

    /// <summary>What the balancer does; null when the controller could not be asked.</summary>
    public BalancerStatus? Balancer { get; init; }

    /// <summary>The replicas that are filled with snapshots at this moment, on any node.</summary>
    public required IReadOnlyList<TransferStatus> Transfers { get; init; }
}

/// <summary>How the metadata's group stands.</summary>
/// <param name="Leader">Its leader.</param>
/// <param name="Epoch">The leader's epoch.</param>
/// <param name="Members">Who belongs to it.</param>
public sealed record QuorumStatus(NodeId Leader, int Epoch, IReadOnlyList<QuorumMemberStatus> Members);

/// <summary>A member of the metadata's group.</summary>
/// <param name="Node">Its node.</param>
/// <param name="IsVoter">Whether it votes; otherwise it only hears the log.</param>
/// <param name="Lag">How many records it lacks; -1 when unknown.</param>
public sealed record QuorumMemberStatus(NodeId Node, bool IsVoter, long Lag);

/// <summary>One broker.</summary>
public sealed record NodeStatus
{
    /// <summary>Its id.</summary>
    public required NodeId Id { get; init; }

    /// <summary>In a word: live, unreachable (for a short time), down, stopping, draining or leaving.</summary>
    public required string State { get; init; }

    /// <summary>Whether the metadata holds it to be there.</summary>
    public required bool IsLive { get; init; }

    /// <summary>Whether the node that answers hears of it.</summary>
    public required bool IsReachable { get; init; }

    /// <summary>Whether what it holds is to be moved away.</summary>
    public required bool IsDraining { get; init; }

    /// <summary>Whether it is to be removed then.</summary>
    public required bool IsLeaving { get; init; }

    /// <summary>Whether it said that it is about to stop.</summary>
    public required bool IsStopping { get; init; }

    /// <summary>Its rack; null when it has none.</summary>
    public string? Rack { get; init; }

    /// <summary>Where clients reach it, as HOST:PORT.</summary>
    public required string Kafka { get; init; }

    /// <summary>Where other nodes reach it, as HOST:PORT; null when that is not known or it is alone.</summary>
    public string? Akka { get; init; }

    /// <summary>The version of its program; null when it could not be asked.</summary>
    public string? Version { get; init; }

    /// <summary>The newest level that it speaks.</summary>
    public required int NewestLevel { get; init; }

    /// <summary>How many partitions it leads.</summary>
    public required int Leaders { get; init; }

    /// <summary>Of how many it is the preferred leader.</summary>
    public required int PreferredLeaders { get; init; }

    /// <summary>How many replicas it holds, those included that come and go.</summary>
    public required int Replicas { get; init; }

    /// <summary>Replicas that should leave it and have nowhere to go.</summary>
    public required int Stuck { get; init; }

    /// <summary>Its disk; null when it could not be asked.</summary>
    public DiskStatus? Disk { get; init; }
}

/// <summary>A node's disk.</summary>
/// <param name="Directory">The data folder.</param>
/// <param name="TotalBytes">The size of the disk; -1 when unknown.</param>
/// <param name="FreeBytes">What is free on it; -1 when unknown.</param>
/// <param name="Failure">Why storage has stopped; null while it works.</param>
public sealed record DiskStatus(string Directory, long TotalBytes, long FreeBytes, string? Failure);

/// <summary>Partitions by what is wrong with them.</summary>
/// <param name="Topics">How many topics there are.</param>
/// <param name="All">How many partitions they have.</param>
/// <param name="UnderReplicated">Those with a replica that is not in sync, apart from replicas that are just being added.</param>
/// <param name="Leaderless">Those that nobody is known to lead.</param>
/// <param name="Moving">Those that are being moved.</param>
public sealed record PartitionCounts(int Topics, int All, int UnderReplicated, int Leaderless, int Moving);

/// <summary>A partition that is not as it should be.</summary>
/// <param name="Topic">The topic's name.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="Leader">Its leader; none while nobody is known to lead it.</param>
/// <param name="Replicas">The nodes that hold it, the preferred leader first.</param>
/// <param name="Isr">Those of them that are in sync.</param>
/// <param name="Reason">What is wrong, in words.</param>
public sealed record PartitionTrouble(
    string Topic, int Partition, NodeId Leader, IReadOnlyList<NodeId> Replicas, IReadOnlyList<NodeId> Isr, string Reason);

/// <summary>A partition that is being moved.</summary>
/// <param name="Topic">The topic's name.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="From">Where it was.</param>
/// <param name="To">Where it will be.</param>
/// <param name="Fraction">How much of it the new replicas have, from 0 to 1; null while that is not known.</param>
/// <param name="RecordsLeft">How many records the one furthest behind lacks; -1 while that is not known.</param>
/// <param name="SecondsLeft">How long that takes at the pace so far; null while there is none.</param>
public sealed record MoveStatus(
    string Topic, int Partition, IReadOnlyList<NodeId> From, IReadOnlyList<NodeId> To, double? Fraction, long RecordsLeft,
    double? SecondsLeft);

/// <summary>What the balancer does.</summary>
/// <param name="IsEnabled">Whether it evens out by itself (chronik.balancer.enabled on the controller).</param>
/// <param name="State">
/// In a word: balanced; moving; paused, for the reason given; waiting, for other nodes that may join at the same time; stopped, by an
/// operator; off.
/// </param>
/// <param name="Reason">Why it does not move what is left; null when it does or nothing is.</param>
/// <param name="MovesLeft">How many partitions are yet to get another replica, those under way not counted.</param>
/// <param name="SecondsLeft">How long everything will take at the pace so far; null while that is not known.</param>
public sealed record BalancerStatus(bool IsEnabled, string State, string? Reason, int MovesLeft, double? SecondsLeft);

/// <summary>A replica that is filled with a snapshot.</summary>
/// <param name="Topic">The topic's name.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="From">The node that sends.</param>
/// <param name="To">The node that is filled.</param>
/// <param name="IsWaiting">Whether it waits for its turn.</param>
/// <param name="BytesDone">What it has got.</param>
/// <param name="BytesTotal">What it lacked; 0 while that is not known.</param>
/// <param name="SecondsLeft">How long that takes at the pace so far; null while there is none.</param>
public sealed record TransferStatus(
    string Topic, int Partition, NodeId From, NodeId To, bool IsWaiting, long BytesDone, long BytesTotal, double? SecondsLeft);

/// <summary>What the balancer would do.</summary>
/// <param name="Plan">Its plan, to the end.</param>
/// <param name="Reason">Why it does not carry it out at the moment; null when it does, or there is nothing to do.</param>
public sealed record PlannedBalance(BalancerPlan Plan, string? Reason);
