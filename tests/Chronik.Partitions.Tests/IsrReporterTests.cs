using System.Collections.Immutable;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Configuration;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Partitions.Tests.Cluster;
using Chronik.Storage;
using Chronik.Storage.Testing;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>What a node has recorded of who is in sync, with a controller that the test plays.</summary>
public sealed class IsrReporterTests : IAsyncDisposable
{
    private static readonly NodeId One = new(1);
    private static readonly NodeId Two = new(2);
    private static readonly NodeId Three = new(3);
    private static readonly TopicId Topic = new(Guid.NewGuid());

    private readonly ActorSystem _system = ActorSystem.Create("isr", ConfigurationFactory.ParseString("akka.loglevel = ERROR"));
    private readonly FormingNode _node = new(new MemoryDisk(), One, FormingWorld.AddressOf(7001), alone: true);
    private readonly PublishedMetadata _metadata = new();
    private readonly PartitionDirectory _directory = new();
    private readonly Channel<Asked> _asked = Channel.CreateUnbounded<Asked>();
    private IActorRef _reporter = ActorRefs.Nobody;

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate().WaitAsync(NodeFixture.Patience);
        _node.Dispose();
    }

    [Fact]
    public async Task A_node_that_dies_costs_few_commands_however_many_partitions_it_had()
    {
        await StartAsync(partitions: 3_000);
        for (int i = 0; i < 3_000; i++) Find(i, 1, One, Two);
        int commands = 0;
        HashSet<int> recorded = [];
        while (recorded.Count < 3_000)
        {
            Asked asked = await NextAsync();
            commands++;
            foreach (PartitionIsr partition in asked.Command.Partitions) Assert.True(recorded.Add(partition.Partition));
            Record(asked);
        }

        Assert.InRange(commands, 6, 20);
        Assert.False(_asked.Reader.TryRead(out _));
    }

    [Fact]
    public async Task What_the_metadata_say_already_is_not_said_again()
    {
        await StartAsync(partitions: 2);
        Find(0, 1, Three, Two, One); // All of them, whatever the order.
        Find(1, 1, One);
        Asked asked = await NextAsync();
        Assert.Equal(1, Assert.Single(asked.Command.Partitions).Partition);
        Assert.Equal(One, asked.Command.Leader);
    }

    [Fact]
    public async Task What_could_not_be_recorded_is_tried_again_with_what_is_so_by_then()
    {
        await StartAsync(partitions: 2);
        Find(0, 1, One, Two);
        Asked first = await NextAsync();
        Find(0, 1, One);
        Find(1, 1, One, Two);
        first.Answer.SetException(new TimeoutException("there was no controller"));
        Asked again = await NextAsync();
        Assert.Equal(2, again.Command.Partitions.Count);
        Assert.Equal([One], again.Command.Partitions.Single(one => one.Partition == 0).Isr);
    }

    [Fact]
    public async Task What_changed_back_while_it_was_being_recorded_is_put_right()
    {
        await StartAsync(partitions: 2);
        Find(0, 1, One, Two);
        Asked first = await NextAsync();
        Find(0, 1, One, Two, Three);
        await _reporter.Ask<ActorIdentity>(new Identify(null), NodeFixture.Patience); // It has heard of that.
        Record(first);
        PartitionIsr said = Assert.Single((await NextAsync()).Command.Partitions);
        Assert.Equal(3, said.Isr.Count);
    }

    [Fact]
    public async Task A_leader_that_is_none_any_more_says_nothing()
    {
        await StartAsync(partitions: 2);
        Find(0, 1, One, Two);
        Asked first = await NextAsync();
        _system.EventStream.Publish(new IsrEnded(new GroupId(Topic, 0), new LeaderEpoch(1)));
        Find(1, 3, One, Two);
        _system.EventStream.Publish(new IsrEnded(new GroupId(Topic, 1), new LeaderEpoch(2))); // Of an earlier term of this one.
        first.Answer.SetException(new TimeoutException("there was no controller"));
        Assert.Equal(1, Assert.Single((await NextAsync()).Command.Partitions).Partition);
    }

    [Fact]
    public async Task What_is_refused_is_not_said_again()
    {
        await StartAsync(partitions: 2);
        Find(0, 1, One, Two);
        (await NextAsync()).Answer.SetResult([new ItemResult(KafkaError.FencedLeaderEpoch, "a later one has begun")]);
        Find(1, 1, One, Two);
        Assert.Equal(1, Assert.Single((await NextAsync()).Command.Partitions).Partition);
    }

    [Fact]
    public async Task A_leader_that_wants_its_term_recorded_is_heard_though_all_are_in_sync_as_before()
    {
        await StartAsync(partitions: 2);
        Claim(0, 4, One, Two, Three);
        Find(0, 4, One, Two, Three); // That it was found once more changes nothing.
        PartitionIsr said = Assert.Single((await NextAsync()).Command.Partitions);
        Assert.Equal((4, 3), (said.Epoch.Value, said.Isr.Count));
    }

    [Fact]
    public async Task A_term_that_is_recorded_is_not_recorded_again()
    {
        await StartAsync(partitions: 2);
        Claim(0, 4, One, Two, Three);
        Record(await NextAsync());
        Claim(0, 4, One, Two, Three);
        Claim(0, 3, One, Two, Three);
        Claim(1, 4, One, Two, Three);
        Assert.Equal(1, Assert.Single((await NextAsync()).Command.Partitions).Partition);
    }

    [Fact]
    public async Task A_late_report_of_an_earlier_leader_is_put_right()
    {
        await StartAsync(partitions: 1);
        Lead(0, epoch: 4, One, Two, Three);
        Apply(new IsrChanged(Topic, 0, new LeaderEpoch(3), [Two]));
        _system.EventStream.Publish(new MetadataSaysIsr([new GroupId(Topic, 0)]));
        PartitionIsr said = Assert.Single((await NextAsync()).Command.Partitions);
        Assert.Equal((4, 3), (said.Epoch.Value, said.Isr.Count));
    }

    [Fact]
    public async Task Metadata_that_were_read_anew_are_compared_with_every_partition_that_is_led_here()
    {
        await StartAsync(partitions: 3);
        Lead(0, epoch: 4, One, Two, Three);
        Lead(1, epoch: 4, One, Two);
        _system.EventStream.Publish(MetadataSaysIsr.Anything);
        Assert.Equal(1, Assert.Single((await NextAsync()).Command.Partitions).Partition);
    }

    [Fact]
    public async Task Below_the_level_of_such_records_nothing_is_said_and_when_it_rises_everything_is()
    {
        await StartAsync(partitions: 2, level: FeatureLevel.Oldest);
        Lead(0, epoch: 4, One, Two);
        Find(0, 4, One, Two);
        _node.Storage.Raise(FeatureLevel.Operable);
        Apply(new LevelChanged(FeatureLevel.Operable));
        Find(1, 4, One);
        _system.EventStream.Publish(MetadataSaysIsr.Anything);
        List<int> said = [];
        while (said.Count < 2)
        {
            Asked asked = await NextAsync();
            said.AddRange(asked.Command.Partitions.Select(one => one.Partition));
            Record(asked);
        }

        Assert.Equal([0, 1], said.Order());
    }

    private async Task StartAsync(int partitions, int level = FeatureLevel.Operable)
    {
        PartitionImage partition = new([One, Two, Three]);
        if (level > FeatureLevel.Oldest)
        {
            _node.Storage.Raise(level);
            Apply(new LevelChanged(level));
        }

        Apply(new TopicCreated(
            "t", Topic, [.. Enumerable.Repeat(partition, partitions)], ImmutableSortedDictionary<string, string>.Empty));
        NodeContext context = new(
            One, _node.Storage, new BufferPool(), TimeProvider.System, _node.Ticker, new PartitionLimits(), _node.Meters, _node.Hub)
        {
            Metadata = _metadata,
        };
        _reporter = _system.ActorOf(Props.Create(() => new IsrReporter(context, _directory, SubmitAsync)));
        await _reporter.Ask<ActorIdentity>(new Identify(null), NodeFixture.Patience); // It listens from now on.
    }

    private Task<IReadOnlyList<ItemResult>> SubmitAsync(MetadataCommand command, TimeSpan timeout)
    {
        Asked asked = new((ChangeIsr)command, new TaskCompletionSource<IReadOnlyList<ItemResult>>());
        Assert.True(_asked.Writer.TryWrite(asked));
        return asked.Answer.Task;
    }

    private Task<Asked> NextAsync() => _asked.Reader.ReadAsync().AsTask().WaitAsync(NodeFixture.Patience);

    private void Find(int partition, int epoch, params NodeId[] isr) =>
        _system.EventStream.Publish(new IsrFound(new GroupId(Topic, partition), new LeaderEpoch(epoch), [.. isr]));

    private void Claim(int partition, int epoch, params NodeId[] isr) => _system.EventStream.Publish(
        new IsrFound(new GroupId(Topic, partition), new LeaderEpoch(epoch), [.. isr]) { IsClaim = true });

    private void Record(Asked asked)
    {
        foreach (PartitionIsr said in asked.Command.Partitions)
            Apply(new IsrChanged(said.Topic, said.Partition, said.Epoch, [.. said.Isr]));
        asked.Answer.SetResult([.. asked.Command.Partitions.Select(_ => new ItemResult(KafkaError.None, null))]);
    }

    private void Apply(MetadataRecord record) => _metadata.Set(_metadata.Image.Apply(record), KafkaOffset.Zero);

    private void Lead(int partition, int epoch, params NodeId[] isr)
    {
        GroupId group = new(Topic, partition);
        PartitionView view = new()
        {
            IsLeader = true,
            Leader = One,
            Epoch = new LeaderEpoch(epoch),
            LogStartOffset = KafkaOffset.Zero,
            HighWatermark = KafkaOffset.Zero,
            LogEndOffset = KafkaOffset.Zero,
            Log = _node.Storage.OpenLog(group, LogOptions.Default),
            Epochs = EpochHistory.Empty,
            Config = ReplicaCluster.Config(minInsyncReplicas: 1),
            Replicas = [One, Two, Three],
            Isr = isr,
        };
        _directory.Add(new Partition(new TopicPartition("t", partition), group, ActorRefs.Nobody, view));
    }

    private sealed record Asked(ChangeIsr Command, TaskCompletionSource<IReadOnlyList<ItemResult>> Answer);
}
