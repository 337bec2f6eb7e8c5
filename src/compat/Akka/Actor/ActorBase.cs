using Akka.Event;

namespace Akka.Actor;

/// <summary>Gives the runtime its way to an actor's context.</summary>
public interface IInternalActor
{
    IActorContext ActorContext { get; }
}

/// <summary>
/// An actor: state that only its own messages touch, one at a time.
///   PreStart, messages, PostStop; and when a supervisor restarts it: PreRestart on the old instance, PostRestart on the new one.
/// A restart keeps the reference and the mailbox, and loses the message that failed.
/// </summary>
public abstract class ActorBase : IInternalActor
{
    private readonly ActorCell _cell;
    private SupervisorStrategy _supervisorStrategy;

    protected ActorBase() => _cell = ActorCell.Current is { Actor: null } cell
        ? cell
        : throw new ActorInitializationException(
            $"{GetType().Name} was not created by an actor system. Use ActorOf with Props instead of new.");

    IActorContext IInternalActor.ActorContext => _cell;

    /// <summary>The context of the running actor.</summary>
    /// <exception cref="NotSupportedException">No actor runs on this thread: it was left behind by an await or a callback.</exception>
    protected static IActorContext Context => ActorCell.Current
        ?? throw new NotSupportedException(
            "No actor runs on this thread. After an await outside of ReceiveAsync, or in a callback, there is no context.");

    protected static Receive EmptyReceive { get; } = static _ => false;

    protected IActorRef Self => _cell.LocalSelf;

    protected IActorRef Sender => _cell.Sender;

    internal SupervisorStrategy SupervisorStrategyInternal
    {
        get => _supervisorStrategy ??= SupervisorStrategy();
        set => _supervisorStrategy = value;
    }

    internal ActorCell Cell => _cell;

    public virtual void AroundPostRestart(Exception cause, object message) => PostRestart(cause);

    public virtual void AroundPostStop() => PostStop();

    public virtual void AroundPreRestart(Exception cause, object message) => PreRestart(cause, message);

    public virtual void AroundPreStart() => PreStart();

    protected internal virtual bool AroundReceive(Receive receive, object message)
    {
        bool handled = receive(message);
        if (!handled)
            Unhandled(message);
        return handled;
    }

    /// <summary>Replaces the behaviour at the top of the stack.</summary>
    protected void Become(Receive receive) => _cell.Become(receive);

    /// <summary>Puts a behaviour on top, to be taken off by <see cref="UnbecomeStacked"/>.</summary>
    protected void BecomeStacked(Receive receive) => _cell.BecomeStacked(receive);

    /// <summary>The new instance is about to run; by default it starts as the first one did.</summary>
    protected virtual void PostRestart(Exception reason) => PreStart();

    protected virtual void PostStop()
    {
    }

    /// <summary>The failed instance is about to be replaced; by default it stops its children and then itself.</summary>
    protected virtual void PreRestart(Exception reason, object message)
    {
        foreach (IActorRef child in Context.GetChildren())
        {
            Context.Unwatch(child);
            Context.Stop(child);
        }

        PostStop();
    }

    protected virtual void PreStart()
    {
    }

    protected abstract bool Receive(object message);

    protected void SetReceiveTimeout(TimeSpan? timeout) => _cell.SetReceiveTimeout(timeout);

    protected virtual SupervisorStrategy SupervisorStrategy() => Akka.Actor.SupervisorStrategy.DefaultStrategy;

    protected void UnbecomeStacked() => _cell.UnbecomeStacked();

    /// <summary>
    /// What no behaviour handled: published as <see cref="UnhandledMessage"/>, but an unhandled Terminated fails the actor.
    /// </summary>
    /// <exception cref="DeathPactException">The message is <see cref="Terminated"/>.</exception>
    protected virtual void Unhandled(object message)
    {
        if (message is Terminated terminated)
            throw new DeathPactException(terminated.ActorRef);
        _cell.SystemImpl.EventStream.Publish(new UnhandledMessage(message, Sender, Self));
    }

    internal void AroundReceiveInternal(Receive receive, object message) => AroundReceive(receive, message);

    /// <summary>The behaviour that the actor begins with.</summary>
    internal virtual Receive InitialReceive() => Receive;
}

/// <summary>An actor with one method for all its messages.</summary>
public abstract class UntypedActor : ActorBase
{
    protected static new IUntypedActorContext Context => (IUntypedActorContext)ActorBase.Context;

    protected void Become(UntypedReceive receive) => Cell.Become(receive);

    protected void BecomeStacked(UntypedReceive receive) => Cell.BecomeStacked(receive);

    protected abstract void OnReceive(object message);

    protected sealed override bool Receive(object message)
    {
        OnReceive(message);
        return true;
    }

    protected void RunTask(Action action) => Dispatch.ActorTaskScheduler.RunTask(action);

    /// <summary>Runs an asynchronous action in the actor; until it is done, no further user message is handled.</summary>
    protected void RunTask(Func<Task> action) => Dispatch.ActorTaskScheduler.RunTask(action);
}
