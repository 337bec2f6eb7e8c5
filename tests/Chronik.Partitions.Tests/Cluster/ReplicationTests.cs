using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>A partition on three nodes: what one acknowledges the others have, whoever dies.</summary>
public sealed class ReplicationTests
{
    /// <summary>All three must be in sync, and who is not up to date for a moment is not.</summary>
    private static readonly ClusterOptions Hasty = new()
    {
        MinInsyncReplicas = 3,
        Limits = new PartitionLimits { ReplicaLagMax = TimeSpan.FromSeconds(2) },
    };

    [Fact]
    public async Task What_is_acknowledged_is_on_every_replica_in_the_same_order()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        for (int i = 0; i < 50; i++)
        {
            AppendResult result = await cluster.ProduceAsync($"{i}");
            Assert.Equal(KafkaError.None, result.Error);
            Assert.Equal(new KafkaOffset(i), result.BaseOffset);
            values.Add($"{i}");
        }

        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task The_first_voter_leads_and_the_others_know_it()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        Partition leader = await cluster.LeaderAsync();
        NodeId leads = cluster.NodeOf(leader);
        await NodeFixture.UntilAsync(() => cluster.Ids.All(id => cluster.At(id).View.Leader == leads));
        Assert.All(cluster.Ids, id => Assert.Equal(leader.View.Epoch, cluster.At(id).View.Epoch));
        await NodeFixture.UntilAsync(() => cluster.Ids.All(
            id => cluster[id].Hub.Leaders.Locate(cluster.Group) is { } location && location.Leader == leads && location.Isr.Length == 3));
    }

    [Fact]
    public async Task When_the_leader_dies_another_one_goes_on_with_everything_that_was_acknowledged()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < 20; i++)
            {
                string value = $"{round}-{i}";
                Assert.Equal(KafkaError.None, (await cluster.ProduceAsync(Idempotent(values.Count, value))).Error);
                values.Add(value);
            }

            NodeId dead = cluster.NodeOf(await cluster.LeaderAsync());
            await cluster.KillAsync(dead);
            AppendResult next = await cluster.ProduceAsync(Idempotent(values.Count, $"after {round}"));
            Assert.Equal((KafkaError.None, new KafkaOffset(values.Count)), (next.Error, next.BaseOffset));
            values.Add($"after {round}");
            await cluster.RestartAsync(dead);
        }

        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task After_all_nodes_died_at_once_nothing_acknowledged_is_missing()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: new ClusterOptions { CheckpointBytes = 4 << 10 });
        List<string> values = [];
        for (int i = 0; i < 100; i++)
        {
            string value = $"{i}-{new string('x', 100)}";
            Assert.Equal(KafkaError.None, (await cluster.ProduceAsync(Idempotent(i, value))).Error);
            values.Add(value);
        }

        foreach (NodeId id in cluster.Ids) await cluster.KillAsync(id);
        foreach (NodeId id in cluster.Ids) await cluster.RestartAsync(id);
        Assert.Equal(new KafkaOffset(100), (await cluster.ProduceAsync(Idempotent(100, "last"))).BaseOffset);
        await cluster.AllShowAsync([.. values, "last"]);
    }

    [Fact]
    public async Task A_duplicate_is_known_to_the_next_leader_too()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        await cluster.ProduceAsync(Idempotent(0, "a"));
        Assert.Equal(new KafkaOffset(1), (await cluster.ProduceAsync(Idempotent(1, "b"))).BaseOffset);
        await cluster.KillAsync(cluster.NodeOf(await cluster.LeaderAsync()));
        Assert.Equal(new KafkaOffset(1), (await cluster.ProduceAsync(Idempotent(1, "b"))).BaseOffset);
        Assert.Equal(KafkaError.OutOfOrderSequenceNumber, (await cluster.ProduceAsync(Idempotent(7, "x"))).Error);
        Assert.Equal(new KafkaOffset(2), (await cluster.ProduceAsync(Idempotent(2, "c"))).BaseOffset);
        await cluster.AllShowAsync(["a", "b", "c"]);
    }

    [Fact]
    public async Task A_duplicate_that_is_durable_and_not_committed_is_answered_to_whoever_asks_for_no_more()
    {
        // Ticks so slow that the leader does not give way before this is over.
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(
            options: new ClusterOptions { TickInterval = TimeSpan.FromSeconds(3) });
        Partition leader = await cluster.LeaderAsync();
        cluster.Isolate(cluster.NodeOf(leader));
        for (int i = 0; i < 2; i++)
        {
            AppendResult result = await cluster.AppendAsync(leader, Idempotent(0, "a").Build(), RequiredAcks.Leader);
            Assert.Equal((KafkaError.None, KafkaOffset.Zero), (result.Error, result.BaseOffset));
        }
    }

    [Fact]
    public async Task A_leader_that_is_cut_off_acknowledges_nothing_shows_nothing_as_current_and_gives_way()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        await cluster.ProduceAsync(Idempotent(0, "a"));
        Partition old = await cluster.LeaderAsync();
        NodeId oldNode = cluster.NodeOf(old);
        cluster.Isolate(oldNode);
        Task<AppendResult> lost = cluster.Begin(old, Idempotent(1, "lost").Build());

        await NodeFixture.UntilAsync(() => !old.View.IsLeader);
        Assert.Equal(KafkaError.NotLeaderOrFollower, (await lost.WaitAsync(NodeFixture.Patience)).Error);
        Assert.Equal(new KafkaOffset(1), (await cluster.ProduceAsync(Idempotent(1, "b"))).BaseOffset);
        Assert.Equal(new KafkaOffset(1), old.View.HighWatermark);

        cluster.Isolate(oldNode, isCut: false);
        await cluster.ProduceAsync(Idempotent(2, "c"));
        await cluster.AllShowAsync(["a", "b", "c"]);
        Assert.Equal(3, old.View.LogEndOffset.Value);
    }

    [Fact]
    public async Task With_acks_1_the_leaders_own_disk_is_enough_and_with_acks_all_it_is_not()
    {
        // Ticks so slow that the leader, whom nobody answers, does not give way before this is over. The others hear it all the time.
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(
            options: new ClusterOptions { TickInterval = TimeSpan.FromSeconds(3) });
        await cluster.ProduceAsync("a");
        Partition leader = await cluster.LeaderAsync();
        NodeId leads = cluster.NodeOf(leader);
        foreach (NodeId other in cluster.Ids) cluster.Link(other, leads).Hold();
        Task<AppendResult> all = cluster.Begin(leader, ReplicaCluster.Batch("b").Build());
        AppendResult one = await cluster.AppendAsync(leader, ReplicaCluster.Batch("c").Build(), RequiredAcks.Leader);
        Assert.Equal((KafkaError.None, new KafkaOffset(2)), (one.Error, one.BaseOffset));
        Assert.False(all.IsCompleted);
        foreach (NodeId other in cluster.Ids) cluster.Link(other, leads).LetGo();
        Assert.Equal(KafkaError.None, (await all.WaitAsync(NodeFixture.Patience)).Error);
    }

    [Fact]
    public async Task Fewer_replicas_in_sync_than_asked_for_are_not_enough()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Hasty);
        Assert.Equal(KafkaError.None, (await cluster.ProduceAsync("a")).Error);
        Partition leader = await cluster.LeaderAsync();
        NodeId dead = cluster.Ids.First(id => id != cluster.NodeOf(leader));
        await cluster.KillAsync(dead);
        await NodeFixture.UntilAsync(
            () => cluster.Nodes.Any(node => node.Find(cluster.Group) is { View: { IsLeader: true, Isr.Count: 2 } }));
        leader = await cluster.LeaderAsync(); // Another one may have been elected meanwhile.
        Assert.Equal(KafkaError.NotEnoughReplicas, (await cluster.AppendAsync(leader, ReplicaCluster.Batch("b").Build())).Error);
        Assert.Equal(
            KafkaError.None, (await cluster.AppendAsync(leader, ReplicaCluster.Batch("b").Build(), RequiredAcks.Leader)).Error);
        await cluster.RestartAsync(dead);
        Assert.Equal(KafkaError.None, (await cluster.ProduceAsync("c")).Error);
        await cluster.AllShowAsync(["a", "b", "c"]);
    }

    [Fact]
    public async Task An_append_that_fewer_replicas_hold_than_asked_for_is_said_to_be_one()
    {
        // Time stands still as soon as all are in sync: nobody is late by then, however long the rest takes. Ticks are so slow that the
        // leader does not give way before it calls the others late.
        HandTime time = new();
        TimeSpan tick = TimeSpan.FromSeconds(1);
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: Hasty with { Time = time, TickInterval = tick });
        Task<AppendResult> first = cluster.ProduceAsync("a");
        await time.RunUntilAsync(() => first.IsCompleted);
        Assert.Equal(KafkaError.None, (await first).Error); // The leader knows that all three have it.
        Partition leader = await cluster.LeaderAsync();
        NodeId leads = cluster.NodeOf(leader);
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        foreach (NodeId other in others) cluster.Link(leads, other).Hold();
        Task<AppendResult> append = cluster.Begin(leader, ReplicaCluster.Batch("b").Build());
        await cluster.AppendAsync(leader, ReplicaCluster.Batch("c").Build(), RequiredAcks.Leader); // So the one before is appended too.
        Assert.Equal(3, leader.View.Isr.Count);
        await cluster.KillAsync(others[0]);
        for (int ticks = 0; leader.View is { IsLeader: true, Isr.Count: 3 }; ticks++)
        {
            Assert.InRange(ticks, 0, 100);
            time.Advance(tick);
            await leader.DescribeQuorumAsync(); // Isr has seen what the tick brought.
        }

        cluster.Link(leads, others[1]).LetGo();
        Assert.Equal(KafkaError.NotEnoughReplicasAfterAppend, (await append.WaitAsync(NodeFixture.Patience)).Error);
    }

    [Fact]
    public async Task A_group_without_work_sleeps_leads_on_and_wakes_for_an_append_or_a_death()
    {
        // Ticks so slow that the leader does not give way on a busy machine either, and yet it sleeps in seconds.
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(
            options: new ClusterOptions { TickInterval = TimeSpan.FromMilliseconds(150) });
        await cluster.ProduceAsync("a");
        Partition leader = await cluster.LeaderAsync();
        await NodeFixture.UntilAsync(() => cluster.Nodes.All(node => node.AwakeGroups == 0));
        Assert.Same(leader, await cluster.LeaderAsync());
        LeaderEpoch epoch = leader.View.Epoch;
        Assert.Equal(KafkaError.None, (await cluster.AppendAsync(leader, ReplicaCluster.Batch("b").Build())).Error);
        Assert.Equal(epoch, leader.View.Epoch);

        await NodeFixture.UntilAsync(() => cluster.Nodes.All(node => node.AwakeGroups == 0));
        await cluster.KillAsync(cluster.NodeOf(leader));
        Assert.Equal(new KafkaOffset(2), (await cluster.ProduceAsync("c")).BaseOffset);
        await cluster.AllShowAsync(["a", "b", "c"]);
    }

    [Fact]
    public async Task A_leader_that_wakes_shows_itself_as_one_before_the_next_heartbeat()
    {
        // Ticks so slow that what waking allows lasts until this is over: a second and a half.
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(
            options: new ClusterOptions { TickInterval = TimeSpan.FromMilliseconds(200) });
        await cluster.ProduceAsync("a");
        Partition leader = await cluster.LeaderAsync();
        await NodeFixture.UntilAsync(() => cluster.Nodes.All(node => node.AwakeGroups == 0));

        // What the last heartbeats before the sleep allowed is over, and there will be no others.
        foreach (ClusterNode node in cluster.Nodes) node.StopTicking();
        long asleep = TimeProvider.System.GetTimestamp();
        await NodeFixture.UntilAsync(() => TimeProvider.System.GetElapsedTime(asleep) > TimeSpan.FromSeconds(2));
        await NodeFixture.UntilAsync(() => leader.View.IsLeader);
        LeaderEpoch epoch = leader.View.Epoch;

        Assert.Equal(KafkaError.None, (await cluster.AppendAsync(leader, ReplicaCluster.Batch("b").Build())).Error);
        await NodeFixture.UntilAsync(() => leader.View.IsLeader);
        Assert.Equal(epoch, leader.View.Epoch);
        Assert.True(cluster[cluster.NodeOf(leader)].AwakeGroups > 0); // It is not the sleep that allows it.
    }

    [Fact]
    public async Task Leadership_can_be_handed_over_without_losing_anything()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        Partition old = await cluster.LeaderAsync();
        NodeId next = cluster.Ids.First(id => id != cluster.NodeOf(old));
        await cluster.LeadAsync(next);
        Assert.False(old.View.IsLeader);
        await cluster.ProduceAllAsync(values, 5);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task Deleted_records_stay_deleted_under_the_next_leader()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        for (int i = 0; i < 10; i++) await cluster.ProduceAsync($"{i}");
        DeleteRecordsResult result = await (await cluster.LeaderAsync()).DeleteRecordsAsync(new KafkaOffset(4));
        Assert.Equal(new DeleteRecordsResult(KafkaError.None, new KafkaOffset(4)), result);
        await cluster.KillAsync(cluster.NodeOf(await cluster.LeaderAsync()));
        Partition next = await cluster.LeaderAsync();
        Assert.Equal(["4", "5", "6", "7", "8", "9"], NodeFixture.Values(next));
    }

    private static RecordBatchBuilder Idempotent(int sequence, string value) => ReplicaCluster.Idempotent(sequence, value);
}
