using Chronik.Model;

namespace Chronik.Raft;

/// <summary>What a member is to its group (Raft paper, section 5.1).</summary>
public enum RaftRole : byte
{
    /// <summary>Follows a leader, or waits for one.</summary>
    Follower = 0,

    /// <summary>Stands for election.</summary>
    Candidate = 1,

    /// <summary>Leads: accepts proposals.</summary>
    Leader = 2,

    /// <summary>Asks whether it would be elected, before it begins a term (thesis, 9.6).</summary>
    PreCandidate = 3,
}

/// <summary>One member's view of one group's consensus. Pure: the same inputs give the same effects.</summary>
/// <remarks>
/// <code>
///   shell                              core
///     |-- Step(input) ------------------>|   tick, proposal, disk done
///     |&lt;-- effects ----------------------|   one disk write; entries that are committed now
///     |-- Applied(index), Compact(index)->|   payloads and terms that are no longer needed
/// </code>
/// The disk answers like a correspondent: an entry counts for this member only once <see cref="RaftInput.DiskDone"/> named it or one
/// behind it. What survives a restart is what was durable: <see cref="RaftRestart"/>.
/// Invariants, checked after every step: FirstIndex - 1 &lt;= Commit &lt;= LastIndex; Applied &lt;= Commit; Durable &lt;= LastIndex; terms,
/// commit and durable never go back; one vote per term; a leader never overwrites its log. A violation throws
/// <see cref="InvariantViolationException"/> and the instance must not be used any more. Not thread-safe.
/// </remarks>
public sealed class RaftCore
{
    private readonly NodeId _self;
    private readonly VoterSet? _voters;
    private readonly Queue<(ulong Number, LogIndex Last)> _pendingWrites = new();
    private readonly RaftLog _log;
    private readonly int _electionTimeoutTicks;
    private ulong _random;
    private HardState _hardState;
    private int _ticksWithoutLeader;
    private int _ticksToElection;
    private ulong _writeNumber;

