using Chronik.Model;

namespace Chronik.Raft;

/// <summary>Being the leader: rounds of contact, check-quorum, handing over, sleeping (thesis, 3.10, 6.2, 6.4).</summary>
public sealed partial class RaftCore
{
    private const long NoLease = long.MinValue / 2;

    private readonly Queue<(ulong Round, long At)> _roundStarts = new(); // Rounds that no majority has answered yet.
    private ulong _round;
    private long _roundAt; // When the latest round began.
    private long _contactAt; // When the latest round began that a majority answered.
    private long _leaseFrom = NoLease;
    private long _workedAt; // When there last was something to do.
    private NodeId _transferTo = NodeId.None;
    private long _transferSince;
    private LogIndex _transferFrom; // Where the log ended when the transfer was asked for.
    private bool _transferNear; // Whether the successor has got as far as that: what it lacks is less than a round's.
    private bool _transferSent; // In this term: somebody may be elected although this leader lives, so leases are off.
    private long _transferSentAt;

    /// <summary>
    /// Whether this member leads and has heard from a majority within the minimum election timeout, so that hardly anybody else can lead
    /// already. A hint: what must be exact asks with <see cref="RaftInput.ReadIndex"/>.
    /// </summary>
    public bool HasQuorumContact =>
        Role == RaftRole.Leader && _quorum!.IsReachable && (IsAsleep || _now - _contactAt <= _options.ElectionTimeoutTicks);

    /// <summary>
    /// How many ticks ago the latest round of contact began that a majority has answered since this member leads and is awake. For the
    /// minimum election timeout from then on nobody else is elected, unless nodes count as lost. -1: there is none, or leadership is being
    /// handed over.
    /// </summary>
    public long ContactTicks => Role == RaftRole.Leader && _leaseFrom != NoLease && !_transferSent ? _now - _leaseFrom : -1;

    /// <summary>
    /// Whether leadership is about to go to a voter that has nearly everything. Until that voter leads, or the transfer has failed,
    /// proposals are refused.
    /// </summary>
    public bool IsHandingOver => Role == RaftRole.Leader && _transferTo.IsSome && _transferNear;

    /// <summary>What this leader knows of another member; false when it does not lead or the node is no other member.</summary>
    public bool TryGetProgress(NodeId peer, out PeerProgress progress)
    {
        progress = default;
        if (Role != RaftRole.Leader || FindPeer(peer) is not { } known) return false;
        progress = new PeerProgress(
            known.Match, known.NextOffset, known.State, known.IsLost, known.IsRecovering, IsAsleep ? 0 : _now - known.HeardAt);
        return true;
    }

    /// <summary>
    /// Leads, and opens the term with an entry of its own, since older ones must not be committed by counting (5.4.2, 8). Its first
    /// entry tells the others.
    /// </summary>
    private void Lead()
    {
        Role = RaftRole.Leader;
        Leader = _self;
        _failedRounds = 0;
        _hurries = false;
        _round = 0;
        _roundStarts.Clear();
        _contactAt = _now;
        _leaseFrom = NoLease;
        _workedAt = _now;
        _transferTo = NodeId.None;
        _transferSent = false;
        foreach (Progress peer in _peers) peer.Restart(LastIndex.Next, _now);
        _own.Match = DurableIndex;
        _own.Round = ulong.MaxValue; // It always hears itself.
        CountRound();
        AppendOwn(EntryKind.NoOp, NextOffset, BufferSlice.Empty);
        SendToAll();
        AskAgain();
    }

    private void StopLeading()
    {
        RefuseReads();
        _transferTo = NodeId.None;
        DrawWait();
    }

    private void TickLeader()
    {
        int timeout = _options.ElectionTimeoutTicks;
        if (_transferTo.IsSome && _now - _transferSince >= TransferTicks)
        {
            GiveUpTransfer();
            if (Role != RaftRole.Leader) return;
        }

        if (_now - _contactAt > timeout)
        {
            // Check-quorum (thesis, 6.2): whoever a majority does not answer must not go on as if it led.
            BecomeFollower(Term, NodeId.None);
            return;
        }

        foreach (Progress peer in _peers)
        {
            if (peer.IsIdle || _now - peer.WaitingSince < timeout) continue;
            peer.Probe(peer.Match.Next);
            Send(peer);
        }

        if (MaySleep()) FallAsleep();
        else if (_now - _roundAt >= _options.HeartbeatTicks) BeginRound();
    }

