using System.Globalization;
using System.Runtime.InteropServices;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Partitions.Replicas;
using Chronik.Raft;
using Chronik.Simulation.Checks;
using Chronik.Storage;

namespace Chronik.Simulation;

/// <summary>A group as all nodes know it.</summary>
/// <param name="Id">Its identity.</param>
/// <param name="Check">What must hold of it.</param>
/// <param name="First">The members that it begins with.</param>
internal sealed record Group(GroupId Id, GroupCheck Check, Membership First)
{
    public bool IsMetadata => Id == GroupId.Metadata;
}

/// <summary>
/// One replica: the thin shell between the production core and the production storage. It does what the replica actor does, and tells
/// the checks what it sees.
/// </summary>
internal sealed partial class Replica : IWalCompletion
{
    private readonly Simulation _sim;
    private readonly Node _node;
    private readonly int _group;
    private readonly GroupId _id;
    private readonly GroupCheck _check;
    private readonly RaftEffects _effects = new();
    private readonly Queue<PendingWrite> _writes = new();
    private readonly List<BufferSlice> _applying = [];
    private readonly List<BufferSlice> _loaded = [];
    private readonly MetadataState? _metadata;
    private readonly ProducerStates _producers = new(maxProducers: 1_000);
    private RaftRole _role;
    private bool _checkpointing;
    private bool _checkpointAgain;
    private bool _refused;

    public Replica(Simulation sim, Node node, int group, bool recovering)
    {
        _sim = sim;
        _node = node;
        _group = group;
        Group info = sim.Groups[group];
        _id = info.Id;
        _check = info.Check;
        RecoveredGroup? found = node.Storage!.TakeRecovered(_id);
        Checkpoint? checkpoint = found?.Checkpoint;
        Log = node.Storage.OpenLog(_id, new LogOptions { SegmentBytes = sim.Parameters.SegmentBytes, IndexIntervalBytes = 256 });
        AppliedNext = checkpoint?.NextOffset ?? KafkaOffset.Zero;
        Core = new RaftCore(
            new RaftOptions
            {
                Self = new NodeId(node.Id),
                ElectionTimeoutTicks = sim.Parameters.ElectionTicks,
                HeartbeatTicks = sim.Parameters.HeartbeatTicks,
                LeaseTicks = sim.Parameters.LeaseTicks,
                QuiesceTicks = 10 * sim.Parameters.ElectionTicks,
                MessageBytes = sim.Parameters.MessageBytes,
                InflightMessages = sim.Parameters.InflightMessages,
                Seed = sim.Parameters.Seed + ((ulong)group << 32) + (ulong)node.Incarnation,
                PlantedFault = sim.Plant.Core,
            },
            new RaftRestart
            {
                HardState = found?.HardState ?? new HardState(Term.Zero, NodeId.None),
                SnapshotIndex = checkpoint?.Index ?? LogIndex.Zero,
                SnapshotTerm = checkpoint?.Term ?? Term.Zero,
                SnapshotNextOffset = AppliedNext,
                Membership = MembershipFrom(checkpoint) ?? node.First(group),
                Entries = EntriesOf(found),
                IsRecovering = recovering,
                Life = recovering ? sim.Random.Next(int.MaxValue) : 0,
            });
        _check.Restarted(node.Id, Core.AppliedIndex, AppliedNext);
        _memberSteps = new MemberSteps(node.Self, sim.Time, node.FollowedBy);
        if (info.IsMetadata) _metadata = new MetadataState(Log, sim, node);
    }

    public Node Node => _node;

    public RaftCore Core { get; }

    public PartitionLog Log { get; }

    /// <summary>The log end offset behind the last applied entry: the high watermark.</summary>
    public KafkaOffset AppliedNext { get; private set; }

    /// <summary>Whether it accepts appends and says that it leads.</summary>
    public bool IsLeading { get; private set; }

    /// <summary>Whether it lives here no longer.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Whether its log reaches further than what was applied, because a snapshot is arriving or was cut off.</summary>
    public bool IsAhead => AppliedNext != Log.NextOffset;

    public MetadataState? Metadata => _metadata;

    public void Tick()
    {
        ExpireTransfers();
        AskAgain();
        if (_checkpointAgain) StartCheckpoint();
        if (!Core.IsAsleep) Step(RaftInput.Tick());
        TickLeader();
    }

    public void PeerLost(int peer)
    {
        if (Core.Membership.Contains(new NodeId(peer))) Step(RaftInput.PeerLost(new NodeId(peer)));
    }

    public void PeerBack(int peer)
    {
        if (Core.Membership.Contains(new NodeId(peer))) Step(RaftInput.PeerBack(new NodeId(peer)));
    }

    /// <summary>Hands leadership over, or changes the members; false when the core refuses.</summary>
    public bool TryControl(in RaftInput input)
    {
        Step(input);
        return !_refused;
    }

