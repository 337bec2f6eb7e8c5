using System.Collections.Immutable;
using Akka.Actor;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>Who leads, who is in sync, and what is shown of it.</summary>
internal sealed partial class ReplicaActor
{
    private const int TicksRemembered = 32;

    private readonly LeaderLease _lease;
    private readonly ReplicationLag _lag;
    private readonly long[] _tickTimes = new long[TicksRemembered];
    private long _ticks;
    private ulong _wokenRead; // The number of the last round after a sleep; those of readers begin far above.
    private long _wokenAt;
    private Term? _ledTerm; // The term in which this member leads, from its election on.
    private bool _leads; // Whether it has also committed in that term, and so serves.
    private NodeId _lastLeader = NodeId.None;
    private Term _lastLeaderTerm;
    private long _lastLeaderSince;

    private void TakeTick()
    {
        if (_core.IsAsleep) return; // It was on its way already.
        _tickTimes[++_ticks % TicksRemembered] = _node.Time.GetTimestamp();
        Step(RaftInput.Tick());
        if (_ticks % _ticksPerLook == 0) ShowFollowers();
    }

    private void FallAsleepOrWake()
    {
        if (_core.IsAsleep) _node.Ticker.Sleep(_self);
        else _node.Ticker.Wake(_self);
        _lease.Sleep(_core.IsAsleep ? _core.Membership.Voters : default);
        if (_core.IsAsleep) ShowFollowers(); // All of them have everything, and nobody looks until it wakes.
        else if (_leads) _self.Tell(Woken.Instance, ActorRefs.NoSender);
    }

    /// <summary>
    /// The pings between nodes, which gave a sleeping group its lease, do so no longer: a round of contact at once gives it another, so
    /// that nobody is told for the time of two heartbeats that this node does not lead.
    /// </summary>
    private void RenewAfterSleep()
    {
        if (!_leads || _core.IsAsleep || _core.Role != RaftRole.Leader) return;
        _wokenRead++;
        _wokenAt = _node.Time.GetTimestamp();
        Step(RaftInput.ReadIndex(_wokenRead));
    }

    /// <summary>
    /// A majority has answered since the round began: as with heartbeats, none of them elects anybody for an election timeout from then.
    /// </summary>
    private void RenewLease(ReadGrant granted)
    {
        if (granted.Id != _wokenRead || _core.Role != RaftRole.Leader || _core.ContactTicks < 0 || !_core.HasQuorumContact) return;
        _lease.Extend(_wokenAt + _node.Ticker.LeaseTimestamps);
    }

    /// <summary>Looks, after every step, at what others are shown of leadership.</summary>
    private void NoticeLeadership()
    {
        bool isElected = _core.Role == RaftRole.Leader && _ledTerm is null;
        if (isElected || (_effects.MembershipChanged && _ledTerm is not null)) _partition.Pulse.Lead(_core, _node.Self);
        if (isElected)
        {
            _ledTerm = _core.Term;
            AwaitLeader();
            _lag.Begin();
        }

        if (_core.Leader.IsSome && (_core.Leader != _lastLeader || _core.Term != _lastLeaderTerm))
        {
            _lastLeader = _core.Leader;
            _lastLeaderTerm = _core.Term;
            _lastLeaderSince = _node.Time.GetTimestamp();
        }

        bool leads = _core.HasCommittedInTerm;
        bool begins = leads && !_leads;
        bool changed = _effects.RoleChanged || _effects.MembershipChanged || leads != _leads;
        if (leads)
        {
            RenewLease();
            if (begins) _inSync = InSyncAtFirst();
            else if (_effects.MembershipChanged) ShowFollowers();
        }

        if (!changed) return;
        _leads = leads;
        _partition.Publish(View());
        if (!begins) return;
        BeginInSync(); // Not before it is shown here: who hears of the leader may come at once.
        Context.System.EventStream.Publish(new LeadershipChanged(_partition, true, _core.Term.ToLeaderEpoch()));
        BeginDriving();
    }

