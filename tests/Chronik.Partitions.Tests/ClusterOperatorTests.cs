using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Operating;
using Xunit;

namespace Chronik.Partitions.Tests;

public sealed class ClusterOperatorTests
{
    [Fact]
    public void Moves_that_cannot_be_taken_back_from_a_broker_that_drains_no_longer_are_named()
    {
        Reassignment[] moves = [new("a", 0, null), new("b", 1, null), new("c", 2, null)];
        ItemResult done = new(KafkaError.None, null);
        ItemResult over = new(KafkaError.NoReassignmentInProgress, "b-1 is not being moved.");
        ItemResult gone = new(KafkaError.UnknownTopicOrPartition, "Topic 'c' does not exist.");
        Assert.Equal(done, ClusterOperator.TakenBack(new NodeId(3), moves, [done, over, gone]));

        ItemResult refused = ClusterOperator.TakenBack(new NodeId(3), moves, [done, new(KafkaError.InvalidRequest, "no"), gone]);
        Assert.Equal(
            (KafkaError.InvalidRequest, "Broker 3 may be used again, but 1 of its partitions still leave it: b-1: no"),
            (refused.Error, refused.Message));
    }
}
