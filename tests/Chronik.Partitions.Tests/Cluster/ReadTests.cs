using Chronik.Model;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Linearizable reads from every replica: what was acknowledged before is seen, or nothing is said.</summary>
public sealed class ReadTests
{
    private static readonly ClusterOptions Patient = new() { Limits = new PartitionLimits { ReadIndexTimeout = NodeFixture.Patience } };

    private static readonly ClusterOptions Impatient = new()
    {
        Limits = new PartitionLimits { ReadIndexTimeout = TimeSpan.FromMilliseconds(500) },
    };

    [Fact]
    public async Task Every_replica_shows_what_was_acknowledged_before_the_read_began()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Patient);
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(KafkaError.None, (await cluster.ProduceAsync($"{i}")).Error);
            foreach (NodeId id in cluster.Ids) Assert.Equal(i + 1, await ReadAsync(cluster.At(id)));
        }
    }

    [Fact]
    public async Task A_replica_that_lags_waits_until_it_has_what_the_leader_confirmed()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Patient);
        Partition leader = await cluster.LeaderAsync();
        NodeId leads = cluster.NodeOf(leader);
        NodeId lags = cluster.Ids.First(id => id != leads);
        await cluster.ProduceAsync("a");
        await NodeFixture.UntilAsync(() => cluster.At(lags).View.HighWatermark.Value == 1);
        cluster.Link(leads, lags).Hold();
        await cluster.ProduceAsync("b");
        Task<long?> read = ReadAsync(cluster.At(lags));
        Assert.Equal(1, cluster.At(lags).View.HighWatermark.Value);
        Assert.False(read.IsCompleted);
        cluster.Link(leads, lags).LetGo();
        Assert.Equal(2, await read);
    }

    [Fact]
    public async Task Who_is_cut_off_confirms_nothing_and_the_others_show_everything()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Impatient);
        await cluster.ProduceAsync("a");
        foreach (bool isLeader in new[] { false, true })
        {
            NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
            NodeId cutOff = isLeader ? leads : cluster.Ids.First(id => id != leads);
            Partition old = cluster.At(cutOff);
            cluster.Isolate(cutOff);
            if (isLeader) await NodeFixture.UntilAsync(() => !old.View.IsLeader);
            KafkaOffset end = (await cluster.ProduceAsync("b")).BaseOffset + 1;
            Assert.Null(await ReadAsync(old));
            foreach (NodeId id in cluster.Ids.Where(id => id != cutOff)) Assert.Equal(end.Value, await UntilConfirmedAsync(cluster.At(id)));
            cluster.Isolate(cutOff, isCut: false);
            Assert.Equal(end.Value, await UntilConfirmedAsync(old));
        }
    }

    [Fact]
    public async Task When_the_leader_dies_the_reads_that_wait_are_confirmed_by_the_next()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Patient);
        await cluster.ProduceAsync("a");
        NodeId dead = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId alive = cluster.Ids.First(id => id != dead);
        cluster.Link(dead, alive).IsCut = true;
        Task<long?> read = ReadAsync(cluster.At(alive));
        await cluster.KillAsync(dead);
        cluster.Link(dead, alive).IsCut = false;
        Assert.Equal(1, await read);
    }

    [Fact]
    public async Task A_quiet_partition_is_woken_by_a_read_and_sleeps_again()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Patient);
        await cluster.ProduceAsync("a");
        await NodeFixture.UntilAsync(() => cluster.Nodes.All(node => node.AwakeGroups == 0));
        foreach (NodeId id in cluster.Ids) Assert.Equal(1, await ReadAsync(cluster.At(id)));
        await NodeFixture.UntilAsync(() => cluster.Nodes.All(node => node.AwakeGroups == 0));
    }

    private static async Task<long?> UntilConfirmedAsync(Partition partition)
    {
        long? end = null;
        for (long started = TimeProvider.System.GetTimestamp(); end is null; end = await ReadAsync(partition))
            Assert.True(TimeProvider.System.GetElapsedTime(started) < NodeFixture.Patience);
        return end;
    }

    /// <summary>The high watermark once the read is confirmed; null when nobody confirmed it.</summary>
    private static async Task<long?> ReadAsync(Partition partition) =>
        await partition.ConfirmReadAsync().WaitAsync(NodeFixture.Patience) ? partition.View.HighWatermark.Value : null;
}
