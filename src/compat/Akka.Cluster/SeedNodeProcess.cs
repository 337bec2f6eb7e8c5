using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>
/// Looks for a seed node that is in a cluster, and has its parent join it. The first seed node joins itself when all others say that they
/// are in none, or do not answer in time; the other nodes go on asking.
/// <code>
///   this --InitJoin--> every other seed node --InitJoinAck | InitJoinNack--> this --JoinTo--> parent
/// </code>
/// </summary>
internal sealed class SeedNodeProcess : UntypedActor, IWithTimers
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    private readonly Cluster _cluster;
    private readonly ImmutableHashSet<Address> _others;
    private readonly bool _isFirst;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private ImmutableHashSet<Address> _unheard;
    private bool _isDone;

    public SeedNodeProcess(Cluster cluster, ImmutableList<Address> seedNodes)
    {
        _cluster = cluster;
        _others = _unheard = [.. seedNodes.Where(a => !a.Equals(cluster.SelfAddress))];
        _isFirst = seedNodes[0].Equals(cluster.SelfAddress);
    }

    private enum Tick
    {
        Ask,
        TimedOut,
    }

    public ITimerScheduler Timers { get; set; }

    protected override void PreStart()
    {
        TimeSpan timeout = _cluster.Settings.SeedNodeTimeout;
        Timers.StartPeriodicTimer(Tick.Ask, Tick.Ask, TimeSpan.Zero, timeout < AskAgain ? timeout : AskAgain);
        Timers.StartPeriodicTimer(Tick.TimedOut, Tick.TimedOut, timeout);
    }

    protected override void OnReceive(object message)
    {
        if (_isDone)
            return;
        switch (message)
        {
            case Tick.Ask:
                foreach (Address other in _isFirst ? _unheard : _others)
                    Context.ActorSelection(new RootActorPath(other) / "system" / "cluster" / "core").Tell(new InitJoin(), Self);
                break;
            case Tick.TimedOut when _isFirst:
                JoinTo(_cluster.SelfAddress);
                break;
            case Tick.TimedOut:
                _log.Warning("None of the seed nodes [{0}] lets this node in; they are asked again", string.Join(", ", _others));
                break;
            case InitJoinAck ack:
                JoinTo(ack.Address);
                break;
            case InitJoinNack nack when _isFirst:
                _unheard = _unheard.Remove(nack.Address);
                if (_unheard.IsEmpty)
                    JoinTo(_cluster.SelfAddress);
                break;
        }
    }

    private void JoinTo(Address address)
    {
        _isDone = true;
        Timers.CancelAll();
        Context.Parent.Tell(new JoinTo(address), Self);
    }
}
