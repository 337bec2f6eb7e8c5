using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Bits that change on the disk, below replicas that go on meanwhile.</summary>
public sealed class BitRotTests
{
    private static readonly ClusterOptions Scrubbed = new()
    {
        Limits = new PartitionLimits
        {
            ScrubRate = 0,
            ScrubInterval = TimeSpan.FromMilliseconds(100),
            ReplicaLagMax = TimeSpan.FromMilliseconds(250),
        },
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_flipped_bit_in_a_segment_is_found_said_and_put_right_by_the_other_replicas(bool isLeader)
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Scrubbed);
        List<string> values = await BeginAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId victim = isLeader ? leads : cluster.Ids.First(id => id != leads);
        Partition damaged = cluster.At(victim);
        FlipBit(cluster, victim);
        await FilledAgainAsync(cluster, victim, damaged);
        await NodeFixture.UntilAsync(
            () => cluster[victim].Lines.Any(line => line.Contains("t-0 is damaged", StringComparison.Ordinal)));
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task Of_two_replicas_the_one_that_leads_hands_over_before_it_is_filled_again()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(nodes: 2, options: Scrubbed);
        List<string> values = await BeginAsync(cluster);
        Partition damaged = await cluster.LeaderAsync();
        NodeId victim = cluster.NodeOf(damaged);
        FlipBit(cluster, victim);
        await FilledAgainAsync(cluster, victim, damaged); // One of two elects nobody: the other had to be elected while both could vote.
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task While_another_replica_is_away_a_damaged_one_goes_on_with_what_can_be_read()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Scrubbed);
        List<string> values = await BeginAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        Partition damaged = cluster.At(others[0]);
        await cluster.KillAsync(others[1]);
        FlipBit(cluster, others[0]);
        await StaysAsync(cluster, others[0]);
        await cluster.ProduceAllAsync(values, 1);

        await cluster.RestartAsync(others[1]);
        await FilledAgainAsync(cluster, others[0], damaged);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_leader_that_cannot_send_what_is_damaged_stays_until_who_lacks_it_has_it_from_another()
    {
        ClusterOptions unscrubbed = new() { Limits = new PartitionLimits { ReplicaLagMax = TimeSpan.FromMilliseconds(500) } };
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: unscrubbed);
        List<string> values = await BeginAsync(cluster);
        await cluster.CheckpointAsync();
        Partition damaged = await cluster.LeaderAsync();
        NodeId leads = cluster.NodeOf(damaged);
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        (NodeId lacks, NodeId whole) = (others[0], others[1]);
        await cluster.KillAsync(lacks);
        FlipBit(cluster, leads);
        Cut(true);
        Partition lacking = await cluster.WipeAsync(lacks);
        cluster.Inform(lacks);
        await StaysAsync(cluster, leads);
        Assert.Same(damaged, cluster.At(leads));
        Assert.Null(damaged.View.Failure);
        Assert.True(lacking.View.IsRecovering);
        Assert.Contains(cluster[leads].Lines, line => line.Contains("cannot be sent", StringComparison.Ordinal));

        Cut(false);
        await NodeFixture.UntilAsync(() => !lacking.View.IsRecovering);
        await NodeFixture.UntilAsync(() => cluster[leads].Hub.Leaders.Locate(cluster.Group) is { Isr.Length: 3 });
        damaged.ReportDamage("by a test"); // Whoever reads there says so each time.
        await FilledAgainAsync(cluster, leads, damaged);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);

        void Cut(bool isCut) => cluster.Link(lacks, whole).IsCut = cluster.Link(whole, lacks).IsCut = isCut;
    }

    [Fact]
    public async Task A_damaged_replica_stays_while_the_metadata_say_that_another_one_is_not_in_sync()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Scrubbed);
        List<string> values = await BeginAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        Partition damaged = cluster.At(others[0]);
        cluster.Inform(others[0], new PartitionImage([.. cluster.Ids]) { Isr = [.. cluster.Ids.Where(id => id != others[1])] });
        FlipBit(cluster, others[0]);
        await StaysAsync(cluster, others[0]);
        Assert.Same(damaged, cluster.At(others[0]));

        cluster.Inform(others[0]);
        await FilledAgainAsync(cluster, others[0], damaged);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task Nobody_is_sent_to_a_damaged_replica_though_nothing_is_written_any_more()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = await BeginAsync(cluster);
        Partition leader = await cluster.LeaderAsync();
        NodeId follower = cluster.Ids.First(id => id != cluster.NodeOf(leader));
        await NodeFixture.UntilAsync(() => leader.EndOf(follower).Value == values.Count);
        cluster.At(follower).ReportDamage("by a test");
        await NodeFixture.UntilAsync(() => leader.EndOf(follower) == KafkaOffset.Unknown);
    }

    [Fact]
    public async Task Two_damaged_replicas_are_filled_one_after_the_other()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Scrubbed);
        List<string> values = await BeginAsync(cluster);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        Partition[] damaged = [.. others.Select(cluster.At)];
        foreach (NodeId id in others) FlipBit(cluster, id);
        await NodeFixture.UntilAsync(() =>
        {
            // Away before the other one was seen to be, and after it.
            Assert.False(IsAway(others[0]) && IsAway(others[1]) && IsAway(others[0]));
            return others.Zip(damaged).All(pair => IsFilledAgain(cluster, pair.First, pair.Second));
        });
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);

        bool IsAway(NodeId id) => cluster.TryAt(id) is not { View: { Failure: null, IsRecovering: false } };
    }

    [Fact]
    public async Task The_only_replica_keeps_what_it_has_and_says_what_is_damaged()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(nodes: 1, options: Scrubbed);
        List<string> values = await BeginAsync(cluster);
        Partition only = await cluster.LeaderAsync();
        FlipBit(cluster, cluster.Ids[0]);
        await StaysAsync(cluster, cluster.Ids[0]);
        await cluster.ProduceAllAsync(values, 1);
        Assert.Same(only, cluster.At(cluster.Ids[0]));
        Assert.Null(only.View.Failure);
    }

    [Fact]
    public void The_scrubber_keeps_off_the_threads_that_serve_clients() =>
        Assert.Equal(ReplicaActor.SnapshotDispatcher, ScrubberActor.Props(null!, null!).Dispatcher);

    /// <summary>Twenty records that everybody has, on nodes that know of each other from the metadata.</summary>
    private static async Task<List<string>> BeginAsync(ReplicaCluster cluster)
    {
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 20);
        await cluster.AllShowAsync(values);
        foreach (NodeId id in cluster.Ids) cluster.Inform(id);
        return values;
    }

    /// <summary>In the middle of a record's value.</summary>
    private static void FlipBit(ReplicaCluster cluster, NodeId node) =>
        cluster[node].Disk.FlipBit($"/data/logs/{cluster.Group}/{0:D20}.log", 120, 3);

    private static Task FilledAgainAsync(ReplicaCluster cluster, NodeId node, Partition damaged) =>
        NodeFixture.UntilAsync(() => IsFilledAgain(cluster, node, damaged));

    private static bool IsFilledAgain(ReplicaCluster cluster, NodeId node, Partition damaged) =>
        cluster.TryAt(node) is { View: { Failure: null, IsRecovering: false } } anew && anew != damaged;

    private static Task StaysAsync(ReplicaCluster cluster, NodeId node) => NodeFixture.UntilAsync(
        () => cluster[node].Lines.Any(line => line.Contains("so it stays", StringComparison.Ordinal)));
}
