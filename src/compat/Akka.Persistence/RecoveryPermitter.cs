using Akka.Actor;

namespace Akka.Persistence;

/// <summary>Asks for the permission to recover; answered with <see cref="RecoveryPermitGranted"/> when it is this actor's turn.</summary>
internal sealed class RequestRecoveryPermit
{
    public static RequestRecoveryPermit Instance { get; } = new();
}

internal sealed class RecoveryPermitGranted
{
    public static RecoveryPermitGranted Instance { get; } = new();
}

internal sealed class ReturnRecoveryPermit
{
    public static ReturnRecoveryPermit Instance { get; } = new();
}

/// <summary>
/// Lets a limited number of actors recover at the same time, in the order of their requests. A permit comes back when its holder returns
/// it or stops. Who asks again while holding one, as after a restart, keeps it.
/// </summary>
internal sealed class RecoveryPermitterActor(int maxPermits) : UntypedActor
{
    private readonly HashSet<IActorRef> _holders = [];
    private readonly LinkedList<IActorRef> _waiting = [];

    public static Props Props(int maxPermits) => Actor.Props.Create(() => new RecoveryPermitterActor(maxPermits));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case RequestRecoveryPermit when _holders.Contains(Sender):
                Sender.Tell(RecoveryPermitGranted.Instance);
                break;
            case RequestRecoveryPermit when !_waiting.Contains(Sender):
                Context.Watch(Sender);
                _waiting.AddLast(Sender);
                GrantNext();
                break;
            case ReturnRecoveryPermit when _holders.Contains(Sender):
                Context.Unwatch(Sender);
                Release(Sender);
                break;
            case Terminated terminated:
                Release(terminated.ActorRef);
                break;
        }
    }

    private void Release(IActorRef actor)
    {
        _waiting.Remove(actor);
        _holders.Remove(actor);
        GrantNext();
    }

    private void GrantNext()
    {
        while (_holders.Count < maxPermits && _waiting.First is { } next)
        {
            _waiting.RemoveFirst();
            _holders.Add(next.Value);
            next.Value.Tell(RecoveryPermitGranted.Instance);
        }
    }
}