    /// <summary>One more round of contact: whoever answers it knew of no later leader after this moment.</summary>
    private void BeginRound()
    {
        CountRound();
        foreach (Progress peer in _peers) SendHeartbeat(peer, _round);
        ConfirmRounds();
        if (FindPeer(_transferTo) is { } successor) HandOver(successor); // What was said to it may have been lost.
    }

    private void CountRound()
    {
        _round++;
        _roundAt = _now;
        _roundStarts.Enqueue((_round, _now));
    }

    private void SendHeartbeat(Progress peer, ulong round, MessageFlags flags = MessageFlags.None)
    {
        LogIndex commit = peer.Match < CommitIndex ? peer.Match : CommitIndex;
        bool quiesces = (flags & MessageFlags.Quiesce) != 0;
        peer.SentCommit = commit;
        _effects.Messages.Add(new RaftMessage
        {
            Kind = MessageKind.Heartbeat,
            Flags = flags | (peer.IsInvited ? MessageFlags.MayVote : MessageFlags.None),
            From = _self,
            To = peer.Id,
            Term = Term,
            Index = quiesces ? LastIndex : LogIndex.Zero,
            LogTerm = quiesces ? _log.LastTerm : Term.Zero,
            Commit = commit,
            Hint = peer.IsInvited ? peer.Life : LogIndex.Zero,
            Round = round,
        });
    }

    private void TakeHeartbeat(in RaftMessage message)
    {
        // What the leader once heard of this log need not be there any more: only what it was seen to agree with is committed.
        Commit(message.Commit < _agreed ? message.Commit : _agreed);
        bool sleeps = message.Has(MessageFlags.Quiesce) && message.Index == LastIndex && message.LogTerm == _log.LastTerm
            && CommitIndex == LastIndex && DurableIndex == LastIndex && _writes.IsHardStateDurable && !HasReads;
        if (sleeps) IsAsleep = true;
        else if (message.Round != 0) Reply(message, MessageKind.HeartbeatReply, index: _agreed > CommitIndex ? _agreed : CommitIndex);
    }

    private void TakeHeartbeatReply(in RaftMessage reply)
    {
        if (Role != RaftRole.Leader || FindPeer(reply.From) is not { } peer || !Heard(peer, reply)) return;
        ConfirmRounds();
        bool forgot = peer.State == ReplicationState.Replicate && peer.IsIdle && reply.Index < peer.Match;
        if (forgot) peer.Probe(peer.Match.Next); // It started again, and does not know yet that its log is this leader's.
        Send(peer);
    }

    /// <summary>Notes that a peer answered in this term.</summary>
    /// <returns>Whether what else it says may be believed.</returns>
    private bool Heard(Progress peer, in RaftMessage reply)
    {
        if (!Believes(peer, reply)) return false;
        peer.HeardAt = _now;
        if (reply.Round > peer.Round && reply.Round <= _round) peer.Round = reply.Round;
        InviteRecovered();
        return true;
    }

    private void ConfirmRounds()
    {
        ulong confirmed = _quorum!.Round;
        while (_roundStarts.TryPeek(out (ulong Round, long At) start) && start.Round <= confirmed)
        {
            _contactAt = start.At;
            _leaseFrom = start.At;
            _roundStarts.Dequeue();
        }

        ReleaseReads(confirmed);
    }

    private int TransferTicks => Math.Max(1, _options.ElectionTimeoutTicks / 2);

    /// <summary>
    /// Hands leadership to a voter (thesis, 3.10). Proposals go on until it has what the log held at this moment; from then on they are
    /// refused, which is for as long as its last few entries take to be committed and the election itself.
    /// </summary>
    private void Transfer(NodeId target)
    {
        if (Role == RaftRole.Leader && !target.IsSome) target = BestSuccessor();
        bool possible = Role == RaftRole.Leader && !IsHandingOver && Membership.Voters.Contains(target)
            && FindPeer(target) is { IsLost: false, IsRecovering: false };
        if (!possible)
        {
            _effects.ProposalRefused = true;
            return;
        }

        Wake(speak: true);
        _transferTo = target;
        _transferSince = _now;
        _transferFrom = LastIndex;
        _transferNear = false;
        _workedAt = _now;
        HandOver(FindPeer(target)!);
    }

