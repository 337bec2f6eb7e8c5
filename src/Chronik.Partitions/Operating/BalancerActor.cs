using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;

namespace Chronik.Partitions.Operating;

/// <summary>
/// /user/chronik/controller/balancer: on the node that leads the metadata it carries out what <see cref="Balancer"/> says, a few
/// partitions at once, and sees brokers off that are to be removed. On any node it says what only that node knows.
/// </summary>
/// <remarks>
/// <code>
///   operators, by way of controller -- BalancerRequest ->|          |-- AlterReassignments, ChangeLiveness, UnregisterBroker --> router
///   any node's operator -- DescribeNode ---------------->| balancer |-- DescribeNode --> leaders of what moves: NodeDescribed
///   the controller's balancer -- LeaveCluster ---------->|          |-- LeaveCluster --> a broker to be removed that is empty
///   own timer -- Look ---------------------------------->|
/// </code>
/// It decides on the image that this node has applied, and does one thing after the other: what it asked for is in that image before it
/// looks again. Survives a restart, or a change of the controller: nothing here. What drains, leaves and moves is in the metadata; that an
/// operator stopped or started the balancer is forgotten, and so is how long brokers have been down.
/// </remarks>
internal sealed partial class BalancerActor : ReceiveActor, IWithTimers
{
    /// <summary>How many partitions get another replica at once, in the whole cluster: enough to keep a disk busy, and no more.</summary>
    private const int MovesAtOnce = 4;

    /// <summary>How many preferred leaders change at once.</summary>
    private const int LeadersAtOnce = 32;

    /// <summary>How long the brokers must have stayed the same before others than those that drain are touched: several may join.</summary>
    private static readonly TimeSpan QuietTime = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan CommandTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FactsTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RefusalPause = TimeSpan.FromSeconds(10); // Asking at once again would be refused again.

    private readonly ControllerSetup _setup;
    private readonly CommandRouter _router;
    private readonly NodeDescriber _describer;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly IActorRef _self = Context.Self;
    private readonly MoveTracker _tracker;
    private readonly Dictionary<NodeId, long> _downSince = [];
    private string _brokers = ""; // Those that may be filled, to notice when they become others.
    private long _brokersChangedAt;
    private long? _settledVersion; // Of the image in which there was nothing to do.
    private bool _isBusy; // A command is under way.
    private bool _isAsking; // Leaders are asked how far they are.
    private bool _isStopped; // By an operator.
    private bool _isStarted; // By an operator, until there is nothing left to do.
    private string? _refusal;
    private long _refusedAt;

