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
///     |-- Step(input) ------------------>|   tick, message, proposal, disk done, ...
///     |&lt;-- effects ----------------------|   one disk write; messages before and after it; entries that are committed now
///     |-- Applied(index), Compact(index)->|   payloads and terms that are no longer needed
/// </code>
/// The disk answers like a correspondent: an entry counts for this member only once <see cref="RaftInput.DiskDone"/> named its write or
/// a later one. What survives a restart is what was durable: <see cref="RaftRestart"/>.
/// Invariants, checked after every step: FirstIndex - 1 &lt;= Commit &lt;= LastIndex; Applied &lt;= Commit; Durable &lt;= LastIndex;
/// terms and commit never go back, durable only with a truncation; one vote per term; a leader never overwrites its log. A violation throws
/// <see cref="InvariantViolationException"/> and the instance must not be used any more. Not thread-safe.
/// </remarks>
public sealed partial class RaftCore
{
    private readonly RaftOptions _options;
    private readonly NodeId _self;
    private readonly LogIndex _life; // While it recovers; see RaftRestart.Life.
    private readonly RaftLog _log;
    private readonly PendingWrites _writes = new();
    private RaftEffects _effects = null!; // Of the present step.
    private HardState _hardState;
    private HardState _hardStateBefore; // As this step found it.
    private long _now; // In ticks; stands still while the group sleeps.

