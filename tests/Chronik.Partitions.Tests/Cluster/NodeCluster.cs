using Akka.Actor;
using Akka.Configuration;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Forming;
using Chronik.Partitions.Peers;
using Chronik.Storage;
using Chronik.Storage.Testing;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Whole nodes in one process that form a cluster, each with an actor system and a disk of its own.</summary>
internal sealed class NodeCluster : IAsyncDisposable
{
    private const string Config = """
        akka.loglevel = WARNING
        akka.coordinated-shutdown.run-by-clr-shutdown-hook = off
        """;

    private readonly Dictionary<Address, Running> _running = [];
    private readonly Dictionary<int, MemoryDisk> _disks = [];
    private readonly Lock _lock = new();
    private int _sequence;

    /// <summary>What every partition must hold in the end, in order.</summary>
    public List<string> Acknowledged { get; } = [];

    public ChronikNode this[int id] => Get(id)!.Node;

    public IReadOnlyList<ChronikNode> Nodes
    {
        get
        {
            lock (_lock) return [.. _running.Values.Select(running => running.Node)];
        }
    }

    public MetadataImage Image => Nodes.Select(node => node.Metadata).MaxBy(image => image.Version)!;

    /// <summary>Nodes 1 to <paramref name="count"/> found a cluster.</summary>
    public static async Task<NodeCluster> FoundAsync(int count)
    {
        NodeCluster cluster = new();
        for (int id = 1; id <= count; id++) cluster.Boot(id, count, seeds: count);
        Running[] all = [.. cluster._running.Values];
        foreach (Running one in all) await one.Node.ActorOfAsync(Props.Create(() => new Idle()), "idle"); // Its siblings are there then.
        foreach (Running one in all)
        {
            foreach (Running other in all.Where(other => other != one)) one.Forming.Tell(new MemberSeen(other.Address));
            one.Forming.Tell(new MemberSeen(one.Address));
        }

        await cluster.RegisteredAsync([.. Enumerable.Range(1, count)]);
        return cluster;
    }

    /// <summary>Starts a node that joins, on the disk that it left or on a new one.</summary>
    public async Task JoinAsync(int id, bool isWiped = false)
    {
        if (isWiped) _disks.Remove(id);
        await JoinTogetherAsync(id);
    }

    /// <summary>Starts nodes that join, on the disks that they left, all before any of them is there.</summary>
    public async Task JoinTogetherAsync(params int[] ids)
    {
        foreach (int id in ids) Boot(id, 1, seeds: 4);
        foreach (int id in ids) await StartedAsync(id);
    }

    private async Task StartedAsync(int id)
    {
        await NodeFixture.UntilAsync(
            () => this[id].Metadata.Brokers.TryGetValue(new NodeId(id), out BrokerImage? own)
                && own.IsLive && own.Directory == DirectoryOf(id));
        await this[id].Ready.WaitAsync(NodeFixture.Patience);
    }

    /// <summary>The node's process dies, and its disk loses what was not synced.</summary>
    public async Task KillAsync(int id)
    {
        Running killed = Get(id)!;
        lock (_lock) _running.Remove(killed.Address);
        _disks[id] = killed.Disk.Crash();
        foreach (Running other in _running.Values) other.Forming.Tell(new AssociationLost(killed.Address));
        await killed.StopAsync();
    }

    public async Task RegisteredAsync(params int[] ids)
    {
        foreach (ChronikNode node in Nodes)
            await NodeFixture.UntilAsync(() => ids.All(id => node.Metadata.Brokers.ContainsKey(new NodeId(id))));
    }