    /// <summary>Steps the core and does what it asks for, then looks at what became of it.</summary>
    public void Step(in RaftInput input)
    {
        if (HasEnded) return;
        _effects.Clear();
        Core.Step(input, _effects);
        _refused = _effects.ProposalRefused;
        if (_effects.HasWrite) Write();
        if (_effects.Recovered) Recover();
        if (_effects.RoleChanged || _role != Core.Role) ChangeRole();
        foreach (RaftMessage message in _effects.Messages) Send(message);
        if (_effects.AfterWrite.Count > 0) SendAfterWrite();
        if (_effects.Committed.Count > 0) Apply();
        ChangeLeadership();
        if (_effects.AwakeChanged && Core.IsAsleep) Look(); // All have everything, and nobody looks until it wakes.
        AnswerReads();
        for (int i = 0; i < _effects.SnapshotsNeeded.Count; i++) OfferSnapshot(_effects.SnapshotsNeeded[i].Value);
        StopGathering();
        _check.Shows(_node.Id, AppliedNext);
        _sim.Trace.Note(Core.Term.Value, Core.LastIndex.Value + (Core.CommitIndex.Value << 32));
    }

    /// <summary>Storage tells, while it runs, that a write is done; what follows from it waits for this node's turn.</summary>
    void IWalCompletion.Completed(WalWrite write, Exception? failure) => _node.Complete(this, failure, null);

    /// <summary>The oldest write that was under way is durable.</summary>
    public void WriteDone()
    {
        PendingWrite done = _writes.Dequeue();
        foreach (RaftMessage message in done.After) Send(message);
        Step(RaftInput.DiskDone(done.Number));
        done.Then?.Invoke();
    }

    /// <summary>It lives here no longer: what it was asked, or asked the disk for, concerns nobody.</summary>
    public void End()
    {
        HasEnded = true;
        IsLeading = false;
        LoseLeadership();
        _gathered.Clear();
    }

    /// <summary>Asks storage to make everything applied so far durable without the WAL; one at a time.</summary>
    public void StartCheckpoint()
    {
        // While a snapshot arrives the log is ahead of what was applied, and that is kept as well.
        _checkpointAgain = IsAhead && _node.Level < FeatureLevel.Operable; // Nobody of that level could read it.
        if (_checkpointAgain) return;
        if (_checkpointing || _installing || (Core.AppliedIndex == LogIndex.Zero && Log.NextOffset == KafkaOffset.Zero)) return;
        LogIndex index = Core.AppliedIndex;
        _checkpointing = true;
        _receivedBytes = 0;
        _node.Storage!.Checkpoint(_id, CheckpointOf(index, Core.TermAt(index), AppliedNext, StateAt(index)), failure => _node.Complete(
            this, failure, () =>
            {
                _checkpointing = false;
                if (index >= Core.FirstIndex) Core.Compact(index);
                if (_sim.Trace.IsOn) Line($"checkpoint of entry {index}");
            }));
        _node.PlanDisk();
    }

    public void Line(string what) => _sim.Trace.Line(
        _sim.Now, _node.Id.ToString(CultureInfo.InvariantCulture), _check.Name,
        string.Create(CultureInfo.InvariantCulture,
            $"{Core.Role.ToString()[..4].ToLowerInvariant(),5} {Core.Term.Value,5} {Core.LastIndex.Value,6} {Core.CommitIndex.Value,6} "
            + $"{Core.AppliedIndex.Value,6}"),
        what);

    private Membership? MembershipFrom(Checkpoint? checkpoint) =>
        checkpoint is null ? null : ReplicaState.Read(checkpoint.State, _producers).Members;

    private byte[] StateAt(LogIndex index) => ReplicaState.Write(Core.MembershipAt(index), EpochHistory.Empty, _producers);

    private Checkpoint CheckpointOf(LogIndex index, Term term, KafkaOffset next, byte[] state) =>
        new(index, term, next, Log.LogStartOffset, Core.HardState, state) { LogEndOffset = Log.NextOffset };

    /// <summary>The entries behind the checkpoint, with the payloads that the core wants: those of membership changes.</summary>
    private IReadOnlyList<LogEntry> EntriesOf(RecoveredGroup? found)
    {
        if (found is null || found.Entries.Count == 0) return [];
        LogEntry[] entries = [.. found.Entries];
        for (int i = 0; i < entries.Length; i++)
        {
            if (entries[i].Kind == EntryKind.Membership)
                entries[i] = entries[i] with { Payload = _sim.Keep(_node.Storage!.Wal.Read(_id, entries[i].Index)) };
        }

        return entries;
    }

    /// <summary>Does something once everything that was written so far is durable.</summary>
    private void WhenDurable(Action action)
    {
        if (_writes.Count == 0) action();
        else _writes.Last().Then += action;
    }

    /// <summary>It may vote again; a restart knows that once what the core wrote with it, if anything, is durable.</summary>
    private void Recover()
    {
        _check.Recovered(_node.Id, Core.LastIndex);
        WhenDurable(() =>
        {
            _node.HasRecovered(_group);
            if (_sim.Trace.IsOn) Line("repaired: may vote again");
        });
    }

