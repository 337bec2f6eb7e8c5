using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>What the balancer must know besides the metadata.</summary>
public sealed record BalancerInput
{
    /// <summary>The brokers that are out of reach, and for how long they have been.</summary>
    public IReadOnlyDictionary<NodeId, TimeSpan> Down { get; init; } = ImmutableDictionary<NodeId, TimeSpan>.Empty;

    /// <summary>The brokers that said that they are about to stop.</summary>
    public IReadOnlySet<NodeId> Stopping { get; init; } = ImmutableHashSet<NodeId>.Empty;

    /// <summary>How many replicas one broker may hold.</summary>
    public int MaxReplicasPerBroker { get; init; } = int.MaxValue;
}

/// <summary>Another place for a partition, or another preferred leader when only the order differs.</summary>
/// <param name="Topic">The topic's name.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="From">Where its replicas are, the preferred leader first.</param>
/// <param name="To">Where they shall be.</param>
/// <param name="Reason">Why, in a few words for people.</param>
public sealed record BalancerMove(
    string Topic, int Partition, ImmutableArray<NodeId> From, ImmutableArray<NodeId> To, string Reason)
{
    /// <summary>Whether a replica moves; otherwise only the preference changes, which costs nothing but a change of leader.</summary>
    public bool MovesReplica => !From.ToHashSet().SetEquals(To);
}

/// <summary>A replica that should leave its broker and has nowhere to go.</summary>
/// <param name="Topic">The topic's name.</param>
/// <param name="Partition">The partition's number.</param>
/// <param name="Broker">The broker that it cannot leave.</param>
/// <param name="Factor">How many replicas the partition has.</param>
public sealed record StuckReplica(string Topic, int Partition, NodeId Broker, int Factor);

/// <summary>What may move.</summary>
public enum BalancerScope
{
    /// <summary>Only replicas of dead brokers that drain, to other brokers: that mends what is under-replicated.</summary>
    Dead,

    /// <summary>Whatever is on brokers that drain.</summary>
    Draining,

    /// <summary>Everything.</summary>
    All,
}

/// <summary>What would make a cluster balanced.</summary>
/// <param name="Moves">The moves, each partition at most once; none of them touches a partition that is being moved already.</param>
/// <param name="Stuck">What should leave its broker and cannot.</param>
public sealed record BalancerPlan(IReadOnlyList<BalancerMove> Moves, IReadOnlyList<StuckReplica> Stuck);

/// <summary>
/// Says what should move so that every broker holds about as many replicas and leads about as many partitions as every other. Pure: the
/// same image and input give the same answer.
/// </summary>
/// <remarks>
/// In this order, each goal without harm to those before it: brokers that drain hold nothing; the replicas of a partition are in as many
/// racks as there can be; replicas are even, in all and by topic; preferred leaders are even, in all and by topic. A broker without a rack
/// is a rack of its own. Every step makes what is uneven strictly less uneven (the sum of squares), so that repeated steps end, wherever
/// they begin and whatever happens in between. What differs by less than a twentieth of the average, or by one, is left alone.
/// Brokers that are down are neither emptied nor filled: one that will not come back is removed by an operator, which makes it drain.
/// </remarks>
public static class Balancer
{
    /// <summary>How long a broker must have been down before others are balanced without it: a restart shall not move anything.</summary>
    public static readonly TimeSpan DownGrace = TimeSpan.FromMinutes(10);

    /// <summary>
    /// Why nothing but replicas of dead brokers that drain should be moved for now, in words for people; null when nothing stands against
    /// it.
    /// </summary>
    public static string? WhyPaused(MetadataImage image, BalancerInput input)
    {
        foreach ((NodeId node, TimeSpan time) in input.Down.OrderBy(down => down.Key.Value))
        {
            if (time >= DownGrace || !image.Brokers.TryGetValue(node, out BrokerImage? broker) || broker.IsDraining) continue;
            return $"broker {node} has been down for {(long)time.TotalSeconds} s: " +
                   $"others are balanced without it after {(long)DownGrace.TotalMinutes} minutes, or when it is removed";
        }

        foreach (NodeId node in input.Stopping.OrderBy(node => node.Value))
            if (image.Brokers.ContainsKey(node)) return $"broker {node} is stopping";
        int count = 0;
        string? first = null;
        foreach (TopicImage topic in image.Topics.Values)
        {
            for (int i = 0; i < topic.Partitions.Length; i++)
            {
                if (OutOfSync(image, input, topic.Partitions[i]) is not { } missing) continue;
                count++;
                string name = $"{topic.Name}-{i} without broker {missing}";
                if (first is null || string.CompareOrdinal(name, first) < 0) first = name;
            }
        }

        return count == 0 ? null : $"{count} partition(s) are under-replicated, such as {first}";
    }

