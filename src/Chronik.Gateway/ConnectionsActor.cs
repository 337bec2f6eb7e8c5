using Akka.Actor;
using Chronik.Gateway.Network;

namespace Chronik.Gateway;

/// <summary>
/// The parent of all connection actors, <c>/user/chronik/connections</c>. Makes one for each connection, and ends those on which nothing
/// has happened for long.
/// </summary>
public sealed class ConnectionsActor : UntypedActor, IWithTimers
{
    private const double LongestSweepSeconds = 15;

    private readonly GatewayServices _services;
    private readonly Dictionary<IActorRef, KafkaConnection> _open = [];

    /// <summary>Makes the actor; use <see cref="Props"/>.</summary>
    public ConnectionsActor(GatewayServices services) => _services = services;

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>How to make the actor.</summary>
    public static Props Props(GatewayServices services) => Akka.Actor.Props.Create(typeof(ConnectionsActor), services);

    /// <inheritdoc/>
    protected override void PreStart()
    {
        var interval = TimeSpan.FromSeconds(Math.Min(LongestSweepSeconds, _services.Limits.MaxIdle.TotalSeconds / 2));
        Timers.StartPeriodicTimer(Sweep.Instance, Sweep.Instance, interval);
    }

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Stop);

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case KafkaConnection connection:
                IActorRef actor = Context.ActorOf(Akka.Actor.Props.Create(typeof(ConnectionActor), connection), connection.Id.ToString());
                _open.Add(Context.Watch(actor), connection);
                break;
            case Terminated ended:
                _open.Remove(ended.ActorRef);
                break;
            case Sweep:
                foreach (KafkaConnection open in _open.Values)
                    if (open.Idle > _services.Limits.MaxIdle) open.Abort($"idle for longer than {GatewayLimits.MaxIdleKey}");
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private sealed class Sweep
    {
        public static readonly Sweep Instance = new();
    }
}
