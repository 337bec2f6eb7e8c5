using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Peers;

namespace Chronik.Partitions.Leaderships;

/// <summary>Asks the leaders of partitions, whichever nodes they are on, to hand them over. Thread-safe.</summary>
internal sealed class LeaderMover(
    NodeId self, PublishedMetadata published, PartitionLocator locator, PeerHub peers, PeerBook others, Task<IActorRef> leaderships)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1); // For an answer that is given when the time is over.

    /// <summary>As <see cref="IBrokerNode.MoveLeadersAsync"/> says.</summary>
    public async Task<IReadOnlyList<ItemResult>> MoveAsync(IReadOnlyList<LeaderMove> moves, TimeSpan timeout)
    {
        long began = TimeProvider.System.GetTimestamp();
        ItemResult?[] results = new ItemResult?[moves.Count];
        while (true)
        {
            Dictionary<NodeId, List<int>> byLeader = [];
            for (int i = 0; i < moves.Count; i++)
            {
                if (results[i] is not null || (results[i] = Refusal(moves[i])) is not null) continue;
                NodeId leader = LeaderOf(moves[i]);
                if (!byLeader.TryGetValue(leader, out List<int>? items)) byLeader.Add(leader, items = []);
                items.Add(i);
            }

            if (byLeader.Count == 0) break;
            await Task.WhenAll(byLeader.Select(asked => AskAsync(asked.Key, asked.Value, moves, results, Left()))).ConfigureAwait(false);
            if (Array.TrueForAll(results, result => result is not null)) break;
            if (Left() <= Pause)
            {
                ItemResult late = new(KafkaError.RequestTimedOut, "its leader changed meanwhile");
                for (int i = 0; i < results.Length; i++) results[i] ??= late;
                break;
            }

            await Task.Delay(Pause).ConfigureAwait(false);
        }

        for (int i = 0; i < moves.Count; i++)
        {
            while (results[i]!.Error == KafkaError.None && !HasMoved(moves[i]) && Left() > Pause)
                await Task.Delay(Pause).ConfigureAwait(false);
        }

        return results!;

        TimeSpan Left()
        {
            TimeSpan left = timeout - TimeProvider.System.GetElapsedTime(began);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    private NodeId LeaderOf(LeaderMove move) => locator.LeaderOf(new GroupId(move.Topic, move.Partition));

    /// <summary>Whether this node, too, has heard of it: whoever asks it next is told of the new leader.</summary>
    private bool HasMoved(LeaderMove move) => !move.To.IsSome || LeaderOf(move) == move.To;

    /// <summary>Why a move cannot begin; null when it can.</summary>
    private ItemResult? Refusal(LeaderMove move)
    {
        if (locator.Locate(published.Image, move.Topic, move.Partition) is not { } location)
            return new ItemResult(KafkaError.UnknownTopicOrPartition, null);
        if (move.To.IsSome && location.Leader == move.To) return new ItemResult(KafkaError.ElectionNotNeeded, $"node {move.To} leads it");
        if (move.To.IsSome && !location.Replicas.Contains(move.To))
            return new ItemResult(KafkaError.PreferredLeaderNotAvailable, $"node {move.To} has no replica of it");
        if (move.To.IsSome && !peers.IsAlive(move.To))
            return new ItemResult(KafkaError.PreferredLeaderNotAvailable, $"node {move.To} is not there");
        if (move.To.IsSome && peers.IsStopping(move.To))
            return new ItemResult(KafkaError.PreferredLeaderNotAvailable, $"node {move.To} is stopping");
        if (move.To.IsSome && published.Image.Brokers.TryGetValue(move.To, out BrokerImage? broker) && broker.IsDraining)
            return new ItemResult(KafkaError.PreferredLeaderNotAvailable, $"node {move.To} is being drained");
        return location.Leader.IsSome ? null : new ItemResult(KafkaError.LeaderNotAvailable, "it has no leader at the moment");
    }

    /// <summary>Asks one leader. What it turns out not to lead stays open.</summary>
    private async Task AskAsync(NodeId leader, List<int> items, IReadOnlyList<LeaderMove> moves, ItemResult?[] results, TimeSpan timeout)
    {
        MoveLeaders request = new([.. items.Select(item => moves[item])], timeout);
        LeadersMoved answer;
        try
        {
            if (leader == self)
            {
                IActorRef here = await leaderships.ConfigureAwait(false);
                answer = await here.Ask<LeadersMoved>(request, timeout + Grace).ConfigureAwait(false);
            }
            else if (peers.LevelWith(leader) < LeadershipsActor.Level && peers.IsAlive(leader))
            {
                string why = $"node {leader}, which leads it, is of an older version and cannot be asked";
                ItemResult old = new(KafkaError.UnsupportedVersion, why);
                foreach (int item in items) results[item] = old;
                return;
            }
            else if (others.Find(leader) is { } peer)
            {
                answer = await peer.Rpc.Ask<LeadersMoved>(request, timeout + Grace).ConfigureAwait(false);
            }
            else
            {
                return;
            }
        }
        catch (Exception e) when (e is AskTimeoutException or TimeoutException or TaskCanceledException)
        {
            ItemResult silent = new(KafkaError.RequestTimedOut, $"node {leader}, which leads it, did not answer");
            foreach (int item in items) results[item] = silent;
            return;
        }

        for (int i = 0; i < items.Count; i++)
            if (answer.Results[i].Error != KafkaError.NotLeaderOrFollower) results[items[i]] = answer.Results[i];
    }
}
