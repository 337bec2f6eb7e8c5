using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Operating;
using Chronik.Storage;

namespace Chronik.Partitions.Controller;

/// <summary>
/// Follows the committed metadata log on every node, and decides on commands on the node that leads it. The log is the truth; the image is
/// what comes of reading it.
/// </summary>
/// <remarks>
/// <code>
///   nodes, rpc - Submit ----------->|            |-- AppendRequest --------------> replica of __cluster_metadata
///   replica -- MetadataAppended --->| controller |-- publishes MetadataImage
///   its log -- LogMoved ----------->|            |-- AssignReplicas, UnassignReplicas, ConfigureTopic --> /partitions
///   replicas, leader table - Led -->|            |-- CommandDone to who submitted, once new partitions have leaders
///   rpc, operators - IOperatingMessage >|        |-- the same --> /balancer, which answers
///   own timer - Look -------------->|            |-- Submit(RegisterBroker) --> the controller, wherever it is
///   replicas -- MembersReached ---->|            |-- Submit(CompleteReassignment) --> likewise
///                                                |-- MembersWanted --> replica of __cluster_metadata
/// </code>
/// One command is decided at a time, on an image that has everything that this log ever took: a node leads only once it has committed
/// in its own term, so that everything before is in its image, and the next command waits until the one before is committed or refused.
/// Survives a restart: nothing here; everything in the log.
/// </remarks>
internal sealed partial class ControllerActor : ReceiveActor, IWithTimers
{
    private readonly ControllerSetup _setup;
    private readonly IActorRef _partitions;
    private readonly IActorRef _groups;
    private readonly CommandRouter _router;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly DecisionContext _decisions;
    private readonly IActorRef _self = Context.Self;
    private readonly LogWaiter _waiter;
    private MetadataImage _image = MetadataImage.Empty;
    private KafkaOffset _next; // The first record that is not in the image.
    private Partition? _log;
    private bool _isLoaded; // Whether the image has everything that was committed before this process began.
    private bool _leads;
    private LeaderEpoch _ledEpoch = LeaderEpoch.Unknown; // The last one that this node led.
    private bool _isRegistering;
    private string? _refusalLogged; // It is tried again every second, and said once.
    private long _lookedFirstAt;
    private string? _damage; // What is wrong with the log's bytes.
    private string? _refusal; // Why the log is of no use, until there is another one.

    public ControllerActor(ControllerSetup setup, CommandRouter router, IActorRef partitions, IActorRef groups)
    {
        _setup = setup;
        _router = router;
        _partitions = partitions;
        _groups = groups;
        _waiter = new LogWaiter(_self);
        _decisions = new DecisionContext
        {
            Self = setup.Node.Self,
            Settings = setup.Settings,
            NewTopicId = () => new TopicId(Guid.NewGuid()),
        };
        Receive<LogFound>(found => Follow(found.Log));
        Receive<LogMoved>(_ => Advance());
        Receive<Submit>(Take);
        Receive<MetadataAppended>(Settle);
        Receive<Led>(led => Settle(led.Group));
        Receive<LeadershipChanged>(changed => Settle(changed.Partition.Group));
        Receive<GiveUp>(Expire);
        Receive<Look>(_ => LookAround());
        Receive<MembersReached>(Complete);
        Receive<Completed>(End);
        IActorRef balancer = Context.ActorOf(Props.Create(() => new BalancerActor(setup, router)), "balancer");
        Receive<IOperatingMessage>(balancer.Forward);
        Receive<RegistrationEnded>(ended => FinishRegistering(ended.Refusal));
        Context.System.EventStream.Subscribe(_self, typeof(LeadershipChanged));
        Context.System.EventStream.Subscribe(_self, typeof(MembersReached));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        _setup.Directory.Added += Found;
        _setup.Node.Peers.Leaders.Changed += LeaderFound;
        Timers.StartPeriodicTimer(nameof(Look), Look.Instance, _setup.LookInterval);
        if (_setup.Directory.Find(GroupId.Metadata) is { } log) _self.Tell(new LogFound(log));
    }

    protected override void PostStop()
    {
        _setup.Directory.Added -= Found;
        _setup.Node.Peers.Leaders.Changed -= LeaderFound;
        _log?.Waiters.Remove(_waiter);
    }

    private void Found(Partition partition)
    {
        if (partition.Group == GroupId.Metadata) _self.Tell(new LogFound(partition), ActorRefs.NoSender);
    }

    private void LeaderFound(GroupId group)
    {
        if (group == GroupId.Metadata) _self.Tell(Look.Instance, ActorRefs.NoSender);
        else if (Volatile.Read(ref _settlingCount) > 0) _self.Tell(new Led(group), ActorRefs.NoSender);
    }

    /// <summary>
    /// The log lives here, for the first time or once more: a replica that was damaged is made anew and filled by the others. What was
    /// read of the one before stays true, because it was committed.
    /// </summary>
    private void Follow(Partition log)
    {
        if (!ReferenceEquals(_log, log))
        {
            _log?.Waiters.Remove(_waiter);
            _log = log;
            _refusal = null;
            _damage = null;
        }

        Advance();
    }

