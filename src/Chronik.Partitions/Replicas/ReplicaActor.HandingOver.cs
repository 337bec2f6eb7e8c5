using System.Collections.Immutable;
using Akka.Actor;
using Chronik.Model;
using Chronik.Partitions.Leaderships;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Handing leadership over. Whatever is appended while it moves waits here until it is known who leads, which takes milliseconds: then it
/// is taken, or refused with the new leader's name. Nobody has to guess and wait.
/// </summary>
internal sealed partial class ReplicaActor
{
    /// <summary>
    /// How long appends wait for a leader to be known, or for this one to have committed in its term: an election timeout.
    /// </summary>
    private const long AwaitTicks = 10;

    private long _awaitsUntil; // By the count of ticks.
    private bool _keepsWaiting;

    /// <summary>Whether what was gathered must wait, because who leads is about to change, or this member has just been elected.</summary>
    private bool MustWait =>
        _core.IsHandingOver || (_ticks < _awaitsUntil && (_ledTerm is not null ? !_leads : !_core.Leader.IsSome));

    private TransferAnswer HandOver(NodeId to, ImmutableArray<NodeId> avoid)
    {
        if (!_leads) return new TransferAnswer(_spec.Group, to, KafkaError.NotLeaderOrFollower);
        NodeId target = to.IsSome ? to : Successor(avoid);
        if (!target.IsSome || !CanLead(target, out _)) return new TransferAnswer(_spec.Group, to, KafkaError.PreferredLeaderNotAvailable);
        Propose(); // What was gathered came before this, and is taken before it.
        bool begun = Step(RaftInput.TransferTo(target));
        return new TransferAnswer(_spec.Group, target, begun ? KafkaError.None : KafkaError.NotLeaderOrFollower);
    }

    /// <summary>
    /// The replica that has most of those that could lead; of several the one that comes first. Who is to be avoided is taken only when
    /// there is nobody else.
    /// </summary>
    private NodeId Successor(ImmutableArray<NodeId> avoid)
    {
        NodeId best = NodeId.None;
        (bool IsWelcome, LogIndex Match) most = default;
        foreach (NodeId voter in _core.Membership.Voters)
        {
            if (!CanLead(voter, out LogIndex match)) continue;
            (bool IsWelcome, LogIndex Match) worth = (!avoid.Contains(voter), match);
            if (best.IsSome && worth.CompareTo(most) <= 0) continue;
            best = voter;
            most = worth;
        }

        return best;
    }

    /// <summary>Whether a replica is in sync, its node is heard of and stays.</summary>
    private bool CanLead(NodeId node, out LogIndex match)
    {
        match = LogIndex.Zero;
        if (!_partition.Published.Isr.Contains(node) || !_node.Peers.IsAlive(node) || _node.Peers.IsStopping(node)) return false;
        if (!_core.TryGetProgress(node, out PeerProgress progress)) return false;
        match = progress.Match;
        return progress is { IsLost: false, IsRecovering: false, State: ReplicationState.Replicate };
    }

    /// <summary>The successor was told to stand; it is elected without waiting for anything.</summary>
    private void ToldToStand()
    {
        _lease.End();
        AwaitLeader();
    }

    private void AwaitLeader() => _awaitsUntil = _ticks + AwaitTicks;

    /// <summary>After each step: what had to wait may go on.</summary>
    private void StopWaiting()
    {
        if (!_keepsWaiting || MustWait) return;
        _keepsWaiting = false;
        _self.Tell(ProposeGathered.Instance, ActorRefs.NoSender);
    }
}
