using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Protocol.RecordBatches;
using Chronik.Raft;
using Chronik.Storage;
using Chronik.Storage.Testing;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Replicas that lost something, or are too far behind for single entries.</summary>
public sealed class SnapshotTests
{
    private static readonly NodeId Third = new(3);

    [Fact]
    public async Task A_follower_far_behind_gets_what_it_lacks_and_may_lead_afterwards()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 20);
        await cluster.KillAsync(Third);
        await cluster.ProduceAllAsync(values, 30, bytes: 30_000);
        await cluster.CheckpointAsync();
        await cluster.ProduceAllAsync(values, 5);
        await cluster.RestartAsync(Third);
        await cluster.AllShowAsync(values);

        await cluster.KillAsync(new NodeId(1));
        await cluster.ProduceAllAsync(values, 1);
        await cluster.KillAsync(new NodeId(2));
        await cluster.RestartAsync(new NodeId(1));
        AppendResult again = await cluster.ProduceAsync(ReplicaCluster.Idempotent(values.Count - 1, values[^1]));
        Assert.Equal(new KafkaOffset(values.Count - 1), again.BaseOffset);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_transfer_that_was_cut_off_goes_on_at_the_receivers_end()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 1);
        await cluster.KillAsync(Third);
        await cluster.ProduceAllAsync(values, 60, bytes: 30_000);
        await cluster.CheckpointAsync();
        Partition third = await cluster.RestartAsync(Third);
        await NodeFixture.UntilAsync(() => third.View.HighWatermark.Value > 1);
        await cluster.KillAsync(cluster.NodeOf(await cluster.LeaderAsync()));
        await cluster.AllShowAsync(values);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_replica_whose_whole_log_was_deleted_elsewhere_begins_where_the_others_do()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 10);
        await cluster.KillAsync(Third);
        await cluster.ProduceAllAsync(values, 10);
        await (await cluster.LeaderAsync()).DeleteRecordsAsync(new KafkaOffset(20));
        await cluster.CheckpointAsync();
        Partition third = await cluster.RestartAsync(Third);
        await cluster.ProduceAllAsync(values, 1);
        await NodeFixture.UntilAsync(() => third.View.HighWatermark.Value == 21);
        Assert.Equal(values[20..], NodeFixture.Values(third));
        Assert.Equal(new KafkaOffset(20), third.View.LogStartOffset);
    }

    [Fact]
    public async Task A_wiped_replica_is_filled_again_and_then_votes()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 20);
        await cluster.CheckpointAsync();
        Partition third = await cluster.WipeAsync(Third);
        await cluster.ProduceAllAsync(values, 1);
        await NodeFixture.UntilAsync(() => !third.View.IsRecovering);
        await cluster.AllShowAsync(values);

        await cluster.KillAsync(new NodeId(1));
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_replica_whose_segments_are_damaged_is_filled_again()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 20);
        await cluster.CheckpointAsync();
        await cluster.KillAsync(Third);
        await cluster.ProduceAllAsync(values, 1);
        cluster.Tamper(Third, disk => CutSegment(disk, cluster.Group));
        cluster.Revive(Third);
        cluster.Inform(Third);
        await NodeFixture.UntilAsync(() => cluster.TryAt(Third) is { View: { Failure: null, IsRecovering: false } });
        await cluster.AllShowAsync(values);

        await cluster.KillAsync(Third);
        await cluster.RestartAsync(Third);
        await NodeFixture.UntilAsync(() => cluster.TryAt(Third) is { View.IsRecovering: false });
        await cluster.KillAsync(new NodeId(1));
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task Damage_found_before_the_metadata_are_known_costs_nothing_that_they_say_nobody_else_has()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 20);
        await cluster.CheckpointAsync();
        await cluster.KillAsync(Third);
        cluster.Tamper(Third, disk => CutSegment(disk, cluster.Group));
        cluster.Revive(Third);
        await NodeFixture.UntilAsync(() => cluster[Third].Replicas.HasFailed(cluster.Group));
        Assert.True(HasFiles());

        // The others had it once, and have been relieved of it.
        cluster.Inform(Third, new PartitionImage([Third]));
        await cluster[Third].BarrierAsync();
        Assert.True(cluster[Third].Replicas.HasFailed(cluster.Group));
        Assert.True(HasFiles());

        bool HasFiles() => cluster[Third].Disk.FileExists(SegmentOf(cluster.Group));
    }

    [Fact]
    public async Task A_replica_that_looked_like_the_only_one_begins_once_the_metadata_know_of_others()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(nodes: 1);
        NodeId one = cluster.Ids[0];
        GroupId group = new(new TopicId(Guid.NewGuid()), 0);
        ReplicaAssigned lost = new(group, new TopicPartition("u", 0), [one]) { Directories = [Guid.NewGuid()] };
        cluster[one].Tell(new AssignReplicas([lost]));
        await NodeFixture.UntilAsync(() => cluster[one].Replicas.HasFailed(group));
        PartitionImage known = new([one, new NodeId(2)]);
        cluster[one].Metadata.Set(ReplicaCluster.Saying(group, known), new KafkaOffset(1));
        cluster[one].Tell(new ReplicasAre(
            [lost], [KeyValuePair.Create(group.Topic, ReplicaCluster.Config(1))], [KeyValuePair.Create(group, known)]));
        await NodeFixture.UntilAsync(() => cluster[one].Find(group) is { View.IsRecovering: true });
        Assert.False(cluster[one].Replicas.HasFailed(group));
    }

    [Fact]
    public async Task The_only_voter_that_is_left_of_the_metadata_keeps_its_files_when_they_are_damaged()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync(options: new ClusterOptions { Group = GroupId.Metadata });
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 20);
        MembersWanted one = new([Third], []);
        foreach (NodeId id in cluster.Ids) cluster.At(id).Replica.Tell(one, ActorRefs.NoSender);
        await NodeFixture.UntilAsync(() => cluster.At(Third).View is { IsLeader: true, AreReplicasSettled: true, Replicas.Count: 1 });
        await cluster.ProduceAllAsync(values, 1);
        await cluster.CheckpointAsync(Third);
        await cluster.KillAsync(Third);
        cluster.Tamper(Third, disk => CutSegment(disk, cluster.Group));
        cluster.Revive(Third);
        await NodeFixture.UntilAsync(() => cluster[Third].Replicas.HasFailed(cluster.Group));
        await cluster[Third].BarrierAsync();
        Assert.True(cluster[Third].Replicas.HasFailed(cluster.Group));
        Assert.True(cluster[Third].Disk.FileExists(SegmentOf(cluster.Group)));
    }

    [Fact]
    public async Task A_damaged_replica_that_alone_is_in_sync_keeps_its_files_though_it_is_being_moved()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        await cluster.AllShowAsync(values);
        await cluster.CheckpointAsync();
        GroupId group = cluster.Group;
        MetadataImage image = ReplicaCluster.Saying(group, new PartitionImage([Third]))
            .Apply(new ReassignmentChanged(
                group.Topic, group.Partition, [new NodeId(1), Third], [Guid.Empty, Guid.Empty], [new NodeId(1)], [Third]));
        cluster.Inform(Third);
        cluster[Third].Metadata.Set(image, new KafkaOffset(2));
        Partition third = cluster.At(Third);
        third.ReportDamage("by a test");
        await NodeFixture.UntilAsync(() => cluster[Third].Lines.Any(line => line.Contains("so it stays", StringComparison.Ordinal)));
        await cluster[Third].BarrierAsync();
        Assert.Same(third, cluster.At(Third));
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_wiped_replica_elects_nobody_who_lacks_what_it_once_acknowledged()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        cluster.Isolate(others[0]);
        await cluster.ProduceAllAsync(values, 1); // Held by the leader and the other one only.
        await cluster.KillAsync(leads);
        Partition wiped = await cluster.WipeAsync(others[1]);
        cluster.Isolate(others[0], isCut: false);
        await NodeFixture.UntilAsync(() => cluster[others[0]].Hub.IsAlive(others[1]) && cluster[others[1]].Hub.IsAlive(others[0]));
        await cluster.RestartAsync(leads);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
        await NodeFixture.UntilAsync(() => !wiped.View.IsRecovering);
    }

    [Fact]
    public async Task A_receiver_drops_nothing_for_a_gap_that_is_not_there()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        await cluster.AllShowAsync(values);
        NodeId leader = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId follower = cluster.Ids.First(id => id != leader);

        // What a sender, or an earlier life of one, said about a place that this replica has not come to.
        SnapshotPoint point = new(new LogIndex(1_000), new Term(1), new KafkaOffset(50), KafkaOffset.Zero);
        byte[] far = ReplicaCluster.Idempotent(40, "far").Build();
        RecordBatchStamp.Place(far, new KafkaOffset(40), new LeaderEpoch(1));
        byte[] state = ReplicaState.Write(new Membership([.. cluster.Ids]), EpochHistory.Empty, new ProducerStates(10));
        Tell(1, SnapshotPart.Offer, []);
        Tell(1, SnapshotPart.Batches, far);
        Tell(2, SnapshotPart.Offer, []);
        Tell(2, SnapshotPart.State, state);

        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);

        void Tell(long transfer, SnapshotPart part, byte[] bytes)
        {
            SnapshotMessage message = new()
            {
                Group = cluster.Group,
                Part = part,
                From = leader,
                Transfer = transfer,
                Point = point,
                Payload = bytes.Length > 0 ? cluster[follower].Buffers.Copy(bytes) : BufferSlice.Empty,
            };
            cluster.At(follower).Replica.Tell(message, Akka.Actor.ActorRefs.NoSender);
        }
    }

    private static string SegmentOf(GroupId group) => $"/data/logs/{group}/{0:D20}.log";

    private static void CutSegment(MemoryDisk disk, GroupId group)
    {
        using IDiskFile segment = disk.Open(SegmentOf(group), DiskOpen.ReadWrite);
        segment.Truncate(segment.Length / 2);
        segment.Sync();
    }
}
