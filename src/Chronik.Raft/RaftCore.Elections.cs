using Chronik.Model;

namespace Chronik.Raft;

/// <summary>Waiting for a leader, standing, voting (Raft paper, 5.2 and 5.4.1; thesis, 4.2.3, 6.4, 9.6).</summary>
public sealed partial class RaftCore
{
    private const int StaleTicks = 2; // How long messages of a lost node may still arrive.

    private ulong _random;
    private long _waitsSince; // When there last was a reason to wait on.
    private long _wait;
    private long _leaderHeardAt; // When this member last heard from a leader.
    private int _failedRounds;
    private bool _hurries; // The leader is known to be gone, or there never was one and this member is to be the first.

    /// <summary>
    /// Voters stand; and whoever an entry removes that is not known to be committed yet, since without it that entry may never be (thesis,
    /// 4.2.2): those who stay may lack it, and get no vote from those who have it.
    /// </summary>
    private bool CanStand => MayVote
        && (Membership.IsVoter(_self) || (_memberships.LatestIndex > CommitIndex && _memberships.At(CommitIndex).IsVoter(_self)));

    private bool IsOnlyVoter => Membership.Voters.Length == 1 && Membership.Voters[0] == _self && !Membership.IsJoint;

    /// <summary>
    /// Whether the only voter may still have a leader: one that is removed leads on, and under its lease, until it knows that the entry
    /// which removes it is committed. Before that nobody else knows it either.
    /// </summary>
    private bool MayBeLed => _memberships.LatestIndex > CommitIndex && IsLoyal;

    private bool MayVote => !IsRecovering || Has(PlantedFault.RecoveringVotes);

    /// <summary>
    /// Whether a leader is thought to live, so that nobody else gets this member's vote (thesis, 4.2.3). Where leaders grant reads under a
    /// lease, a leader that seems lost is given its minimum election timeout all the same.
    /// </summary>
    private bool IsLoyal =>
        Role == RaftRole.Leader
        || (Leader.IsSome && (IsAsleep || _now - _leaderHeardAt < _options.ElectionTimeoutTicks))
        || (_options.LeaseTicks > 0 && _leaderHeardAt >= 0 && _now - _leaderHeardAt < _options.ElectionTimeoutTicks);

    /// <summary>A start: whoever is to be the first leader of a new group does not wait for others to fail first.</summary>
    private void StartWaiting()
    {
        bool isNew = Term == Term.Zero && LastIndex == LogIndex.Zero;
        _leaderHeardAt = isNew ? -1 : 0;
        _hurries = isNew && Rank() == 0;
        DrawWait();
        if (_hurries) _wait = 1;
    }

    private void TickFollower()
    {
        ExpireReads();
        if (IsOnlyVoter && CanStand && !MayBeLed) Campaign(transfer: false);
        else if (_now - _waitsSince < _wait) return;
        else if (CanStand) AskForVotes();
        else if (Membership.Contains(_self)) LookForLeader();
    }

    /// <summary>
    /// A member that hears nothing and cannot stand has no other way to wake a leader that sleeps: it asks every voter for a read that
    /// nobody waits for.
    /// </summary>
    private void LookForLeader()
    {
        DrawWait();
        _question++;
        foreach (NodeId voter in Membership.Voters)
        {
            if (voter != _self) SendQuestion(voter);
        }
    }

    /// <summary>Asks whether a majority would vote for it, without beginning a term (thesis, 9.6).</summary>
    private void AskForVotes()
    {
        if (Role != RaftRole.Follower) _failedRounds++;
        Stand(RaftRole.PreCandidate);
        SendToVoters(MessageKind.PreVote, Term.Next, MessageFlags.None);
    }

    /// <summary>
    /// Begins a term with a vote for itself (Raft paper, 5.2). The vote counts at once although it is not durable yet: whatever could
    /// tell others of this term leaves only behind the disk write that carries it.
    /// </summary>
    private void Campaign(bool transfer)
    {
        _hardState = new HardState(Term.Next, _self);
        _agreed = LogIndex.Zero;
        _hurries = false; // An election takes disk writes: it gets its time.
        Stand(RaftRole.Candidate);
        if (_quorum!.IsElected) Lead();
        else SendToVoters(MessageKind.Vote, Term, transfer ? MessageFlags.Transfer : MessageFlags.None);
    }

    private void Stand(RaftRole role)
    {
        Role = role;
        Leader = NodeId.None;
        foreach (Progress peer in _peers) peer.Vote = null;
        _own.Vote = true;
        DrawWait();
    }

    private void SendToVoters(MessageKind kind, Term term, MessageFlags flags)
    {
        foreach (Progress peer in _peers)
        {
            if (!Membership.IsVoter(peer.Id)) continue;
            RaftMessage request = new()
            {
                Kind = kind,
                Flags = flags,
                From = _self,
                To = peer.Id,
                Term = term,
                Index = LastIndex,
                LogTerm = _log.LastTerm,
            };
            if (kind == MessageKind.Vote) _effects.AfterWrite.Add(request);
            else _effects.Messages.Add(request);
        }
    }

