using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Forming;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Storage;
using Chronik.Storage.Testing;

namespace Chronik.Partitions.Tests;

/// <summary>Several nodes that find each other within one actor system, each with a disk of its own.</summary>
internal sealed class FormingWorld : IAsyncDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("forming", ConfigurationFactory.ParseString("akka.loglevel = ERROR"));
    private readonly ConcurrentDictionary<Address, FormingNode> _running = new();
    private readonly Random _random;
    private int _actors;

    public FormingWorld(int seed = 0) => _random = new Random(seed);

    /// <summary>The share of messages between nodes that are lost.</summary>
    public double Loss { get; set; }

    /// <summary>How long nodes that are started from now on believe in somebody who is silent.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromMilliseconds(300);

    public static Address AddressOf(int port) => new("akka.tcp", "chronik", "127.0.0.1", port);

    /// <summary>Starts a node, or starts it again on the same disk. It sees nobody until it is told.</summary>
    public FormingNode Start(
        int id, int expect = 3, MemoryDisk? disk = null, int? port = null, ProtocolVersions? protocol = null, bool alone = false,
        params int[] seeds)
    {
        FormingNode node = new(disk ?? new MemoryDisk(), new NodeId(id), AddressOf(port ?? 7000 + id), alone);
        NodeContext context = new(
            new NodeId(id), node.Storage, new BufferPool(), TimeProvider.System, node.Ticker, new PartitionLimits(), node.Meters, node.Hub)
        {
            StandsAlone = false,
        };
        FormingSetup setup = new(
            context, node.Address, Guid.NewGuid(), expect, Reach, node.Others, node.Progress.Enqueue,
            HasMembership: false, reason => node.Refused.TrySetResult(reason))
        {
            Seeds = [.. seeds.Select(AddressOf)],
            Protocol = protocol ?? ProtocolVersions.Current,
            GreetInterval = TimeSpan.FromMilliseconds(20),
            Patience = Patience,
        };
        IActorRef partitions = _system.ActorOf(Props.Create(() => new Sink(node)));
        node.Forming = _system.ActorOf(Props.Create(() => new FormingActor(setup, partitions)), $"forming-{++_actors}");
        _running[node.Address] = node;
        return node;
    }

    /// <summary>Everybody is told of everybody, as members of a cluster of actor systems are.</summary>
    public void Introduce(params FormingNode[] nodes)
    {
        foreach (FormingNode node in nodes)
        {
            foreach (FormingNode other in nodes.Where(other => other != node)) node.Forming.Tell(new MemberSeen(other.Address));
            node.Forming.Tell(new MemberSeen(node.Address));
        }
    }

    /// <summary>A node dies; the others are told that nothing is heard of it, or that it is gone for good, or nothing.</summary>
    public async Task StopAsync(FormingNode node, bool isGone = false, bool isNoticed = true)
    {
        _running.TryRemove(KeyValuePair.Create(node.Address, node));
        await node.Forming.GracefulStop(NodeFixture.Patience);
        node.Dispose();
        foreach (FormingNode other in _running.Values.Where(_ => isNoticed))
        {
            other.Forming.Tell(new AssociationLost(node.Address));
            other.Forming.Tell(new MemberUnreachable(node.Address));
            if (isGone) other.Forming.Tell(new MemberGone(node.Address));
        }
    }

    public static Task FormedAsync(params FormingNode[] nodes) =>
        NodeFixture.UntilAsync(() => nodes.All(node => node.Storage.Identity.IsFormed && node.Assigned is not null));

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate().WaitAsync(NodeFixture.Patience);
        foreach (FormingNode node in _running.Values) node.Dispose();
    }

    private ICanTell Reach(Address address, string path)
    {
        bool isLost;
        lock (_random) isLost = _random.NextDouble() < Loss;
        if (isLost || path != "chronik/forming") return ActorRefs.Nobody;
        return _running.TryGetValue(address, out FormingNode? node) ? node.Forming : ActorRefs.Nobody;
    }

    private sealed class Sink : ReceiveActor
    {
        public Sink(FormingNode node) => Receive<AssignReplicas>(assign => node.Assigned = assign.Replicas.Single());
    }
}

/// <summary>One node of a <see cref="FormingWorld"/>.</summary>
internal sealed class FormingNode : IDisposable
{
    private volatile ReplicaAssigned? _assigned;

    public FormingNode(MemoryDisk disk, NodeId id, Address address, bool alone)
    {
        Disk = disk;
        Address = address;
        StorageOptions options = new() { DataDirectory = "/data", WalFileBytes = 1 << 20, AwaitsCluster = !alone };
        Storage = NodeStorage.Open(options, id, null, disk, new BufferPool(), TimeProvider.System);
        Hub = new PeerHub(id, Storage.Identity.DirectoryId, TimeProvider.System, new BufferPool(), new PeerOptions());
        Ticker = new Ticker(TimeProvider.System, TimeSpan.FromSeconds(1));
        Meters = new PartitionMeters(new NodeMeters(), NodeId.None, new PartitionDirectory());
    }

    public MemoryDisk Disk { get; }

    public Address Address { get; }

    public NodeStorage Storage { get; }

    public PeerHub Hub { get; }

    public Ticker Ticker { get; }

    public PartitionMeters Meters { get; }

    public PeerBook Others { get; } = new();

    public ConcurrentQueue<string> Progress { get; } = new();

    public TaskCompletionSource<string> Refused { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IActorRef Forming { get; set; } = ActorRefs.Nobody;

    /// <summary>The metadata's replica as /partitions was told to begin it.</summary>
    public ReplicaAssigned? Assigned
    {
        get => _assigned;
        set => _assigned = value;
    }

    public string ClusterId => Storage.Identity.ClusterId;

    public int[] Founders => [.. Storage.Identity.MetadataVoters.Select(voter => voter.Id.Value)];

    public void Dispose()
    {
        Hub.Dispose();
        Ticker.Dispose();
        Meters.Dispose();
        Storage.Dispose();
    }
}