    /// <summary>Asks any node, again and again while there is nobody to decide. It may have been done though nobody said so.</summary>
    public async Task<ItemResult> DoAsync(MetadataCommand command)
    {
        bool isRepeated = false;
        for (long started = TimeProvider.System.GetTimestamp(); ; isRepeated = true)
        {
            try
            {
                ItemResult result = (await Nodes[0].SubmitAsync(command, TimeSpan.FromSeconds(5))).Single();
                return isRepeated && IsDone(command, result.Error) ? new ItemResult(KafkaError.None, null) : result;
            }
            catch (Exception e) when (e is TimeoutException or Controller.MetadataAppendException)
            {
                if (TimeProvider.System.GetElapsedTime(started) > NodeFixture.Patience) throw;
            }
        }

        static bool IsDone(MetadataCommand command, KafkaError error) => (command, error) is
            (CreateTopics, KafkaError.TopicAlreadyExists)
            or (AlterReassignments, KafkaError.NoReassignmentInProgress)
            or (UnregisterBroker or DrainBroker { ThenRemove: true }, KafkaError.BrokerIdNotRegistered);
    }

    public async Task CreateAsync(params int[] replicas)
    {
        NewTopic topic = new() { Name = "t", Assignments = [new PartitionAssignment(0, Ids(replicas))] };
        Assert.Equal((KafkaError.None, null), Show(await DoAsync(new CreateTopics([topic]))));
    }

    /// <summary>Moves the partition, and waits until it is there and nowhere else.</summary>
    public async Task MoveAsync(params int[] target)
    {
        Assert.Equal((KafkaError.None, null), Show(await DoAsync(new AlterReassignments([new("t", 0, Ids(target))]))));
        await ThereAsync(target);
    }

    public async Task ThereAsync(params int[] target)
    {
        NodeId[] wanted = Ids(target);
        foreach (ChronikNode node in Nodes)
        {
            await NodeFixture.UntilAsync(
                () => node.Metadata.Topics["t"].Partitions[0] is { IsMoving: false } there && there.Replicas.SequenceEqual(wanted));
            bool isHere = wanted.Contains(node.Id);
            await NodeFixture.UntilAsync(() => node.Find(new TopicPartition("t", 0)) is not null == isHere);
        }
    }

    /// <summary>Who votes on the metadata, as its leader sees it.</summary>
    public async Task VotesAsync(params int[] expected)
    {
        for (long started = TimeProvider.System.GetTimestamp(); ;)
        {
            QuorumState state = await Nodes[0].DescribeMetadataQuorumAsync();
            if (state.Voters.Select(voter => voter.Node.Value).Order().SequenceEqual(expected))
            {
                // The first of these is committed when the joint state is, the second when it is left.
                for (int i = 0; i < 2; i++) Assert.Equal(KafkaError.None, (await DoAsync(new AllocateProducerIds(1))).Error);
                return;
            }

            if (TimeProvider.System.GetElapsedTime(started) > NodeFixture.Patience)
                Assert.Equal(expected, state.Voters.Select(voter => voter.Node.Value).Order());
            await Task.Yield();
        }
    }

    /// <summary>Appends one record to the partition, as an idempotent producer does: until it is told that it is there.</summary>
    public async Task ProduceAsync()
    {
        string value = $"value-{_sequence}";
        byte[] bytes = ReplicaCluster.Idempotent(_sequence, value).Build();
        for (long started = TimeProvider.System.GetTimestamp(); ; await Task.Yield())
        {
            AppendResult? result = await TryAppendAsync(bytes);
            if (result is { Error: KafkaError.None })
            {
                Assert.Equal(_sequence, result.Value.BaseOffset.Value);
                _sequence++;
                Acknowledged.Add(value);
                return;
            }

            bool isRetriable = result is null or
            { Error: KafkaError.NotLeaderOrFollower or KafkaError.NotEnoughReplicas or KafkaError.NotEnoughReplicasAfterAppend };
            Assert.True(isRetriable, $"{result}");
            if (TimeProvider.System.GetElapsedTime(started) > NodeFixture.Patience) throw new TimeoutException($"{result}");
        }
    }

    /// <summary>Produces until something is over.</summary>
    public async Task ProduceDuringAsync(Task work)
    {
        while (!work.IsCompleted) await ProduceAsync();
        await work;
        for (int i = 0; i < 10; i++) await ProduceAsync();
    }

    /// <summary>Waits until a node has its vote in the partition: that takes a round of contact after it has everything.</summary>
    public Task RecoveredAsync(int id) =>
        NodeFixture.UntilAsync(() => this[id].Find(new TopicPartition("t", 0)) is { View.IsRecovering: false });