    /// <summary>
    /// The moves under way that cannot end, because a broker that they add a replica to is gone: it drains and is dead, or has been down
    /// for longer than <see cref="DownGrace"/>. They should be taken back, so that others can be made.
    /// </summary>
    public static IReadOnlyList<(string Topic, int Partition)> Hopeless(MetadataImage image, BalancerInput input)
    {
        List<(string Topic, int Partition)> moves = [];
        foreach (TopicImage topic in image.Topics.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal))
        {
            for (int i = 0; i < topic.Partitions.Length; i++)
            {
                PartitionImage partition = topic.Partitions[i];
                if (partition.Adding.Any(node => partition.Target.Contains(node) && IsGone(node))) moves.Add((topic.Name, i));
            }
        }

        return moves;

        bool IsGone(NodeId node)
        {
            bool isDown = input.Down.TryGetValue(node, out TimeSpan time);
            return !image.Brokers.TryGetValue(node, out BrokerImage? broker)
                || (isDown && time >= DownGrace) || (broker.IsDraining && (isDown || !broker.IsLive));
        }
    }

    /// <summary>Everything that would have to move, to the end.</summary>
    public static BalancerPlan Plan(MetadataImage image, BalancerInput input)
    {
        BalancerBoard board = new(image, input);
        while (board.Evacuate(onlyDead: false) || board.SpreadRacks() || board.SpreadReplicas())
        {
        }

        board.LeaveDraining();
        while (board.SpreadLeaders())
        {
        }

        return new BalancerPlan(board.Moves(), board.Stuck());
    }

    /// <summary>
    /// What should move next, while some partitions are moved already: the first steps of the plan. Leaders are evened out once no replica
    /// moves any more, because a replica that moves may take the preference with it.
    /// </summary>
    /// <param name="image">The metadata.</param>
    /// <param name="input">What else must be known.</param>
    /// <param name="scope">What may move.</param>
    /// <param name="moves">How many partitions may get another replica.</param>
    /// <param name="leaders">How many partitions may get another preferred leader.</param>
    public static IReadOnlyList<BalancerMove> Next(
        MetadataImage image, BalancerInput input, BalancerScope scope, int moves, int leaders)
    {
        BalancerBoard board = new(image, input) { StepsOnce = true };
        bool more = true;
        while (more && board.Changed < moves)
        {
            more = board.Evacuate(onlyDead: true)
                || (scope >= BalancerScope.Draining && board.Evacuate(onlyDead: false))
                || (scope == BalancerScope.All && (board.SpreadRacks() || board.SpreadReplicas()));
        }

        if (board.Changed > 0 || moves == 0 || board.IsMoving || scope == BalancerScope.Dead) return board.Moves();
        board.LeaveDraining();
        board.StepsOnce = false;
        while (scope == BalancerScope.All && board.Changed < leaders && board.SpreadLeaders())
        {
        }

        return board.Moves();
    }

    /// <summary>
    /// A replica that is not in sync though the partition is not being moved to it, and its broker is not known to be dead for good; null
    /// when there is none.
    /// </summary>
    private static NodeId? OutOfSync(MetadataImage image, BalancerInput input, PartitionImage partition)
    {
        foreach (NodeId replica in partition.Replicas)
        {
            if (partition.Isr.Contains(replica) || partition.Adding.Contains(replica)) continue;
            bool isGone = image.Brokers.TryGetValue(replica, out BrokerImage? broker)
                && broker.IsDraining && (!broker.IsLive || input.Down.ContainsKey(replica));
            if (!isGone) return replica;
        }

        return null;
    }
}
