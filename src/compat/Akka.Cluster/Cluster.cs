using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster;

/// <summary>Id of <see cref="Cluster"/>.</summary>
public class ClusterExtension : ExtensionIdProvider<Cluster>
{
    public override Cluster CreateExtension(ExtendedActorSystem system) => new(system);
}

/// <summary>
/// The membership of this actor system in a cluster. It starts with the system when akka.actor.provider is cluster. A node that has
/// left, or was downed, cannot come back: another system has to be created.
/// </summary>
public class Cluster : IExtension
{
    private readonly ILoggingAdapter _log;
    private readonly IActorRef _daemon;
    private readonly Lazy<IDowningProvider> _downingProvider;
    private readonly TaskCompletionSource<Done> _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Done> _exiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly List<(Func<Member, bool> Reached, Action Callback)> _waiting = [];
    private readonly List<Action> _whenRemoved = [];
    private volatile View _view;
    private volatile bool _isTerminated;
    private bool _coreStopped;
    private Task _left;

    internal Cluster(ExtendedActorSystem system)
    {
        System = system;
        if (system.Provider is not ClusterActorRefProvider)
            throw new ConfigurationException($"The actor system [{system.Name}] needs akka.actor.provider = cluster.");
        Settings = new ClusterSettings(system.Settings.Config, system.Name);
        SelfUniqueAddress = new UniqueAddress(system.Provider.DefaultAddress, AddressUidExtension.Uid(system));
        _log = Logging.GetLogger(system, nameof(Cluster));
        _view = new View(new MembershipState(Gossip.Empty, SelfUniqueAddress));
        FailureDetector = new DefaultFailureDetectorRegistry<Address>(() => FailureDetectorLoader.Load(
            Settings.FailureDetectorImplementationClass, Settings.FailureDetectorConfig, system));

        // Later, because it may ask for this extension.
        _downingProvider = new Lazy<IDowningProvider>(() => Akka.Cluster.DowningProvider.Load(Settings.DowningProviderType, system, this));
        AddShutdownTasks();
        _daemon = system.SystemActorOf(
            Props.Create(typeof(ClusterDaemon), this).WithDispatcher(Settings.UseDispatcher), "cluster");
        LogInfo("Started");
    }

    public IDowningProvider DowningProvider => _downingProvider.Value;

    public DefaultFailureDetectorRegistry<Address> FailureDetector { get; }

    /// <summary>True once this node has left, was downed, or failed; for good.</summary>
    public bool IsTerminated => _isTerminated;

    public bool IsUp => SelfMember.Status is MemberStatus.Up or MemberStatus.WeaklyUp;

    public Address SelfAddress => SelfUniqueAddress.Address;

    /// <summary>This node; Removed as long as it is no member.</summary>
    public Member SelfMember => _view.State.SelfMember;

    public ImmutableHashSet<string> SelfRoles => Settings.Roles;

    public UniqueAddress SelfUniqueAddress { get; }

    public ClusterSettings Settings { get; }

    /// <summary>The cluster as this node knows it now: never older than the events that were published.</summary>
    public CurrentClusterState State => _view.Snapshot.Value;

    public ExtendedActorSystem System { get; }

    /// <summary>Declares a member dead. It has to be dead, or it will be ended: it can never come back.</summary>
    public void Down(Address address) => _daemon.Tell(new DownNode(FillLocal(address)), ActorRefs.NoSender);

    public static Cluster Get(ActorSystem system) => system.WithExtension<Cluster, ClusterExtension>();

    /// <summary>Joins the cluster of the node at this address; a new one when it is this node's own.</summary>
    public void Join(Address address) => _daemon.Tell(new JoinTo(FillLocal(address)), ActorRefs.NoSender);

    /// <summary>Done when this node is Up. It goes on trying after the token has ended the wait.</summary>
    /// <exception cref="ClusterJoinFailedException">The node was not Up in time.</exception>
    public Task JoinAsync(Address address, CancellationToken token = default) =>
        WhenUp(() => Join(address), $"[{address}]", token);

