using Akka.Actor;

namespace Akka.Cluster;

/// <summary>
/// /system/cluster: starts the parts and ends with them. Should one of them fail this node's membership ends: what it knows may be wrong.
/// </summary>
internal sealed class ClusterDaemon : UntypedActor
{
    private readonly Cluster _cluster;
    private readonly IActorRef _core;

    public ClusterDaemon(Cluster cluster)
    {
        _cluster = cluster;
        string dispatcher = cluster.Settings.UseDispatcher;
        Context.ActorOf(Props.Create(typeof(HeartbeatReceiver), cluster).WithDispatcher(dispatcher), "heartbeatReceiver");
        _core = Context.Watch(Context.ActorOf(Props.Create(typeof(ClusterCore), cluster).WithDispatcher(dispatcher), "core"));
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(static _ => Directive.Stop);

    protected override void PostStop() => _cluster.DaemonStopped();

    protected override void OnReceive(object message)
    {
        if (message is Terminated)
            _cluster.Shutdown();
        else
            _core.Forward(message);
    }
}
