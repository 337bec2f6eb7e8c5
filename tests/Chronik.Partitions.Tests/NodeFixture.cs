using Akka.Actor;
using Akka.Configuration;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage;
using Chronik.Storage.Testing;

namespace Chronik.Partitions.Tests;

/// <summary>A node on a disk in memory that can lose power and come back.</summary>
internal sealed class NodeFixture : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private const string Config = """
        akka.loglevel = WARNING
        akka.coordinated-shutdown.run-by-clr-shutdown-hook = off
        """;

    private static readonly BrokerEndpoint Endpoint = new("PLAINTEXT", "localhost", 9092);

    private readonly ActorSystem _system;

    private NodeFixture(ActorSystem system, MemoryDisk disk, NodeStorage storage, BufferPool buffers, ChronikNode node)
    {
        _system = system;
        Disk = disk;
        Storage = storage;
        Buffers = buffers;
        Node = node;
    }

    public MemoryDisk Disk { get; }

    public NodeStorage Storage { get; }

    public BufferPool Buffers { get; }

    public ChronikNode Node { get; }

    public static async Task<NodeFixture> StartAsync(
        MemoryDisk? disk = null, PartitionLimits? limits = null, long checkpointBytes = 64 << 20, long metadataLogRecords = 10_000,
        long walQueueBytes = 64 << 20, int newestLevel = FeatureLevel.Newest)
    {
        disk ??= new MemoryDisk();
        BufferPool buffers = new();
        StorageOptions options = new()
        {
            DataDirectory = "/data",
            WalFileBytes = 1 << 20,
            CheckpointBytes = checkpointBytes,
            WalQueueBytes = walQueueBytes,
            NewestLevel = newestLevel,
        };
        NodeStorage storage = NodeStorage.Open(options, new NodeId(0), clusterId: null, disk, buffers, TimeProvider.System);
        ActorSystem system = ActorSystem.Create("test", ConfigurationFactory.ParseString(Config).WithFallback(ChronikNode.DefaultConfig()));
        ChronikNode node = ChronikNode.Start(system, storage, buffers, TimeProvider.System, "/data", new ChronikNodeOptions
        {
            Endpoints = [Endpoint],
            Limits = limits ?? new PartitionLimits(),
            MetadataLogRecords = metadataLogRecords,
            NewestLevel = newestLevel,
        });
        NodeFixture fixture = new(system, disk, storage, buffers, node);
        try
        {
            await node.Ready.WaitAsync(Patience);
        }
        catch
        {
            await fixture.DisposeAsync();
            throw;
        }

        return fixture;
    }

    /// <summary>Power loss: whatever was not synced is gone. The node comes back on what is left.</summary>
    public async Task<NodeFixture> CrashAsync(Action<MemoryDisk>? meanwhile = null)
    {
        MemoryDisk left = Disk.Crash();
        await DisposeAsync();
        meanwhile?.Invoke(left);
        return await StartAsync(left);
    }

    public async Task<Partition> CreateAsync(string topic, int partitions = 1, params KeyValuePair<string, string?>[] configs)
    {
        IReadOnlyList<ItemResult> results = await Node.SubmitAsync(
            new CreateTopics([new NewTopic { Name = topic, PartitionCount = partitions, Configs = configs }]), Patience);
        Xunit.Assert.Equal(KafkaError.None, results.Single().Error);
        return Node.Find(new TopicPartition(topic, 0))!;
    }

    /// <summary>Appends one batch of records whose values are the given texts.</summary>
    public async Task<AppendResult> AppendAsync(Partition partition, params string[] values)
    {
        RecordBatchBuilder builder = new();
        foreach (string value in values) builder.Add(1_000, null, System.Text.Encoding.UTF8.GetBytes(value));
        return await AppendAsync(partition, builder);
    }

    public async Task<AppendResult> AppendAsync(
        Partition partition, RecordBatchBuilder builder, RequiredAcks acks = RequiredAcks.All, bool isForwarded = false) =>
        await partition.AppendAsync(Buffers, builder.Build(), acks, isForwarded).WaitAsync(Patience);

    /// <summary>Waits for what has no event of its own.</summary>
    public static async Task UntilAsync(Func<bool> condition)
    {
        for (long started = TimeProvider.System.GetTimestamp(); !condition(); await Task.Yield())
            if (TimeProvider.System.GetElapsedTime(started) > Patience) throw new TimeoutException("what was waited for did not come");
    }

    public static List<string> Values(Partition partition)
    {
        List<string> values = [];
        CommittedRecords.ForEach(partition.View, (in RecordView record) => values.Add(System.Text.Encoding.UTF8.GetString(record.Value)));
        return values;
    }

    public async ValueTask DisposeAsync()
    {
        await CoordinatedShutdown.Get(_system).Run(CoordinatedShutdown.ActorSystemTerminateReason.Instance).WaitAsync(Patience);
        Storage.Dispose();
    }
}