    private void Write()
    {
        bool sync = _sim.Plant.Shell != ShellFault.SkipSync;
        _node.Storage!.Wal.Append(new WalWrite
        {
            Group = _id,
            HardState = _effects.HardState,
            TruncateFrom = _effects.TruncateFrom,
            Entries = [.. _effects.Append],
            Sync = sync,
            Completion = this,
        });
        _writes.Enqueue(new PendingWrite(_effects.WriteNumber, [.. _effects.AfterWrite]));
        _effects.AfterWrite.Clear();
        _node.PlanDisk();
    }

    /// <summary>What has no write of its own waits for the latest one before it.</summary>
    private void SendAfterWrite()
    {
        PendingWrite? last = null;
        foreach (PendingWrite write in _writes)
        {
            if (write.Number == _effects.WriteNumber) last = write;
        }

        if (last is null)
        {
            foreach (RaftMessage message in _effects.AfterWrite) Send(message);
            return;
        }

        last.After.AddRange(_effects.AfterWrite);
    }

    private void Send(RaftMessage message)
    {
        Note(message);
        if (message.LoadCount > 0)
        {
            message = Load(message);
            if (message.Entries!.Count == 0) return;
        }

        _sim.Network.Send(new Envelope { From = _node.Id, To = message.To.Value, Group = _group, Raft = message, HasRaft = true });
    }

    /// <summary>What a message says of its sender to the rest of the world.</summary>
    private void Note(in RaftMessage message)
    {
        switch (message.Kind)
        {
            case MessageKind.Append or MessageKind.Heartbeat:
                _check.Leads(_node.Id, message.Term);
                break;
            case MessageKind.Vote:
                _check.Votes(_node.Id, message.Term, _node.Id);
                break;
            case MessageKind.VoteReply when !message.Has(MessageFlags.Rejected):
                _check.Votes(_node.Id, message.Term, message.To.Value);
                _sim.Faults.Voted(_node);
                break;
        }
    }

    /// <summary>Reads entries that the core no longer holds, up to the size of a message, and at least one.</summary>
    private RaftMessage Load(in RaftMessage message)
    {
        List<LogEntry> entries = [];
        int bytes = 0;
        for (int i = 0; i < message.LoadCount; i++)
        {
            // What is gone from the WAL is covered by a checkpoint that the core has yet to hear of; it then asks for a snapshot.
            if (!_node.Storage!.Wal.TryReadEntry(_id, message.LoadFrom + i, out LogEntry entry)) break;
            bytes += entry.Payload.Length;
            if (entries.Count > 0 && bytes > _sim.Parameters.MessageBytes)
            {
                entry.Payload.Release();
                break;
            }

            _sim.Keep(entry.Payload);
            entries.Add(entry);
        }

        return message with { Entries = entries, LoadFrom = LogIndex.Zero, LoadCount = 0 };
    }

    private void ChangeRole()
    {
        if (Core.Role == RaftRole.Leader && _role != RaftRole.Leader)
            _check.Elected(_node.Id, Core.Term, Core.LastIndex, Core.FirstIndex, Core.TermAt);
        _role = Core.Role;
        if (_sim.Trace.IsOn) Line(Core.Leader.IsSome ? $"leader is {Core.Leader}" : "no leader");
    }

    private void ChangeLeadership()
    {
        if (Core.HasCommittedInTerm == IsLeading) return;
        IsLeading = Core.HasCommittedInTerm;
        if (IsLeading) BeginLeading();
        else LoseLeadership();
        if (_sim.Trace.IsOn) Line(IsLeading ? "leads" : "leads no longer");
    }

    private void Apply()
    {
        // What waits here was appended by a leadership that is over: the entries at its indexes may be others now.
        if (IsLeading && !Core.HasCommittedInTerm) LoseLeadership();
        foreach (LogEntry entry in _effects.Committed)
        {
            BufferSlice payload = entry.Payload;
            if (payload.Buffer is null && entry.Kind == EntryKind.Batch)
            {
                payload = _node.Storage!.Wal.Read(_id, entry.Index);
                _loaded.Add(payload);
            }

            _check.Applies(_node.Id, Core.Term, entry, payload.Span);
            if (entry.Kind == EntryKind.Membership) _sim.RequirePlaced(_id);
            if (entry.Kind != EntryKind.Batch) continue;
            // A snapshot may have brought it already.
            if (entry.NextOffset > Log.NextOffset) _applying.Add(payload);
            _metadata?.Apply(payload.Span);
            if (_metadata is not null) _node.MetadataChanged();
            Remember(payload.Span);
            AppliedNext = entry.NextOffset;
        }

        LogIndex through = _effects.Committed[^1].Index;
        if (_applying.Count > 0) Log.Append(CollectionsMarshal.AsSpan(_applying));
        _applying.Clear();
        foreach (BufferSlice payload in _loaded) payload.Release();
        _loaded.Clear();
        Core.Applied(through);
        AnswerProducers(through);
    }

    /// <summary>A write under way, and what leaves when it is durable.</summary>
    private sealed record PendingWrite(ulong Number, List<RaftMessage> After)
    {
        public Action? Then { get; set; }
    }
}
