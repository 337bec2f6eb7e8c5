using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
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
///   itself ----- ProposeGathered ----->| replica  |-- Checkpoint ----------> checkpointer
///   ticker ----- Tick ---------------->|          |&lt;- CheckpointDone -------|
///   storage ---- WriteCheckpoint ----->|          |-- publishes PartitionView; wakes FetchWaiters
///   partitions - ApplyRetention,       |          |-- IAppendSink.Appended to whoever appended
///                TopicConfigChanged -->|          |-- event stream: LeadershipChanged
/// </code>
/// Survives a restart: hard state and entries (WAL), committed batches (segments), epochs and producers (checkpoint and WAL). An
/// exception stops this replica, shows why in its view, and touches no other.
/// </remarks>
internal sealed partial class ReplicaActor : UntypedActor
{
    private readonly NodeContext _node;
    private readonly ReplicaSpec _spec;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly RaftEffects _effects = new();
    private readonly ProducerStates _producers;
    private readonly IActorRef _self;
    private readonly RaftCore _core;
    private readonly PartitionLog _log;
    private readonly Partition _partition;
    private readonly LogIndex _recoveredThrough;
    private TopicConfig _config;
    private EpochHistory _epochs;
    private bool _leads;
    private KafkaError _stopError = KafkaError.NotLeaderOrFollower;
    private string? _failure;

    public ReplicaActor(NodeContext node, ReplicaSpec spec)
    {
        _node = node;
        _spec = spec;
        _config = spec.Config;
        _self = Self;
        _producers = new ProducerStates(node.Limits.PartitionProducers);
        RecoveredGroup? recovered = node.Storage.TakeRecovered(spec.Group);
        Checkpoint? checkpoint = recovered?.Checkpoint;
        _epochs = checkpoint is null ? EpochHistory.Empty : ReplicaState.Read(checkpoint.State, _producers);
        _log = node.Storage.OpenLog(spec.Group, LogOptionsOf(_config));
        _core = new RaftCore(
            new RaftOptions { Self = node.Self, Seed = (ulong)spec.Group.GetHashCode() },
            new RaftRestart
            {
                HardState = recovered?.HardState ?? new HardState(Term.Zero, NodeId.None),
                SnapshotIndex = checkpoint?.Index ?? LogIndex.Zero,
                SnapshotTerm = checkpoint?.Term ?? Term.Zero,
                SnapshotNextOffset = checkpoint?.NextOffset ?? KafkaOffset.Zero,
                Membership = new Membership([.. spec.Voters]),
                Entries = recovered?.Entries ?? [],
            });
        _recoveredThrough = _core.LastIndex;
        _partition = new Partition(spec.Name, spec.Group, _self, View());
        spec.Started(_partition);
    }

    protected override void PreStart() => _node.Ticker.Wake(_self);

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
        _node.Meters.ProducersChanged(-_producersCounted);
        bool led = _leads;
        _leads = false;
        _partition.Publish(View());
        RefuseEverything(_stopError, _failure);
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
            case DiskDone { Failure: { } failure }:
                Fail(failure);
                break;
            case DiskDone done:
                Step(RaftInput.DiskDone(done.WriteNumber));
                break;
            case Tick:
                Step(RaftInput.Tick());
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
            case TopicConfigChanged changed:
                _config = changed.Config;
                _log.Options = LogOptionsOf(_config);
                _partition.Publish(View());
                break;
            case ReplicaRemoved:
                _stopError = KafkaError.UnknownTopicOrPartition;
                Context.Stop(_self);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    /// <summary>Steps the core and does what it asks for.</summary>
    private void Step(in RaftInput input)
    {
        _effects.Clear();
        _core.Step(input, _effects);
        if (_effects.HasWrite) Write();
        if (_effects.Committed.Count > 0) Apply();
        if (_core.HasCommittedInTerm != _leads) ChangeLeadership();
        _effects.Clear(); // An idle partition holds on to nothing.
    }

    private void ChangeLeadership()
    {
        _leads = _core.HasCommittedInTerm;
        if (_leads) _node.Ticker.Sleep(_self);
        else _node.Ticker.Wake(_self);
        _partition.Publish(View());
        Context.System.EventStream.Publish(new LeadershipChanged(_partition, _leads, _core.Term.ToLeaderEpoch()));
    }

    private PartitionView View() => new()
    {
        IsLeader = _leads,
        Leader = _leads ? _core.Leader : NodeId.None,
        Epoch = _core.Term.ToLeaderEpoch(),
        LogStartOffset = _log.LogStartOffset,
        HighWatermark = _log.NextOffset,
        LogEndOffset = _core.NextOffset,
        Log = _log,
        Epochs = _epochs,
        Config = _config,
        Replicas = _spec.Voters,
        Isr = _spec.Voters,
        Failure = _failure,
    };

    /// <summary>Stops the replica. What it had acknowledged stays as it is on disk; nobody is told that anything else succeeded.</summary>
    private void Fail(Exception failure)
    {
        _failure = failure.Message;
        _stopError = KafkaError.KafkaStorageError;
        _logger.Error(failure, "{0} stops: {1}", _spec.Name, failure.Message);
        Context.Stop(_self);
    }

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

/// <summary>To a replica: its partition is deleted. It answers what waits with UNKNOWN_TOPIC_OR_PARTITION and stops.</summary>
internal sealed class ReplicaRemoved
{
    public static readonly ReplicaRemoved Instance = new();
}
