using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;

namespace Chronik.Partitions.Operating;

/// <summary>
/// What operators ask of a cluster, on any of its nodes: how it stands, and to empty, remove and balance brokers. Thread-safe. What it
/// changes is in the metadata, so it goes on whichever node ends; asking for what is so already changes nothing.
/// </summary>
public sealed class ClusterOperator
{
    private const int TroublesShown = 100;

    private static readonly TimeSpan CommandTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(2); // Of one node; what it would have said is left out then.

    private readonly ControllerSetup _setup;
    private readonly CommandRouter _router;
    private readonly PartitionLocator _locator;
    private readonly Task<IActorRef> _controller;
    private readonly Func<string?> _address;

    internal ClusterOperator(
        ControllerSetup setup, CommandRouter router, PartitionLocator locator, Task<IActorRef> controller, Func<string?> address)
    {
        _setup = setup;
        _router = router;
        _locator = locator;
        _controller = controller;
        _address = address;
    }

    private MetadataImage Image => _setup.Published.Image;

    private NodeId Self => _setup.Node.Self;

    /// <summary>How the cluster stands. Nodes that do not answer within two seconds are described by what others know of them.</summary>
    public async Task<ClusterStatus> DescribeAsync()
    {
        MetadataImage image = Image;
        Task<BalancerAnswer?> balancer = AskBalancerAsync(BalancerOrder.Describe);
        Task<QuorumStatus?> quorum = DescribeQuorumAsync();
        Dictionary<NodeId, Task<NodeDescribed?>> asked = image.Brokers.Keys.ToDictionary(node => node, FactsOfAsync);
        Dictionary<NodeId, NodeDescribed?> facts = [];
        foreach ((NodeId node, Task<NodeDescribed?> answer) in asked) facts[node] = await answer.ConfigureAwait(false);
        BalancerAnswer? balance = await balancer.ConfigureAwait(false);

        Census census = new(image, _locator);
        ILookup<NodeId, StuckReplica> stuck = image.Brokers.Values.Any(broker => broker.IsDraining)
            ? Balancer.Plan(image, LocalInput()).Stuck.ToLookup(replica => replica.Broker)
            : Array.Empty<StuckReplica>().ToLookup(replica => replica.Broker);
        return new ClusterStatus
        {
            ClusterId = image.ClusterId,
            Level = image.Level,
            AnsweredBy = Self,
            Controller = _router.Controller,
            Quorum = await quorum.ConfigureAwait(false),
            Nodes =
            [
                .. image.Brokers.Values.OrderBy(broker => broker.Id.Value).Select(
                    broker => Describe(broker, image, facts[broker.Id], census, stuck[broker.Id].Count())),
            ],
            Partitions = census.Counts,
            UnderReplicated = census.Troubles,
            Moves = balance?.Moves ?? census.Moves,
            Balancer = balance?.Status,
            Transfers = [.. facts.Values.Where(known => known is not null).SelectMany(known => known!.Transfers)],
        };
    }

    /// <summary>Has a broker emptied, lets it be used again, or has it emptied and removed.</summary>
    /// <param name="node">The broker.</param>
    /// <param name="drains">Whether it shall hold nothing. If not, what is on its way from it is taken back.</param>
    /// <param name="thenRemove">Whether it is to be removed once it is empty: it is told to stop then.</param>
    /// <returns>
    /// Whether that is granted; if not, why, and nothing has changed. A broker that may be used again may be so although some of what is
    /// on its way from it could not be taken back; then it says what.
    /// </returns>
    /// <exception cref="TimeoutException">There is no controller, or it did not answer.</exception>
    /// <exception cref="MetadataAppendException">It is not known what became of it.</exception>
    public async Task<ItemResult> DrainAsync(NodeId node, bool drains, bool thenRemove = false)
    {
        ItemResult result = await SubmitOneAsync(new DrainBroker(node, drains) { ThenRemove = thenRemove }).ConfigureAwait(false);
        if (drains || result.Error != KafkaError.None) return result;
        List<Reassignment> leaving =
        [
            .. from topic in Image.Topics.Values
               from partition in topic.Partitions.Select((partition, i) => (Image: partition, Number: i))
               where partition.Image.Removing.Contains(node)
               select new Reassignment(topic.Name, partition.Number, null),
        ];
        if (leaving.Count == 0) return result;
        CommandDone taken = await _router.SubmitAsync(new AlterReassignments(leaving), CommandTimeout).ConfigureAwait(false);
        return TakenBack(node, leaving, taken.Results);
    }

