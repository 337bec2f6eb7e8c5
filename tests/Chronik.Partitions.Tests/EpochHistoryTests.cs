using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Raft;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>What OffsetForLeaderEpoch and fencing rest on (KIP-101, KIP-279).</summary>
public sealed class EpochHistoryTests
{
    private static readonly EpochHistory History = EpochHistory.Empty.With(Epoch(2), At(0)).With(Epoch(5), At(100)).With(Epoch(6), At(150));

    [Theory]
    [InlineData(2, 2, 100)]
    [InlineData(3, 2, 100)]
    [InlineData(5, 5, 150)]
    [InlineData(6, 6, 180)]
    public void The_largest_epoch_at_or_below_the_request_and_its_end(int requested, int epoch, long end) =>
        Assert.Equal((Epoch(epoch), At(end)), History.EndOffsetFor(Epoch(requested), Epoch(6), At(180)));

    [Theory]
    [InlineData(-1)]
    [InlineData(8)]
    public void No_epoch_and_one_beyond_the_leaders_own_are_unknown(int requested) =>
        Assert.Equal((LeaderEpoch.Unknown, KafkaOffset.Unknown), History.EndOffsetFor(Epoch(requested), Epoch(7), At(180)));

    [Fact]
    public void An_epoch_older_than_every_known_one_ends_where_the_first_begins()
    {
        Assert.Equal((Epoch(2), At(150)), History.From(At(150)).EndOffsetFor(Epoch(2), Epoch(7), At(180)));
        Assert.Equal((Epoch(1), At(0)), EpochHistory.Empty.EndOffsetFor(Epoch(1), Epoch(7), At(0)));
    }

    [Fact]
    public void The_leaders_own_epoch_ends_at_the_log_end_even_before_its_first_batch() =>
        Assert.Equal((Epoch(7), At(180)), History.EndOffsetFor(Epoch(7), Epoch(7), At(180)));

    [Fact]
    public void An_epoch_that_does_not_grow_changes_nothing() => Assert.Same(History, History.With(Epoch(6), At(170)));

    [Fact]
    public void Epochs_that_end_before_the_log_start_are_dropped_and_the_one_that_covers_it_stays()
    {
        EpochHistory later = History.From(At(120));
        Assert.Equal(Epoch(5), later.Starts[0].Epoch);
        Assert.Same(History, History.From(At(99)));
    }

    [Fact]
    public void It_survives_a_checkpoint_with_the_members()
    {
        ProducerStates producers = new(maxProducers: 1);
        Membership members = new([new NodeId(1), new NodeId(2), new NodeId(3)], learners: [new NodeId(4)]);
        (Membership? restoredMembers, EpochHistory restored) =
            ReplicaState.Read(ReplicaState.Write(members, History, producers), producers);
        Assert.Equal(members, restoredMembers);
        Assert.Equal(History.Starts.AsEnumerable(), restored.Starts);
        Assert.Equal(Epoch(5), restored.EpochAt(At(149)));
    }

    private static LeaderEpoch Epoch(int value) => new(value);

    private static KafkaOffset At(long value) => new(value);
}