    /// <summary>A member as it comes back from its disk: a follower that knows no leader.</summary>
    public RaftCore(RaftOptions options, RaftRestart restart)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ElectionTimeoutTicks, 1);
        _self = options.Self;
        Membership = restart.Membership;
        IsRecovering = restart.IsRecovering;
        _voters = Membership.Voters.IsEmpty ? null : new VoterSet(Membership.Voters);
        _electionTimeoutTicks = options.ElectionTimeoutTicks;
        _random = options.Seed + (ulong)options.Self.Value;
        _hardState = restart.HardState;
        _log = new RaftLog(restart.SnapshotIndex, restart.SnapshotTerm, restart.SnapshotNextOffset);
        foreach (LogEntry entry in restart.Entries) _log.Append(entry);
        Invariant.Require(_log.LastTerm <= _hardState.Term);
        CommitIndex = restart.SnapshotIndex;
        DurableIndex = _log.Last;
        DrawElectionTimeout();
    }

    /// <summary>What this member is now.</summary>
    public RaftRole Role { get; private set; }

    /// <summary>The latest term this member knows of.</summary>
    public Term Term => _hardState.Term;

    /// <summary>Term and vote as of the last step, durable or not.</summary>
    public HardState HardState => _hardState;

    /// <summary>Who leads in this term, as far as known.</summary>
    public NodeId Leader { get; private set; } = NodeId.None;

    /// <summary>The oldest entry that no checkpoint covers; <see cref="LastIndex"/> + 1 when there is none.</summary>
    public LogIndex FirstIndex => _log.Base.Next;

    /// <summary>The last entry of the log, durable or not.</summary>
    public LogIndex LastIndex => _log.Last;

    /// <summary>The last entry that is durable here.</summary>
    public LogIndex DurableIndex { get; private set; }

    /// <summary>The last entry known to be committed.</summary>
    public LogIndex CommitIndex { get; private set; }

    /// <summary>The last entry that the shell reported as applied.</summary>
    public LogIndex AppliedIndex => _log.Applied;

    /// <summary>The log end offset after <see cref="LastIndex"/>: the base offset of the next batch to propose.</summary>
    public KafkaOffset NextOffset => _log.NextOffset;

    /// <summary>
    /// Whether this member leads and has committed an entry of its own term. Until then its commit index may lie behind what earlier
    /// leaders acknowledged, and its term may not be durable yet, so it answers no reads and announces no leadership (thesis, 6.4).
    /// </summary>
    public bool HasCommittedInTerm => Role == RaftRole.Leader && _log.TermAt(CommitIndex) == Term;

    /// <summary>Who belongs to the group, as of <see cref="LastIndex"/>.</summary>
    public Membership Membership { get; private set; }

    /// <summary>Whether the group sleeps here: it needs no ticks.</summary>
    public bool IsAsleep { get; private set; }

    /// <summary>Whether this member has forgotten things and neither votes nor counts (<see cref="RaftRestart.IsRecovering"/>).</summary>
    public bool IsRecovering { get; private set; }

    /// <summary>
    /// Whether this member leads and has heard from a majority within the minimum election timeout, so that hardly anybody else can lead
    /// already. A hint: what must be exact asks with <see cref="RaftInput.ReadIndex"/>.
    /// </summary>
    public bool HasQuorumContact => Role == RaftRole.Leader;

    /// <summary>Who belonged to the group as of an entry from <see cref="FirstIndex"/> - 1 to <see cref="LastIndex"/>.</summary>
    public Membership MembershipAt(LogIndex index)
    {
        Invariant.Require(index >= _log.Base && index <= LastIndex);
        return Membership;
    }

    /// <summary>What this leader knows of another member; false when it does not lead or the node is no other member.</summary>
    public bool TryGetProgress(NodeId peer, out PeerProgress progress)
    {
        progress = default;
        return false;
    }

    /// <summary>The term of an entry from <see cref="FirstIndex"/> - 1 to <see cref="LastIndex"/>.</summary>
    public Term TermAt(LogIndex index) => _log.TermAt(index);

    /// <summary>Takes one input and adds what follows from it to <paramref name="effects"/>, which the caller has cleared.</summary>
    public void Step(in RaftInput input, RaftEffects effects)
    {
        Snapshot before = new(Role, Leader, _hardState, LastIndex, DurableIndex, CommitIndex);
        switch (input.Kind)
        {
            case RaftInput.InputKind.Tick:
                Tick(effects);
                break;
            case RaftInput.InputKind.Propose:
                Propose(input.Proposals!, effects);
                break;
            case RaftInput.InputKind.DiskDone:
                DiskDone(input.Number, effects);
                break;
            default:
                throw new NotSupportedException($"{input.Kind} is not there yet");
        }

        if (_hardState != before.HardState) effects.HardState = _hardState;
        if (effects.HasWrite) _pendingWrites.Enqueue((++_writeNumber, LastIndex));
        effects.WriteNumber = _writeNumber;
        effects.RoleChanged = Role != before.Role || Leader != before.Leader || Term != before.HardState.Term;
        Check(before);
    }

    /// <summary>The shell has applied every entry up to <paramref name="through"/>; their payloads are forgotten.</summary>
    public void Applied(LogIndex through)
    {
        Invariant.Require(through <= CommitIndex);
        _log.MarkApplied(through);
    }

    /// <summary>A durable checkpoint covers every entry up to <paramref name="through"/>, all of them applied; they are dropped.</summary>
    public void Compact(LogIndex through) => _log.Compact(through);

    private void Tick(RaftEffects effects)
    {
        if (Role == RaftRole.Leader || _voters is null || !_voters.Contains(_self)) return;
        _ticksWithoutLeader++;
        if (_voters.IsOnly(_self) || _ticksWithoutLeader >= _ticksToElection) Campaign(effects);
    }

    /// <summary>
    /// Begins a term with a vote for itself (Raft paper, 5.2). The vote counts at once although it is not durable yet: whatever could
    /// tell others of this term leaves only behind the disk write that carries it.
    /// </summary>
    private void Campaign(RaftEffects effects)
    {
        _hardState = new HardState(Term.Next, _self);
        Role = RaftRole.Candidate;
        Leader = NodeId.None;
        _voters!.Reset();
        _voters.Grant(_self);
        DrawElectionTimeout();
        if (_voters.IsElected()) Lead(effects);
    }

    /// <summary>
    /// Leads, and opens the term with an entry of its own, since older ones must not be committed by counting (5.4.2, 8).
    /// </summary>
    private void Lead(RaftEffects effects)
    {
        Role = RaftRole.Leader;
        Leader = _self;
        _voters!.Matched(_self, DurableIndex);
        Append(EntryKind.NoOp, NextOffset, BufferSlice.Empty, effects);
    }

    private void Propose(IReadOnlyList<ProposedEntry> proposals, RaftEffects effects)
    {
        if (Role != RaftRole.Leader)
        {
            effects.ProposalRefused = true;
            return;
        }

        for (int i = 0; i < proposals.Count; i++)
        {
            ProposedEntry proposal = proposals[i];
            Append(proposal.Kind, proposal.NextOffset, proposal.Payload, effects);
        }
    }

    private void Append(EntryKind kind, KafkaOffset nextOffset, BufferSlice payload, RaftEffects effects)
    {
        LogEntry entry = new(LastIndex.Next, Term, kind, nextOffset, payload);
        _log.Append(entry);
        effects.Append.Add(entry);
    }

    private void DiskDone(ulong number, RaftEffects effects)
    {
        Invariant.Require(number <= _writeNumber && _pendingWrites.Count > 0 && number >= _pendingWrites.Peek().Number);
        while (_pendingWrites.TryPeek(out (ulong Number, LogIndex Last) write) && write.Number <= number)
        {
            DurableIndex = write.Last;
            _pendingWrites.Dequeue();
        }

        if (Role != RaftRole.Leader) return;
        _voters!.Matched(_self, DurableIndex);
        AdvanceCommit(effects);
    }

    /// <summary>
    /// Commits what a majority holds durably, provided that it reaches into this leader's own term: an older entry on a majority may
    /// still be overwritten (Raft paper, figure 8). Older ones are committed with it.
    /// </summary>
    private void AdvanceCommit(RaftEffects effects)
    {
        LogIndex quorum = _voters!.QuorumMatch();
        if (quorum <= CommitIndex || _log.TermAt(quorum) != Term) return;
        for (LogIndex index = CommitIndex.Next; index <= quorum; index = index.Next) effects.Committed.Add(_log.Unapplied(index));
        CommitIndex = quorum;
    }

    /// <summary>A new wait in [n, 2n), so that members rarely stand at the same time (Raft paper, 5.2). Splitmix64.</summary>
    private void DrawElectionTimeout()
    {
        _random += 0x9E3779B97F4A7C15;
        ulong z = _random;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        _ticksWithoutLeader = 0;
        _ticksToElection = _electionTimeoutTicks + (int)(z % (ulong)_electionTimeoutTicks);
    }

    private void Check(in Snapshot before)
    {
        Invariant.Require(FirstIndex <= CommitIndex.Next && CommitIndex <= LastIndex);
        Invariant.Require(AppliedIndex <= CommitIndex);
        Invariant.Require(DurableIndex <= LastIndex);
        Invariant.Require(Term >= before.HardState.Term);
        Invariant.Require(Term > before.HardState.Term || before.HardState.Vote == _hardState.Vote || !before.HardState.Vote.IsSome);
        Invariant.Require(CommitIndex >= before.Commit);
        Invariant.Require(DurableIndex >= before.Durable);
        bool ledOn = before.Role == RaftRole.Leader && Term == before.HardState.Term;
        Invariant.Require(!ledOn || (Leader == _self && LastIndex >= before.Last));
    }

    private readonly record struct Snapshot(
        RaftRole Role, NodeId Leader, HardState HardState, LogIndex Last, LogIndex Durable, LogIndex Commit);
}