    /// <summary>Joins the cluster of whichever of these nodes answers first. See akka.cluster.seed-nodes.</summary>
    public void JoinSeedNodes(IEnumerable<Address> seedNodes) =>
        _daemon.Tell(new JoinSeedNodes([.. seedNodes.Select(FillLocal)]), ActorRefs.NoSender);

    /// <inheritdoc cref="JoinAsync"/>
    public Task JoinSeedNodesAsync(IEnumerable<Address> seedNodes, CancellationToken token = default)
    {
        Address[] nodes = [.. seedNodes];
        return WhenUp(() => JoinSeedNodes(nodes), $"[{string.Join(", ", nodes.AsEnumerable())}]", token);
    }

    /// <summary>Makes a member leave: it is moved on to Exiting and removed, in agreement with all others.</summary>
    public void Leave(Address address)
    {
        if (FillLocal(address).Equals(SelfAddress))
            LeaveAsync();
        else
            _daemon.Tell(new LeaveNode(FillLocal(address)), ActorRefs.NoSender);
    }

    /// <summary>Leaves; done when this node is removed.</summary>
    public Task LeaveAsync()
    {
        lock (_lock)
        {
            if (_left is not null)
                return _left;
            var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _left = left.Task;
            if (_coreStopped)
                left.SetResult();
            else
                _whenRemoved.Add(left.SetResult);
        }

        _daemon.Tell(new LeaveNode(SelfAddress), ActorRefs.NoSender);
        return _left;
    }

    public Task LeaveAsync(CancellationToken cancellationToken) => LeaveAsync().WaitAsync(cancellationToken);

    /// <summary>Run once when this node has been removed and its membership has ended.</summary>
    public void RegisterOnMemberRemoved(Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        lock (_lock)
        {
            if (!_coreStopped)
            {
                _whenRemoved.Add(callback);
                return;
            }
        }

        callback();
    }

    /// <summary>Run once when this node is Up; at once when it is already.</summary>
    public void RegisterOnMemberUp(Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        if (IsUp)
            callback();
        else
            When(static self => self.Status == MemberStatus.Up, callback);
    }

    /// <summary>The path of an actor of this system with the address by which others find it.</summary>
    public ActorPath RemotePathOf(IActorRef actorRef)
    {
        ActorPath path = actorRef.Path;
        return path.Address.HasGlobalScope ? path : (new RootActorPath(SelfAddress) / path.Elements).WithUid(path.Uid);
    }

    public void SendCurrentClusterState(IActorRef receiver) => _daemon.Tell(new SendState(receiver), ActorRefs.NoSender);

    /// <summary>As the other overload, with the state as one message first.</summary>
    public void Subscribe(IActorRef subscriber, params Type[] to) =>
        Subscribe(subscriber, SubscriptionInitialStateMode.InitialStateAsSnapshot, to);

    /// <summary>Sends the events of these types, after what has happened until now.</summary>
    /// <exception cref="ArgumentException">One of them is no <see cref="IClusterDomainEvent"/>, or there is none.</exception>
    public void Subscribe(IActorRef subscriber, SubscriptionInitialStateMode initialStateMode, params Type[] to)
    {
        if (to.Length == 0 || !Array.TrueForAll(to, typeof(IClusterDomainEvent).IsAssignableFrom))
            throw new ArgumentException("Types of cluster domain events are needed.", nameof(to));
        _daemon.Tell(new SubscribeTo(subscriber, initialStateMode, [.. to]), ActorRefs.NoSender);
    }

    public void Unsubscribe(IActorRef subscriber) => Unsubscribe(subscriber, null);

    public void Unsubscribe(IActorRef subscriber, Type to) => _daemon.Tell(new UnsubscribeFrom(subscriber, to), ActorRefs.NoSender);

    internal void LogInfo(string format, params object[] args)
    {
        if (Settings.LogInfo && _log.IsInfoEnabled)
            _log.Info("[{0}] {1}", SelfAddress, string.Format(global::System.Globalization.CultureInfo.InvariantCulture, format, args));
    }

    internal void SetView(MembershipState state) => _view = new View(state);

