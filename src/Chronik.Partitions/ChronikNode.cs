using System.Collections.Immutable;
using Akka;
using Akka.Actor;
using Akka.Configuration;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Forming;
using Chronik.Partitions.Groups;
using Chronik.Partitions.Leaderships;
using Chronik.Partitions.Operating;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Partitions.Watching;
using Chronik.Persistence;
using Chronik.Protocol;
using Chronik.Raft;
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

    /// <summary>
    /// The newest level that the node speaks. Lower than what this version can only in tests, where it stands for an older version; then
    /// its storage must be told the same.
    /// </summary>
    public int NewestLevel { get; init; } = FeatureLevel.Newest;

    /// <summary>Whether partitions are evened out over the brokers while this node is the controller.</summary>
    public bool Balances { get; init; }

    /// <summary>How the node takes part in a cluster; null when it is alone, and needs no other.</summary>
    public ClusterOptions? Cluster { get; init; }

    /// <summary>How long a leader may be silent before its followers look for another; that takes them up to twice as long.</summary>
    public TimeSpan ElectionTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How many records the metadata log may hold before it is stated anew: too few, and it is written all the time; too many, and every
    /// start reads them (about a million in a second).
    /// </summary>
    internal long MetadataLogRecords { get; init; } = 10_000;
}

/// <summary>How a node takes part in a cluster.</summary>
public sealed record ClusterOptions
{
    /// <summary>How many nodes must be there before a cluster is formed, once.</summary>
    public int BootstrapExpect { get; init; } = 1;

    /// <summary>
    /// Addresses of actor systems that are there if any is, such as akka.tcp://chronik@host:9192; the same as the actor system's seed
    /// nodes. None: this node is the first of its cluster, and others name it.
    /// </summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>Told, once a second, what is waited for until this node belongs to a cluster: one line.</summary>
    public Action<string> Progress { get; init; } = _ => { };

    /// <summary>Where this node's actor system is; null: where it says.</summary>
    internal Address? Self { get; init; }

    /// <summary>Finds an actor of another node by its path below /user; null: by the actor system's own means.</summary>
    internal Func<Address, string, ICanTell>? Reach { get; init; }

