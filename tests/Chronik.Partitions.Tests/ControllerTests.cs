using System.Collections.Concurrent;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Replicas;
using Chronik.Protocol.RecordBatches;
using Chronik.Partitions.Tests.Cluster;
using Chronik.Storage;
using Chronik.Storage.Testing;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>A controller whose log is played by the test.</summary>
public sealed class ControllerTests : IAsyncDisposable
{
    private static readonly AppendResult Done = new(KafkaError.None, KafkaOffset.Zero, -1, KafkaOffset.Zero, null);
    private static readonly Submit Allocate = new(new AllocateProducerIds(1), TimeSpan.Zero);

    private readonly ActorSystem _system = ActorSystem.Create("controller", ConfigurationFactory.ParseString("akka.loglevel = ERROR"));
    private readonly FormingNode _node = new(new MemoryDisk(), new NodeId(1), FormingWorld.AddressOf(7001), alone: true);
    private readonly PartitionDirectory _directory = new();
    private readonly Channel<AppendRequest> _appends = Channel.CreateUnbounded<AppendRequest>();
    private readonly ConcurrentQueue<Exception> _failures = new();
    private readonly Channel<LogSuspect> _damage = Channel.CreateUnbounded<LogSuspect>();
    private readonly PartitionLog _log;

    public ControllerTests() => _log = _node.Storage.OpenLog(GroupId.Metadata, LogOptions.Default);

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate().WaitAsync(NodeFixture.Patience);
        _node.Dispose();
    }

    [Fact]
    public async Task A_log_that_was_made_anew_is_followed_like_the_first()
    {
        IActorRef controller = await StartAsync(TimeSpan.FromHours(1));
        Host(View() with { Failure = "damaged" });
        CommandRefused refused = Assert.IsType<CommandRefused>(await controller.Ask<object>(Allocate, NodeFixture.Patience));
        Assert.Equal(KafkaError.KafkaStorageError, refused.Error);
        Partition anew = Host(View());
        anew.Publish(View(epoch: 2) with { IsLeader = true });
        (await NextAsync()).Answer(Done);
        Task<object> answer = controller.Ask<object>(Allocate, NodeFixture.Patience);
        (await NextAsync()).Answer(Done);
        Assert.IsType<CommandDone>(await answer);
    }

    [Fact]
    public async Task A_log_that_is_gone_with_its_replica_does_not_end_the_node()
    {
        IActorRef controller = await StartAsync(TimeSpan.FromHours(1));
        Host(View() with { HighWatermark = new KafkaOffset(1), LogEndOffset = new KafkaOffset(1), Failure = "damaged" });
        CommandRefused refused = Assert.IsType<CommandRefused>(await controller.Ask<object>(Allocate, NodeFixture.Patience));
        Assert.Equal(KafkaError.KafkaStorageError, refused.Error);
        Assert.Empty(_failures);
    }

    [Fact]
    public async Task A_batch_that_is_damaged_is_not_applied_and_its_replica_is_told()
    {
        byte[] batch = new RecordBatchBuilder().Add(0, null, MetadataRecordCodec.ToBytes(new ClusterFormed("c"))).Build();
        batch[^1] ^= 1;
        _log.Append([new BufferPool().Copy(batch)]);
        await StartAsync(TimeSpan.FromHours(1));
        Host(View() with
        {
            HighWatermark = new KafkaOffset(1),
            LogEndOffset = new KafkaOffset(1),
            Replicas = [new NodeId(1), new NodeId(2)],
        });
        LogSuspect damaged = await _damage.Reader.ReadAsync().AsTask().WaitAsync(NodeFixture.Patience);
        Assert.Contains("offset 0", damaged.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_leader_without_a_lease_decides_nothing_until_it_has_one_and_begins_once_in_an_epoch()
    {
        IActorRef controller = await StartAsync(TimeSpan.FromMilliseconds(20));
        LeaderLease lease = new(_node.Hub);
        Host(View() with { IsLeader = true }, lease);
        CommandRefused refused = Assert.IsType<CommandRefused>(await controller.Ask<object>(Allocate, NodeFixture.Patience));
        Assert.Equal(KafkaError.NotController, refused.Error);
        Assert.False(_appends.Reader.TryRead(out _));
        lease.Extend(long.MaxValue);
        (await NextAsync()).Answer(Done);
    }

    [Fact]
    public async Task An_answer_to_something_else_settles_nothing()
    {
        IActorRef controller = await StartAsync(TimeSpan.FromHours(1));
        Host(View() with { IsLeader = true });
        AppendRequest first = await NextAsync();
        first.Answer(Done);
        Task<object> answer = controller.Ask<object>(Allocate, NodeFixture.Patience);
        AppendRequest second = await NextAsync();
        first.Answer(Done);
        second.Answer(Done with { Error = KafkaError.KafkaStorageError });
        Assert.IsType<CommandRefused>(await answer);
    }

    [Fact]
    public async Task What_a_controller_begins_with_waits_for_what_was_appended_before()
    {
        await StartAsync(TimeSpan.FromHours(1));
        Partition log = Host(View() with { IsLeader = true });
        AppendRequest first = await NextAsync();
        log.Publish(View(epoch: 2));
        log.Publish(View(epoch: 3) with { IsLeader = true });
        Assert.False(_appends.Reader.TryRead(out _));
        first.Answer(Done with { Error = KafkaError.NotLeaderOrFollower });
        (await NextAsync()).Answer(Done);
    }

    private async Task<IActorRef> StartAsync(TimeSpan lookInterval)
    {
        NodeContext context = new(
            new NodeId(1), _node.Storage, new BufferPool(), TimeProvider.System, _node.Ticker, new PartitionLimits(), _node.Meters,
            _node.Hub);
        PublishedMetadata published = new();
        ControllerSetup setup = new(
            context, _directory, new RegisterBroker(new NodeId(1), [new BrokerEndpoint("PLAINTEXT", "localhost", 9092)], null),
            new BrokerSettings(), 10_000, _node.Others, published, _failures.Enqueue)
        {
            LookInterval = lookInterval,
        };
        CommandRouter router = new(
            new NodeId(1), _node.Hub, _directory, new PartitionLocator(NodeId.None, new PartitionDirectory(), _node.Hub.Leaders),
            _node.Others, published, Task.FromResult<IActorRef>(ActorRefs.Nobody));
        IActorRef controller = _system.ActorOf(
            Props.Create(() => new ControllerActor(setup, router, ActorRefs.Nobody, ActorRefs.Nobody)));
        Assert.IsType<CommandRefused>(await controller.Ask<object>(Allocate, NodeFixture.Patience)); // It looks for its log from now on.
        return controller;
    }

    private Partition Host(PartitionView view, LeaderLease? lease = null)
    {
        IActorRef replica = _system.ActorOf(Props.Create(() => new Replica(_appends.Writer, _damage.Writer)));
        Partition partition = new(new TopicPartition(TopicNames.ClusterMetadata, 0), GroupId.Metadata, replica, view, lease);
        _directory.Add(partition);
        return partition;
    }

    private PartitionView View(int epoch = 1) => new()
    {
        IsLeader = false,
        Leader = NodeId.None,
        Epoch = new LeaderEpoch(epoch),
        LogStartOffset = KafkaOffset.Zero,
        HighWatermark = KafkaOffset.Zero,
        LogEndOffset = KafkaOffset.Zero,
        Log = _log,
        Epochs = EpochHistory.Empty,
        Config = ReplicaCluster.Config(minInsyncReplicas: 1),
        Replicas = [new NodeId(1)],
        Isr = [new NodeId(1)],
    };

    private async Task<AppendRequest> NextAsync() => await _appends.Reader.ReadAsync().AsTask().WaitAsync(NodeFixture.Patience);

    private sealed class Replica : ReceiveActor
    {
        public Replica(ChannelWriter<AppendRequest> appends, ChannelWriter<LogSuspect> damage)
        {
            Receive<LogSuspect>(damaged => damage.TryWrite(damaged));
            Receive<AppendRequest>(append => appends.TryWrite(append));
            ReceiveAny(_ => { });
        }
    }
}
