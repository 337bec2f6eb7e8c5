using System.Collections.Concurrent;
using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Who belongs to a group, with metadata that the test plays.</summary>
public sealed class MemberChangeTests
{
    private readonly ConcurrentQueue<IsrFound> _claims = new();
    private readonly ConcurrentQueue<MembersReached> _reached = new();

    [Fact]
    public async Task Members_change_when_the_leaders_term_is_recorded_and_become_those_of_the_metadata_again_without_a_move()
    {
        await using ReplicaCluster cluster = await ReplicaCluster.StartAsync();
        await cluster.ProduceAsync("a");
        foreach (NodeId id in cluster.Ids) cluster[id].ActorOf(Props.Create(() => new Listener(_claims, _reached)));
        Partition first = await cluster.LeaderAsync();
        NodeId leaving = cluster.Ids.First(id => id != cluster.NodeOf(first));
        PartitionImage move = new([.. cluster.Ids]) { Removing = [leaving], Move = new KafkaOffset(5) };
        Say(cluster, move);
        await NodeFixture.UntilAsync(() => !_claims.IsEmpty);
        Assert.Empty(_reached);
        foreach (NodeId id in cluster.Ids) Assert.Equal(3, cluster.At(id).View.Replicas.Count);
        await RecordUntilAsync(cluster, move, () => !_reached.IsEmpty);
        Assert.True(_reached.TryPeek(out MembersReached? reached));
        Assert.Equal((move.Move, 2), (reached.Move, reached.Voters.Length));
        Assert.DoesNotContain(leaving, reached.Voters);

        PartitionImage all = new([.. cluster.Ids]);
        Say(cluster, all);
        await RecordUntilAsync(
            cluster, all, () => cluster.Ids.All(id => cluster.At(id).View is { AreReplicasSettled: true, Replicas.Count: 3 }));
        await cluster.ProduceAsync("b");
        await cluster.AllShowAsync(["a", "b"]);
    }

    private static void Say(ReplicaCluster cluster, PartitionImage image)
    {
        foreach (NodeId id in cluster.Ids) cluster.Inform(id, image);
    }

    /// <summary>Records the term of whoever leads until something is so.</summary>
    private async Task RecordUntilAsync(ReplicaCluster cluster, PartitionImage image, Func<bool> isSo)
    {
        LeaderEpoch recorded = LeaderEpoch.Unknown;
        await NodeFixture.UntilAsync(() =>
        {
            LeaderEpoch latest = new(_claims.Select(claim => claim.Epoch.Value).DefaultIfEmpty(LeaderEpoch.Unknown.Value).Max());
            if (latest != recorded) Say(cluster, image with { IsrEpoch = latest });
            recorded = latest;
            return isSo();
        });
    }

    private sealed class Listener : ReceiveActor
    {
        public Listener(ConcurrentQueue<IsrFound> claims, ConcurrentQueue<MembersReached> reached)
        {
            Receive<IsrFound>(found =>
            {
                if (found.IsClaim) claims.Enqueue(found);
            });
            Receive<MembersReached>(reached.Enqueue);
            Context.System.EventStream.Subscribe(Self, typeof(IsrFound));
            Context.System.EventStream.Subscribe(Self, typeof(MembersReached));
        }
    }
}
