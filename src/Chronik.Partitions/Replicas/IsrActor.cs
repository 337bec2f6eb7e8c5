using System.Collections.Immutable;
using Akka.Actor;
using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>Decides who is in sync of one partition, for one term in which this node leads it.</summary>
/// <remarks>
/// <code>
///   replica - FollowersSeen ----------->|     |-- InSync ---------------> replica, which shows it and counts by it
///   replica - QuorumState ------------->| isr |-- QuorumState ----------> who asked, with when each member had everything
///                                       |     |-- IsrFound, IsrEnded ---> event stream, for the node's reporter
/// </code>
/// The replica tells it some twenty times within replica.lag.time.max.ms what the followers hold, and once more when the group falls
/// asleep: then all hold everything, and nothing is said until the group wakes. It has no timer. Survives a restart: nothing; the next
/// term begins with what the metadata have recorded.
/// </remarks>
internal sealed class IsrActor : UntypedActor
{
    private readonly NodeContext _node;
    private readonly GroupId _group;
    private readonly LeaderEpoch _epoch;
    private readonly InSyncReplicas _isr;

    public IsrActor(NodeContext node, GroupId group, LeaderEpoch epoch, ImmutableArray<NodeId> first, TimeSpan interval)
    {
        _node = node;
        _group = group;
        _epoch = epoch;
        _isr = new InSyncReplicas(node.Self, node.Time, node.Limits.ReplicaLagMax, interval);
        _isr.Begin(first);
    }

    protected override void PreStart() => Report();

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case FollowersSeen seen:
                Look(seen);
                break;
            case QuorumState state:
                Sender.Tell(state with { Voters = [.. state.Voters.Select(Completed)] });
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    protected override void PostStop() => Context.System.EventStream.Publish(new IsrEnded(_group, _epoch));

    private void Look(FollowersSeen seen)
    {
        if (!_isr.Look(seen.At, seen.End, seen.Voters, seen.Followers)) return;
        Context.Parent.Tell(new InSync(_isr.Current));
        Report();
    }

    private void Report() => Context.System.EventStream.Publish(new IsrFound(_group, _epoch, _isr.Current));

    private QuorumReplica Completed(QuorumReplica replica)
    {
        if (replica.LastCaughtUpMs != QuorumReplica.NeverCaughtUp || _isr.CaughtUpAt(replica.Node) is not { } at) return replica;
        return replica with { LastCaughtUpMs = _node.NowMs - (long)_node.Time.GetElapsedTime(at).TotalMilliseconds };
    }
}

/// <summary>To isr, from its replica: what the followers hold at a moment.</summary>
/// <param name="At">When, as a timestamp of the node's clock.</param>
/// <param name="End">Where the leader's log ends.</param>
/// <param name="Voters">All voters of the group.</param>
/// <param name="Followers">What each of the others holds.</param>
internal sealed record FollowersSeen(long At, LogIndex End, ImmutableArray<NodeId> Voters, IReadOnlyList<FollowerMatch> Followers);

/// <summary>To a replica that leads, from its isr: these are in sync now.</summary>
internal sealed record InSync(ImmutableArray<NodeId> Replicas);

/// <summary>
/// Published on the event stream by isr: who is in sync, when a term of leadership begins and with every change. By the replica, too, when
/// it wants the term recorded.
/// </summary>
internal sealed record IsrFound(GroupId Group, LeaderEpoch Epoch, ImmutableArray<NodeId> Isr)
{
    /// <summary>Whether the epoch is to be recorded, even if the same are in sync as before.</summary>
    public bool IsClaim { get; init; }
}

/// <summary>Published on the event stream by isr: the term of leadership is over, and what it said last concerns nobody any more.</summary>
internal sealed record IsrEnded(GroupId Group, LeaderEpoch Epoch);