    /// <summary>
    /// Leadership is lost. What was appended and is not committed may or may not become so under the next leader; whoever waits is told to
    /// ask that one.
    /// </summary>
    private void EndLeadership()
    {
        Term led = _ledTerm!.Value;
        _ledTerm = null;
        _producers.RollBack();
        CountProducers();
        bool served = _leads;
        _leads = false;
        _lease.End();
        _partition.ForgetEnds();
        _partition.Pulse.Follow();
        StopSending();
        EndInSync();
        _partition.Publish(View());
        RefusePending(KafkaError.NotLeaderOrFollower, "this node leads the partition no longer");
        if (!served) return;
        _node.Peers.Renounce(_spec.Group);
        Context.System.EventStream.Publish(new LeadershipChanged(_partition, false, led.ToLeaderEpoch()));
    }

    /// <summary>
    /// A majority has answered a round of contact. For the minimum election timeout from that round's beginning on, less what timers may be
    /// wrong by, nobody else was elected.
    /// </summary>
    private void RenewLease()
    {
        if (_core.IsAsleep) return;
        ImmutableArray<NodeId> voters = _core.Membership.Voters;
        if (voters.Length == 1 && voters[0] == _node.Self && !_core.Membership.IsJoint)
        {
            _lease.Extend(long.MaxValue);
            return;
        }

        if (_effects.MembershipChanged) _lease.End(); // It may have been alone until now.
        long ago = _core.ContactTicks;
        if (ago < 0 || !_core.HasQuorumContact || ago >= Math.Min(TicksRemembered, _ticks)) return;
        _lease.Extend(_tickTimes[(_ticks - ago) % TicksRemembered] + _node.Ticker.LeaseTimestamps);
    }

    private void Acknowledged(in RaftMessage reply)
    {
        _lag.Confirmed(_core, reply.From);
        if (!_core.TryGetProgress(reply.From, out PeerProgress progress)) return;
        bool hasEnd = reply.NextOffset != KafkaOffset.Unknown; // A group that sleeps takes no notice of it.
        _partition.SetEnd(reply.From, hasEnd ? progress.NextOffset : KafkaOffset.Unknown);
    }

    private QuorumState DescribedQuorum()
    {
        Membership members = _core.Membership;
        return new QuorumState(
            _core.Leader, _core.Term.ToLeaderEpoch(), _log.NextOffset, [.. members.Voters.Select(Described)],
            [.. members.Learners.Select(Described)]);
    }

    private QuorumReplica Described(NodeId node)
    {
        long now = _node.NowMs;
        if (node == _node.Self) return new QuorumReplica(node, _core.NextOffset, now, now);
        if (!_core.TryGetProgress(node, out PeerProgress progress)) return new QuorumReplica(node, KafkaOffset.Unknown, -1, -1);
        bool hasAll = progress.Match >= _core.LastIndex;
        long contact = _core.IsAsleep ? now : now - (progress.SilentTicks * (long)_node.Ticker.Interval.TotalMilliseconds);
        return new QuorumReplica(
            node, hasAll ? _core.NextOffset : progress.NextOffset, Math.Max(-1, contact), hasAll ? now : QuorumReplica.NeverCaughtUp);
    }

    private PartitionView View()
    {
        NodeId leader = _core.Leader == _node.Self && !_leads ? NodeId.None : _core.Leader;
        return new PartitionView
        {
            IsLeader = _leads,
            Leader = leader,
            LeaderHint = leader.IsSome ? leader : _lastLeader == _node.Self ? NodeId.None : _lastLeader,
            Epoch = _core.Term.ToLeaderEpoch(),
            LogStartOffset = _log.LogStartOffset,
            HighWatermark = _log.NextOffset,
            LogEndOffset = _core.NextOffset,
            Log = _log,
            Epochs = _epochs,
            Config = _config,
            Replicas = _core.Membership.Voters,
            AreReplicasSettled = _core.IsMembershipCommitted,
            IsRecovering = _core.IsRecovering,
            Isr = _leads ? _inSync : _core.Membership.Voters,
            Failure = _failure,
        };
    }
}
