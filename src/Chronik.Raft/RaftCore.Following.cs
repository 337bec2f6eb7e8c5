using Chronik.Model;

namespace Chronik.Raft;

/// <summary>The follower's side of replication (Raft paper, 5.3 and 7).</summary>
public sealed partial class RaftCore
{
    private LogIndex _agreed; // Up to here the log is known to be that of the present term's leader.

    private void TakeEntries(in RaftMessage message)
    {
        LogIndex previous = message.Index;
        bool agrees = previous < CommitIndex || _log.Holds(previous, message.LogTerm);
        if (!agrees)
        {
            LogIndex hint = _log.LastUpTo(previous < LastIndex ? previous : LastIndex, message.LogTerm);
            Term hintTerm = hint < _log.Base ? Term.Zero : _log.TermAt(hint);
            Reply(message, MessageKind.AppendReply, rejected: true, index: previous, logTerm: hintTerm, hint: hint);
            return;
        }

        IReadOnlyList<LogEntry> entries = message.Entries ?? [];
        AppendMissing(entries, previous);
        LogIndex match = previous + entries.Count;
        if (match < CommitIndex) match = CommitIndex; // Every leader holds what is committed.
        if (match > LastIndex) match = LastIndex;
        if (match > _agreed) _agreed = match;
        Commit(message.Commit < match ? message.Commit : match);
        Reply(message, MessageKind.AppendReply, index: match);
    }

    /// <summary>
    /// Adds what this log lacks; from the first entry on that differs, what is there gives way. An entry that is there already stays, since
    /// a late message may bring less than what was acknowledged since (Raft paper, figure 2, "AppendEntries", 3 and 4).
    /// </summary>
    private void AppendMissing(IReadOnlyList<LogEntry> entries, LogIndex previous)
    {
        bool changesMembership = false;
        for (int i = 0; i < entries.Count; i++)
        {
            LogEntry entry = entries[i];
            Invariant.Require(entry.Index == previous + i + 1 && entry.Term <= Term);
            if (entry.Index <= CommitIndex) continue;
            if (entry.Index <= LastIndex)
            {
                if (_log.TermAt(entry.Index) == entry.Term) continue;
                if (Has(PlantedFault.SkipTruncation)) return;
                changesMembership |= TruncateFrom(entry.Index);
            }

            _log.Append(entry);
            _effects.Append.Add(entry);
            if (entry.Kind != EntryKind.Membership) continue;
            _memberships.Add(entry.Index, Membership.Read(entry.Payload.Span));
            changesMembership = true;
        }

        if (changesMembership) FormQuorum();
    }

    /// <returns>Whether a membership went with it.</returns>
    private bool TruncateFrom(LogIndex index)
    {
        Invariant.Require(index > CommitIndex);
        _log.TruncateFrom(index);
        _writes.TruncateFrom(index);
        if (DurableIndex >= index) DurableIndex = index.Previous;
        if (_onDiskOnly >= index) _onDiskOnly = index.Previous;
        if (_agreed >= index) _agreed = index.Previous;
        _effects.TruncateFrom = index;
        return _memberships.TruncateFrom(index);
    }

    private void Installing(LogIndex index, Term term)
    {
        if (index <= CommitIndex || Role == RaftRole.Leader || LastIndex <= index || _log.Holds(index, term)) return;
        if (TruncateFrom(index.Next)) FormQuorum();
    }

    /// <summary>
    /// A snapshot replaced the state machine (Raft paper, section 7). What the log holds behind it stays when the log knows the snapshot's
    /// last entry; otherwise the whole log gives way.
    /// </summary>
    private void Installed(LogIndex index, Term term, KafkaOffset next, Membership membership)
    {
        if (index <= CommitIndex) return;
        Wake(speak: true);
        if (term > Term) BecomeFollower(term, NodeId.None);
        bool first = !HasCommittedInTerm;
        bool keeps = _log.Holds(index, term);
        Invariant.Require(keeps || Role != RaftRole.Leader); // A leader holds whatever is committed.
        if (keeps)
        {
            _log.MarkApplied(index);
            _log.Compact(index);
        }
        else
        {
            if (LastIndex > index) _effects.TruncateFrom = index.Next;
            _writes.TruncateFrom(index.Next);
            _log.Reset(index, term, next);
            DurableIndex = index;
            _onDiskOnly = index;
        }

        _memberships.Install(index, membership, keeps);
        CommitIndex = index;
        if (DurableIndex < index) DurableIndex = index;
        if (_agreed < index) _agreed = index; // Every leader holds what is committed.
        if (_agreed > LastIndex) _agreed = LastIndex;
        FormQuorum();
        if (Role == RaftRole.Leader)
        {
            if (first && HasCommittedInTerm) AdmitReads();
            ContinueMembershipChange();
            return;
        }

        if (!Leader.IsSome) return;
        RaftMessage toLeader = new() { Kind = MessageKind.Append, From = Leader, To = _self, Term = Term };
        Reply(toLeader, MessageKind.AppendReply, index: index);
    }
}
