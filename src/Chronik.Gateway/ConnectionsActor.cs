using Akka.Actor;
using Chronik.Gateway.Network;

namespace Chronik.Gateway;

/// <summary>
/// The parent of all connection actors, <c>/user/chronik/connections</c>. Makes one for each connection, and ends those on which nothing
/// has happened for long, or which hold up others.
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
        double shortest = Math.Min(_services.Limits.MaxIdle.TotalSeconds, _services.Limits.RequestMemoryPatience.TotalSeconds);
        Timers.StartPeriodicTimer(Sweep.Instance, Sweep.Instance, TimeSpan.FromSeconds(Math.Min(LongestSweepSeconds, shortest / 2)));
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
                EndTheIdle();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void EndTheIdle()
    {
        GatewayLimits limits = _services.Limits;
        bool isShort = _services.RequestMemory.IsShort;
        _services.AnswerMemory.Sweep();
        foreach (KafkaConnection open in _open.Values)
        {
            if (open.Idle > limits.MaxIdle) open.Abort($"idle for longer than {GatewayLimits.MaxIdleKey}");
            if (!isShort || open.Arriving <= limits.RequestMemoryPatience) continue;
            Log.TooSlow(
                _services.Log, open.Remote, limits.RequestMemoryPatience, GatewayLimits.MaxRequestMemoryKey, _services.RequestMemory.Limit);
            open.Abort("too slow while memory is short");
        }
    }

    private sealed class Sweep
    {
        public static readonly Sweep Instance = new();
    }
}
