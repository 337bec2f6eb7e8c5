using Chronik.Model;

namespace Chronik.Raft;

/// <summary>The leader's side of replication: appending, sending, counting (Raft paper, 5.3 and 5.4.2; thesis, 10.2.1).</summary>
public sealed partial class RaftCore
{
    private const int LoadEntries = 1024; // How many entries the shell is asked to read at a time; its own byte limit comes first.

    private LogIndex _onDiskOnly; // Entries up to here came back with a restart: their payloads need not be in memory.
    private LogEntry[]? _batch; // What was sent last in this step; followers that are equally far get the same array.
    private long _batchBytes;

    private void Propose(IReadOnlyList<ProposedEntry> proposals)
    {
        if (Role != RaftRole.Leader || IsHandingOver)
        {
            _effects.ProposalRefused = true;
            return;
        }

        Wake(speak: true);
        for (int i = 0; i < proposals.Count; i++)
        {
            ProposedEntry proposal = proposals[i];
            Invariant.Require(proposal.Kind != EntryKind.Membership);
            AppendOwn(proposal.Kind, proposal.NextOffset, proposal.Payload);
        }

        SendToAll();
    }

    private void AppendOwn(EntryKind kind, KafkaOffset nextOffset, BufferSlice payload)
    {
        LogEntry entry = new(LastIndex.Next, Term, kind, nextOffset, payload);
        _log.Append(entry);
        _effects.Append.Add(entry);
        _workedAt = _now;
        if (!Has(PlantedFault.LeaderCountsUnsynced)) return;
        _own.Match = LastIndex;
        AdvanceCommit();
    }

    private void SendToAll()
    {
        foreach (Progress peer in _peers) Send(peer);
    }

    /// <summary>Sends what a peer lacks and its window admits, in parallel to this node's own disk write (thesis, 10.2.1).</summary>
    private void Send(Progress peer)
    {
        if (peer.IsLost) return;
        if (peer.State == ReplicationState.Probe) SendProbe(peer);
        while (peer.State == ReplicationState.Replicate && !peer.AwaitsReply && peer.Next <= LastIndex)
        {
            LogIndex before = peer.Next;
            if (!IsInMemory(peer.Next))
            {
                if (peer.InflightCount == 0) SendLoaded(peer);
                return;
            }

            if (!peer.HasRoom(_options.InflightMessages, _options.InflightBytes)) return;
            LogEntry[] entries = Batch(peer.Next);
            SendAppend(peer, entries, 0);
            peer.Sent(entries[^1].Index, _batchBytes, _now);
            Invariant.Require(peer.Next > before);
        }
    }

    private void SendProbe(Progress peer)
    {
        if (peer.AwaitsReply) return;
        if (peer.Next <= LastIndex && !IsInMemory(peer.Next))
        {
            SendLoaded(peer);
            return;
        }

        SendAppend(peer, peer.Next <= LastIndex ? Batch(peer.Next) : null, 0);
        peer.SentAlone(_now);
    }

    /// <summary>
    /// Entries that only the disk holds: one message at a time, since the shell may cut it short and only the reply tells where.
    /// </summary>
    private void SendLoaded(Progress peer)
    {
        if (peer.Next.Previous < _log.Base)
        {
            peer.AwaitSnapshot();
            _effects.SnapshotsNeeded.Add(peer.Id);
            return;
        }

        LogIndex through = _log.Applied > _onDiskOnly ? _log.Applied : _onDiskOnly;
        if (through > DurableIndex) through = DurableIndex;
        long count = Math.Min(LoadEntries, through - peer.Next.Previous);
        if (count <= 0) return; // Applied here although this disk is behind: DiskDone comes back to it.
        SendAppend(peer, null, (int)count);
        peer.SentAlone(_now);
    }

    private bool IsInMemory(LogIndex index) => index > _log.Applied && index > _onDiskOnly;

    /// <summary>The entries from an index on, up to the byte limit of a message but at least one. The array never changes.</summary>
    private LogEntry[] Batch(LogIndex from)
    {
        if (_batch is not null && _batch[0].Index == from) return _batch;
        long bytes = 0;
        int count = 0;
        for (LogIndex index = from; index <= LastIndex; index = index.Next)
        {
            bytes += _log.Unapplied(index).Payload.Length;
            if (count > 0 && bytes > _options.MessageBytes) break;
            count++;
        }

        _batch = new LogEntry[count];
        _batchBytes = 0;
        for (int i = 0; i < count; i++)
        {
            _batch[i] = _log.Unapplied(from + i);
            _batchBytes += _batch[i].Payload.Length;
        }

        return _batch;
    }

