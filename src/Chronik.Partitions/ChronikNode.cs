using System.Collections.Immutable;
using Akka;
using Akka.Actor;
using Akka.Configuration;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Groups;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Persistence;
using Chronik.Protocol;
using Chronik.Storage;

namespace Chronik.Partitions;

/// <summary>What a node is told at start.</summary>
public sealed record ChronikNodeOptions
{
    /// <summary>Where clients reach this node.</summary>
    public required ImmutableArray<BrokerEndpoint> Endpoints { get; init; }

    /// <summary>The node's rack, or null.</summary>
    public string? Rack { get; init; }

    /// <summary>The node's own values of Kafka's broker keys.</summary>
    public BrokerSettings Settings { get; init; } = new();

    /// <summary>The limits of its partitions.</summary>
    public PartitionLimits Limits { get; init; } = new();

    /// <summary>The limits of its group coordinators.</summary>
    public GroupLimits GroupLimits { get; init; } = new();

    /// <summary>How often a Raft group that waits for a leader is ticked.</summary>
    public TimeSpan TickInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// How many records the metadata log may hold before it is stated anew: too few, and it is written all the time; too many, and every
    /// start reads them (about a million in a second).
    /// </summary>
    internal long MetadataLogRecords { get; init; } = 10_000;
}

/// <summary>
/// One node of Chronik inside an actor system: its replicas, its controller and its coordinators, on a storage that is already open.
/// </summary>
/// <remarks>
/// Stops with the actor system's CoordinatedShutdown (phase service-stop). The storage stays its owner's to close, afterwards.
/// </remarks>
public sealed class ChronikNode : IBrokerNode
{
    private static readonly TimeSpan OffsetsTopicTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CoordinatorTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(2);

    private readonly NodeStorage _storage;
    private readonly PartitionDirectory _directory = new();
    private readonly GroupCoordinatorDirectory _coordinators = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<NodeActors> _actors = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IActorRef _root;
    private readonly string _dataDirectory;
    private readonly PartitionLocator _locator;
    private readonly Lock _readyLock = new();
    private volatile MetadataImage _metadata = MetadataImage.Empty;
    private HashSet<GroupId>? _missing; // What readiness waits for; null until the metadata is known.