    public BalancerActor(ControllerSetup setup, CommandRouter router)
    {
        _setup = setup;
        _router = router;
        _describer = new NodeDescriber(setup);
        _tracker = new MoveTracker(setup.Node.Time);
        Receive<Look>(_ => LookAround());
        Receive<DescribeNode>(_ => _describer.DescribeAsync().PipeTo(Sender));
        Receive<LeaveCluster>(_ => Leave());
        Receive<BalancerRequest>(Take);
        Receive<Done>(done => Finish(done.Refusal));
        Receive<Heard>(heard =>
        {
            _isAsking = false;
            foreach (MoveProgress move in heard.Moves) _tracker.Note(move);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(Look), Look.Instance, _setup.LookInterval);

    private MetadataImage Image => _setup.Published.Image;

    private bool IsController =>
        _setup.Directory.Find(GroupId.Metadata) is { View.IsLeader: true } && _router.Controller == _setup.Node.Self;

    private void LookAround()
    {
        if (!IsController)
        {
            _downSince.Clear();
            _brokers = "";
            _isStopped = _isStarted = false;
            _settledVersion = null;
            _tracker.Clear();
            return;
        }

        NoteBrokers();
        _tracker.Follow(Image);
        AskLeaders();
        if (_isBusy || Image.Level < FeatureLevel.Operable) return;
        if (SeeOff()) return;
        if (_refusal is not null && _setup.Node.Time.GetElapsedTime(_refusedAt) < RefusalPause) return;
        if (_settledVersion != Image.Version || _downSince.Count > 0) MoveNext();
    }

    /// <summary>Notes who is out of reach, and when the brokers became others.</summary>
    private void NoteBrokers()
    {
        long now = _setup.Node.Time.GetTimestamp();
        foreach (NodeId node in _downSince.Keys.Where(node => !Image.Brokers.ContainsKey(node)).ToList()) _downSince.Remove(node);
        foreach (NodeId node in Image.Brokers.Keys)
        {
            if (_setup.Node.Peers.IsAlive(node)) _downSince.Remove(node);
            else _downSince.TryAdd(node, now);
        }

        string brokers = string.Join(',', Image.Brokers.Values.Where(broker => broker.IsOpen && !_downSince.ContainsKey(broker.Id))
            .OrderBy(broker => broker.Id.Value).Select(broker => $"{broker.Id}/{broker.Rack}"));
        if (brokers == _brokers) return;
        _brokers = brokers;
        _brokersChangedAt = now;
        _settledVersion = null;
    }

    private BalancerInput Input => new()
    {
        Down = _downSince.ToDictionary(down => down.Key, down => _setup.Node.Time.GetElapsedTime(down.Value)),
        Stopping = Image.Brokers.Keys.Where(_setup.Node.Peers.IsStopping).ToHashSet(),
        MaxReplicasPerBroker = _setup.Settings.MaxPartitionsPerBroker,
    };

    private bool IsQuiet => _setup.Node.Time.GetElapsedTime(_brokersChangedAt) >= QuietTime;

    /// <summary>
    /// A broker that is to be removed and is needed no more is told to stop, and unregistered once it has. Says whether something was
    /// begun.
    /// </summary>
    private bool SeeOff()
    {
        foreach (BrokerImage broker in Image.Brokers.Values.OrderBy(broker => broker.Id.Value))
        {
            if (!MayLeave(broker)) continue;
            if (broker.Id == _setup.Node.Self)
            {
                Leave();
                return true;
            }

            if (_setup.Node.Peers.IsAlive(broker.Id))
            {
                _setup.Others.Find(broker.Id)?.Rpc.Tell(LeaveCluster.Instance, _self);
                continue;
            }

            if (broker.IsLive) Submit(new ChangeLiveness(broker.Id, IsLive: false));
            else Submit(new UnregisterBroker(broker.Id));
            return true;
        }

        return false;
    }

    /// <summary>The node must not be asked to stop for what another one says mistakenly, or said long ago.</summary>
    private void Leave()
    {
        if (Image.Brokers.TryGetValue(_setup.Node.Self, out BrokerImage? self) && MayLeave(self)) _setup.Left();
    }

    /// <summary>
    /// Whether a broker is to be removed, holds nothing, and has no vote on the metadata: without it there might be no controller any more.
    /// Who votes in its place is chosen as soon as it is to leave.
    /// </summary>
    private bool MayLeave(BrokerImage broker) =>
        broker.IsLeaving && Image.ReplicaCounts.GetValueOrDefault(broker.Id) == 0
        && _setup.Directory.Find(GroupId.Metadata) is { View: { AreReplicasSettled: true } view } && !view.Replicas.Contains(broker.Id);

    private void MoveNext()
    {
        if (_isStopped) return;
        BalancerInput input = Input;
        IReadOnlyList<(string Topic, int Partition)> hopeless = Balancer.Hopeless(Image, input);
        if (hopeless.Count > 0)
        {
            foreach ((string topic, int partition) in hopeless)
                _logger.Warning("the move of {0}-{1} is taken back: a broker that it goes to is gone", topic, partition);
            Submit(new AlterReassignments([.. hopeless.Select(move => new Reassignment(move.Topic, move.Partition, null))], true));
            return;
        }

        int free = MovesAtOnce - _tracker.Count;
        if (free <= 0) return;
        bool isQuiet = IsQuiet; // Before what depends on it: time goes on, and what was not looked at yet must not count as settled.
        IReadOnlyList<BalancerMove> next = Balancer.Next(Image, input, Scope(input).Scope, free, LeadersAtOnce);
        if (next.Count == 0)
        {
            if (_tracker.Count > 0 || !isQuiet || Balancer.WhyPaused(Image, input) is not null) return;
            _settledVersion = Image.Version;
            _isStarted = false;
            return;
        }

        foreach (BalancerMove move in next)
        {
            _logger.Info(
                "{0}-{1} goes from {2} to {3}: {4}", move.Topic, move.Partition, string.Join(',', move.From), string.Join(',', move.To),
                move.Reason);
        }

        Submit(new AlterReassignments(
            [.. next.Select(move => new Reassignment(move.Topic, move.Partition, move.To))], AllowFactorChange: false));
    }

    /// <summary>What may move at the moment, and why not more, if there is a reason.</summary>
    private (BalancerScope Scope, string State, string? Reason) Scope(BalancerInput input)
    {
        if (Balancer.WhyPaused(Image, input) is { } reason) return (BalancerScope.Dead, "paused", reason);
        if (!_setup.Balances && !_isStarted)
            return (BalancerScope.Draining, "off", "chronik.balancer.enabled is off on the controller: only what drains is moved");
        return IsQuiet || _isStarted
            ? (BalancerScope.All, "moving", null)
            : (BalancerScope.Draining, "waiting", "the brokers have just become others, and more may come");
    }

    /// <summary>Has the leaders of what moves say how far they are.</summary>
    private void AskLeaders()
    {
        if (_isAsking || _tracker.Count == 0) return;
        HashSet<NodeId> leaders = [.. _tracker.Groups.Select(_router.LeaderOf).Where(node => node.IsSome)];
        if (leaders.Count == 0) return;
        _isAsking = true;
        Task.WhenAll(leaders.Select(FactsOfAsync)).ContinueWith(
            asked => new Heard([.. asked.Result.Where(facts => facts is not null).SelectMany(facts => facts!.Moves)]),
            TaskScheduler.Default).PipeTo(_self);
    }

    private async Task<NodeDescribed?> FactsOfAsync(NodeId node)
    {
        if (node == _setup.Node.Self) return await _describer.DescribeAsync().ConfigureAwait(false);
        return await _router.AskNodeAsync(node, DescribeNode.Instance, FactsTimeout).ConfigureAwait(false) as NodeDescribed;
    }

    private void Submit(MetadataCommand command)
    {
        _isBusy = true;
        SubmitAsync(command).PipeTo(_self);
    }

    /// <summary>Ends with what was refused first, if anything was.</summary>
    private async Task<Done> SubmitAsync(MetadataCommand command)
    {
        try
        {
            CommandDone done = await _router.SubmitAsync(command, CommandTimeout).ConfigureAwait(false);
            return new Done(done.Results.FirstOrDefault(result => result.Error != KafkaError.None)?.Message);
        }
        catch (Exception e) when (e is MetadataAppendException or TimeoutException or AskTimeoutException)
        {
            return new Done(e.Message);
        }
    }

    private void Finish(string? refusal)
    {
        _isBusy = false;
        if (refusal is not null && refusal != _refusal) _logger.Warning("the balancer could not do what it wanted: {0}", refusal);
        _refusal = refusal;
        _refusedAt = _setup.Node.Time.GetTimestamp();
        if (refusal is null) _self.Tell(Look.Instance, ActorRefs.NoSender);
    }

    private sealed class Look
    {
        public static readonly Look Instance = new();
    }

    private sealed record Done(string? Refusal);

    private sealed record Heard(IReadOnlyList<MoveProgress> Moves);
}