    private void AnswerPreVote(in RaftMessage request)
    {
        bool granted = MayVote && request.Term > Term && !IsLoyal && IsUpToDate(request);
        AnswerCandidate(request, MessageKind.PreVoteReply, granted, granted ? request.Term : Term);

        // Whoever asks has not heard from its leader lately; a leader that lives says so.
        if (Role == RaftRole.Leader && FindPeer(request.From) is { } peer) SendHeartbeat(peer, _round);
    }

    private void AnswerVote(in RaftMessage request)
    {
        bool isFree = _hardState.Vote == request.From || (!_hardState.Vote.IsSome && !Leader.IsSome);
        bool granted = MayVote && request.Term == Term && isFree && IsUpToDate(request);
        if (granted)
        {
            _hardState = new HardState(Term, request.From);
            _hurries = false;
            DrawWait();
        }

        AnswerCandidate(request, MessageKind.VoteReply, granted, Term);
    }

    private void AnswerCandidate(in RaftMessage request, MessageKind kind, bool granted, Term term)
    {
        RaftMessage reply = new()
        {
            Kind = kind,
            Flags = granted ? MessageFlags.None : MessageFlags.Rejected,
            From = _self,
            To = request.From,
            Term = term,
        };
        if (_writes.IsHardStateDurable && _hardState == _hardStateBefore) _effects.Messages.Add(reply);
        else _effects.AfterWrite.Add(reply);
    }

    /// <summary>Whether a candidate's log holds at least what this one does (Raft paper, 5.4.1).</summary>
    private bool IsUpToDate(in RaftMessage request) =>
        request.LogTerm > _log.LastTerm || (request.LogTerm == _log.LastTerm && request.Index >= LastIndex)
        || Has(PlantedFault.VoteForAnyLog);

    private void CountPreVote(in RaftMessage reply)
    {
        bool granted = !reply.Has(MessageFlags.Rejected);
        if (Role != RaftRole.PreCandidate || (granted ? reply.Term != Term.Next : reply.Term != Term)) return;
        if (FindPeer(reply.From) is not { } peer) return;
        peer.Vote = granted;
        if (_quorum!.IsElected) Campaign(transfer: false);
        else if (_quorum.CannotBeElected) GiveUp();
    }

    private void CountVote(in RaftMessage reply)
    {
        if (Role != RaftRole.Candidate || FindPeer(reply.From) is not { } peer) return;
        peer.Vote = !reply.Has(MessageFlags.Rejected);
        if (_quorum!.IsElected) Lead();
        else if (_quorum.CannotBeElected) GiveUp();
    }

    private void GiveUp()
    {
        _failedRounds++;
        _hurries |= Role == RaftRole.Candidate; // The votes were split.
        BecomeFollower(Term, NodeId.None);
        DrawWait();
    }

    /// <summary>There is a leader of this term.</summary>
    private void Follow(in RaftMessage message)
    {
        Invariant.Require(Role != RaftRole.Leader);
        Recover(message);
        if (FindPeer(message.From) is { IsLost: true })
        {
            if (Role == RaftRole.Candidate) BecomeFollower(Term, NodeId.None);
            return; // A late message; what it brings is welcome, but it is no sign of life.
        }

        if (Leader != message.From || Role != RaftRole.Follower)
        {
            BecomeFollower(Term, message.From);
            _hurries = false;
            _failedRounds = 0;
            DrawWait();
            AskAgain();
        }

        _waitsSince = _now;
        _leaderHeardAt = _now;
    }

    /// <summary>
    /// The leader's node is gone: the voters stand one after the other, the preferred one at once. That is safe even when it is not gone,
    /// since nobody who still hears from it would vote.
    /// </summary>
    private void LeaderLost()
    {
        Leader = NodeId.None;
        if (!CanStand) return;
        _hurries = true;
        int rank = Rank();
        if (rank == 0)
        {
            AskForVotes();
            return;
        }

        _waitsSince = _now;
        _wait = (2 * rank) + Draw(2);
    }

    /// <summary>
    /// A new wait. At first each voter has its own part of [n, 2n), the preferred ones the earlier parts, so that they rarely stand at the
    /// same time (Raft paper, 5.2). With each failed round the order counts for less, so that a preferred voter that cannot win does not
    /// keep the others from it.
    /// </summary>
    private void DrawWait()
    {
        int n = _options.ElectionTimeoutTicks;
        _waitsSince = _now;
        if (_hurries)
        {
            _wait = 1 + Draw(Math.Min(2 + _failedRounds, n));
            return;
        }

        int width = Math.Max(1, n / Math.Max(1, Membership.Voters.Length));
        int from = Math.Min(n - width, (Rank() >> Math.Min(_failedRounds, 16)) * width);
        _wait = n + from + Draw(_failedRounds == 0 ? width : n - from);
    }

    /// <summary>How many voters that can be reached are preferred to this one.</summary>
    private int Rank()
    {
        int rank = 0;
        foreach (NodeId voter in Membership.Voters)
        {
            if (voter == _self) return rank;
            if (FindPeer(voter) is { IsLost: false }) rank++;
        }

        return rank;
    }

    private int Draw(int bound) => (int)(NextRandom() % (ulong)bound);

    /// <summary>Splitmix64.</summary>
    private ulong NextRandom()
    {
        _random += 0x9E3779B97F4A7C15;
        ulong z = _random;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