    /// <summary>A member as it comes back from its disk: a follower that knows no leader.</summary>
    public RaftCore(RaftOptions options, RaftRestart restart)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ElectionTimeoutTicks, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.HeartbeatTicks, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.InflightMessages, 1);
        if (options.LeaseTicks < 0 || options.LeaseTicks >= options.ElectionTimeoutTicks)
            throw new ArgumentException($"a lease of {options.LeaseTicks} ticks must be below the election timeout", nameof(options));
        _options = options;
        _self = options.Self;
        _random = options.Seed + (ulong)options.Self.Value;
        _hardState = restart.HardState;
        if (restart.SnapshotTerm > Term) _hardState = new HardState(restart.SnapshotTerm, NodeId.None); // Installed, then a crash.
        ArgumentOutOfRangeException.ThrowIfNegative(restart.Life);
        IsRecovering = restart.IsRecovering;
        _life = new LogIndex(restart.Life);
        _log = new RaftLog(restart.SnapshotIndex, restart.SnapshotTerm, restart.SnapshotNextOffset);
        _memberships = new MembershipHistory(restart.SnapshotIndex, restart.Membership);
        foreach (LogEntry entry in restart.Entries)
        {
            _log.Append(entry);
            if (entry.Kind == EntryKind.Membership) _memberships.Add(entry.Index, Membership.Read(entry.Payload.Span));
        }

        Invariant.Require(_log.LastTerm <= _hardState.Term);
        CommitIndex = restart.SnapshotIndex;
        DurableIndex = _log.Last;
        _onDiskOnly = _log.Last;
        _own = new Progress(_self);
        FormQuorum();
        _question = NextRandom();
        StartWaiting();
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

    /// <summary>The last entry known to be committed. On a follower it may not be durable yet.</summary>
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

    /// <summary>Whether the group sleeps here: it needs no ticks.</summary>
    public bool IsAsleep { get; private set; }

    /// <summary>Whether this member has forgotten things and neither votes nor counts (<see cref="RaftRestart.IsRecovering"/>).</summary>
    public bool IsRecovering { get; private set; }

    /// <summary>The term of an entry from <see cref="FirstIndex"/> - 1 to <see cref="LastIndex"/>.</summary>
    public Term TermAt(LogIndex index) => _log.TermAt(index);

    /// <summary>Takes one input and adds what follows from it to <paramref name="effects"/>, which the caller has cleared.</summary>
    public void Step(in RaftInput input, RaftEffects effects)
    {
        Before before = new(Role, Leader, _hardState, LastIndex, DurableIndex, CommitIndex, Membership, IsAsleep);
        _effects = effects;
        _hardStateBefore = _hardState;
        Take(input);
        if (Role == RaftRole.Leader) TellCommit();
        if (_hardState != before.HardState) effects.HardState = ToWrite(_hardState);
        if (effects.HasWrite) _writes.Add(LastIndex, effects.HardState.HasValue);
        effects.WriteNumber = _writes.Last;
        effects.RoleChanged = Role != before.Role || Leader != before.Leader || Term != before.HardState.Term;
        effects.MembershipChanged = !ReferenceEquals(Membership, before.Membership);
        effects.AwakeChanged = IsAsleep != before.IsAsleep;
        Check(before);
        _effects = null!; // An idle group mentions nobody's buffers.
        _batch = null;
    }

    /// <summary>The shell has applied every entry up to <paramref name="through"/>; their payloads are forgotten.</summary>
    public void Applied(LogIndex through)
    {
        Invariant.Require(through <= CommitIndex);
        _log.MarkApplied(through);
    }

    /// <summary>A durable checkpoint covers every entry up to <paramref name="through"/>, all of them applied; they are dropped.</summary>
    public void Compact(LogIndex through)
    {
        _log.Compact(through);
        _memberships.Compact(through);
    }

    private void Take(in RaftInput input)
    {
        switch (input.Kind)
        {
            case RaftInput.InputKind.Tick:
                Tick();
                break;
            case RaftInput.InputKind.Propose:
                Propose(input.Proposals!);
                break;
            case RaftInput.InputKind.DiskDone:
                DiskDone(input.Number);
                break;
            case RaftInput.InputKind.Receive:
                Receive(input.Message);
                break;
            case RaftInput.InputKind.ReadIndex:
                Read(input.Number);
                break;
            case RaftInput.InputKind.TransferTo:
                Transfer(input.Node);
                break;
            case RaftInput.InputKind.ChangeMembership:
                ChangeMembership(input.Membership!);
                break;
            case RaftInput.InputKind.SnapshotSent:
                SnapshotSent(input.Node, input.Ok);
                break;
            case RaftInput.InputKind.Installing:
                Installing(input.Index, input.Term);
                break;
            case RaftInput.InputKind.Installed:
                Installed(input.Index, input.Term, input.NextOffset, input.Membership!);
                break;
            case RaftInput.InputKind.PeerLost:
                Lost(input.Node);
                break;
            case RaftInput.InputKind.PeerBack:
                Back(input.Node);
                break;
            case RaftInput.InputKind.Wake:
                Wake();
                break;
        }
    }

    private void Tick()
    {
        if (IsAsleep) return;
        _now++;
        if (Role == RaftRole.Leader) TickLeader();
        else TickFollower();
    }

    private void DiskDone(ulong number)
    {
        LogIndex through = _writes.Complete(number);
        if (through <= DurableIndex) return;
        DurableIndex = through;
        if (Role != RaftRole.Leader) return;
        _own.Match = DurableIndex;
        AdvanceCommit();
        if (Role == RaftRole.Leader) SendToAll(); // Entries that must be read from disk are there now.
    }

    /// <summary>Judges the term first (Raft paper, 5.1), then lets the message speak.</summary>
    private void Receive(in RaftMessage message)
    {
        if (message.To != _self || message.From == _self) return;
        if (!IsLateReply(message)) Wake(speak: false);
        HearFrom(message.From);
        if (message.Term > Term && !AdoptsTerm(message)) return;
        switch (message.Kind)
        {
            case MessageKind.PreVote:
                AnswerPreVote(message);
                break;
            case MessageKind.Vote:
                AnswerVote(message);
                break;
            case MessageKind.PreVoteReply:
                CountPreVote(message);
                break;
            case MessageKind.Append or MessageKind.Heartbeat when message.Term < Term:
                RefuseOutdated(message);
                break;
            case MessageKind.ReadIndex:
                AnswerRead(message);
                break;
            case var _ when message.Term < Term:
                break; // Out of date, and nobody waits for an answer.
            case MessageKind.VoteReply:
                CountVote(message);
                break;
            case MessageKind.Append:
                Follow(message);
                TakeEntries(message);
                break;
            case MessageKind.Heartbeat:
                Follow(message);
                TakeHeartbeat(message);
                break;
            case MessageKind.AppendReply:
                TakeAppendReply(message);
                break;
            case MessageKind.HeartbeatReply:
                TakeHeartbeatReply(message);
                break;
            case MessageKind.TimeoutNow:
                if (CanStand) Campaign(transfer: true);
                break;
            case MessageKind.ReadIndexReply:
                TakeReadReply(message);
                break;
        }
    }

    /// <summary>
    /// What a message of a later term does to this member. A vote request is not even heard while there is a leader that lives (thesis,
    /// 4.2.3), unless that leader asked for it; a pre-vote is about a term that nobody has begun.
    /// </summary>
    /// <returns>Whether the message is to be looked at any further.</returns>
    private bool AdoptsTerm(in RaftMessage message)
    {
        switch (message.Kind)
        {
            case MessageKind.PreVote:
            case MessageKind.PreVoteReply when !message.Has(MessageFlags.Rejected):
                return true;
            case MessageKind.Vote when IsLoyal && !message.Has(MessageFlags.Transfer):
                return false;
            default:
                BecomeFollower(message.Term, NodeId.None);
                return true;
        }
    }

    /// <summary>Adopts a later term, or gives up what it was in this one.</summary>
    private void BecomeFollower(Term term, NodeId leader)
    {
        Invariant.Require(term >= Term);
        if (term > Term)
        {
            _hardState = new HardState(term, NodeId.None);
            _agreed = LogIndex.Zero;
        }

        if (Role == RaftRole.Leader) StopLeading();
        Role = RaftRole.Follower;
        Leader = leader;
    }

    private bool IsLateReply(in RaftMessage message) =>
        IsAsleep && Role == RaftRole.Leader && message.Term == Term && message.Round < _round
        && message.Kind is (MessageKind.HeartbeatReply or MessageKind.AppendReply);

    private void HearFrom(NodeId node)
    {
        // What was on its way when the node was lost says nothing about whether it is there now.
        if (FindPeer(node) is { IsLost: true } peer && _now - peer.LostAt >= StaleTicks) peer.IsLost = false;
    }

    /// <summary>Answers as soon as everything that the answer says is durable.</summary>
    private void Reply(
        in RaftMessage to, MessageKind kind, bool rejected = false, LogIndex index = default, Term logTerm = default,
        LogIndex hint = default)
    {
        RaftMessage reply = new()
        {
            Kind = kind,
            Flags = (rejected ? MessageFlags.Rejected : MessageFlags.None) | (IsRecovering ? MessageFlags.Recovering : MessageFlags.None),
            From = _self,
            To = to.From,
            Term = Term,
            Index = index,
            LogTerm = logTerm,
            Hint = hint,
            Commit = IsRecovering ? _life : LogIndex.Zero,
            NextOffset = kind == MessageKind.AppendReply ? NextOffset : KafkaOffset.Zero,
            Round = to.Round,
        };
        bool acknowledges = kind == MessageKind.AppendReply && !rejected;
        if (!_writes.IsHardStateDurable || _hardState != _hardStateBefore || (acknowledges && index > DurableIndex)) SendAfterWrite(reply);
        else _effects.Messages.Add(reply);
    }

    /// <summary>A leader of an older term learns of the present one (Raft paper, 5.1).</summary>
    private void RefuseOutdated(in RaftMessage message) =>
        Reply(message, message.Kind == MessageKind.Append ? MessageKind.AppendReply : MessageKind.HeartbeatReply, rejected: true);

    private void SendAfterWrite(in RaftMessage message)
    {
        bool faulty = message.Kind == MessageKind.AppendReply && Has(PlantedFault.AcknowledgeBeforeFsync);
        (faulty ? _effects.Messages : _effects.AfterWrite).Add(message);
    }

    private bool Has(PlantedFault fault) => (_options.PlantedFault & fault) != 0;

    private HardState ToWrite(HardState state) => Has(PlantedFault.ForgetVote) ? state with { Vote = NodeId.None } : state;

    private void Check(in Before before)
    {
        Invariant.Require(FirstIndex <= CommitIndex.Next && CommitIndex <= LastIndex);
        Invariant.Require(AppliedIndex <= CommitIndex);
        Invariant.Require(DurableIndex <= LastIndex);
        Invariant.Require(Term >= before.HardState.Term);
        Invariant.Require(Term > before.HardState.Term || before.HardState.Vote == _hardState.Vote || !before.HardState.Vote.IsSome);
        Invariant.Require(CommitIndex >= before.Commit);
        Invariant.Require(DurableIndex >= before.Durable || _effects.TruncateFrom.HasValue);
        bool ledOn = before.Role == RaftRole.Leader && Term == before.HardState.Term;
        Invariant.Require(!ledOn || (LastIndex >= before.Last && !_effects.TruncateFrom.HasValue));
    }

    private readonly record struct Before(
        RaftRole Role, NodeId Leader, HardState HardState, LogIndex Last, LogIndex Durable, LogIndex Commit, Membership Membership,
        bool IsAsleep);
}
