using System.Collections.Immutable;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions;

/// <summary>
/// To a replica: propose what has gathered. It queues behind the appends already in the mailbox, so that they form one step.
/// </summary>
internal sealed class ProposeGathered
{
    public static readonly ProposeGathered Instance = new();
}

/// <summary>To a replica, from the WAL thread: its writes up to this number are durable, or will never be.</summary>
internal sealed record DiskDone(ulong WriteNumber, Exception? Failure);

/// <summary>To a replica, from the ticker.</summary>
internal sealed class Tick
{
    public static readonly Tick Instance = new();
}

/// <summary>To a replica, from storage or itself: write a checkpoint, so that the WAL can drop what is covered.</summary>
internal sealed class WriteCheckpoint
{
    public static readonly WriteCheckpoint Instance = new();
}

/// <summary>To a replica, from the checkpointer: the checkpoint through <paramref name="Index"/> is durable, or failed.</summary>
internal sealed record CheckpointDone(LogIndex Index, Exception? Failure);

/// <summary>To a replica: drop what the topic's retention no longer keeps, and producers that expired.</summary>
internal sealed class ApplyRetention
{
    public static readonly ApplyRetention Instance = new();
}

/// <summary>To a replica: the topic's settings changed.</summary>
internal sealed record TopicConfigChanged(TopicConfig Config);

/// <summary>To a replica: make what lies before an offset unreadable.</summary>
internal sealed record DeleteRecords(KafkaOffset Before);

/// <summary>To a replica: list the producers.</summary>
internal sealed class DescribeProducers
{
    public static readonly DescribeProducers Instance = new();
}

/// <summary>
/// To a replica: make these the members of its group. Answered with <see cref="KafkaError.None"/> once the change has begun, or is not
/// needed; otherwise with why not: NOT_LEADER_OR_FOLLOWER, or REASSIGNMENT_IN_PROGRESS while another change is under way.
/// </summary>
internal sealed record ChangeMembers(Membership Target);

/// <summary>
/// To a replica: hand leadership to a voter, or to whichever is best (none). Answered with a TransferAnswer that says whether it has begun;
/// what comes of it shows.
/// </summary>
internal sealed record TransferLeadership(NodeId To)
{
    /// <summary>Whom leadership does not go to, when nobody in particular is asked for, unless there is nobody else.</summary>
    public ImmutableArray<NodeId> Avoid { get; init; } = [];
}

/// <summary>To a replica: say how its group stands. Answered with a <see cref="QuorumState"/>.</summary>
internal sealed class DescribeQuorum
{
    public static readonly DescribeQuorum Instance = new();
}

/// <summary>Published on the event stream by a replica: it leads now and its watermark is current, or it leads no longer.</summary>
internal sealed record LeadershipChanged(Partition Partition, bool Leads, LeaderEpoch Epoch);