    /// <summary>Applies what is committed by now, and notes whether this node leads.</summary>
    private void Advance()
    {
        if (_refusal is not null) return;
        _log!.Waiters.Remove(_waiter);
        PartitionView published = _log.Published;
        PartitionView view = _log.Shown(published);
        try
        {
            Apply(view);
        }
        catch (Exception failure)
        {
            if (view.Log.LogStartOffset > view.LogStartOffset)
            {
                // What was to be read has been deleted, or replaced by a snapshot: what it became is published next.
                _self.Tell(LogMoved.Instance);
                return;
            }

            // Its replica has stopped, and its files may be gone: another one is made.
            if (_log.Published.Failure is { } stopped)
            {
                Refuse(stopped);
                return;
            }

            // Trying again would read the same bytes.
            if (failure is StorageException { IsDamage: true } && view.Replicas.Any(node => node != _setup.Node.Self))
            {
                // Others may have them: the replica is made anew when it can be spared, and that log is followed then.
                _log.ReportDamage(failure.Message);
                Refuse($"the metadata cannot be read: {failure.Message}");
                _damage = failure.Message;
                return;
            }

            _logger.Error(failure, "the metadata cannot be read: {0}", failure.Message);
            _setup.Failed(failure);
            Refuse($"the metadata cannot be read: {failure.Message}");
            return;
        }

        if (view.Failure is { } reason)
        {
            Refuse(reason);
            return;
        }

        _leads = view.IsLeader;
        if (_leads && view.Epoch != _ledEpoch) BeginToLead(view.Epoch);
        Decide();
        if (_appending is null) Register();
        _log.Waiters.Add(_waiter, view.HighWatermark);
        if (ReferenceEquals(_log.Published, published)) return;
        _log.Waiters.Remove(_waiter);
        _self.Tell(LogMoved.Instance);
    }

    private void Refuse(string reason)
    {
        _refusal = reason;
        _leads = false;
        Decide();
    }

    /// <summary>
    /// Every node says that it is here, and where, until the log says so too. Until a node sees in the log that this very process
    /// registered, or leads, it may know less than it knew before its restart, and takes nothing away from /partitions.
    /// </summary>
    private void Register()
    {
        if (_isRegistering || _log is null || _refusal is not null) return;
        RegisterBroker mine = _setup.Registration;
        if (_image.Brokers.TryGetValue(mine.Id, out BrokerImage? known) && known.IsAs(Wanted) && (_isLoaded || IsOwn(known))) return;
        if (_router.Controller is not { IsSome: true }) return;
        _isRegistering = true;
        _router.SubmitAsync(mine, _setup.LookInterval * 3).ContinueWith(
            ended => _self.Tell(new RegistrationEnded(Refusal(ended)), ActorRefs.NoSender), TaskScheduler.Default);
    }

    private BrokerImage Wanted => new(_setup.Registration.Id, _setup.Registration.Endpoints, _setup.Registration.Rack)
    {
        Directory = _setup.Registration.Directory,
        Protocol = _setup.Registration.Protocol,
    };

    private bool IsOwn(BrokerImage broker) => broker.Incarnation == _setup.Registration.Incarnation;

    /// <summary>Why the registration was refused; null when it was taken, or whoever was asked is no longer the controller.</summary>
    private static ItemResult? Refusal(Task<CommandDone> registered) =>
        registered is { IsCompletedSuccessfully: true, Result.Results: [{ Error: not KafkaError.None } refused] } ? refused : null;

    private void FinishRegistering(ItemResult? refused)
    {
        _isRegistering = false;
        if (refused is { Error: KafkaError.UnsupportedVersion, Message: { } reason }) _setup.Refused(reason); // For good.
        string? refusal = refused is null ? null : $"{refused.Error}, {refused.Message}";
        if (refusal is not null && refusal != _refusalLogged)
            _logger.Warning("the controller did not take this broker's registration: {0}", refusal);
        _refusalLogged = refusal;
    }

    private void LookAround()
    {
        if (_log is null) return;
        if (_damage is not null && _log.View.IsLeader) _log.ReportDamage(_damage); // Who cannot read the metadata must not decide.
        if (_log.View.IsLeader != _leads) Advance(); // A lease ends, and is renewed, without a word.
        Register();
        if (_leads)
        {
            WatchBrokers();
            _isBeginning = true; // Should what it began with have been refused.
            Decide();
        }

        if (_isLoaded || _image.ClusterId.Length == 0 || ReferenceEquals(_setup.Published.Image, _image)) return;

        // Nobody leads the metadata. What was known serves readers; whatever wants to change something waits for a controller.
        long now = _setup.Node.Time.GetTimestamp();
        if (_lookedFirstAt == 0) _lookedFirstAt = now;
        if (_setup.Node.Time.GetElapsedTime(_lookedFirstAt, now) >= _setup.FenceAfter) _setup.Published.Set(_image, _next);
    }

    /// <summary>Wakes the controller when its log moved.</summary>
    private sealed class LogWaiter(IActorRef controller) : IFetchWaiter
    {
        public void Wake() => controller.Tell(LogMoved.Instance, ActorRefs.NoSender);
    }

    private sealed record LogFound(Partition Log);

    private sealed class LogMoved
    {
        public static readonly LogMoved Instance = new();
    }

    private sealed class Look
    {
        public static readonly Look Instance = new();
    }

    private sealed record Led(GroupId Group);

    private sealed record RegistrationEnded(ItemResult? Refusal);
}