    /// <summary>Runs what waits for a status that has been reached.</summary>
    internal void RunReached()
    {
        var reached = new List<Action>();
        lock (_lock)
        {
            Member self = SelfMember;
            _waiting.RemoveAll(waiting =>
            {
                bool isReached = waiting.Reached(self);
                if (isReached)
                    reached.Add(waiting.Callback);
                return isReached;
            });
        }

        reached.ForEach(Run);
    }

    internal void SelfExiting() => _exiting.TrySetResult(Done.Instance);

    /// <summary>Ends the membership of this node; the others are told before, or find out.</summary>
    internal void Shutdown()
    {
        lock (_lock)
        {
            if (_isTerminated)
                return;
            _isTerminated = true;
        }

        LogInfo("Stops");
        System.Stop(_daemon);
    }

    /// <summary>The membership has ended, and everybody here who wants to know has been told.</summary>
    internal void CoreStopped()
    {
        Action[] callbacks;
        lock (_lock)
        {
            _isTerminated = true;
            _coreStopped = true;
            callbacks = [.. _whenRemoved];
            _whenRemoved.Clear();
        }

        _exiting.TrySetResult(Done.Instance);
        Array.ForEach(callbacks, Run);
    }

    internal void DaemonStopped()
    {
        _stopped.TrySetResult(Done.Instance);
        if (Settings.RunCoordinatedShutdownWhenDown)
            CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClusterDowningReason.Instance);
    }

    private void AddShutdownTasks()
    {
        CoordinatedShutdown shutdown = CoordinatedShutdown.Get(System);
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterLeave, "leave", () =>
        {
            if (_isTerminated || SelfMember.Status is MemberStatus.Down or MemberStatus.Removed)
                return Task.FromResult(Done.Instance);
            var leaving = new TaskCompletionSource<Done>(TaskCreationOptions.RunContinuationsAsynchronously);
            When(static self => self.Status is not (MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up),
                () => leaving.TrySetResult(Done.Instance));
            Leave(SelfAddress);
            return leaving.Task;
        });
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterExiting, "wait-exiting", () =>
            SelfMember.Status == MemberStatus.Removed ? Task.FromResult(Done.Instance) : _exiting.Task);
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterExitingDone, "exiting-completed", () =>
            _isTerminated || SelfMember.Status == MemberStatus.Down
                ? Task.FromResult(Done.Instance)
                : _daemon.Ask<Done>(new ExitingCompleted(), shutdown.Timeout(CoordinatedShutdown.PhaseClusterExitingDone)));
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterShutdown, "wait-shutdown", () => _stopped.Task);
    }

    private Task WhenUp(Action join, string where, CancellationToken token)
    {
        if (_isTerminated)
            throw new ClusterJoinFailedException("The membership of this node has ended; it cannot join again.");
        if (IsUp)
            return Task.CompletedTask;
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        CancellationTokenRegistration registration = token.Register(() =>
            up.TrySetException(new ClusterJoinFailedException($"This node could not join {where} in time.")));
        RegisterOnMemberUp(() =>
        {
            registration.Unregister();
            up.TrySetResult();
        });
        join();
        return up.Task;
    }

    private void When(Func<Member, bool> reached, Action callback)
    {
        lock (_lock)
        {
            if (!reached(SelfMember))
            {
                _waiting.Add((reached, callback));
                return;
            }
        }

        callback();
    }

    private void Run(Action callback)
    {
        try
        {
            callback();
        }
        catch (Exception e)
        {
            _log.Error(e, "A callback for a change of this node's status failed");
        }
    }

    private Address FillLocal(Address address) => address.HasLocalScope && address.System == SelfAddress.System ? SelfAddress : address;

    private sealed class View(MembershipState state)
    {
        public MembershipState State { get; } = state;

        public Lazy<CurrentClusterState> Snapshot { get; } = new(() => MembershipDiff.Snapshot(state));
    }
}

/// <summary>This node could not join a cluster.</summary>
public class ClusterJoinFailedException : AkkaException
{
    public ClusterJoinFailedException(string message)
        : base(message)
    {
    }
}