    private ChronikNode(
        ActorSystem system, NodeStorage storage, BufferPool buffers, TimeProvider time, string dataDirectory, ChronikNodeOptions options)
    {
        ChronikPersistence.Install(system, storage, buffers);
        _storage = storage;
        _dataDirectory = dataDirectory;
        Settings = options.Settings;
        Ticker ticker = new(time, options.TickInterval);
        PartitionMeters meters = new(_directory);
        PeerHub peers = new(storage.Identity.NodeId, Guid.NewGuid(), time, buffers, new PeerOptions());
        peers.Form(storage.Identity.ClusterId);
        _locator = new PartitionLocator(storage.Identity.NodeId, _directory, peers.Leaders);
        NodeContext node = new(storage.Identity.NodeId, storage, buffers, time, ticker, options.Limits, meters, peers);
        ControllerSetup controller = new(
            node, _directory, storage.Identity.ClusterId, options.Endpoints, options.Rack, options.Settings,
            options.MetadataLogRecords, Publish, Fail);
        NodeSetup setup = new(
            node,
            _directory,
            _coordinators,
            partition => GroupCoordinatorActor.Props(node, partition, options.GroupLimits),
            controller,
            actors => _actors.TrySetResult(actors),
            Settle);
        _root = system.ActorOf(Props.Create(() => new NodeActor(setup)), "chronik");
        storage.CheckpointWanted += group => _actors.Task.ContinueWith(
            actors => actors.Result.Partitions.Tell(new CheckpointNeeded(group), ActorRefs.NoSender),
            TaskContinuationOptions.ExecuteSynchronously);
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseServiceStop, "chronik-node", async () =>
        {
            await _root.GracefulStop(StopTimeout).ConfigureAwait(false);
            ticker.Dispose();
            peers.Dispose();
            meters.Dispose();
            return Done.Instance;
        });
    }

    /// <summary>What an actor system must be created with, below its own configuration, for a node to run in it.</summary>
    public static Config DefaultConfig() => ConfigurationFactory
        .FromResource<ChronikNode>("Chronik.Partitions.reference.conf")
        .WithFallback(ChronikPersistence.DefaultConfig());

    /// <summary>Starts a node. It serves once <see cref="Ready"/> completes.</summary>
    public static ChronikNode Start(
        ActorSystem system, NodeStorage storage, BufferPool buffers, TimeProvider time, string dataDirectory, ChronikNodeOptions options) =>
        new(system, storage, buffers, time, dataDirectory, options);

    /// <summary>
    /// Completes when the metadata is loaded and every replica of this node leads. One that cannot start is left out: its partition
    /// serves nothing, the log says why, and all others do serve. Fails when the node cannot work at all.
    /// </summary>
    public Task Ready => _ready.Task;

    /// <summary>Why the node cannot change anything any more, though its storage may work; null while it can.</summary>
    public string? Failure { get; private set; }

    /// <summary>How many replicas of this node lead, and how many there are: progress while the node becomes ready.</summary>
    public (int Leading, int All) Progress
    {
        get
        {
            ICollection<Partition> all = _directory.All;
            return (all.Count(partition => partition.View.IsLeader), all.Count);
        }
    }

    /// <inheritdoc/>
    public NodeId Id => _storage.Identity.NodeId;

    /// <inheritdoc/>
    public string ClusterId => _storage.Identity.ClusterId;

    /// <inheritdoc/>
    public MetadataImage Metadata => _metadata;

    /// <inheritdoc/>
    public BrokerSettings Settings { get; }

    /// <inheritdoc/>
    public StorageStatus Storage => new(_dataDirectory, _storage.TotalBytes, _storage.FreeBytes, _storage.Failure?.Message);

    /// <inheritdoc/>
    public Partition? Find(TopicPartition name) =>
        _metadata.Topics.TryGetValue(name.Topic, out TopicImage? topic) ? Find(topic.Id, name.Partition) : null;

    /// <inheritdoc/>
    public Partition? Find(TopicId topic, int partition) => _directory.Find(new GroupId(topic, partition));

    /// <inheritdoc/>
    public PartitionLocation? Locate(TopicId topic, int partition) => _locator.Locate(_metadata, topic, partition);

    /// <inheritdoc/>
    public NodeId Controller => _locator.LeaderOf(GroupId.Metadata);

    /// <inheritdoc/>
    public Task<QuorumState> DescribeMetadataQuorumAsync() => _directory.Find(GroupId.Metadata) is { } log
        ? log.DescribeQuorumAsync()
        : Task.FromResult(new QuorumState(NodeId.None, LeaderEpoch.Unknown, KafkaOffset.Unknown, [], []));

    /// <inheritdoc/>
    public Task<IActorRef> ActorOfAsync(Props props, string name) => _root.Ask<IActorRef>(new StartChild(props, name), Replies.Timeout);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ItemResult>> SubmitAsync(MetadataCommand command, TimeSpan timeout)
    {
        NodeActors actors = await _actors.Task.ConfigureAwait(false);
        try
        {
            Submit submit = new(command, timeout);
            return await actors.Controller.Ask<IReadOnlyList<ItemResult>>(submit, timeout + Replies.Timeout).ConfigureAwait(false);
        }
        catch (AskTimeoutException e)
        {
            throw new TimeoutException($"the metadata was not changed within {timeout}", e);
        }
    }

    /// <inheritdoc/>
    public async Task<(KafkaError Error, NodeId Coordinator)> FindGroupCoordinatorAsync(string groupId)
    {
        if (!_metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out TopicImage? topic))
        {
            await CreateOffsetsTopicAsync().ConfigureAwait(false);
            if (!_metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out topic))
                return (KafkaError.CoordinatorNotAvailable, NodeId.None);
        }

        int number = GroupCoordinator.PartitionFor(groupId, topic.Partitions.Length);
        Partition? partition = Find(topic.Id, number);
        bool isHere = partition is { View.IsLeader: true }
            && await _coordinators.WaitForAsync(number, CoordinatorTimeout).ConfigureAwait(false);
        return isHere ? (KafkaError.None, Id) : (KafkaError.CoordinatorNotAvailable, NodeId.None);
    }

    /// <inheritdoc/>
    public async Task<IResponseMessage?> AskGroupCoordinatorAsync(
        string groupId, IRequestMessage request, short version, RequestOrigin origin)
    {
        if (!_metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out TopicImage? topic)) return null;
        int number = GroupCoordinator.PartitionFor(groupId, topic.Partitions.Length);
        if (_coordinators.Find(number) is not { } coordinator) return null;
        return await AskCoordinatorAsync(coordinator, request, version, origin).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<IResponseMessage>> AskAllGroupCoordinatorsAsync(
        IRequestMessage request, short version, RequestOrigin origin)
    {
        IEnumerable<Task<IResponseMessage>> answers = _coordinators.All.Select(one => AskCoordinatorAsync(one, request, version, origin));
        return await Task.WhenAll(answers).ConfigureAwait(false);
    }

    /// <summary>A join or a sync waits for other members, so there is no bound here: the coordinator answers in its own time.</summary>
    private static Task<IResponseMessage> AskCoordinatorAsync(
        IActorRef coordinator, IRequestMessage request, short version, RequestOrigin origin) =>
        coordinator.Ask<IResponseMessage>(new GroupRequest(request, version, origin), Timeout.InfiniteTimeSpan);

    private Task<IReadOnlyList<ItemResult>> CreateOffsetsTopicAsync() => SubmitAsync(
        new CreateTopics([InternalTopics.ConsumerOffsets(_metadata, Id, Settings, expected: 1)]), OffsetsTopicTimeout);

    private void Publish(MetadataImage image)
    {
        _metadata = image;
        lock (_readyLock)
        {
            if (_missing is not null) return;
            _missing = [.. image.TopicsById.Values.SelectMany(HostedHere).Where(group => !IsSettled(group))];
            if (_missing.Count == 0) _ready.TrySetResult();
        }
    }

    private IEnumerable<GroupId> HostedHere(TopicImage topic)
    {
        for (int i = 0; i < topic.Partitions.Length; i++)
            if (topic.Partitions[i].Replicas.Contains(Id))
                yield return new GroupId(topic.Id, i);
    }

    private bool IsSettled(GroupId group) => _directory.HasFailed(group) || _directory.Find(group) is { View.IsLeader: true };

    private void Settle(GroupId group)
    {
        if (group == GroupId.Metadata && _directory.HasFailed(group))
        {
            string reason = _directory.Find(group)?.View.Failure ?? "its log cannot be opened";
            Fail(new InvalidOperationException($"the metadata is not available: {reason}"));
        }

        lock (_readyLock)
        {
            if (_missing is null || !_missing.Remove(group) || _missing.Count > 0) return;
            _ready.TrySetResult();
        }
    }

    private void Fail(Exception failure)
    {
        Failure ??= failure.Message;
        _ready.TrySetException(failure);
    }
}
