using Chronik.Model;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Bits that change on the disk, below replicas that go on meanwhile.</summary>
public sealed class BitRotTests
{
    private static readonly ClusterOptions Scrubbed = new()
    {
        Limits = new PartitionLimits { ScrubRate = 0, ScrubInterval = TimeSpan.FromMilliseconds(100) },
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
        Assert.Contains(cluster[victim].Lines, line => line.Contains("t-0 is damaged", StringComparison.Ordinal));
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

    private static Task FilledAgainAsync(ReplicaCluster cluster, NodeId node, Partition damaged) => NodeFixture.UntilAsync(
        () => cluster.TryAt(node) is { View: { Failure: null, IsRecovering: false } } anew && anew != damaged);

    private static Task StaysAsync(ReplicaCluster cluster, NodeId node) => NodeFixture.UntilAsync(
        () => cluster[node].Lines.Any(line => line.Contains("so it stays", StringComparison.Ordinal)));
}