    /// <summary>What became of taking back moves; those that have ended, or whose topic is deleted, need not be.</summary>
    internal static ItemResult TakenBack(NodeId node, IReadOnlyList<Reassignment> moves, IReadOnlyList<ItemResult> results)
    {
        List<int> failed =
        [
            .. Enumerable.Range(0, moves.Count).Where(i => results[i].Error
                is not (KafkaError.None or KafkaError.NoReassignmentInProgress or KafkaError.UnknownTopicOrPartition)),
        ];
        if (failed.Count == 0) return new ItemResult(KafkaError.None, null);
        IEnumerable<string> why = failed.Take(3).Select(i => $"{moves[i].Topic}-{moves[i].Partition}: {results[i].Message}");
        return new ItemResult(
            results[failed[0]].Error,
            $"Broker {node} may be used again, but {failed.Count} of its partitions still leave it: {string.Join("; ", why)}");
    }

    /// <summary>Raises the level of the cluster.</summary>
    /// <exception cref="TimeoutException">There is no controller, or it did not answer.</exception>
    /// <exception cref="MetadataAppendException">It is not known what became of it.</exception>
    public Task<ItemResult> RaiseLevelAsync(int level, bool validateOnly) => SubmitOneAsync(new ChangeLevel(level, validateOnly));

    /// <summary>What the balancer would do, and why it does not if so.</summary>
    public async Task<PlannedBalance> PlanAsync()
    {
        BalancerPlan plan = Balancer.Plan(Image, LocalInput());
        BalancerAnswer? balance = await AskBalancerAsync(BalancerOrder.Describe).ConfigureAwait(false);
        return new PlannedBalance(plan, balance?.Status.Reason);
    }

    /// <summary>Has everything evened out, also when the balancer is off or was stopped.</summary>
    public Task<ItemResult> BalanceAsync() => OrderAsync(BalancerOrder.Start);

    /// <summary>Takes back what is being moved; nothing more moves until it is asked for, or another node is the controller.</summary>
    public Task<ItemResult> CancelMovesAsync() => OrderAsync(BalancerOrder.Stop);

    private async Task<ItemResult> OrderAsync(BalancerOrder order)
    {
        if (Image.Level < FeatureLevel.Operable)
        {
            string message = $"Moving partitions needs {FeatureLevel.Name} {FeatureLevel.Operable}, this cluster is at {Image.Level}.";
            return new ItemResult(KafkaError.UnsupportedVersion, message);
        }

        return await AskBalancerAsync(order).ConfigureAwait(false) switch
        {
            null => throw new TimeoutException("there is no controller, or it does not answer"),
            { Refused: { } reason } => new ItemResult(KafkaError.InvalidRequest, reason),
            _ => new ItemResult(KafkaError.None, null),
        };
    }

    private async Task<ItemResult> SubmitOneAsync(MetadataCommand command) =>
        (await _router.SubmitAsync(command, CommandTimeout).ConfigureAwait(false)).Results[0];

    private BalancerInput LocalInput() => new()
    {
        Down = Image.Brokers.Keys.Where(node => !_setup.Node.Peers.IsAlive(node)).ToDictionary(node => node, _ => TimeSpan.Zero),
        MaxReplicasPerBroker = _setup.Settings.MaxPartitionsPerBroker,
    };

    private NodeStatus Describe(BrokerImage broker, MetadataImage image, NodeDescribed? facts, Census census, int stuck)
    {
        bool isReachable = _setup.Node.Peers.IsAlive(broker.Id);
        bool isStopping = _setup.Node.Peers.IsStopping(broker.Id);
        BrokerEndpoint kafka = broker.Endpoints[0];
        Address? akka = _setup.Others.Find(broker.Id)?.Address;
        return new NodeStatus
        {
            Id = broker.Id,
            State = broker.IsLeaving ? "leaving"
                : broker.IsDraining ? "draining"
                : !broker.IsLive ? "down"
                : !isReachable ? "unreachable"
                : isStopping ? "stopping"
                : "live",
            IsLive = broker.IsLive,
            IsReachable = isReachable,
            IsDraining = broker.IsDraining,
            IsLeaving = broker.IsLeaving,
            IsStopping = isStopping,
            Rack = broker.Rack,
            Kafka = $"{kafka.Host}:{kafka.Port}",
            Akka = broker.Id == Self ? _address() : akka is null ? null : $"{akka.Host}:{akka.Port}",
            Version = facts?.Version,
            NewestLevel = broker.Protocol.Max,
            Leaders = census.LeadersOf(broker.Id),
            PreferredLeaders = image.PreferredCounts.GetValueOrDefault(broker.Id),
            Replicas = image.ReplicaCounts.GetValueOrDefault(broker.Id),
            Stuck = stuck,
            Disk = facts?.Disk,
        };
    }

