using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>
/// A cluster's placement as the balancer moves it about: brokers, racks and topics are positions in arrays here, and what is counted is
/// counted on.
/// </summary>
/// <remarks>A partition that is being moved counts where it will be, and is not touched.</remarks>
internal sealed partial class BalancerBoard
{
    private const int TolerancePart = 20; // Of the average: a twentieth is not worth a move.

    private readonly Broker[] _brokers;
    private readonly List<Seat> _seats = [];
    private readonly string[] _topics;
    private readonly int[][] _topicReplicas; // By topic, then broker.
    private readonly int[][] _topicLeaders;
    private readonly int[][] _canLead; // By preferred leader, then broker: partitions that the one could hand to the other.
    private readonly int[] _topicTotals; // Replicas of each topic.
    private readonly int _replicasMax;
    private int _nextOfDead; // Where each search goes on: no step gives a partition before it a place that it had not.
    private int _nextOfDraining;
    private int _nextOfRacks;

    public BalancerBoard(MetadataImage image, BalancerInput input)
    {
        NodeId[] ids =
        [
            .. image.Brokers.Keys.Concat(image.ReplicaCounts.Keys).Distinct().OrderBy(id => id.Value),
        ];
        string[] racks = [.. ids.Select(RackOf).Distinct()];
        _brokers = [.. ids.Select((id, at) => new Broker(at, id, Array.IndexOf(racks, RackOf(id)))
        {
            IsDraining = image.Brokers.GetValueOrDefault(id) is { IsDraining: true },
            IsDead = image.Brokers.GetValueOrDefault(id) is not { IsLive: true } || input.Down.ContainsKey(id),
        })];
        _replicasMax = input.MaxReplicasPerBroker;
        Dictionary<NodeId, int> at = ids.Select((id, i) => (id, i)).ToDictionary(pair => pair.id, pair => pair.i);
        TopicImage[] topics = [.. image.Topics.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal)];
        _topics = [.. topics.Select(topic => topic.Name)];
        _topicReplicas = [.. topics.Select(_ => new int[ids.Length])];
        _topicTotals = [.. topics.Select(topic => topic.Partitions.Sum(partition => partition.Target.Length))];
        _topicLeaders = [.. topics.Select(_ => new int[ids.Length])];
        _canLead = [.. ids.Select(_ => new int[ids.Length])];
        for (int topic = 0; topic < topics.Length; topic++)
        {
            for (int i = 0; i < topics[topic].Partitions.Length; i++)
            {
                PartitionImage partition = topics[topic].Partitions[i];
                int[] replicas = [.. partition.Target.Select(replica => at[replica])];
                bool hasMajority = 2 * replicas.Count(replica => !_brokers[replica].IsDead) > replicas.Length;
                Seat seat = new(topic, i, replicas, partition.IsMoving, hasMajority);
                IsMoving |= seat.IsMoving;
                _seats.Add(seat);
                foreach (int broker in replicas) Enter(seat, broker);
                SetLeader(seat, +1);
            }
        }

