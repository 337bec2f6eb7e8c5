using Chronik.Model;
using static Chronik.Metadata.Tests.World;

namespace Chronik.Metadata.Tests;

/// <summary>Brokers 0 to 4; topic t has one partition, on 0, 1 and 2.</summary>
public sealed class ReassignmentTests
{
    private readonly World _world = new(brokers: 5);

    public ReassignmentTests()
    {
        Raise(_world);
        Granted(_world.Create(Assigned("t", [0, 1, 2])));
    }

    private PartitionImage Partition => _world.Image.Topics["t"].Partitions[0];

    [Fact]
    public void While_it_moves_a_partition_is_on_the_nodes_that_it_goes_to_and_on_those_that_it_leaves()
    {
        Granted(Move(3, 1, 2));
        Shows([3, 1, 2, 0], adding: [3], removing: [0]);
        Assert.Equal(3, _world.Image.Topics["t"].ReplicationFactor);
        Assert.Equal(1, _world.Image.ReplicaCounts[new NodeId(3)]);
        Assert.Equal(1, _world.Image.ReplicaCounts[new NodeId(0)]);
        Assert.Equal(1, _world.Image.PreferredCounts[new NodeId(3)]);
        Granted(Complete(3, 2, 1));
        Shows([3, 1, 2], adding: [], removing: []);
        Assert.Equal(0, _world.Image.ReplicaCounts[new NodeId(0)]);
        Assert.Equal(0, _world.Image.PreferredCounts[new NodeId(0)]);
    }

    [Fact]
    public void Directories_follow_the_replicas()
    {
        World world = new(brokers: 0);
        Guid[] directories = [.. Enumerable.Range(0, 4).Select(_ => Guid.NewGuid())];
        for (int i = 0; i < 4; i++) Granted(world.Register(i, directory: directories[i]));
        Raise(world);
        Granted(world.Create(Assigned("t", [0, 1, 2])));
        Granted(world.Do(new AlterReassignments([new("t", 0, Nodes(3, 2))])).Results.Single());
        Assert.Equal<Guid>(
            [directories[3], directories[2], directories[0], directories[1]], world.Image.Topics["t"].Partitions[0].Directories);
        TopicId id = world.Image.Topics["t"].Id;
        Granted(world.Do(new CompleteReassignment(id, 0, new LeaderEpoch(1), Nodes(2, 3))).Results.Single());
        Assert.Equal<Guid>([directories[3], directories[2]], world.Image.Topics["t"].Partitions[0].Directories);
    }

    [Fact]
    public void Another_order_of_the_same_nodes_is_no_move()
    {
        Granted(Move(2, 1, 0));
        Shows([2, 1, 0], adding: [], removing: []);
        Assert.Empty(_world.Do(new AlterReassignments([new("t", 0, Nodes(2, 1, 0))])).Records);
    }

    [Fact]
    public void A_second_move_replaces_the_first_and_takes_nothing_away_that_may_be_in_use()
    {
        Granted(Move(3, 1, 2));
        Granted(Move(4, 1, 2));
        Shows([4, 1, 2, 3, 0], adding: [4, 3], removing: [3, 0]);
        Refused(Complete(3, 1, 2), KafkaError.InvalidRequest, "4, 1, 2", "3, 1, 2");
        Granted(Complete(4, 1, 2));
        Shows([4, 1, 2], adding: [], removing: []);
    }

    [Fact]
    public void Cancelled_it_goes_back_to_where_it_was_before_any_move()
    {
        Granted(Move(3, 1, 2));
        Granted(Move(4, 1, 2));
        Granted(Move());
        Shows([1, 2, 0, 4, 3], adding: [4, 3], removing: [4, 3]);
        Granted(Move());
        Granted(Complete(0, 1, 2));
        Shows([1, 2, 0], adding: [], removing: []);
        Refused(Move(), KafkaError.NoReassignmentInProgress, "t-0", "not being moved");
    }

    [Fact]
    public void A_late_report_does_not_end_a_newer_move_to_the_same_nodes()
    {
        Granted(Move(3, 1, 2));
        KafkaOffset first = Partition.Move;
        Granted(Complete(first, epoch: 1, [3, 1, 2]));
        Assert.Equal(KafkaOffset.Unknown, Partition.Move);
        Granted(Move(0, 1, 2));
        Granted(Complete(Partition.Move, epoch: 1, [0, 1, 2]));
        Granted(Move(3, 1, 2));
        Refused(Complete(first, epoch: 1, [3, 1, 2]), KafkaError.InvalidRequest, $"the move {first} is over");
        Shows([3, 1, 2, 0], adding: [3], removing: [0]);
        Granted(Complete(Partition.Move, epoch: 1, [3, 1, 2]));
        Shows([3, 1, 2], adding: [], removing: []);
    }

