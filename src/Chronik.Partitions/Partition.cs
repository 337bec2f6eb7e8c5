using System.Collections.Concurrent;
using System.Diagnostics;
using Akka.Actor;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Partitions.Watching;

namespace Chronik.Partitions;

/// <summary>
/// The handle of a replica that this node hosts: its published view, its waiting readers and its actor. Thread-safe; stays valid, and
/// shows a view that serves nothing, after the replica is gone.
/// </summary>
public sealed class Partition
{
    private readonly ConcurrentDictionary<NodeId, long> _ends = new();
    private volatile PartitionView _view;

    internal Partition(TopicPartition name, GroupId group, IActorRef replica, PartitionView view, LeaderLease? lease = null)
    {
        Name = name;
        Group = group;
        Replica = replica;
        Lease = lease;
        _view = view;
    }

    /// <summary>The partition's name.</summary>
    public TopicPartition Name { get; }

    /// <summary>The partition's identity.</summary>
    public GroupId Group { get; }

    /// <summary>The replica's actor.</summary>
    public IActorRef Replica { get; }

    /// <summary>
    /// What the replica shows at this moment. It does not show itself as the leader unless a majority let it believe so until now: what it
    /// knows to be committed may be old.
    /// </summary>
    public PartitionView View => Shown(_view);

    /// <summary>What the replica published last, whether its lease still holds or not: the same object until it publishes again.</summary>
    internal PartitionView Published => _view;

    /// <summary>Until when this node may believe that it leads; null: for ever.</summary>
    internal LeaderLease? Lease { get; }

    /// <summary>
    /// Where the log of a follower ends, as it said last to the leader that is here; unknown when it has not, or no leader is, or when its
    /// log is damaged: then nobody is sent there.
    /// </summary>
    public KafkaOffset EndOf(NodeId follower) => new(_ends.GetValueOrDefault(follower, KafkaOffset.Unknown.Value));

    /// <summary>What the replica is doing, for whoever measures.</summary>
    internal ReplicaPulse Pulse { get; } = new();

    /// <summary>The readers that wait for more.</summary>
    public FetchWaiters Waiters { get; } = new();

    /// <summary>Sends a batch to the replica; its sink is always told how it ended. Batches of one caller are appended in order.</summary>
    public void Append(AppendRequest request)
    {
        request.Batch.Retain();
        Replica.Tell(request, ActorRefs.NoSender);
    }

    /// <summary>
    /// Asks for a linearizable read here, whether this node leads or not: the reader is told once what is committed by now is in the
    /// <see cref="View"/>, or that nobody could confirm it within <see cref="PartitionLimits.ReadIndexTimeout"/>. Reads that come together
    /// share one round of contact.
    /// </summary>
    public void ConfirmRead(IReadSink reader) => Replica.Tell(new ConfirmRead(reader, Stopwatch.GetTimestamp()), ActorRefs.NoSender);

    /// <summary>
    /// Says that bytes of the log are not what they were. Others that have them fill the replica again, if all others are in sync;
    /// otherwise it goes on with what can be read, and the log says so.
    /// </summary>
    /// <param name="reason">Which bytes, and what is wrong with them.</param>
    public void ReportDamage(string reason) => Replica.Tell(new LogSuspect(reason), ActorRefs.NoSender);

    /// <summary>
    /// Makes every record before <paramref name="before"/> unreadable, for good; <see cref="KafkaOffset.Unknown"/> stands for the high
    /// watermark (KIP-107). Completes when that would survive a crash.
    /// </summary>
    public Task<DeleteRecordsResult> DeleteRecordsAsync(KafkaOffset before) =>
        Replica.Ask<DeleteRecordsResult>(new DeleteRecords(before), Replies.Timeout);

    /// <summary>The idempotent producers that the partition remembers.</summary>
    public Task<IReadOnlyList<ProducerSummary>> DescribeProducersAsync() =>
        Replica.Ask<IReadOnlyList<ProducerSummary>>(DescribeProducers.Instance, Replies.Timeout);

    /// <summary>
    /// How the partition's group stands (KIP-595, DescribeQuorum); only the leader's answer names what the others hold.
    /// </summary>
    public Task<QuorumState> DescribeQuorumAsync() => Replica.Ask<QuorumState>(DescribeQuorum.Instance, Replies.Timeout);

    /// <summary>What a published view is worth at this moment.</summary>
    internal PartitionView Shown(PartitionView view) =>
        !view.IsLeader || Lease is null or { IsValid: true } ? view : view with { IsLeader = false, Leader = NodeId.None };

    /// <summary>A follower says where its log ends.</summary>
    internal void SetEnd(NodeId follower, KafkaOffset end) => _ends[follower] = end.Value;

    /// <summary>Nobody follows a leader here any more.</summary>
    internal void ForgetEnds() => _ends.Clear();

    /// <summary>Replaces the view and wakes whoever waited for it.</summary>
    internal void Publish(PartitionView view)
    {
        PartitionView before = _view;
        _view = view;
        if (view.IsLeader == before.IsLeader && view.Failure == before.Failure) Waiters.Advance(view.HighWatermark);
        else Waiters.WakeAll(view.HighWatermark);
    }
}

/// <summary>How DeleteRecords ended.</summary>
/// <param name="Error">None, or why nothing was deleted.</param>
/// <param name="LowWatermark">The partition's first readable offset now.</param>
public sealed record DeleteRecordsResult(KafkaError Error, KafkaOffset LowWatermark);

/// <summary>One producer as DescribeProducers shows it (KIP-664).</summary>
/// <param name="ProducerId">Its id.</param>
/// <param name="ProducerEpoch">Its epoch.</param>
/// <param name="LastSequence">The sequence of its last record.</param>
/// <param name="LastTimestampMs">When its last batch was appended, in milliseconds since 1970.</param>
public sealed record ProducerSummary(long ProducerId, short ProducerEpoch, int LastSequence, long LastTimestampMs);

/// <summary>How a Raft group stands, as its leader sees it.</summary>
/// <param name="Leader">The leader, or none.</param>
/// <param name="Epoch">Its epoch.</param>
/// <param name="HighWatermark">What is committed.</param>
/// <param name="Voters">Who votes.</param>
/// <param name="Observers">Who only listens.</param>
public sealed record QuorumState(
    NodeId Leader,
    LeaderEpoch Epoch,
    KafkaOffset HighWatermark,
    IReadOnlyList<QuorumReplica> Voters,
    IReadOnlyList<QuorumReplica> Observers);

/// <summary>One member of a Raft group.</summary>
/// <param name="Node">Its node.</param>
/// <param name="LogEndOffset">Where its log ends, as it said last; -1 when unknown.</param>
/// <param name="LastContactMs">When it was heard of last, in milliseconds since 1970; -1 when never.</param>
/// <param name="LastCaughtUpMs">When it had everything last, in milliseconds since 1970; -1 when never.</param>
public sealed record QuorumReplica(NodeId Node, KafkaOffset LogEndOffset, long LastContactMs, long LastCaughtUpMs)
{
    /// <summary>Stands for the time of something that never was.</summary>
    internal const long NeverCaughtUp = -1;
}

internal static class Replies
{
    /// <summary>How long an actor of the same node may take before the asker gives up: far longer than any healthy disk needs.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);
}