    /// <summary>How long a broker must be out of reach before it is recorded as not live.</summary>
    internal TimeSpan FenceAfter { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// One node of Chronik inside an actor system: its replicas, its controller and its coordinators, on a storage that is already open.
/// </summary>
/// <remarks>
/// Stops with the actor system's CoordinatedShutdown: in phase before-service-unbind what it leads is handed over, in phase service-stop
/// its actors end. The storage stays its owner's to close, afterwards.
/// </remarks>
public sealed partial class ChronikNode : IBrokerNode
{
    private static readonly TimeSpan OffsetsTopicTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CoordinatorTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LeadersTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HandOverTimeout = TimeSpan.FromSeconds(7); // It takes six at most, unless nothing works here any more.

    private readonly NodeStorage _storage;
    private readonly PartitionDirectory _directory = new();
    private readonly GroupCoordinatorDirectory _coordinators = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<NodeActors> _actors = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IActorRef _root;
    private readonly string _dataDirectory;
    private readonly ClusterOptions? _cluster;
    private readonly TimeProvider _time;
    private readonly PeerHub _peers;
    private readonly SnapshotTransfers _snapshots;
    private readonly PartitionMeters _meters;
    private readonly NodeQuestions _questions;
    private readonly PartitionLocator _locator;
    private readonly PublishedMetadata _published = new();
    private readonly CommandRouter _router;
    private readonly LeaderMover _mover;
    private readonly TaskCompletionSource<string> _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _readyLock = new();
    private HashSet<GroupId>? _missing; // What readiness waits for; null until the metadata is known.

    private ChronikNode(
        ActorSystem system, NodeStorage storage, BufferPool buffers, TimeProvider time, string dataDirectory, ChronikNodeOptions options)
    {
        ChronikPersistence.Install(system, storage, buffers);
        _storage = storage;
        _dataDirectory = dataDirectory;
        Settings = options.Settings;
        Ticker ticker = new(time, options.ElectionTimeout / new RaftOptions { Self = NodeId.None }.ElectionTimeoutTicks);
        _meters = new PartitionMeters(storage.Identity.NodeId, _directory);
        _cluster = options.Cluster;
        _time = time;
        NodeIdentity identity = storage.Identity;
        _peers = new PeerHub(identity.NodeId, identity.DirectoryId, time, buffers, new PeerOptions
        {
            PingInterval = options.ElectionTimeout / 5,
            Silence = options.ElectionTimeout * 2,
            NewestLevel = options.NewestLevel,
        });
        if (identity.IsFormed) _peers.Form(identity.ClusterId);
        _locator = new PartitionLocator(identity.NodeId, _directory, _peers.Leaders);
        NodeContext node = new(identity.NodeId, storage, buffers, time, ticker, options.Limits, _meters, _peers)
        {
            StandsAlone = options.Cluster is null,
            Metadata = _published,
        };
        _snapshots = node.Snapshots;
        PeerBook others = new();
        RegisterBroker registration = new(identity.NodeId, options.Endpoints, options.Rack)
        {
            Directory = identity.DirectoryId,
            Incarnation = Guid.NewGuid(),
            Protocol = new ProtocolVersions(FeatureLevel.Oldest, options.NewestLevel),
        };
        ControllerSetup controller = new(
            node, _directory, registration, options.Settings, options.MetadataLogRecords, others, _published, Fail)
        {
            FenceAfter = options.Cluster?.FenceAfter ?? TimeSpan.MaxValue,
            Refused = Refuse,
            Balances = options.Balances,
            StorageStatus = () => Storage,
            Left = () => _left.TrySetResult(),
        };
        Task<IActorRef> controllerActor = _actors.Task.ContinueWith(
            actors => actors.Result.Controller, CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion,
            TaskScheduler.Default);
        _router = new CommandRouter(identity.NodeId, _peers, _directory, _locator, others, _published, controllerActor);
        Operator = new ClusterOperator(
            controller, _router, _locator, controllerActor,
            () => ((ExtendedActorSystem)system).Provider.DefaultAddress is { Host: { } host, Port: { } port } ? $"{host}:{port}" : null);
        _mover = new LeaderMover(
            identity.NodeId, _published, _locator, _peers, others,
            _actors.Task.ContinueWith(
                actors => actors.Result.Leaderships, CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion,
                TaskScheduler.Default));
        _published.Changed += Published;
        _peers.Leaders.Changed += Settle;
        _questions = new NodeQuestions(identity.NodeId, _peers, others, _published);
        NodeSetup setup = new(
            node,
            _directory,
            _coordinators,
            partition => GroupCoordinatorActor.Props(node, partition, options.GroupLimits),
            controller,
            _router,
            new LeadershipsSetup(node, _directory, _locator, _published, others) { Patience = options.ElectionTimeout },
            _questions,
            options.Cluster is null ? null : Forming(system, node, registration, others, options.Cluster),
            actors => _actors.TrySetResult(actors),
            Settle);
        _root = system.ActorOf(Props.Create(() => new NodeActor(setup)), "chronik");
        storage.CheckpointWanted += group => _actors.Task.ContinueWith(
            actors => actors.Result.Partitions.Tell(new CheckpointNeeded(group), ActorRefs.NoSender),
            TaskContinuationOptions.ExecuteSynchronously);
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseBeforeServiceUnbind, "chronik-hand-over", async () =>
        {
            await HandOverAsync((_, _) => { }).ConfigureAwait(false);
            return Done.Instance;
        });
        CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseServiceStop, "chronik-node", async () =>
        {
            await _root.GracefulStop(StopTimeout).ConfigureAwait(false);
            ticker.Dispose();
            _peers.Dispose();
            _meters.Dispose();
            _snapshots.Dispose();
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
    /// Completes when the metadata is loaded and every replica of this node leads, or in a cluster has a leader that is known here, or ten
    /// seconds have passed. One that cannot start is left out: its partition serves nothing, the log says why, and all others do serve.
    /// Fails when the node cannot work at all.
    /// </summary>
    public Task Ready => _ready.Task;

    /// <summary>Why the node cannot change anything any more, though its storage may work; null while it can.</summary>
    public string? Failure { get; private set; }

    /// <summary>Completes with a reason when the node cannot be in the cluster that it met, and has to stop.</summary>
    public Task<string> Refused => _refused.Task;

    /// <summary>
    /// Completes when this node was removed from its cluster by an operator and holds nothing any more: it has to stop. It leaves its
    /// folder as it is, and would join again if it were started again.
    /// </summary>
    public Task Left => _left.Task;

    /// <summary>What operators ask of the cluster.</summary>
    public ClusterOperator Operator { get; }

    /// <summary>
    /// How many replicas of this node have a leader that is known here, and how many there are: progress while the node becomes ready.
    /// </summary>
    public (int Led, int All) Progress
    {
        get
        {
            ICollection<Partition> all = _directory.All;
            return (all.Count(partition => IsLed(partition.Group)), all.Count);
        }
    }

    /// <inheritdoc/>
    public NodeId Id => _storage.Identity.NodeId;

    /// <inheritdoc/>
    public string ClusterId => _storage.Identity.ClusterId;

    /// <inheritdoc/>
    public MetadataImage Metadata => _published.Image;

    /// <inheritdoc/>
    public NodeId Controller => _locator.LeaderOf(GroupId.Metadata);

    /// <inheritdoc/>
    public BrokerSettings Settings { get; }

    /// <inheritdoc/>
    public StorageStatus Storage => new(_dataDirectory, _storage.TotalBytes, _storage.FreeBytes, _storage.Failure?.Message);

    /// <inheritdoc/>
    public Partition? Find(TopicPartition name) =>
        Metadata.Topics.TryGetValue(name.Topic, out TopicImage? topic) ? Find(topic.Id, name.Partition) : null;

    /// <inheritdoc/>
    public Partition? Find(TopicId topic, int partition) => _directory.Find(new GroupId(topic, partition));

    /// <inheritdoc/>
    public PartitionLocation? Locate(TopicId topic, int partition) => _locator.Locate(Metadata, topic, partition);

    /// <inheritdoc/>
    public bool IsReachable(NodeId node) => _peers.IsAlive(node);

    /// <inheritdoc/>
    public bool CanServeReads(NodeId node) =>
        _peers.IsAlive(node) && !_peers.IsStopping(node) && _peers.LevelWith(node) >= FeatureLevel.Operable;

    /// <inheritdoc/>
    public Task<QuorumState> DescribeMetadataQuorumAsync() => _router.DescribeQuorumAsync();

    /// <inheritdoc/>
    public IReadOnlyList<SnapshotTransferStatus> SnapshotTransfers => _snapshots.All;

    /// <inheritdoc/>
    public Task<IActorRef> ActorOfAsync(Props props, string name) => _root.Ask<IActorRef>(new StartChild(props, name), Replies.Timeout);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ItemResult>> SubmitAsync(MetadataCommand command, TimeSpan timeout)
    {
        try
        {
            return (await _router.SubmitAsync(command, timeout).ConfigureAwait(false)).Results;
        }
        catch (AskTimeoutException e)
        {
            throw new TimeoutException($"the metadata was not changed within {timeout}", e);
        }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ItemResult>> MoveLeadersAsync(IReadOnlyList<LeaderMove> moves, TimeSpan timeout) =>
        _mover.MoveAsync(moves, timeout);

    /// <summary>
    /// The node is about to stop: other nodes are told so, and take over whatever it leads and they can, the metadata last. Completes when
    /// they have, and this node knows who leads, or after six seconds at the most; at once when no other node is there. Clients should
    /// be connected until then: they are told where to go. Called again it tells what came of the first time.
    /// </summary>
    /// <param name="progress">Told once a second how many leaderships are left, of how many.</param>
    public async Task<HandOverReport> HandOverAsync(Action<int, int> progress)
    {
        if (!_actors.Task.IsCompletedSuccessfully) return new HandOverReport(0, [], TimeSpan.Zero);
        long began = _time.GetTimestamp();
        try
        {
            return await _actors.Task.Result.Leaderships.Ask<HandOverReport>(new HandOver(progress), HandOverTimeout).ConfigureAwait(false);
        }
        catch (AskTimeoutException)
        {
            return new HandOverReport(0, ["the node did not get to it"], _time.GetElapsedTime(began));
        }
    }

    /// <inheritdoc/>
    public async Task<(KafkaError Error, NodeId Coordinator)> FindGroupCoordinatorAsync(string groupId)
    {
        if (!Metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out TopicImage? topic))
        {
            await CreateOffsetsTopicAsync().ConfigureAwait(false);
            if (!Metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out topic))
                return (KafkaError.CoordinatorNotAvailable, NodeId.None);
        }

        int number = GroupCoordinator.PartitionFor(groupId, topic.Partitions.Length);
        NodeId leader = Locate(topic.Id, number)?.Leader ?? NodeId.None;
        bool isThere = leader == Id
            ? await _coordinators.WaitForAsync(number, CoordinatorTimeout).ConfigureAwait(false)
            : leader.IsSome;
        return isThere ? (KafkaError.None, leader) : (KafkaError.CoordinatorNotAvailable, NodeId.None);
    }

    /// <inheritdoc/>
    public async Task<IResponseMessage?> AskGroupCoordinatorAsync(
        string groupId, IRequestMessage request, short version, RequestOrigin origin)
    {
        if (!Metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out TopicImage? topic)) return null;
        int number = GroupCoordinator.PartitionFor(groupId, topic.Partitions.Length);
        if (_coordinators.Find(number) is not { } coordinator || !Leads(topic, number)) return null;
        return await AskCoordinatorAsync(coordinator, request, version, origin).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<IResponseMessage>> AskAllGroupCoordinatorsAsync(
        IRequestMessage request, short version, RequestOrigin origin)
    {
        if (!Metadata.Topics.TryGetValue(TopicNames.ConsumerOffsets, out TopicImage? topic)) return [];
        IEnumerable<Task<IResponseMessage>> answers = _coordinators.All
            .Where(one => Leads(topic, one.Key))
            .Select(one => AskCoordinatorAsync(one.Value, request, version, origin));
        return await Task.WhenAll(answers).ConfigureAwait(false);
    }

    /// <summary>
    /// Whether what a coordinator here remembers is the truth at this moment: one whose replica was deposed may not have heard of it yet.
    /// </summary>
    private bool Leads(TopicImage topic, int partition) => Find(topic.Id, partition) is { View.IsLeader: true };

    /// <summary>A join or a sync waits for other members, so there is no bound here: the coordinator answers in its own time.</summary>
    private static Task<IResponseMessage> AskCoordinatorAsync(
        IActorRef coordinator, IRequestMessage request, short version, RequestOrigin origin) =>
        coordinator.Ask<IResponseMessage>(new GroupRequest(request, version, origin), Timeout.InfiniteTimeSpan);

    /// <summary>What becomes of it shows in the metadata; who asked for a coordinator asks again.</summary>
    private async Task CreateOffsetsTopicAsync()
    {
        try
        {
            NewTopic topic = InternalTopics.ConsumerOffsets(Metadata, Id, Settings, _cluster?.BootstrapExpect ?? 1);
            await SubmitAsync(new CreateTopics([topic]), OffsetsTopicTimeout).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or MetadataAppendException)
        {
        }
    }

    private FormingSetup Forming(
        ActorSystem system, NodeContext node, RegisterBroker registration, PeerBook others, ClusterOptions cluster) => new(
        node,
        cluster.Self ?? ((ExtendedActorSystem)system).Provider.DefaultAddress,
        registration.Incarnation,
        cluster.BootstrapExpect,
        cluster.Reach ?? ((address, path) => ((ExtendedActorSystem)system).Provider.ResolveActorRef($"{address}/user/{path}")),
        others,
        cluster.Progress,
        cluster.Reach is null,
        Refuse)
        {
            Seeds = [.. cluster.Seeds.Select(Address.Parse)],
            Protocol = registration.Protocol,
            IsLed = () => Controller.IsSome,
        };

    private void Published(MetadataImage image)
    {
        lock (_readyLock)
        {
            if (_missing is not null || !image.Brokers.ContainsKey(Id)) return;
            _missing = [.. image.TopicsById.Values.SelectMany(HostedHere).Where(group => !IsSettled(group))];
            if (_missing.Count == 0) _ready.TrySetResult();
            else if (_cluster is not null)
                _ = Task.Delay(LeadersTimeout, _time).ContinueWith(_ => _ready.TrySetResult(), TaskScheduler.Default);
        }
    }

    private IEnumerable<GroupId> HostedHere(TopicImage topic)
    {
        for (int i = 0; i < topic.Partitions.Length; i++)
            if (topic.Partitions[i].Replicas.Contains(Id))
                yield return new GroupId(topic.Id, i);
    }

    private bool IsSettled(GroupId group) => _directory.HasFailed(group) || IsLed(group);

    private bool IsLed(GroupId group) =>
        _peers.Leaders.Locate(group) is not null || _directory.Find(group) is { View: { Leader.IsSome: true, Failure: null } };

    private void Settle(GroupId group)
    {
        if (group == GroupId.Metadata && _directory.HasFailed(group))
        {
            string reason = _directory.Find(group)?.View.Failure ?? "its log cannot be opened";
            Fail(new InvalidOperationException($"the metadata is not available: {reason}"));
        }

        lock (_readyLock)
        {
            if (_missing is null || !IsSettled(group) || !_missing.Remove(group) || _missing.Count > 0) return;
            _ready.TrySetResult();
        }
    }

    private void Refuse(string reason)
    {
        _refused.TrySetResult(reason);
        Fail(new InvalidOperationException(reason));
    }

    private void Fail(Exception failure)
    {
        Failure ??= failure.Message;
        _ready.TrySetException(failure);
    }
}
