using System.Collections.Immutable;
using Chronik.Metadata;
using Chronik.Model;

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

/// <summary>To a replica, from itself: its group, which this node leads, has woken.</summary>
internal sealed class Woken
{
    public static readonly Woken Instance = new();
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
/// To a replica: these are to be the members of its group. Whoever leads it brings that about, now or later, until the next such wish: new
/// voters learn first, and vote when they have everything. Nobody is told; for a move <see cref="MembersReached"/> says that it is so.
/// </summary>
/// <param name="Voters">The voters to be, the preferred leader first.</param>
/// <param name="Learners">The learners to be.</param>
internal sealed record MembersWanted(ImmutableArray<NodeId> Voters, ImmutableArray<NodeId> Learners)
{
    /// <summary>The move that they are wanted for (<see cref="PartitionImage.Move"/>), if any.</summary>
    public KafkaOffset Move { get; init; } = KafkaOffset.Unknown;

    /// <summary>Whether they are wanted for a move, whose end the metadata wait for.</summary>
    public bool IsMove => Move != KafkaOffset.Unknown;

    /// <summary>What the metadata want of a partition.</summary>
    public static MembersWanted By(PartitionImage image) => new(image.Target, []) { Move = image.Move };

    /// <summary>
    /// Whether the metadata, as far as they are known here, want just this, and know of this term of leadership. Then they hold everything
    /// that earlier leaders went by, because the term was recorded after all of that; and what earlier leaders still report is refused.
    /// </summary>
    /// <param name="said">What they say of the partition; null: nothing.</param>
    /// <param name="epoch">The term.</param>
    public bool IsConfirmedBy(PartitionImage? said, LeaderEpoch epoch) =>
        said is not null && said.IsrEpoch == epoch && said.Move == Move && said.Target.SequenceEqual(Voters);
}

/// <summary>
/// Published on the event stream by a replica that leads, again and again until it is wished otherwise: its group has the voters that were
/// wanted for a move, and that is committed.
/// </summary>
internal sealed record MembersReached(GroupId Group, LeaderEpoch Epoch, KafkaOffset Move, ImmutableArray<NodeId> Voters);

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
