using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Leaderships;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage.Testing;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>One partition on several nodes of one process, whose links and lives a test controls.</summary>
internal sealed class ReplicaCluster : IAsyncDisposable
{
    public const string ClusterId = "test";

    private readonly ClusterOptions _options;
    private readonly Dictionary<NodeId, ClusterNode> _nodes = [];
    private readonly ConcurrentDictionary<NodeId, PeerHub> _hubs = new(); // Those of the nodes that live: links look here.
    private readonly Dictionary<NodeId, MemoryDisk> _disks = [];
    private readonly Dictionary<NodeId, Guid> _directories = [];
    private readonly Dictionary<(NodeId From, NodeId To), TestLink> _links = [];
    private readonly NodeId[] _ids;
    private readonly Guid[] _assignedTo;

    private ReplicaCluster(int nodes, ClusterOptions options)
    {
        _options = options;
        Group = options.Group ?? new GroupId(new TopicId(Guid.NewGuid()), 0);
        _ids = [.. Enumerable.Range(1, nodes).Select(id => new NodeId(id))];
        foreach (NodeId id in _ids)
        {
            _directories[id] = Guid.NewGuid();
            _disks[id] = new MemoryDisk();
        }

        _assignedTo = [.. _directories.Values];
        foreach (NodeId from in _ids)
            foreach (NodeId to in _ids)
                _links[(from, to)] = new TestLink(() => _hubs.GetValueOrDefault(to));
    }

    public GroupId Group { get; }

    public IReadOnlyList<NodeId> Ids => _ids;

    public ClusterNode this[NodeId id] => _nodes[id];

    public IEnumerable<ClusterNode> Nodes => _nodes.Values;

    public static async Task<ReplicaCluster> StartAsync(int nodes = 3, ClusterOptions? options = null)
    {
        ReplicaCluster cluster = new(nodes, options ?? new ClusterOptions());
        foreach (NodeId id in cluster._ids) cluster.Boot(id);
        foreach (NodeId id in cluster._ids) await cluster.StartReplicaAsync(id);
        return cluster;
    }

    public TestLink Link(NodeId from, NodeId to) => _links[(from, to)];

    /// <summary>Cuts a node off from all others, or joins it to them again.</summary>
    public void Isolate(NodeId node, bool isCut = true)
    {
        foreach (NodeId other in _ids) Link(node, other).IsCut = Link(other, node).IsCut = isCut;
    }

    /// <summary>The node's process dies and its disk loses what was not synced; its peers see the association go.</summary>
    public async Task KillAsync(NodeId id)
    {
        _disks[id] = _nodes[id].Disk.Crash();
        _nodes.Remove(id, out ClusterNode? node);
        _hubs.TryRemove(id, out _);
        foreach (ClusterNode other in _nodes.Values) other.Hub.Disconnect(id);
        await node!.DisposeAsync();
    }

    /// <summary>The node comes back on what its disk still has.</summary>
    public async Task<Partition> RestartAsync(NodeId id)
    {
        Boot(id);
        return await StartReplicaAsync(id);
    }

    /// <summary>The node comes back, and whether its replica does is to be seen.</summary>
    public void Revive(NodeId id) => Boot(id);

    /// <summary>The node has read the metadata of its cluster: its replica is to live there.</summary>
    /// <param name="id">The node.</param>
    /// <param name="partition">What they say of the partition; null: that it is on all nodes.</param>
    public void Inform(NodeId id, PartitionImage? partition = null)
    {
        PartitionImage image = partition ?? new PartitionImage([.. _ids]);
        _nodes[id].Metadata.Set(Saying(Group, image), new KafkaOffset(1));
        ReplicaAssigned replica = new(Group, new TopicPartition("t", Group.Partition), image.Replicas);
        _nodes[id].Tell(new ReplicasAre(
            [replica], [KeyValuePair.Create(Group.Topic, Config(_options.MinInsyncReplicas))], [KeyValuePair.Create(Group, image)]));
    }

    /// <summary>Metadata of one topic, t, of which only this partition matters.</summary>
    public static MetadataImage Saying(GroupId group, PartitionImage partition) => MetadataImage.Empty.Apply(
        new TopicCreated("t", group.Topic, [partition], ImmutableSortedDictionary<string, string>.Empty));

    /// <summary>The replica of a node, if there is one at this moment.</summary>
    public Partition? TryAt(NodeId id) => _nodes[id].Find(Group);

