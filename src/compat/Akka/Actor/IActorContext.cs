using Akka.Dispatch;

namespace Akka.Actor;

/// <summary>Handles a message; false says that it was not for this behaviour.</summary>
public delegate bool Receive(object message);

/// <summary>Handles every message.</summary>
public delegate void UntypedReceive(object message);

/// <summary>What an actor sees of its runtime. Valid only on the actor's own thread of the moment.</summary>
public interface IActorContext : IActorRefFactory, ICanWatch
{
    MessageDispatcher Dispatcher { get; }

    IActorRef Parent { get; }

    Props Props { get; }

    TimeSpan? ReceiveTimeout { get; }

    IActorRef Self { get; }

    /// <summary>Who sent the current message; dead letters when nobody is to be answered.</summary>
    IActorRef Sender { get; }

    ActorSystem System { get; }

    void Become(Receive receive);

    void BecomeStacked(Receive receive);

    /// <summary>The child of this name, or Nobody.</summary>
    IActorRef Child(string name);

    IEnumerable<IActorRef> GetChildren();

    /// <summary>Asks for <see cref="Actor.ReceiveTimeout"/> whenever no message came for so long; null turns it off.</summary>
    void SetReceiveTimeout(TimeSpan? timeout);

    /// <summary>Stops an actor after its current message, before the rest of its mailbox.</summary>
    void Stop(IActorRef child);

    void UnbecomeStacked();
}

public interface IUntypedActorContext : IActorContext
{
    void Become(UntypedReceive receive);

    void BecomeStacked(UntypedReceive receive);
}