    private async Task<QuorumStatus?> DescribeQuorumAsync()
    {
        try
        {
            QuorumState state = await _router.DescribeQuorumAsync().WaitAsync(AnswerTimeout).ConfigureAwait(false);
            if (!state.Leader.IsSome) return null;
            return new QuorumStatus(state.Leader, state.Epoch.Value, [.. state.Voters.Select(Voter), .. state.Observers.Select(Observer)]);

            QuorumMemberStatus Voter(QuorumReplica member) => new(member.Node, true, Lag(member));
            QuorumMemberStatus Observer(QuorumReplica member) => new(member.Node, false, Lag(member));
            long Lag(QuorumReplica member) =>
                member.LogEndOffset.Value < 0 ? -1 : Math.Max(0, state.HighWatermark.Value - member.LogEndOffset.Value);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    private async Task<NodeDescribed?> FactsOfAsync(NodeId node)
    {
        if (node != Self)
            return await _router.AskNodeAsync(node, DescribeNode.Instance, AnswerTimeout).ConfigureAwait(false) as NodeDescribed;
        try
        {
            IActorRef controller = await _controller.WaitAsync(AnswerTimeout).ConfigureAwait(false);
            return await controller.Ask<NodeDescribed>(DescribeNode.Instance, AnswerTimeout).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or AskTimeoutException)
        {
            return null;
        }
    }

    private async Task<BalancerAnswer?> AskBalancerAsync(BalancerOrder order)
    {
        try
        {
            BalancerRequest request = new(order);
            TimeSpan timeout = order == BalancerOrder.Describe ? AnswerTimeout : CommandTimeout;
            return await _router.AskControllerAsync(request, timeout).ConfigureAwait(false) as BalancerAnswer;
        }
        catch (Exception e) when (e is TimeoutException or AskTimeoutException)
        {
            return null;
        }
    }

    /// <summary>One walk over all partitions.</summary>
    private sealed class Census
    {
        private readonly Dictionary<NodeId, int> _leaders = [];
        private readonly List<PartitionTrouble> _troubles = [];
        private readonly List<MoveStatus> _moves = [];

        public Census(MetadataImage image, PartitionLocator locator)
        {
            int all = 0;
            int underReplicated = 0;
            int leaderless = 0;
            foreach (TopicImage topic in image.Topics.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal))
            {
                for (int i = 0; i < topic.Partitions.Length; i++)
                {
                    all++;
                    PartitionImage partition = topic.Partitions[i];
                    PartitionLocation where = locator.Locate(image, topic.Id, i)!;
                    if (where.Leader.IsSome) _leaders[where.Leader] = _leaders.GetValueOrDefault(where.Leader) + 1;
                    else leaderless++;
                    NodeId[] missing =
                        [.. where.Replicas.Where(node => !where.Isr.Contains(node) && !partition.Adding.Contains(node))];
                    if (missing.Length > 0) underReplicated++;
                    if (partition.IsMoving) _moves.Add(new MoveStatus(topic.Name, i, partition.Origin, partition.Target, null, -1, null));
                    if ((missing.Length == 0 && where.Leader.IsSome) || _troubles.Count == TroublesShown) continue;
                    _troubles.Add(new PartitionTrouble(
                        topic.Name, i, where.Leader, where.Replicas, where.Isr, Reason(where, missing)));
                }
            }

            Counts = new PartitionCounts(image.Topics.Count, all, underReplicated, leaderless, _moves.Count);
        }

        public PartitionCounts Counts { get; }

        public IReadOnlyList<PartitionTrouble> Troubles => _troubles;

        public IReadOnlyList<MoveStatus> Moves => _moves;

        public int LeadersOf(NodeId node) => _leaders.GetValueOrDefault(node);

        private static string Reason(PartitionLocation where, NodeId[] missing)
        {
            if (!where.Leader.IsSome)
            {
                return 2 * where.Offline.Count >= where.Replicas.Count
                    ? $"no leader: of its {where.Replicas.Count} replicas {where.Offline.Count} are on brokers that are down"
                    : "no leader is known; one is being elected";
            }

            return string.Join("; ", missing.Select(node => where.Offline.Contains(node)
                ? $"broker {node} is down"
                : $"the replica on broker {node} lags behind"));
        }
    }
}