    /// <summary>Changes what a dead node's disk holds.</summary>
    public void Tamper(NodeId id, Action<MemoryDisk> change) => change(_disks[id]);

    /// <summary>The node comes back with an empty disk.</summary>
    public async Task<Partition> WipeAsync(NodeId id)
    {
        if (_nodes.ContainsKey(id)) await KillAsync(id);
        _disks[id] = new MemoryDisk();
        _directories[id] = Guid.NewGuid();
        Boot(id);
        return await StartReplicaAsync(id);
    }

    public Partition At(NodeId id) => _nodes[id].Find(Group)!;

    /// <summary>Waits until a replica leads, and gives it.</summary>
    public async Task<Partition> LeaderAsync()
    {
        Partition? leader = null;
        await NodeFixture.UntilAsync(() => (leader = Leading()) is not null);
        return leader!;
    }

    /// <summary>Has another replica lead, however often that takes.</summary>
    public async Task LeadAsync(NodeId next)
    {
        for (long started = TimeProvider.System.GetTimestamp(); !At(next).View.IsLeader; await Task.Yield())
        {
            IActorRef leader = (await LeaderAsync()).Replica;
            await leader.Ask<TransferAnswer>(new TransferLeadership(next), NodeFixture.Patience);
            Assert.True(TimeProvider.System.GetElapsedTime(started) < NodeFixture.Patience);
        }
    }

    public NodeId NodeOf(Partition partition) => _nodes.Single(node => node.Value.Find(Group) == partition).Key;

    /// <summary>Appends one batch, wherever the leader is, as a producer does: until it is told that it is there.</summary>
    public async Task<AppendResult> ProduceAsync(RecordBatchBuilder builder, RequiredAcks acks = RequiredAcks.All)
    {
        byte[] bytes = builder.Build();
        for (long started = TimeProvider.System.GetTimestamp(); ;)
        {
            Partition leader = await LeaderAsync();
            AppendResult result = await AppendAsync(leader, [.. bytes], acks);
            if (result.Error is not (KafkaError.NotLeaderOrFollower or KafkaError.NotEnoughReplicas)) return result;
            if (TimeProvider.System.GetElapsedTime(started) > NodeFixture.Patience) return result;
            await Task.Yield();
        }
    }

    public Task<AppendResult> ProduceAsync(params string[] values) => ProduceAsync(Batch(values));

    /// <summary>Appends one batch to a replica, once.</summary>
    public async Task<AppendResult> AppendAsync(Partition partition, byte[] bytes, RequiredAcks acks = RequiredAcks.All) =>
        await Begin(partition, bytes, acks).WaitAsync(NodeFixture.Patience);

    /// <summary>Appends one batch to a replica without waiting for the answer.</summary>
    public Task<AppendResult> Begin(Partition partition, byte[] bytes, RequiredAcks acks = RequiredAcks.All) =>
        partition.AppendAsync(_nodes.Values.First(node => node.Find(Group) == partition).Buffers, bytes, acks);

    public static RecordBatchBuilder Batch(params string[] values)
    {
        RecordBatchBuilder builder = new();
        foreach (string value in values) builder.Add(1_000, null, System.Text.Encoding.UTF8.GetBytes(value));
        return builder;
    }

    /// <summary>One record of an idempotent producer.</summary>
    public static RecordBatchBuilder Idempotent(int sequence, string value) =>
        new RecordBatchBuilder { ProducerId = 1, ProducerEpoch = 0, BaseSequence = sequence }
            .Add(1_000, null, System.Text.Encoding.UTF8.GetBytes(value));

    /// <summary>Appends one record after the other, of one idempotent producer.</summary>
    public async Task ProduceAllAsync(List<string> values, int count, int bytes = 100)
    {
        for (int i = 0; i < count; i++)
        {
            string value = $"{values.Count}-{new string('x', bytes)}";
            AppendResult result = await ProduceAsync(Idempotent(values.Count, value));
            Assert.Equal((KafkaError.None, new KafkaOffset(values.Count)), (result.Error, result.BaseOffset));
            values.Add(value);
        }
    }

