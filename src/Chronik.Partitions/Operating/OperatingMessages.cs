using Akka.Event;
using Chronik.Model;
using Chronik.Partitions.Controller;

namespace Chronik.Partitions.Operating;

/// <summary>Something that the balancer of a node is told or asked, by way of /user/chronik/rpc when it is on another node.</summary>
internal interface IOperatingMessage : IRpcMessage;

/// <summary>To any node: what only it knows of itself. Answered with <see cref="NodeDescribed"/>.</summary>
internal sealed class DescribeNode : IOperatingMessage
{
    public static readonly DescribeNode Instance = new();
}

/// <summary>What only a node itself knows.</summary>
/// <param name="Version">The version of its program.</param>
/// <param name="Disk">Its disk.</param>
/// <param name="Moves">How far the partitions have come that it leads and that are being moved.</param>
/// <param name="Transfers">The replicas that it fills.</param>
internal sealed record NodeDescribed(
    string Version, DiskStatus Disk, IReadOnlyList<MoveProgress> Moves, IReadOnlyList<TransferStatus> Transfers) : IRpcMessage;

/// <summary>How far a partition has come that is being moved.</summary>
/// <param name="Topic">The topic's id.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="Done">Records that the new replica has which is furthest behind.</param>
/// <param name="Total">Records that it should have.</param>
internal sealed record MoveProgress(TopicId Topic, int Partition, long Done, long Total);

/// <summary>What is asked of the balancer.</summary>
internal enum BalancerOrder
{
    /// <summary>Say what it does.</summary>
    Describe = 0,

    /// <summary>Even everything out now, also when it is off or was stopped.</summary>
    Start = 1,

    /// <summary>Take back what is under way, and move nothing until it is started.</summary>
    Stop = 2,
}

/// <summary>To the balancer of the controller. Answered with a <see cref="BalancerAnswer"/>, or a <see cref="CommandRefused"/>.</summary>
/// <param name="Order">What is asked.</param>
internal sealed record BalancerRequest(BalancerOrder Order) : IOperatingMessage;

/// <summary>What the balancer does.</summary>
/// <param name="Status">What it does.</param>
/// <param name="Moves">What is under way.</param>
/// <param name="Refused">What could not be taken back, in words; null when all could.</param>
internal sealed record BalancerAnswer(BalancerStatus Status, IReadOnlyList<MoveStatus> Moves, string? Refused) : IRpcMessage;

/// <summary>From the controller to a node that is to be removed: it holds nothing any more, and has to stop.</summary>
internal sealed class LeaveCluster : IOperatingMessage, IDeadLetterSuppression
{
    public static readonly LeaveCluster Instance = new();
}