    [Fact]
    public void A_report_of_a_leader_that_another_one_has_followed_ends_no_move()
    {
        Granted(Move(3, 1, 2));
        TopicId id = _world.Image.Topics["t"].Id;
        Granted(_world.Do(new ChangeIsr(new NodeId(1), [new(id, 0, new LeaderEpoch(7), Nodes(1, 2))])).Results.Single());
        Refused(Complete(Partition.Move, epoch: 6, [3, 1, 2]), KafkaError.FencedLeaderEpoch, "6", "7");
        Shows([3, 1, 2, 0], adding: [3], removing: [0]);
        Granted(Complete(Partition.Move, epoch: 7, [3, 1, 2]));
        Shows([3, 1, 2], adding: [], removing: []);
    }

    [Fact]
    public void Who_reads_a_log_from_where_it_was_restated_knows_a_move_by_the_same_name()
    {
        Granted(Move(3, 1, 2));
        MetadataImage late = MetadataImage.Empty;
        MetadataImage all = _world.Image;
        long at = 100;
        foreach (MetadataRecord record in _world.Image.ToRecords())
        {
            late = late.Apply(record, new KafkaOffset(at));
            all = all.Apply(record, new KafkaOffset(at++));
        }

        KafkaOffset move = late.Topics["t"].Partitions[0].Move;
        Assert.True(move > Partition.Move);
        Assert.Equal(move, all.Topics["t"].Partitions[0].Move);
    }

    [Fact]
    public void Replicas_that_are_given_up_may_be_gone_and_are_not_taken_back_without_a_move()
    {
        Granted(Move(0, 1));
        Shows([0, 1, 2], adding: [], removing: [2]);
        Refused(Move(), KafkaError.InvalidRequest, "t-0", "on 2", "wait");
        Refused(Move(2, 1, 0), KafkaError.InvalidRequest, "t-0", "on 2", "wait");
        Shows([0, 1, 2], adding: [], removing: [2]);
        Granted(Move(2, 1));
        Shows([2, 1, 0], adding: [], removing: [0]);
        Granted(Complete(1, 2));
        Granted(Move(0, 1, 2));
        Granted(Move());
        Granted(Complete(1, 2));
        Shows([1, 2], adding: [], removing: []);
    }

    [Fact]
    public void Who_asks_for_what_cannot_be_is_told_why()
    {
        Refused(Move("u", 0, [1]), KafkaError.UnknownTopicOrPartition, "u");
        Refused(Move("t", 1, [1]), KafkaError.UnknownTopicOrPartition, "0 to 0", "1");
        Refused(Move("t", -1, [1]), KafkaError.UnknownTopicOrPartition, "-1");
        Refused(Move("__cluster_metadata", 0, [1]), KafkaError.InvalidRequest, "controller");
        Refused(Move("t", 0, []), KafkaError.InvalidReplicaAssignment, "empty");
        Refused(Move("t", 0, [0, -7]), KafkaError.InvalidReplicaAssignment, "-7");
        Refused(Move("t", 0, [0, 1, 0]), KafkaError.InvalidReplicaAssignment, "0", "more than once");
        Refused(Move("t", 0, [0, 9]), KafkaError.InvalidReplicaAssignment, "9", "not registered");
        Refused(Move("t", 0, [0, 1, 2, 3, 4, 5]), KafkaError.InvalidReplicaAssignment, "5", "not registered");
        Shows([0, 1, 2], adding: [], removing: []);
    }

    [Fact]
    public void Each_item_stands_alone_and_none_is_done_twice()
    {
        Granted(_world.Create(Assigned("u", [0], [1])));
        Decision decision = _world.Do(new AlterReassignments(
            [new("u", 0, Nodes(3)), new("u", 7, Nodes(3)), new("t", 0, Nodes(3)), new("t", 0, Nodes(4))]));
        Assert.Equal(
            [KafkaError.None, KafkaError.UnknownTopicOrPartition, KafkaError.InvalidRequest, KafkaError.InvalidRequest],
            decision.Results.Select(result => result.Error));
        Assert.Single(decision.Records);
        Shows([0, 1, 2], adding: [], removing: []);
    }

    [Fact]
    public void The_number_of_replicas_may_be_protected()
    {
        AlterReassignments more = new([new("t", 0, Nodes(0, 1, 2, 3))], AllowFactorChange: false);
        Refused(_world.Do(more).Results.Single(), KafkaError.InvalidReplicationFactor, "3", "4");
        Granted(_world.Do(more with { AllowFactorChange = true }).Results.Single());

        // What counts is where it goes, not where it is on its way there.
        Granted(_world.Do(new AlterReassignments([new("t", 0, Nodes(1, 2, 3, 4))], AllowFactorChange: false)).Results.Single());
    }

    [Fact]
    public void No_majority_of_brokers_that_are_away()
    {
        _world.Fence(3);
        _world.Fence(4);
        Refused(Move(2, 3, 4), KafkaError.InvalidReplicaAssignment, "only 1", "2 of them");
        Refused(Move(3), KafkaError.InvalidReplicaAssignment, "only 0");
        Granted(Move(0, 1, 3));

        // Those who are asked to go on can always be asked to go back.
        _world.Fence(0);
        _world.Fence(1);
        Granted(Move());
        Granted(Complete(0, 1, 2));
        Refused(Move(0, 2, 5), KafkaError.InvalidReplicaAssignment, "5", "not registered");
        _world.Register(4);
        _world.Register(3);
        Refused(Move(2, 3, 4), KafkaError.InvalidReplicaAssignment, "0, 1, 2 only 1"); // Nobody there could agree to it.
    }

