using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Partitions.Tests.Cluster;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>Replicas and nodes that come and go at run time.</summary>
public sealed class MembersTests
{
    [Fact]
    public async Task A_partition_moves_wherever_it_is_told_to_and_takes_records_all_the_time()
    {
        await using NodeCluster cluster = await NodeCluster.FoundAsync(3);
        await cluster.CreateAsync(1, 2, 3);
        await cluster.ProduceAsync();
        await cluster.JoinAsync(4);
        await cluster.ProduceDuringAsync(cluster.MoveAsync(4, 2, 3)); // The leader goes.
        await cluster.ShowsAsync(2, 3, 4);
        await cluster.ProduceDuringAsync(cluster.MoveAsync(1)); // All of them go, to one that was there before.
        await cluster.ShowsAsync(1);
        await cluster.ProduceDuringAsync(cluster.MoveAsync(3, 1, 4, 2));
        await cluster.ShowsAsync(1, 2, 3, 4);
        await cluster.ProduceDuringAsync(cluster.MoveAsync(2, 1, 4)); // Fewer, in another order.
        await cluster.ShowsAsync(1, 2, 4);
    }

    [Fact]
    public async Task A_move_that_waits_can_be_replaced_and_taken_back_and_survives_its_leader()
    {
        await using NodeCluster cluster = await NodeCluster.FoundAsync(3);
        await cluster.CreateAsync(1, 2);
        await cluster.ProduceAsync();
        await cluster.JoinAsync(4);
        await cluster.KillAsync(4);
        Assert.Equal(KafkaError.None, (await cluster.DoAsync(new AlterReassignments([new("t", 0, NodeCluster.Ids(1, 2, 4))]))).Error);
        for (int i = 0; i < 10; i++) await cluster.ProduceAsync();
        Assert.True(cluster.Image.Topics["t"].Partitions[0].IsMoving);
        Assert.Equal(KafkaError.None, (await cluster.DoAsync(new AlterReassignments([new("t", 0, null)]))).Error);
        await cluster.ThereAsync(1, 2);

        Assert.Equal(KafkaError.None, (await cluster.DoAsync(new AlterReassignments([new("t", 0, NodeCluster.Ids(4, 2, 3))]))).Error);
        await cluster.KillAsync(1);
        await cluster.JoinAsync(1);
        await cluster.JoinAsync(4);
        await cluster.ProduceDuringAsync(cluster.ThereAsync(4, 2, 3));
        await cluster.ShowsAsync(2, 3, 4);
    }

    [Fact]
    public async Task A_node_that_is_gone_for_good_is_replaced()
    {
        await using NodeCluster cluster = await NodeCluster.FoundAsync(3);
        await cluster.CreateAsync(3, 1, 2);
        await cluster.VotesAsync(1, 2, 3);
        await cluster.ProduceAsync();
        await cluster.KillAsync(3);
        await cluster.JoinAsync(4);
        await cluster.VotesAsync(1, 2, 3); // It may come back.
        await NodeFixture.UntilAsync(() => !cluster.Image.Brokers[new NodeId(3)].IsLive);
        ItemResult refused = await cluster.DoAsync(new UnregisterBroker(new NodeId(3)));
        Assert.Equal(KafkaError.InvalidRequest, refused.Error);
        Assert.Contains("1 replica", refused.Message, StringComparison.Ordinal);
        await cluster.ProduceDuringAsync(cluster.MoveAsync(4, 1, 2));
        Assert.Equal(KafkaError.None, (await cluster.DoAsync(new UnregisterBroker(new NodeId(3)))).Error);
        await cluster.VotesAsync(1, 2, 4);
        await cluster.KillAsync(2);
        await cluster.ProduceDuringAsync(Task.CompletedTask);
        await cluster.ShowsAsync(1, 4);

        // A new machine under the old one's id is a newcomer.
        await cluster.JoinAsync(3, isWiped: true);
        await cluster.ProduceDuringAsync(cluster.MoveAsync(3, 1, 4));
        await cluster.ShowsAsync(1, 3, 4);
    }

    [Fact]
    public async Task One_node_grows_to_three_and_can_be_lost_then()
    {
        await using NodeCluster cluster = await NodeCluster.FoundAsync(1);
        await cluster.CreateAsync(1);
        await cluster.ProduceAsync();
        await cluster.JoinAsync(2);
        await cluster.VotesAsync(1);
        await cluster.JoinAsync(3);
        await cluster.VotesAsync(1, 2, 3);
        await cluster.ProduceDuringAsync(cluster.MoveAsync(1, 2, 3));
        await cluster.KillAsync(1);
        await cluster.ProduceDuringAsync(Task.CompletedTask);

        // With another disk it remembers nothing, and is not what its cluster was formed of any more.
        await cluster.JoinAsync(1, isWiped: true);
        await cluster.ShowsAsync(1, 2, 3);
        await cluster.VotesAsync(1, 2, 3);
        await cluster.RecoveredAsync(1);
        await cluster.KillAsync(2);
        await cluster.ProduceDuringAsync(Task.CompletedTask);
        await cluster.ShowsAsync(1, 3);
    }

    [Fact]
    public async Task A_replica_that_is_sent_away_and_called_back_again_and_again_is_there_in_the_end()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(nodes: 1);
        ClusterNode node = cluster.Nodes.Single();
        await cluster.ProduceAsync("a");
        for (int round = 0; round < 20; round++)
        {
            Partition? former = node.Find(cluster.Group);
            for (int i = 0; i < 3; i++)
            {
                node.Tell(new UnassignReplicas([cluster.Group], AreElsewhere: true));
                node.Tell(new AssignReplicas([new ReplicaAssigned(cluster.Group, new TopicPartition("t", 0), [.. cluster.Ids])]));
            }

            Partition? anew = null; // Perhaps not the last one yet.
            await NodeFixture.UntilAsync(() =>
                (anew = node.Find(cluster.Group)) is { View: { IsLeader: true, Failure: null } } && anew != former);
            Assert.Equal(0, anew!.View.HighWatermark.Value);
        }
    }

    [Fact]
    public async Task Brokers_that_are_removed_stop_when_the_metadata_need_them_no_more()
    {
        await using NodeCluster cluster = await NodeCluster.FoundAsync(3);
        await cluster.VotesAsync(1, 2, 3);
        foreach (int id in new[] { 3, 2 })
        {
            DrainBroker remove = new(new NodeId(id), IsDraining: true) { ThenRemove = true };
            Assert.Equal(KafkaError.None, (await cluster.DoAsync(remove)).Error);
            await cluster[id].Left.WaitAsync(NodeFixture.Patience);
            await cluster.KillAsync(id);
            await cluster.VotesAsync([.. Enumerable.Range(1, id - 1)]); // And they can decide.
            await NodeFixture.UntilAsync(() => !cluster.Image.Brokers.ContainsKey(new NodeId(id)));
        }
    }

    [Fact]
    public async Task Who_votes_on_the_metadata_is_found_in_its_log_at_the_next_start()
    {
        await using NodeCluster cluster = await NodeCluster.FoundAsync(1);
        await cluster.JoinAsync(2);
        await cluster.JoinAsync(3);
        await cluster.VotesAsync(1, 2, 3);
        foreach (int id in new[] { 1, 2, 3 }) await cluster.KillAsync(id);
        await cluster.JoinTogetherAsync(2, 3);
        await cluster.VotesAsync(1, 2, 3);
        await cluster.CreateAsync(2, 3);
        await cluster.ProduceAsync();
    }
}