    /// <summary>Whatever was appended is committed under this leader, and so answered by it, before another may stand.</summary>
    private void HandOver(Progress peer)
    {
        if (peer.Id != _transferTo) return;
        _transferNear |= peer.Match >= _transferFrom;
        if (peer.Match < LastIndex || CommitIndex < LastIndex || (_transferSent && _transferSentAt == _now)) return;
        _transferSent = true;
        _transferSentAt = _now;
        _leaseFrom = NoLease;
        TellToStand(peer.Id);
    }

    /// <summary>
    /// The successor took too long, or is gone. If it was told to stand it may still do so at any time, and the others would leave this
    /// leader for it, so that leases stay off in this term: then this leader begins another one.
    /// </summary>
    private void GiveUpTransfer()
    {
        bool wasSent = _transferSent;
        _transferTo = NodeId.None;
        if (!wasSent) return;
        BecomeFollower(Term, NodeId.None);
        if (CanStand) Campaign(transfer: true);
    }

    private void TellToStand(NodeId node) =>
        _effects.Messages.Add(new RaftMessage { Kind = MessageKind.TimeoutNow, From = _self, To = node, Term = Term });

    private NodeId BestSuccessor()
    {
        Progress? best = null;
        foreach (NodeId voter in Membership.Voters)
        {
            if (FindPeer(voter) is { IsLost: false, IsRecovering: false } peer && (best is null || peer.Match > best.Match)) best = peer;
        }

        return best?.Id ?? NodeId.None;
    }

    /// <summary>Nothing to do for long, everybody is here and has everything.</summary>
    private bool MaySleep()
    {
        bool idle = _options.QuiesceTicks > 0 && _now - _workedAt >= _options.QuiesceTicks && CommitIndex == LastIndex
            && DurableIndex == LastIndex && _writes.IsHardStateDurable && !HasReads && !_transferTo.IsSome && !Membership.IsJoint;
        if (!idle) return false;
        foreach (Progress peer in _peers)
        {
            if (peer.IsLost && !Membership.IsVoter(peer.Id)) continue; // A learner that is away wakes the group when it is back.
            bool settled = !peer.IsLost && !peer.IsRecovering && peer.State == ReplicationState.Replicate && peer.Match == LastIndex
                && _now - peer.HeardAt <= _options.ElectionTimeoutTicks;
            if (!settled) return false;
        }

        return true;
    }

    /// <summary>
    /// Sleeps, and says so. A follower that does not hear it, or is not where this leader is, speaks up when its wait is over; that wakes
    /// this leader again.
    /// </summary>
    private void FallAsleep()
    {
        CountRound(); // So that answers to what was said before are told apart: they do not wake anybody.
        foreach (Progress peer in _peers) SendHeartbeat(peer, _round, MessageFlags.Quiesce);
        IsAsleep = true;
    }

    private void Wake() => Wake(speak: true);

    /// <summary>Time stood still while the group slept: nothing that is counted in ticks may be concluded from it.</summary>
    private void Wake(bool speak)
    {
        if (!IsAsleep) return;
        IsAsleep = false;
        _waitsSince = _now;
        _leaderHeardAt = _now;
        if (Role != RaftRole.Leader) return;
        _contactAt = _now;
        _leaseFrom = NoLease;
        _roundStarts.Clear();
        _workedAt = _now;
        foreach (Progress peer in _peers) peer.HeardAt = _now;
        if (speak) BeginRound();
        else _roundAt = _now - _options.HeartbeatTicks; // With the next tick.
    }

    /// <summary>A node cannot be reached any more.</summary>
    private void Lost(NodeId node)
    {
        if (FindPeer(node) is not { } peer) return;
        Wake(speak: true);
        peer.IsLost = true;
        peer.LostAt = _now;
        if (Role == RaftRole.Leader)
        {
            _workedAt = _now;
            if (peer.State != ReplicationState.Snapshot) peer.Probe(peer.Match.Next);
            if (_transferTo == node) GiveUpTransfer();
        }
        else if (Leader == node || (!Leader.IsSome && _hardState.Vote == node))
        {
            LeaderLost(); // Or who was about to lead.
        }
    }

    private void Back(NodeId node)
    {
        if (FindPeer(node) is not { } peer) return;
        Wake(speak: true);
        peer.IsLost = false;
        if (Role != RaftRole.Leader) return;
        _workedAt = _now;
        SendHeartbeat(peer, _round);
        Send(peer);
    }
}