        string RackOf(NodeId id) => image.Brokers.GetValueOrDefault(id)?.Rack ?? $"\0{id}";
    }

    /// <summary>Whether a partition may be moved only once on this board, because moves begin as soon as they are known.</summary>
    public bool StepsOnce { get; set; }

    /// <summary>Whether any partition was being moved when the board was made.</summary>
    public bool IsMoving { get; }

    /// <summary>How many partitions were touched.</summary>
    public int Changed { get; private set; }

    /// <summary>What became another placement, in the order of topics and partitions.</summary>
    public IReadOnlyList<BalancerMove> Moves() =>
    [
        .. _seats.Where(seat => seat.Reason is not null && !seat.Replicas.AsSpan().SequenceEqual(seat.Before)).Select(seat =>
            new BalancerMove(_topics[seat.Topic], seat.Partition, Ids(seat.Before), Ids(seat.Replicas), seat.Reason!)),
    ];

    /// <summary>What is still on brokers that drain.</summary>
    public IReadOnlyList<StuckReplica> Stuck() =>
    [
        .. _seats.Where(seat => !seat.IsMoving).SelectMany(seat => seat.Replicas.Where(broker => _brokers[broker].IsDraining).Select(
            broker => new StuckReplica(_topics[seat.Topic], seat.Partition, _brokers[broker].Id, seat.Replicas.Length))),
    ];

    private ImmutableArray<NodeId> Ids(int[] brokers) => [.. brokers.Select(broker => _brokers[broker].Id)];

    private bool IsFree(Seat seat) => !seat.IsFixed && !(StepsOnce && seat.Reason is not null);

    /// <summary>Puts one broker in the place of another.</summary>
    private void Replace(Seat seat, int from, int to, string reason)
    {
        SetLeader(seat, -1);
        seat.Replicas[Array.IndexOf(seat.Replicas, from)] = to;
        _brokers[from].Seats.Remove(seat);
        _topicReplicas[seat.Topic][from]--;
        Enter(seat, to);
        SetLeader(seat, +1);
        Note(seat, reason);
    }

    /// <summary>Puts a broker of a partition first.</summary>
    private void Prefer(Seat seat, int broker, string reason)
    {
        SetLeader(seat, -1);
        int at = Array.IndexOf(seat.Replicas, broker);
        Array.Copy(seat.Replicas, 0, seat.Replicas, 1, at);
        seat.Replicas[0] = broker;
        SetLeader(seat, +1);
        Note(seat, reason);
    }

    private void Note(Seat seat, string reason)
    {
        if (seat.Reason is null) Changed++;
        seat.Reason ??= reason;
    }

    private void Enter(Seat seat, int broker)
    {
        _brokers[broker].Seats.Add(seat);
        _topicReplicas[seat.Topic][broker]++;
    }

    private void SetLeader(Seat seat, int by)
    {
        int leader = seat.Replicas[0];
        _brokers[leader].Leaders += by;
        _topicLeaders[seat.Topic][leader] += by;
        if (seat.IsFixed) return;
        foreach (int broker in seat.Replicas)
            if (broker != leader) _canLead[leader][broker] += by;
    }

    /// <summary>How crowded the racks of a partition are: pairs of its replicas that share one.</summary>
    private int Crowding(Seat seat, int from = -1, int to = -1)
    {
        int pairs = 0;
        for (int i = 0; i < seat.Replicas.Length; i++)
        {
            for (int j = i + 1; j < seat.Replicas.Length; j++)
                if (RackAt(i) == RackAt(j)) pairs++;
        }

        return pairs;

        int RackAt(int i) => _brokers[seat.Replicas[i] == from ? to : seat.Replicas[i]].Rack;
    }

    private static int Tolerance(int total, int brokers) => Math.Max(1, total / Math.Max(1, brokers) / TolerancePart);

    /// <summary>A broker and what it holds.</summary>
    private sealed class Broker(int at, NodeId id, int rack)
    {
        public int At { get; } = at;

        public NodeId Id { get; } = id;

        public int Rack { get; } = rack;

        public required bool IsDraining { get; init; }

        public required bool IsDead { get; init; }

        /// <summary>Whether replicas may be placed on it, and be taken away for the sake of others.</summary>
        public bool IsOpen => !IsDraining && !IsDead;

        public HashSet<Seat> Seats { get; } = [];

        public int Leaders { get; set; }
    }

    /// <summary>A partition and where it is.</summary>
    private sealed class Seat(int topic, int partition, int[] replicas, bool isMoving, bool hasMajority)
    {
        public int Topic { get; } = topic;

        public int Partition { get; } = partition;

        public int[] Before { get; } = [.. replicas];

        public int[] Replicas { get; } = replicas;

        public bool IsMoving { get; } = isMoving;

        /// <summary>Whether it cannot be touched: it is on its way, or lacks the majority that would have to agree.</summary>
        public bool IsFixed { get; } = isMoving || !hasMajority;

        /// <summary>Why it was touched first; null while it was not.</summary>
        public string? Reason { get; set; }

        public bool Holds(int broker) => Array.IndexOf(Replicas, broker) >= 0;
    }
}
