using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Raft;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// One replica of one partition: the Raft core, the log of committed batches and the state of idempotent producers.
/// </summary>
/// <remarks>
/// <code>
///   gateway ---- AppendRequest ------->|          |-- WalWrite ------------> WAL thread
///   coordinators, controller --------->|          |&lt;- DiskDone -------------|
///   hub -------- PeerMessage,          |          |-- RaftMessage ---------> hub, to the other members
///                PeerStatus,           |          |-- Checkpoint ----------> checkpointer
///                LeaderGone,           |          |
///                SnapshotMessage ----->| replica  |&lt;- CheckpointDone -------|
///   itself ----- ProposeGathered ----->|          |-- publishes PartitionView; wakes FetchWaiters
///   ticker ----- Tick ---------------->|          |-- IAppendSink.Appended to whoever appended
///   storage ---- WriteCheckpoint ----->|          |-- event stream: LeadershipChanged
///   partitions - ApplyRetention,       |          |-- ReplicaRecovered, ReplicaDamaged ---> partitions
///                TopicConfigChanged -->|          |-- creates snapshot-{n}, which sends to a member far behind, or receives
///   isr ------ InSync ---------------->|          |-- creates isr-{epoch} while it leads; FollowersSeen now and then --> isr
///   partitions, controller
///              - MembersWanted ------->|          |-- event stream: MembersReached, IsrFound
///   readers ---- ConfirmRead,          |          |-- creates read-index, which gathers reads and asks for
///                LogSuspect ---------->|          |   one confirmation after the other (AskReadIndex)
///   partitions - LogGivenUp ---------->|          |-- ReplicaSuspect --> partitions, once it does not lead
/// </code>
/// Survives a restart: hard state and entries (WAL), committed batches (segments), members, epochs and producers (checkpoint and WAL). An
/// exception stops this replica, shows why in its view, and touches no other.
/// </remarks>
internal sealed partial class ReplicaActor : UntypedActor
{
    private readonly NodeContext _node;
    private readonly ReplicaSpec _spec;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly RaftEffects _effects = new();
    private readonly ProducerStates _producers;
    private readonly HeldPayloads _held;
    private readonly IActorRef _self;
    private readonly RaftCore _core;
    private readonly PartitionLog _log;
    private readonly Partition _partition;
    private TopicConfig _config;
    private EpochHistory _epochs;
    private KafkaError _stopError = KafkaError.NotLeaderOrFollower;
    private string? _failure;

    public ReplicaActor(NodeContext node, ReplicaSpec spec)
    {
        _node = node;
        _spec = spec;
        _config = spec.Config;
        _self = Self;
        _producers = new ProducerStates(node.Limits.PartitionProducers);
        _memberSteps = new MemberSteps(node.Self, node.Time, node.Peers.FollowedBy);
        _lag = new ReplicationLag(node.Meters);
        _ticksPerLook = Math.Max(1, (long)(node.Limits.ReplicaLagMax / InSyncReplicas.LooksPerLag / node.Ticker.Interval));
        RecoveredGroup? recovered = node.Storage.TakeRecovered(spec.Group);
        Checkpoint? checkpoint = recovered?.Checkpoint;
        Membership? members = null;
        try
        {
            (members, _epochs) = ReplicaState.Read(checkpoint?.State ?? default, _producers);
            _log = node.Storage.OpenLog(spec.Group, LogOptionsOf(_config));
        }
        catch (Exception damage) when (IsDamage(damage))
        {
            Context.Parent.Tell(new ReplicaDamaged(spec.Group, damage.Message, LastVoters(members, recovered?.Entries ?? [])), _self);
            throw;
        }

        _appliedNext = checkpoint?.NextOffset ?? KafkaOffset.Zero;
        IReadOnlyList<LogEntry> entries = WithMembers(recovered?.Entries ?? []);
        _core = new RaftCore(
            new RaftOptions { Self = node.Self, Seed = (ulong)Random.Shared.NextInt64() },
            new RaftRestart
            {
                HardState = recovered?.HardState ?? new HardState(Term.Zero, NodeId.None),
                SnapshotIndex = checkpoint?.Index ?? LogIndex.Zero,
                SnapshotTerm = checkpoint?.Term ?? Term.Zero,
                SnapshotNextOffset = checkpoint?.NextOffset ?? KafkaOffset.Zero,
                Membership = members ?? new Membership([.. spec.Voters]),
                Entries = entries,
                IsRecovering = spec.IsRecovering,
                Life = spec.IsRecovering ? Random.Shared.NextInt64() : 0,
            });
        _held = new HeldPayloads(_core.FirstIndex.Previous);
        foreach (LogEntry entry in entries)
        {
            _held.Add(entry.Index, entry.Payload);
            entry.Payload.Release();
        }

        _lease = new LeaderLease(node.Peers);
        _partition = new Partition(spec.Name, spec.Group, _self, View(), _lease);
        _partition.Pulse.Beat(_core);
        if (spec.IsRecovering && spec.Voters.Count > 0) // A newcomer has nothing to miss.
        {
            node.Meters.Recovers();
            _logger.Warning("{0} has lost what it held here: it is filled again, and votes when it has everything", spec.Name);
        }

        spec.Started(_partition);
    }

