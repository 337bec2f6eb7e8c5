using Akka;
using Akka.Actor;
using Akka.Configuration;
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
using Chronik.Raft;
using Chronik.Storage;

namespace Chronik.Partitions;

/// <summary>
/// One node of Chronik inside an actor system: its replicas, its controller and its coordinators, on a storage that is already open.
/// </summary>
/// <remarks>
/// Stops with the actor system's CoordinatedShutdown: in phase before-service-unbind what it leads is handed over, in phase service-stop
/// its actors end. The storage stays its owner's to close, afterwards.
/// </remarks>
public sealed partial class ChronikNode : IBrokerNode
{
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
        _meters = new PartitionMeters(storage.Meters, storage.Identity.NodeId, _directory);
        _cluster = options.Cluster;
        _time = time;
        NodeIdentity identity = storage.Identity;
        _peers = new PeerHub(identity.NodeId, identity.DirectoryId, time, buffers, new PeerOptions
        {
            PingInterval = options.ElectionTimeout / 5,
            Silence = options.ElectionTimeout * 2,
            NewestLevel = options.NewestLevel,
            Meters = storage.Meters,
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
            try
            {
                await _root.GracefulStop(StopTimeout).ConfigureAwait(false);
            }
            finally
            {
                // Also when the actors take longer than that: there is no other moment for it.
                ticker.Dispose();
                _peers.Dispose();
                _meters.Dispose();
                _snapshots.Dispose();
            }

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