    [Fact]
    public void A_broker_holds_no_more_than_it_may()
    {
        World world = new(brokers: 2, new BrokerSettings { MaxPartitionsPerBroker = 1 });
        Raise(world);
        Granted(world.Create(Assigned("a", [0])));
        Granted(world.Create(Assigned("b", [1])));
        Refused(
            world.Do(new AlterReassignments([new("a", 0, Nodes(1))])).Results.Single(), KafkaError.PolicyViolation, "Broker 1",
            "chronik.limits");
    }

    [Fact]
    public void A_broker_is_forgotten_once_it_is_away_and_holds_nothing()
    {
        Refused(Unregister(9), KafkaError.BrokerIdNotRegistered, "9");
        Refused(Unregister(2), KafkaError.InvalidRequest, "live", "stop it first");
        _world.Fence(2);
        Refused(Unregister(2), KafkaError.InvalidRequest, "1 replica", "move them");
        Granted(Move(0, 1, 3));
        Refused(Unregister(2), KafkaError.InvalidRequest, "1 replica");
        Granted(Complete(0, 1, 3));
        Granted(Unregister(2));
        Assert.False(_world.Image.Brokers.ContainsKey(new NodeId(2)));
        Assert.Equal(Nodes(2), _world.Image.Unregistered);
        Refused(Move(0, 1, 2), KafkaError.InvalidReplicaAssignment, "2 is not registered");
        Granted(_world.Register(2));
        Assert.Empty(_world.Image.Unregistered);
    }

    [Fact]
    public void Stated_anew_the_image_is_what_it_was()
    {
        Granted(Move(3, 1, 2));
        Granted(Move(4, 1, 2));
        _world.Fence(0);
        Granted(_world.Do(new AlterReassignments([new("t", 0, Nodes(4, 1, 2))])).Results.Single());
        Granted(_world.Register(7));
        _world.Fence(7);
        Granted(Unregister(7));
        MetadataImage anew = MetadataImage.Empty;
        foreach (MetadataRecord record in _world.Image.ToRecords())
            anew = anew.Apply(MetadataRecordCodec.Read(MetadataRecordCodec.ToBytes(record)));
        PartitionImage partition = anew.Topics["t"].Partitions[0];
        Assert.Equal<NodeId>(Partition.Replicas, partition.Replicas);
        Assert.Equal<NodeId>(Partition.Adding, partition.Adding);
        Assert.Equal<NodeId>(Partition.Removing, partition.Removing);
        Assert.Equal<Guid>(Partition.Directories, partition.Directories);
        Assert.Equal(_world.Image.Unregistered, anew.Unregistered);
        Assert.Equal(_world.Image.ReplicaCounts.Where(count => count.Value > 0), anew.ReplicaCounts.Where(count => count.Value > 0));
    }

    [Fact]
    public void While_older_brokers_may_read_the_log_nothing_moves()
    {
        World world = new(brokers: 2);
        Granted(world.Create(Assigned("a", [0])));
        Refused(
            world.Do(new AlterReassignments([new("a", 0, Nodes(1))])).Results.Single(), KafkaError.UnsupportedVersion, "chronik.level 2");
        world.Fence(1);
        Refused(world.Do(new UnregisterBroker(new NodeId(1))).Results.Single(), KafkaError.UnsupportedVersion, "chronik.level 2");
    }

    private static void Raise(World world) => Granted(world.Do(new ChangeLevel(FeatureLevel.Operable)).Results.Single());

    private ItemResult Move(params int[] target) => Move("t", 0, target.Length == 0 ? null : target);

    private ItemResult Move(string topic, int partition, int[]? target) =>
        _world.Do(new AlterReassignments([new(topic, partition, target is null ? null : Nodes(target))])).Results.Single();

    private ItemResult Complete(params int[] voters) =>
        _world.Do(new CompleteReassignment(_world.Image.Topics["t"].Id, 0, new LeaderEpoch(1), Nodes(voters))).Results.Single();

    private ItemResult Complete(KafkaOffset move, int epoch, int[] voters)
    {
        CompleteReassignment complete = new(_world.Image.Topics["t"].Id, 0, new LeaderEpoch(epoch), Nodes(voters)) { Move = move };
        return _world.Do(complete).Results.Single();
    }

    private ItemResult Unregister(int id) => _world.Do(new UnregisterBroker(new NodeId(id))).Results.Single();

    private void Shows(int[] replicas, int[] adding, int[] removing)
    {
        Assert.Equal(Nodes(replicas), Partition.Replicas);
        Assert.Equal(Nodes(adding), Partition.Adding);
        Assert.Equal(Nodes(removing), Partition.Removing);
        Assert.Equal(Partition.Replicas.Length, Partition.Directories.Length);
    }
}
