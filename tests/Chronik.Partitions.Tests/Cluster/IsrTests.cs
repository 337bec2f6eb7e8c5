using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using Chronik.Metadata;
using Chronik.Model;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Who is in sync of a partition on three nodes.</summary>
public sealed class IsrTests
{
    /// <summary>Ticks so slow that the leader does not give way on a busy machine either, and yet its group sleeps in seconds.</summary>
    private static readonly ClusterOptions Steady = new() { TickInterval = TimeSpan.FromMilliseconds(150) };

    private static readonly ClusterOptions Hasty = Steady with
    {
        Limits = new PartitionLimits { ReplicaLagMax = TimeSpan.FromSeconds(2) },
    };

    [Fact]
    public async Task A_node_that_is_silent_for_less_than_the_time_allowed_stays_in_sync()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: new ClusterOptions
        {
            TickInterval = TimeSpan.FromMilliseconds(250), // The leader does not give way before this is over.
            MinInsyncReplicas = 3,
            Limits = new PartitionLimits { ReplicaLagMax = TimeSpan.FromMinutes(10) },
        });
        await cluster.ProduceAsync("a");
        Partition leader = await cluster.LeaderAsync();
        NodeId other = cluster.Ids.First(id => id != cluster.NodeOf(leader));
        await cluster.KillAsync(other);
        Task<AppendResult> append = cluster.Begin(leader, ReplicaCluster.Batch("b").Build());
        await NodeFixture.UntilAsync(() => leader.View.HighWatermark.Value == 2);
        Assert.Equal(3, leader.View.Isr.Count);

        // Two hold it and three must, or be known not to be in sync any more: the producer is told once the third one has it.
        Assert.False(append.IsCompleted);
        await cluster.RestartAsync(other);
        Assert.Equal(KafkaError.None, (await append.WaitAsync(NodeFixture.Patience)).Error);
        Assert.Equal(3, leader.View.Isr.Count);
        await cluster.AllShowAsync(["a", "b"]);
    }

    [Fact]
    public async Task Who_died_leaves_and_is_back_when_it_has_everything_again_while_the_group_goes_to_sleep_and_wakes()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Hasty with { MinInsyncReplicas = 3 });
        await cluster.ProduceAsync("a");
        await NodeFixture.UntilAsync(() => cluster.Nodes.All(node => node.AwakeGroups == 0));
        Partition leader = await cluster.LeaderAsync();
        NodeId dead = cluster.Ids.First(id => id != cluster.NodeOf(leader));
        await cluster.KillAsync(dead);
        await NodeFixture.UntilAsync(() => leader.View.Isr.Count == 2);
        Assert.DoesNotContain(dead, leader.View.Isr);
        Assert.Equal(1, Gauge(cluster, "chronik.under.replicated.partitions"));
        Assert.Equal(1, Gauge(cluster, "chronik.under.min.isr.partitions"));
        await cluster.ProduceAsync(ReplicaCluster.Batch("b"), RequiredAcks.Leader);
        await cluster.RestartAsync(dead);
        await NodeFixture.UntilAsync(() => leader.View.Isr.Count == 3);
        await cluster.AllShowAsync(["a", "b"]);
        await NodeFixture.UntilAsync(() => cluster.Nodes.All(node => node.AwakeGroups == 0));
        Assert.Equal(3, leader.View.Isr.Count);
    }

    [Fact]
    public async Task A_new_leader_begins_with_those_of_whom_the_last_one_said_so()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Steady);
        await cluster.ProduceAsync("a");
        Partition first = await cluster.LeaderAsync();
        NodeId old = cluster.NodeOf(first);
        NodeId[] others = [.. cluster.Ids.Where(id => id != old)];
        (NodeId next, NodeId behind) = (others[0], others[1]);
        foreach (NodeId id in cluster.Ids) Record(cluster, id, first.View.Epoch, old, next);
        foreach (NodeId id in cluster.Ids) cluster.Link(id, behind).Hold();
        await cluster.ProduceAsync("b");
        await cluster.LeadAsync(next);
        Partition second = cluster.At(next);
        Assert.Equal(cluster.Ids.Where(id => id != behind), second.View.Isr);
        foreach (NodeId id in cluster.Ids) cluster.Link(id, behind).LetGo();
        await NodeFixture.UntilAsync(() => second.View.Isr.Count == 3);
    }

    [Fact]
    public async Task The_leader_says_since_when_a_follower_lacks_something()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Steady);
        await cluster.ProduceAsync("a");
        Partition leader = await cluster.LeaderAsync();
        NodeId dead = cluster.Ids.First(id => id != cluster.NodeOf(leader));
        await NodeFixture.UntilAsync(() => cluster.Nodes.All(node => node.AwakeGroups == 0));
        await cluster.KillAsync(dead);
        await cluster.ProduceAsync("b");
        QuorumState state = await leader.DescribeQuorumAsync();
        QuorumReplica lost = state.Voters.Single(voter => voter.Node == dead);
        QuorumReplica self = state.Voters.Single(voter => voter.Node == cluster.NodeOf(leader));
        Assert.InRange(lost.LastCaughtUpMs, 1, self.LastCaughtUpMs);
        Assert.True(lost.LogEndOffset < self.LogEndOffset);
    }

    [Fact]
    public async Task Who_lost_its_disk_is_counted_until_it_has_everything_again()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Steady);
        await cluster.ProduceAsync("a");
        Partition leader = await cluster.LeaderAsync();
        NodeId wiped = cluster.Ids.First(id => id != cluster.NodeOf(leader));
        foreach (NodeId id in cluster.Ids) cluster.Link(id, wiped).Hold();
        Partition anew = await cluster.WipeAsync(wiped);
        Assert.True(anew.View.IsRecovering);
        Assert.Equal(1, Gauge(cluster, "chronik.partition.recovering"));
        foreach (NodeId id in cluster.Ids) cluster.Link(id, wiped).LetGo();
        await NodeFixture.UntilAsync(() => !anew.View.IsRecovering);
        await NodeFixture.UntilAsync(() => leader.View.Isr.Count == 3);
    }

    private static void Record(ReplicaCluster cluster, NodeId node, LeaderEpoch epoch, params NodeId[] isr)
    {
        MetadataImage image = MetadataImage.Empty
            .Apply(new LevelChanged(FeatureLevel.Operable))
            .Apply(new TopicCreated(
                "t", cluster.Group.Topic, [new PartitionImage([.. cluster.Ids])], ImmutableSortedDictionary<string, string>.Empty))
            .Apply(new IsrChanged(cluster.Group.Topic, cluster.Group.Partition, epoch, [.. isr.OrderBy(id => id.Value)]));
        cluster[node].Metadata.Set(image, new KafkaOffset(3));
    }

    /// <summary>The highest value of any node of the cluster.</summary>
    private static long Gauge(ReplicaCluster cluster, string name)
    {
        long highest = 0;
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name == name && cluster.Nodes.Any(node => node.Storage.Meters.Owns(instrument)))
                self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((_, value, _, _) => highest = Math.Max(highest, value));
        listener.Start();
        listener.RecordObservableInstruments();
        return highest;
    }
}
