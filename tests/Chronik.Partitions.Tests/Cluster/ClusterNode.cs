using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Persistence;
using Chronik.Storage;
using Chronik.Storage.Testing;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>What a replica needs of a node, on a disk in memory: storage, ticker, hub and an actor system of its own.</summary>
internal sealed class ClusterNode : IAsyncDisposable
{
    private const string Config = """
        akka.loglevel = WARNING
        akka.coordinated-shutdown.run-by-clr-shutdown-hook = off
        """;

    private readonly ActorSystem _system;
    private readonly IActorRef _partitions;
    private readonly IActorRef _releaser;
    private readonly Ticker _ticker;
    private readonly PartitionMeters _meters;
    private readonly PartitionDirectory _directory = new();

    public ClusterNode(NodeId id, Guid directory, MemoryDisk disk, ClusterOptions options)
    {
        Id = id;
        Directory = directory;
        Disk = disk;
        StorageOptions storage = new() { DataDirectory = "/data", WalFileBytes = 256 << 10, CheckpointBytes = options.CheckpointBytes };
        Storage = NodeStorage.Open(storage, id, ReplicaCluster.ClusterId, disk, Buffers, TimeProvider.System);
        Storage.Raise(options.Level);
        _system = ActorSystem.Create($"node-{id}", ConfigurationFactory.ParseString(Config).WithFallback(ChronikNode.DefaultConfig()));
        _ticker = new Ticker(options.Time, options.TickInterval);
        _meters = new PartitionMeters(Storage.Meters, id, _directory);
        PeerOptions peers = new() { NewestLevel = options.Level, Meters = Storage.Meters };
        Hub = new PeerHub(id, directory, options.Time, Buffers, peers);
        Hub.Form(ReplicaCluster.ClusterId);
        ChronikPersistence.Install(_system, Storage, Buffers);
        Snapshots = new SnapshotTransfers(Storage.Meters, options.Limits, options.SnapshotTime);
        Context = new NodeContext(id, Storage, Buffers, options.Time, _ticker, options.Limits, _meters, Hub)
        {
            StandsAlone = false,
            Snapshots = Snapshots,
            Metadata = Metadata,
        };
        _partitions = _system.ActorOf(Props.Create(() => new PartitionsActor(Context, _directory)));
        Storage.CheckpointWanted += group => _partitions.Tell(new CheckpointNeeded(group), ActorRefs.NoSender);
        _releaser = _system.ActorOf(Props.Create(() => new Releaser()));
        _system.EventStream.Subscribe(_releaser, typeof(SuppressedDeadLetter));
        IActorRef reader = _system.ActorOf(Props.Create(() => new LineReader(Lines)));
        _system.EventStream.Subscribe(reader, typeof(Warning));
        _system.EventStream.Subscribe(reader, typeof(Error));
    }

    public NodeId Id { get; }

    public Guid Directory { get; }

    public MemoryDisk Disk { get; }

    public BufferPool Buffers { get; } = new();

    public NodeStorage Storage { get; }

    public PeerHub Hub { get; }

    public SnapshotTransfers Snapshots { get; }

    /// <summary>What its actors share.</summary>
    public NodeContext Context { get; }

    /// <summary>Its replicas.</summary>
    public PartitionDirectory Replicas => _directory;

    /// <summary>The metadata as the node knows them; a test says what they are.</summary>
    public PublishedMetadata Metadata { get; } = new();

    /// <summary>What it has warned of.</summary>
    public ConcurrentQueue<string> Lines { get; } = new();

    public int AwakeGroups => _ticker.AwakeCount;

    /// <summary>Makes another actor of this node.</summary>
    public IActorRef ActorOf(Props props) => _system.ActorOf(props);

    public Partition? Find(GroupId group) => _directory.Find(group);

    /// <summary>Assigns a replica to this node, unless it is already, and returns when it has a handle.</summary>
    public async Task<Partition> StartAsync(ReplicaAssigned replica, TopicConfig config)
    {
        _partitions.Tell(new ConfigureTopic(replica.Group.Topic, config), ActorRefs.NoSender);
        _partitions.Tell(new AssignReplicas([replica]), ActorRefs.NoSender);
        await NodeFixture.UntilAsync(() => Find(replica.Group) is not null);
        return Find(replica.Group)!;
    }

    /// <summary>From now on no time passes for its groups.</summary>
    public void StopTicking() => _ticker.Dispose();

    /// <summary>Returns when /partitions has done what it was told before, and has written down what came of it.</summary>
    public Task BarrierAsync()
    {
        GroupId group = new(new TopicId(Guid.NewGuid()), 0);
        return StartAsync(new ReplicaAssigned(group, new TopicPartition("barrier", 0), [Id]), ReplicaCluster.Config(1));
    }

    /// <summary>Tells /partitions something.</summary>
    public void Tell(object message) => _partitions.Tell(message, ActorRefs.NoSender);

    /// <summary>Stops everything and gives every buffer back.</summary>
    public async ValueTask DisposeAsync()
    {
        Hub.Dispose();
        // Whatever lies in the mailboxes of replicas and their children is given back by the releaser: it ends behind all of them.
        _system.Stop(_partitions);
        await _partitions.WatchAsync().WaitAsync(NodeFixture.Patience);
        await _releaser.GracefulStop(NodeFixture.Patience);
        await _system.Terminate().WaitAsync(NodeFixture.Patience);
        _ticker.Dispose();
        _meters.Dispose();
        Snapshots.Dispose();
        Storage.Dispose();
    }

    private sealed class LineReader : ReceiveActor
    {
        public LineReader(ConcurrentQueue<string> lines) => Receive<LogEvent>(line => lines.Enqueue($"{line.Message}"));
    }

    private sealed class Releaser : ReceiveActor
    {
        public Releaser() => Receive<SuppressedDeadLetter>(letter =>
        {
            (letter.Message as AppendRequest)?.Refuse(KafkaError.NotLeaderOrFollower);
            (letter.Message as PeerMessage)?.Release();
            (letter.Message as SnapshotMessage)?.Release();
            (letter.Message as SnapshotBatches)?.Release();
        });
    }
}

/// <summary>What differs between tests.</summary>
internal sealed record ClusterOptions
{
    public long CheckpointBytes { get; init; } = 64 << 20;

    public TimeSpan TickInterval { get; init; } = TimeSpan.FromMilliseconds(50);

    public PartitionLimits Limits { get; init; } = new();

    public int MinInsyncReplicas { get; init; } = 1;

    /// <summary>The partition; null for any.</summary>
    public GroupId? Group { get; init; }

    /// <summary>The level of the cluster, and of all of its nodes.</summary>
    public int Level { get; init; } = FeatureLevel.Newest;

    /// <summary>The clock of all nodes: of their ticks, their signs of life, and who is late.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>The clock by which snapshots are held back.</summary>
    public TimeProvider SnapshotTime { get; init; } = TimeProvider.System;
}
