using Chronik.Model;

namespace Chronik.Raft;

/// <summary>Linearizable reads without a log entry (thesis, 6.4): one round of contact confirms every read that waits.</summary>
/// <remarks>
/// <code>
///   reader --> follower --ReadIndex--> leader --Heartbeat(round)--> majority
///                 |                      |&lt;---HeartbeatReply(round)---|
///   granted &lt;-----|&lt;--ReadIndexReply-----|   the commit index of when the question came
/// </code>
/// A follower has one question under way; reads that come meanwhile share the next one.
/// </remarks>
public sealed partial class RaftCore
{
    private readonly List<PendingRead> _pendingReads = []; // Of a leader, in the order of their rounds.
    private readonly List<ulong> _waitingReads = []; // Of a follower: not asked about yet.
    private readonly List<ulong> _askedReads = []; // Of a follower: covered by the question under way.
    private ulong _question;
    private long _askedAt;
    private long _readsWaitSince;

    private bool HasReads => _pendingReads.Count + _waitingReads.Count + _askedReads.Count > 0;

    private void Read(ulong id)
    {
        Wake(speak: false);
        if (Role == RaftRole.Leader)
        {
            Admit(new PendingRead(_self, id, LogIndex.Zero, 0));
            return;
        }

        if (_waitingReads.Count + _askedReads.Count == 0) _readsWaitSince = _now;
        _waitingReads.Add(id);
        Ask();
    }

    private void AnswerRead(in RaftMessage message)
    {
        if (Role == RaftRole.Leader && message.Term == Term) Admit(new PendingRead(message.From, message.Round, LogIndex.Zero, 0));
        else SendReadReply(message.From, message.Round, LogIndex.Zero, granted: false);
    }

    /// <summary>
    /// The read must see what is committed now. Before this leader has committed in its term it does not know how far that is.
    /// </summary>
    private void Admit(in PendingRead read)
    {
        _workedAt = _now;
        if (!HasCommittedInTerm)
        {
            _pendingReads.Add(read);
            return;
        }

        bool leased = _options.LeaseTicks > 0 && _now - _leaseFrom < _options.LeaseTicks && !_transferSent;
        if (leased || Has(PlantedFault.ReadWithoutRound))
        {
            Grant(read with { Index = CommitIndex });
            return;
        }

        bool underWay = _pendingReads.Count > 0;
        _pendingReads.Add(read with { Index = CommitIndex, Round = _round + 1 });
        if (!underWay) BeginRound();
    }

    /// <summary>The first entry of the term is committed: the reads that waited for it begin now.</summary>
    private void AdmitReads()
    {
        if (_pendingReads.Count == 0) return;
        for (int i = 0; i < _pendingReads.Count; i++)
            _pendingReads[i] = _pendingReads[i] with { Index = CommitIndex, Round = _round + 1 };
        BeginRound();
    }

    private void ReleaseReads(ulong confirmed)
    {
        if (_pendingReads.Count == 0) return;
        int released = 0;
        while (released < _pendingReads.Count && _pendingReads[released].IsAdmitted && _pendingReads[released].Round <= confirmed)
            Grant(_pendingReads[released++]);
        if (released == 0) return;
        _pendingReads.RemoveRange(0, released);
        if (_pendingReads.Count > 0 && _pendingReads[0].Round > _round) BeginRound();
    }

    private void Grant(in PendingRead read)
    {
        if (read.From == _self) _effects.ReadsGranted.Add(new ReadGrant(read.Id, read.Index));
        else SendReadReply(read.From, read.Id, read.Index, granted: true);
    }

    private void RefuseReads()
    {
        foreach (PendingRead read in _pendingReads)
        {
            if (read.From == _self) _effects.ReadsRefused.Add(read.Id);
            else SendReadReply(read.From, read.Id, LogIndex.Zero, granted: false);
        }

        _pendingReads.Clear();
    }

    private void SendReadReply(NodeId to, ulong question, LogIndex index, bool granted) => _effects.Messages.Add(new RaftMessage
    {
        Kind = MessageKind.ReadIndexReply,
        Flags = granted ? MessageFlags.None : MessageFlags.Rejected,
        From = _self,
        To = to,
        Term = Term,
        Index = index,
        Round = question,
    });

    private void Ask()
    {
        if (_askedReads.Count > 0 || _waitingReads.Count == 0 || !Leader.IsSome) return;
        _askedReads.AddRange(_waitingReads);
        _waitingReads.Clear();
        _question++;
        _askedAt = _now;
        SendQuestion(Leader);
    }

    private void SendQuestion(NodeId to) => _effects.Messages.Add(new RaftMessage
    {
        Kind = MessageKind.ReadIndex,
        From = _self,
        To = to,
        Term = Term,
        Round = _question,
    });

    /// <summary>There is another leader, maybe this member itself: whatever was asked is asked anew.</summary>
    private void AskAgain()
    {
        _waitingReads.InsertRange(0, _askedReads);
        _askedReads.Clear();
        if (_waitingReads.Count == 0) return;
        if (Role != RaftRole.Leader)
        {
            Ask();
            return;
        }

        foreach (ulong id in _waitingReads) Admit(new PendingRead(_self, id, LogIndex.Zero, 0));
        _waitingReads.Clear();
    }

    private void TakeReadReply(in RaftMessage reply)
    {
        if (reply.From != Leader || reply.Round != _question || _askedReads.Count == 0) return;
        foreach (ulong id in _askedReads)
        {
            if (reply.Has(MessageFlags.Rejected)) _effects.ReadsRefused.Add(id);
            else _effects.ReadsGranted.Add(new ReadGrant(id, reply.Index));
        }

        _askedReads.Clear();
        _readsWaitSince = _now;
        Ask();
    }

    /// <summary>A question that may be lost is sent once more; reads that got no answer for two election timeouts are refused.</summary>
    private void ExpireReads()
    {
        if (_waitingReads.Count + _askedReads.Count == 0) return;
        if (_now - _readsWaitSince >= 2 * _options.ElectionTimeoutTicks)
        {
            _effects.ReadsRefused.AddRange(_askedReads);
            _effects.ReadsRefused.AddRange(_waitingReads);
            _askedReads.Clear();
            _waitingReads.Clear();
        }
        else if (_askedReads.Count > 0 && Leader.IsSome && _now - _askedAt >= _options.HeartbeatTicks * 2)
        {
            // Under its old number: its answer may only be slow, and any copy came to the leader after these reads had begun.
            _askedAt = _now;
            SendQuestion(Leader);
        }
    }

    private readonly record struct PendingRead(NodeId From, ulong Id, LogIndex Index, ulong Round)
    {
        public bool IsAdmitted => Index > LogIndex.Zero;
    }
}