    protected override void PreStart()
    {
        RegisterMembers();
        _node.Ticker.Wake(_self);
    }

    /// <summary>Who sends a snapshot holds a reference to it that a restart would not have.</summary>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Stop);

    protected override void OnReceive(object message)
    {
        try
        {
            Handle(message);
        }
        catch (Exception failure)
        {
            Fail(failure);
        }
    }

    protected override void PostStop()
    {
        _node.Ticker.Sleep(_self);
        _node.Peers.Unregister(_spec.Group);
        _node.Meters.ProducersChanged(-_producersCounted);
        bool led = _leads;
        _leads = false;
        _partition.Publish(View());
        RefuseEverything(_stopError, _failure);
        GiveBackMessages();
        _held.TruncateFrom(LogIndex.Zero);
        foreach (BufferSlice payload in _readBack) payload.Release();
        if (led) Context.System.EventStream.Publish(new LeadershipChanged(_partition, false, _core.Term.ToLeaderEpoch()));
    }

    private void Handle(object message)
    {
        switch (message)
        {
            case AppendRequest request:
                Gather(request);
                break;
            case ProposeGathered:
                Propose();
                break;
            case PeerMessage peer:
                Receive(peer);
                break;
            case DiskDone { Failure: { } failure }:
                Fail(failure);
                break;
            case DiskDone done:
                Written(done.WriteNumber);
                break;
            case Tick:
                TakeTick();
                break;
            case PeerStatus status:
                Step(status.IsLost ? RaftInput.PeerLost(status.Node) : RaftInput.PeerBack(status.Node));
                if (status.IsLost && !_core.HasQuorumContact) _lease.End(); // The others may have noticed as well.
                break;
            case LeaderGone:
                Step(RaftInput.Wake());
                break;
            case SnapshotMessage snapshot:
                Receive(snapshot);
                break;
            case ISnapshotEvent snapshot:
                Take(snapshot);
                break;
            case WriteCheckpoint:
                StartCheckpoint();
                break;
            case CheckpointDone done:
                FinishCheckpoint(done);
                break;
            case ApplyRetention:
                Retain();
                break;
            case DeleteRecords delete:
                Delete(delete);
                break;
            case DescribeProducers:
                Sender.Tell(_producers.Summaries());
                break;
            case DescribeQuorum:
                AnswerQuorum();
                break;
            case InSync found:
                Take(found);
                break;
            case Terminated ended when ended.ActorRef.Equals(_isr):
                StartIsr(); // It failed: another one begins with what it said last.
                break;
            case MembersWanted wanted:
                Want(wanted);
                break;
            case DriveMembers:
                Drive();
                break;
            case TransferLeadership transfer:
                Sender.Tell(HandOver(transfer.To, transfer.Avoid), _self);
                break;
            case TopicConfigChanged changed:
                _config = changed.Config;
                _log.Options = LogOptionsOf(_config);
                _partition.Publish(View());
                break;
            case LogSuspect suspect:
                Suspect(suspect.Reason);
                break;
            case LogGivenUp given:
                GiveUp(given.Reason);
                break;
            case Woken:
                RenewAfterSleep();
                break;
            case ConfirmRead read:
                Confirm(read);
                break;
            case AskReadIndex ask:
                Step(RaftInput.ReadIndex(ask.Round));
                break;
            case ReadIndexIdle idle:
                EndReadIndex(idle);
                break;
            case Terminated ended when ended.ActorRef.Equals(_readIndex):
                _readIndex = null;
                break;
            case ReplicaRemoved removed:
                _stopError = removed.IsElsewhere ? KafkaError.NotLeaderOrFollower : KafkaError.UnknownTopicOrPartition;
                Context.Stop(_self);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    /// <summary>Steps the core and does what it asks for. False when what was proposed was refused.</summary>
    private bool Step(in RaftInput input)
    {
        _effects.Clear();
        Term term = _core.Term;
        _core.Step(input, _effects);
        if (_core.Term > term && _core.Role is RaftRole.Candidate or RaftRole.Leader) _node.Meters.Stands();
        bool accepted = !_effects.ProposalRefused;
        if (_ledTerm is { } led && (_core.Role != RaftRole.Leader || _core.Term != led)) EndLeadership();
        if (_effects.TruncateFrom is { } from) _held.TruncateFrom(from);
        foreach (LogEntry entry in _effects.Append) _held.Add(entry.Index, entry.Payload);
        if (_effects.HasWrite) Write();
        _lastWrite = _effects.WriteNumber;
        // A leader shows what is committed before the others hear that it is: whoever has read it from them finds it here, too.
        bool appliesFirst = _ledTerm is not null;
        if (appliesFirst && _effects.Committed.Count > 0) Apply();
        SendAll();
        if (!appliesFirst && _effects.Committed.Count > 0) Apply();
        if (_effects.Committed.Count > 0) _held.ReleaseThrough(_core.AppliedIndex); // What was sent may have been of these.
        if (_effects.SnapshotsNeeded.Count > 0) StartSending();
        if (_effects.MembershipChanged) RegisterMembers();
        if (_effects.Recovered)
        {
            _recoveredBy = _effects.WriteNumber;
            TellRecovered();
        }

        if (_effects.AwakeChanged) FallAsleepOrWake();
        NoticeLeadership();
        StopWaiting();
        AnswerReads();
        _partition.Pulse.Beat(_core);
        _effects.Clear(); // An idle partition holds on to nothing.
        return accepted;
    }

    /// <summary>The entries that a restart found, with the bytes of those that say who belongs to the group.</summary>
    private IReadOnlyList<LogEntry> WithMembers(IReadOnlyList<LogEntry> found)
    {
        if (!found.Any(entry => entry.Kind == EntryKind.Membership)) return found;
        return [.. found.Select(entry => entry.Kind == EntryKind.Membership
            ? entry with { Payload = _node.Storage.Wal.Read(_spec.Group, entry.Index) } : entry)];
    }

    /// <summary>Who voted last, as far as this replica has heard, whether or not that was committed.</summary>
    private ImmutableArray<NodeId> LastVoters(Membership? atCheckpoint, IReadOnlyList<LogEntry> found)
    {
        Membership? last = atCheckpoint;
        foreach (LogEntry entry in WithMembers(found))
        {
            if (entry.Kind != EntryKind.Membership) continue;
            last = Membership.Read(entry.Payload.Span);
            entry.Payload.Release();
        }

        return last?.Voters ?? [.. _spec.Voters];
    }

    /// <summary>Stops the replica. What it had acknowledged stays as it is on disk; nobody is told that anything else succeeded.</summary>
    private void Fail(Exception failure)
    {
        _failure = failure.Message;
        _stopError = KafkaError.KafkaStorageError;
        _logger.Error(failure, "{0} stops: {1}", _spec.Name, failure.Message);
        if (IsDamage(failure)) Context.Parent.Tell(new ReplicaDamaged(_spec.Group, failure.Message, _core.Membership.Voters), _self);
        Context.Stop(_self);
    }

    /// <summary>Whether bytes on the disk are not what they were, while the disk itself works.</summary>
    private bool IsDamage(Exception failure) =>
        failure is StorageException { IsDamage: true } or InvalidDataException && _node.Storage.Failure is null;

    private static LogOptions LogOptionsOf(TopicConfig config) =>
        new() { SegmentBytes = config.SegmentBytes, SegmentAge = TimeSpan.FromMilliseconds(config.SegmentMs) };
}

/// <summary>What a replica is made from.</summary>
/// <param name="Name">The partition's name.</param>
/// <param name="Group">The partition's identity.</param>
/// <param name="Voters">The voters that the group began with; none for a replica that learns its members from the leader.</param>
/// <param name="Config">The topic's settings at this moment.</param>
/// <param name="Started">Told the replica's handle as soon as there is one, on the replica's thread.</param>
internal sealed record ReplicaSpec(
    TopicPartition Name, GroupId Group, IReadOnlyList<NodeId> Voters, TopicConfig Config, Action<Partition> Started)
{
    /// <summary>Whether this node lost what it may have promised to the group: it has no vote until the leader gives it back.</summary>
    public bool IsRecovering { get; init; }
}

/// <summary>
/// To a replica: its partition is deleted, or lives on other nodes now. It tells what waits, UNKNOWN_TOPIC_OR_PARTITION or
/// NOT_LEADER_OR_FOLLOWER, and stops.
/// </summary>
internal sealed record ReplicaRemoved(bool IsElsewhere);

/// <summary>To /partitions, from a replica: it may vote again, and whatever its node had lost is there.</summary>
internal sealed record ReplicaRecovered(GroupId Group);

/// <summary>To /partitions, from a replica that stops: bytes on its disk are not what they were.</summary>
/// <param name="Group">The group.</param>
/// <param name="Reason">What is damaged.</param>
/// <param name="Voters">Who votes in the group, as far as the replica has heard; none when it has not.</param>
internal sealed record ReplicaDamaged(GroupId Group, string Reason, ImmutableArray<NodeId> Voters);

/// <summary>To /partitions, from a replica that goes on: some bytes on its disk are not what they were.</summary>
/// <param name="Group">The group.</param>
/// <param name="Reason">What is damaged.</param>
/// <param name="Voters">Who votes in the group, as far as the replica has heard.</param>
/// <param name="Epoch">The epoch of who leads.</param>
internal sealed record ReplicaSuspect(GroupId Group, string Reason, ImmutableArray<NodeId> Voters, LeaderEpoch Epoch)
{
    /// <summary>Whether nobody could take the replica's place, which leads.</summary>
    public bool MustStay { get; init; }
}
