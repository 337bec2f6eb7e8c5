using Chronik.Model;

namespace Chronik.Raft;

/// <summary>Who belongs to the group, and who has lost its memory (Raft paper, section 6; thesis, chapter 4).</summary>
public sealed partial class RaftCore
{
    // Payloads of the memberships that a leader appends. They are rare, so nothing is kept.
    private static readonly BufferPool MembershipPool = new(keepBytes: 0);

    private readonly MembershipHistory _memberships;
    private readonly Progress _own;
    private Progress[] _peers = []; // Every other member.
    private Quorum? _quorum; // Null while nobody is known.

    /// <summary>Who belongs to the group, as of <see cref="LastIndex"/>, committed or not.</summary>
    public Membership Membership => _memberships.Latest;

    /// <summary>Whether <see cref="Membership"/> is committed, and not on its way to another one.</summary>
    public bool IsMembershipCommitted => _memberships.LatestIndex <= CommitIndex && !Membership.IsJoint;

    /// <summary>Who belonged to the group as of an entry from <see cref="FirstIndex"/> - 1 to <see cref="LastIndex"/>.</summary>
    public Membership MembershipAt(LogIndex index)
    {
        Invariant.Require(index >= _log.Base && index <= LastIndex);
        return _memberships.At(index);
    }

    private Progress? FindPeer(NodeId node)
    {
        foreach (Progress peer in _peers)
            if (peer.Id == node) return peer;
        return null;
    }

    /// <summary>Counts by the latest membership from now on. What is known of members that stay is kept.</summary>
    private void FormQuorum()
    {
        Membership membership = Membership;
        List<Progress> peers = [];
        foreach (NodeId node in membership.Voters) Add(node);
        foreach (NodeId node in membership.Outgoing) Add(node);
        foreach (NodeId node in membership.Learners) Add(node);
        _peers = [.. peers];
        _quorum = membership.Voters.IsEmpty
            ? null
            : new Quorum(membership, node => node == _self ? _own : FindPeer(node)!, Has(PlantedFault.CountAnybody));

        void Add(NodeId node)
        {
            if (node == _self || peers.Exists(peer => peer.Id == node)) return;
            if (FindPeer(node) is { } known)
            {
                peers.Add(known);
                return;
            }

            Progress peer = new(node);
            peer.Restart(LastIndex.Next, _now);
            peers.Add(peer);
        }
    }

    private void ChangeMembership(Membership target)
    {
        Membership now = Membership;
        bool possible = HasCommittedInTerm && !_transferTo.IsSome && _memberships.LatestIndex <= CommitIndex && !now.IsJoint
            && !target.IsJoint && !target.Voters.IsEmpty;
        if (!possible)
        {
            _effects.ProposalRefused = true;
            return;
        }

        if (target.Equals(now)) return;
        Wake(speak: true);
        bool sameVoters = target.Voters.Length == now.Voters.Length && target.Voters.All(now.Voters.Contains);
        bool directly = sameVoters || Has(PlantedFault.DirectMembership);
        AppendMembership(directly ? target : new Membership(target.Voters, now.Voters, target.Learners));
    }

    /// <summary>In force at once (thesis, 4.1), so the entry itself already needs both majorities.</summary>
    private void AppendMembership(Membership membership)
    {
        BufferSlice payload = MembershipPool.Copy(membership.ToBytes());
        _memberships.Add(LastIndex.Next, membership);
        FormQuorum();
        AppendOwn(EntryKind.Membership, NextOffset, payload);
        SendToAll();
    }

    /// <summary>
    /// The joint state is left as soon as it is committed (thesis, 4.3), by whoever leads then. A leader that is no voter any more has
    /// done its duty once that is committed, and asks the best of the others to go on (thesis, 4.2.2).
    /// </summary>
    private void ContinueMembershipChange()
    {
        if (_memberships.LatestIndex > CommitIndex || Role != RaftRole.Leader) return;
        Membership now = Membership;
        if (now.IsJoint)
        {
            AppendMembership(new Membership(now.Voters, [], now.Learners));
            return;
        }

        if (now.IsVoter(_self)) return;
        TellCommit();
        NodeId successor = BestSuccessor();
        if (successor.IsSome) TellToStand(successor);
        BecomeFollower(Term, NodeId.None);
    }

    /// <summary>
    /// Judges a reply by whether its sender has its memory. What a member acknowledged before it lost its disk is void, and so is whatever
    /// of it is still on its way; from the first reply that says so until it was told that it may vote, it counts for nothing.
    /// </summary>
    private bool Believes(Progress peer, in RaftMessage reply)
    {
        bool recovers = reply.Has(MessageFlags.Recovering);
        bool lostAgain = recovers && peer.IsRecovering && reply.Commit != peer.Life;
        if (recovers == peer.IsRecovering && !lostAgain) return true;
        bool isStale = reply.Round < peer.InvitedRound || (peer.IsRecovering && peer.InvitedRound == 0);
        if (isStale && !lostAgain) return false;
        peer.IsRecovering = recovers;
        peer.IsInvited = false;
        if (!recovers) return true;
        peer.Life = reply.Commit;
        peer.Match = LogIndex.Zero;
        peer.InvitedRound = 0;
        BeginRecovery(peer);
        if (peer.State == ReplicationState.Replicate) peer.Probe(peer.Next);
        return true;
    }

    /// <summary>
    /// Whatever the member may have forgotten was sent to it before: it lies in this log up to here, as far as it is or can be committed.
    /// </summary>
    private void BeginRecovery(Progress peer)
    {
        peer.RecoveryRound = _round + 1;
        peer.RecoveryMark = LastIndex;
    }

    /// <summary>
    /// A member that lost its disk may vote again when it has everything that was there when this leader noticed, so that nothing it once
    /// acknowledged and that counted is missing, and when every other voter has answered in this term since, so that none of them is a
    /// candidate of a later term that may hold its forgotten vote. What is committed meanwhile is committed without it. A vote for itself
    /// it may forget: the candidate is no more, and had it won, those who voted for it would answer in its term.
    /// </summary>
    /// <remarks>
    /// Of a learner a majority's answers are enough: as long as this leader leads, no membership counts in which the learner voted once,
    /// because the one that makes it a learner is committed. So a dead voter can be replaced by a node that had been removed before.
    /// </remarks>
    private void InviteRecovered()
    {
        foreach (Progress peer in _peers)
        {
            if (!peer.IsRecovering || peer.IsInvited || !HasCommittedInTerm || peer.Match < peer.RecoveryMark) continue;
            bool heardAll = true;
            foreach (Progress other in _peers)
                heardAll &= other == peer || !Membership.IsVoter(other.Id) || other.Round >= peer.RecoveryRound;
            bool learns = IsMembershipCommitted && !Membership.IsVoter(peer.Id) && _quorum!.Round >= peer.RecoveryRound;
            if (!heardAll && !learns) continue;
            CountRound();
            peer.IsInvited = true;
            peer.InvitedRound = _round;
            SendHeartbeat(peer, _round);
        }
    }

    /// <summary>
    /// The leader says that nothing which this member may have forgotten matters any more. What it said to an earlier life, which has lost
    /// its disk since, means nothing to this one.
    /// </summary>
    private void Recover(in RaftMessage message)
    {
        if (!IsRecovering || !message.Has(MessageFlags.MayVote) || message.Hint != _life) return;
        IsRecovering = false;
        if (!_hardState.Vote.IsSome) _hardState = new HardState(Term, message.From);
        _effects.Recovered = true;
    }
}