    private void SendAppend(Progress peer, LogEntry[]? entries, int loadCount)
    {
        LogIndex last = peer.Next.Previous + (entries?.Length ?? loadCount);
        peer.SentCommit = last < CommitIndex ? last : CommitIndex;
        _effects.Messages.Add(new RaftMessage
        {
            Kind = MessageKind.Append,
            Flags = peer.IsInvited ? MessageFlags.MayVote : MessageFlags.None,
            From = _self,
            To = peer.Id,
            Term = Term,
            Index = peer.Next.Previous,
            LogTerm = _log.TermAt(peer.Next.Previous),
            Commit = CommitIndex,
            Hint = peer.IsInvited ? peer.Life : LogIndex.Zero,
            Round = _round,
            Entries = entries,
            LoadFrom = loadCount > 0 ? peer.Next : LogIndex.Zero,
            LoadCount = loadCount,
        });
    }

    private void TakeAppendReply(in RaftMessage reply)
    {
        if (Role != RaftRole.Leader || FindPeer(reply.From) is not { } peer || !Heard(peer, reply)) return;
        peer.NextOffset = reply.NextOffset;
        if (reply.Has(MessageFlags.Rejected)) BackOff(peer, reply);
        else Count(peer, reply.Index);
        ConfirmRounds();
        if (Role == RaftRole.Leader) Send(peer);
    }

    private void Count(Progress peer, LogIndex match)
    {
        Invariant.Require(match <= LastIndex);
        bool isNews = peer.Acknowledge(match, _now);
        if (peer.State == ReplicationState.Probe || (peer.State == ReplicationState.Snapshot && match >= _log.Base)) peer.Replicate();
        if (!isNews) return;
        _workedAt = _now;
        InviteRecovered();
        AdvanceCommit();
        if (Role == RaftRole.Leader) HandOver(peer);
    }

    /// <summary>
    /// The peer's log differs, or ends earlier. Its hint and the terms of this log skip a whole term at a time (Raft paper, end of 5.3).
    /// </summary>
    private void BackOff(Progress peer, in RaftMessage reply)
    {
        LogIndex agree = _log.LastUpTo(reply.Hint < LastIndex ? reply.Hint : LastIndex, reply.LogTerm);
        bool isAnswer = peer.State switch
        {
            ReplicationState.Probe => peer.Next.Previous == reply.Index,
            ReplicationState.Replicate => true,
            _ => false,
        };
        if (reply.Index <= peer.Match)
        {
            bool forgot = peer.State == ReplicationState.Probe && isAnswer && agree < peer.Match;
            if (!peer.IsRecovering && !forgot) return; // Out of date: it has acknowledged more since.
            // It lost its disk, or its disk the last writes.
            if (agree < peer.Match) peer.Match = peer.IsRecovering ? agree : LogIndex.Zero;
            peer.IsInvited = false;
            BeginRecovery(peer);
        }

        if (!isAnswer) return;
        LogIndex next = agree.Next < reply.Index ? agree.Next : reply.Index;
        peer.Probe(next > peer.Match ? next : peer.Match.Next);
    }

    /// <summary>
    /// Commits what a majority holds durably, provided that it reaches into this leader's own term: an older entry on a majority may still
    /// be overwritten (Raft paper, figure 8). Older ones are committed with it.
    /// </summary>
    private void AdvanceCommit()
    {
        LogIndex held = _quorum!.Match;
        if (held <= CommitIndex || (_log.TermAt(held) != Term && !Has(PlantedFault.CommitOldTerms))) return;
        bool first = !HasCommittedInTerm;
        Commit(held);
        if (first) AdmitReads();
        ContinueMembershipChange();
        if (Role == RaftRole.Leader && FindPeer(_transferTo) is { } successor) HandOver(successor);
    }

    private void Commit(LogIndex through)
    {
        for (LogIndex index = CommitIndex.Next; index <= through; index = index.Next) _effects.Committed.Add(_log.Unapplied(index));
        if (through > CommitIndex) CommitIndex = through;
    }

    /// <summary>
    /// Tells followers that have everything how far is committed now, when no append is on its way that brought or will bring it. They
    /// need not answer.
    /// </summary>
    private void TellCommit()
    {
        foreach (Progress peer in _peers)
        {
            if (peer.IsLost || !peer.IsIdle || peer.State != ReplicationState.Replicate) continue;
            if (peer.SentCommit < CommitIndex && peer.SentCommit < peer.Match) SendHeartbeat(peer, 0);
        }
    }

    /// <summary>The shell is done with a snapshot: the peer is asked where it is now; after a failure a while later.</summary>
    private void SnapshotSent(NodeId node, bool ok)
    {
        if (Role != RaftRole.Leader || FindPeer(node) is not { State: ReplicationState.Snapshot } peer) return;
        LogIndex held = ok && _log.Base > peer.Match ? _log.Base : peer.Match;
        peer.Probe(held.Next);
        if (ok) Send(peer);
        else peer.SentAlone(_now);
    }
}
