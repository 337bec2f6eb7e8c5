using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote;

namespace Akka.Cluster;

/// <summary>The provider of a system that is a node of a cluster: akka.actor.provider = cluster.</summary>
internal sealed class ClusterActorRefProvider : RemoteActorRefProvider
{
    public ClusterActorRefProvider(string systemName, Settings settings, EventStream eventStream)
        : base(systemName, settings, eventStream) =>
        settings.InjectTopLevelFallback(ConfigurationFactory.FromResource<Cluster>("Akka.Cluster.cluster.conf"));

    public override void Init(ActorSystemImpl system)
    {
        base.Init(system);
        RemoteWatcher.Tell(Cluster.Get(system), ActorRefs.NoSender);
    }

    protected override IActorRef CreateRemoteWatcher(ActorSystemImpl system) => system.SystemActorOf(
        ConfigureDispatcher(Props.Create(
            typeof(ClusterRemoteWatcher), CreateRemoteWatcherFailureDetector(system), RemoteSettings.WatchHeartbeatInterval,
            RemoteSettings.WatchReaperInterval, RemoteSettings.WatchExpectedResponseAfter)),
        "remote-watcher");
}