    /// <summary>Waits until the replicas on these nodes show everything that was acknowledged, and nothing else.</summary>
    public async Task ShowsAsync(params int[] ids)
    {
        foreach (int id in ids)
        {
            Partition? Here() => this[id].Find(new TopicPartition("t", 0));
            await NodeFixture.UntilAsync(() => Here()?.View.HighWatermark.Value >= Acknowledged.Count);
            Assert.Equal(Acknowledged, NodeFixture.Values(Here()!));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Running running in _running.Values) await running.StopAsync();
    }

    public static NodeId[] Ids(params int[] ids) => [.. ids.Select(id => new NodeId(id))];

    private static (KafkaError, string?) Show(ItemResult result) => (result.Error, result.Message);

    private async Task<AppendResult?> TryAppendAsync(byte[] bytes)
    {
        foreach (ChronikNode node in Nodes)
        {
            if (node.Find(new TopicPartition("t", 0)) is { View.IsLeader: true } leader)
                return await leader.AppendAsync(Get(node.Id.Value)!.Buffers, bytes).WaitAsync(NodeFixture.Patience);
        }

        return null;
    }

    private Guid DirectoryOf(int id) => Get(id)!.Storage.Identity.DirectoryId;

    private Running? Get(int id)
    {
        lock (_lock) return _running.GetValueOrDefault(FormingWorld.AddressOf(7000 + id));
    }

    private void Boot(int id, int expect, int seeds)
    {
        MemoryDisk disk = _disks.TryGetValue(id, out MemoryDisk? left) ? left : new MemoryDisk();
        BufferPool buffers = new();
        StorageOptions storageOptions = new() { DataDirectory = "/data", WalFileBytes = 1 << 20, AwaitsCluster = true };
        NodeStorage storage = NodeStorage.Open(storageOptions, new NodeId(id), null, disk, buffers, TimeProvider.System);
        ActorSystem system = ActorSystem.Create(
            $"node-{id}", ConfigurationFactory.ParseString(Config).WithFallback(ChronikNode.DefaultConfig()));
        Address address = FormingWorld.AddressOf(7000 + id);
        ChronikNode node = ChronikNode.Start(system, storage, buffers, TimeProvider.System, "/data", new ChronikNodeOptions
        {
            Endpoints = [new BrokerEndpoint("PLAINTEXT", "localhost", 9000 + id)],
            Cluster = new Partitions.ClusterOptions
            {
                BootstrapExpect = expect,
                Self = address,
                Reach = Reach,
                Seeds = [.. Enumerable.Range(1, seeds).Select(other => $"{FormingWorld.AddressOf(7000 + other)}")],
                FenceAfter = TimeSpan.FromSeconds(1),
            },
        });
        lock (_lock) _running[address] = new Running(address, disk, storage, buffers, system, node);
    }

    private ICanTell Reach(Address address, string path)
    {
        ActorSystem? system;
        lock (_lock) system = _running.GetValueOrDefault(address)?.System;
        if (system is null) return ActorRefs.Nobody;
        ActorSelection there = system.ActorSelection($"/user/{path}");
        return path.StartsWith("chronik/peers/", StringComparison.Ordinal) ? new Way(there) : there;
    }

    /// <summary>Hands frames on as a socket would: somebody else's bytes.</summary>
    private sealed class Way(ActorSelection there) : ICanTell
    {
        public void Tell(object message, IActorRef sender) =>
            there.Tell(new PeerFrame([.. ((PeerFrame)message).Bytes]), ActorRefs.NoSender);
    }

    private sealed class Idle : ReceiveActor;

    private sealed record Running(
        Address Address, MemoryDisk Disk, NodeStorage Storage, BufferPool Buffers, ActorSystem System, ChronikNode Node)
    {
        public ActorSelection Forming { get; } = System.ActorSelection("/user/chronik/forming");

        public async Task StopAsync()
        {
            await System.Terminate().WaitAsync(NodeFixture.Patience);
            Storage.Dispose();
        }
    }
}
