using Akka.Actor;
using Akka.Configuration;
using Akka.Event;

namespace Akka.Remote;

/// <summary>The provider of a system that others can reach, and that can reach others, by TCP.</summary>
internal class RemoteActorRefProvider : LocalActorRefProvider
{
    /// <summary>The protocol of addresses that name a host.</summary>
    public const string Protocol = "akka.tcp";

    public RemoteActorRefProvider(string systemName, Settings settings, EventStream eventStream)
        : base(systemName, settings, eventStream)
    {
        settings.InjectTopLevelFallback(ConfigurationFactory.FromResource<AddressUid>("Akka.Remote.remote.conf"));
        RemoteSettings = new RemoteSettings(settings.Config);
    }

    public RemoteSettings RemoteSettings { get; }

    public Remoting Remoting { get; private set; }

    /// <summary>Watches actors of other systems on behalf of those of this one.</summary>
    public IActorRef RemoteWatcher { get; private set; }

    public override Address DefaultAddress => Remoting?.LocalAddress ?? base.DefaultAddress;

    internal ActorSystemImpl SystemImpl => System;

    public override void Init(ActorSystemImpl system)
    {
        base.Init(system);
        Remoting = new Remoting(system, this);
        Remoting.Listen();
        RemoteWatcher = CreateRemoteWatcher(system);
        Remoting.Start();
    }

    public override Task Shutdown() => Remoting?.Shutdown() ?? Task.CompletedTask;

    public override bool HasAddress(Address address) =>
        base.HasAddress(address) || (Remoting is { LocalAddress: { } own } && address.Equals(own));

    public override Address GetExternalAddressFor(Address address) =>
        HasAddress(address) ? address : address.Protocol == Protocol ? DefaultAddress : null;

    public override IActorRef ResolveActorRef(ActorPath actorPath)
    {
        if (HasAddress(actorPath.Address))
            return ResolveLocal(actorPath);
        return IsReachable(actorPath.Address) ? new RemoteActorRef(this, actorPath) : base.ResolveActorRef(actorPath);
    }

    public override IActorRef RootGuardianAt(Address address)
    {
        if (HasAddress(address))
            return System.RootGuardian;
        return IsReachable(address) ? new RemoteActorRef(this, new RootActorPath(address)) : DeadLetters;
    }

    /// <summary>
    /// Nothing goes to or comes from this incarnation of the system at the address any more. Without a uid, when none is known, what is
    /// under way to it is given up and the way there closed for a while.
    /// </summary>
    public void Quarantine(Address address, int? uid) => Remoting.Quarantine(address, uid);

    /// <summary>The uid of the incarnation at the address that was last heard of; null when none was.</summary>
    public int? UidOf(Address address) => Remoting.AssociationWith(address).Uid is not 0 and var uid ? uid : null;

    protected virtual IActorRef CreateRemoteWatcher(ActorSystemImpl system) => system.SystemActorOf(
        ConfigureDispatcher(Akka.Remote.RemoteWatcher.Props(
            CreateRemoteWatcherFailureDetector(system), RemoteSettings.WatchHeartbeatInterval, RemoteSettings.WatchReaperInterval,
            RemoteSettings.WatchExpectedResponseAfter)),
        "remote-watcher");

    protected DefaultFailureDetectorRegistry<Address> CreateRemoteWatcherFailureDetector(ActorSystem system) => new(
        () => FailureDetectorLoader.Load(
            RemoteSettings.WatchFailureDetectorClass, RemoteSettings.WatchFailureDetectorConfig, system));

    protected Props ConfigureDispatcher(Props props) =>
        string.IsNullOrEmpty(RemoteSettings.Dispatcher) ? props : props.WithDispatcher(RemoteSettings.Dispatcher);

    private static bool IsReachable(Address address) => address.Protocol == Protocol && address is { HasGlobalScope: true, Port: not null };
}