    /// <summary>
    /// Makes every replica write a checkpoint, and waits until their WALs hold none of what came before. No log is cut off before all have
    /// what it holds: whoever lacks some of it would be filled by a snapshot.
    /// </summary>
    public async Task CheckpointAsync()
    {
        KafkaOffset end = (await LeaderAsync()).View.HighWatermark;
        await NodeFixture.UntilAsync(() => _nodes.Values.All(node => node.Find(Group)!.View.HighWatermark >= end));
        foreach (NodeId id in _nodes.Keys) await CheckpointAsync(id);
    }

    /// <summary>
    /// Makes one replica write a checkpoint, and waits until that is durable with all that the replica shows, and its WAL does not hold the
    /// first entry. That alone would say nothing: it is so as well while that entry has never come there.
    /// </summary>
    public async Task CheckpointAsync(NodeId id)
    {
        using CheckpointWatch durable = WatchCheckpoints(id);
        long shown = At(id).View.HighWatermark.Value;
        At(id).Replica.Tell(WriteCheckpoint.Instance, ActorRefs.NoSender);
        await NodeFixture.UntilAsync(() => durable.Next >= shown);
        await NodeFixture.UntilAsync(
            () => !_nodes[id].Storage.Wal.TryReadEntry(Group, new LogIndex(1), out LogEntry entry) || !Release(entry));

        static bool Release(LogEntry entry)
        {
            entry.Payload.Release();
            return true;
        }
    }

    /// <summary>Watches which checkpoints the disk of a node that lives is given.</summary>
    public CheckpointWatch WatchCheckpoints(NodeId id) => new(_nodes[id].Disk, Group);

    /// <summary>Waits until every replica shows the same values.</summary>
    public async Task AllShowAsync(IReadOnlyList<string> values)
    {
        foreach (NodeId id in _nodes.Keys)
        {
            await NodeFixture.UntilAsync(() => At(id).View.HighWatermark.Value >= values.Count);
            Assert.Equal(values, NodeFixture.Values(At(id)));
        }
    }

    /// <summary>Stops everything; every buffer that was lent must have come back.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (TestLink link in _links.Values) await link.CloseAsync();
        foreach (ClusterNode node in _nodes.Values) await node.DisposeAsync();
        foreach (ClusterNode node in _nodes.Values) await NodeFixture.UntilAsync(() => node.Buffers.LentBytes == 0);
    }

    private Partition? Leading() => _nodes.Values
        .Select(node => node.Find(Group))
        .Where(partition => partition?.View.IsLeader == true)
        .MaxBy(partition => partition!.View.Epoch.Value);

    private void Boot(NodeId id)
    {
        ClusterNode node = new(id, _directories[id], _disks[id], _options);
        foreach (ClusterNode other in _nodes.Values)
        {
            other.Hub.Connect(id, node.Directory, Link(other.Id, id), Link(other.Id, id));
            node.Hub.Connect(other.Id, other.Directory, Link(id, other.Id), Link(id, other.Id));
        }

        _nodes[id] = node;
        _hubs[id] = node.Hub;
    }

    /// <summary>Another partition of the same topic on every node.</summary>
    /// <param name="partition">Its number, from 1 on.</param>
    /// <param name="first">Who should lead it.</param>
    public async Task<GroupId> AddPartitionAsync(int partition, NodeId first)
    {
        GroupId group = new(Group.Topic, partition);
        IReadOnlyList<NodeId> voters = [first, .. _ids.Where(id => id != first)];
        ReplicaAssigned replica = new(group, new TopicPartition("t", partition), voters);
        foreach (ClusterNode node in _nodes.Values) await node.StartAsync(replica, Config(_options.MinInsyncReplicas));
        return group;
    }

    private async Task<Partition> StartReplicaAsync(NodeId id)
    {
        ReplicaAssigned replica = new(Group, new TopicPartition("t", Group.Partition), _ids) { Directories = _assignedTo };
        return await _nodes[id].StartAsync(replica, Config(_options.MinInsyncReplicas));
    }

    internal static TopicConfig Config(int minInsyncReplicas) => new()
    {
        IsCompacted = false,
        IsDeleted = true,
        RetentionMs = -1,
        RetentionBytes = -1,
        SegmentBytes = 1 << 20,
        SegmentMs = (long)TimeSpan.FromDays(7).TotalMilliseconds,
        MaxMessageBytes = 1 << 20,
        TimestampType = TimestampType.CreateTime,
        TimestampBeforeMaxMs = long.MaxValue,
        TimestampAfterMaxMs = long.MaxValue,
        MinInsyncReplicas = minInsyncReplicas,
        Durability = Durability.Fsync,
    };
}
