using Akka.Actor;
using Akka.Event;

namespace Akka.Dispatch.SysMsg;

/// <summary>
/// What the runtime tells an actor about itself. An instance is a link of its receiver's queue, so it is sent once, to one actor.
/// </summary>
internal abstract class SystemMessage : INoSerializationVerificationNeeded
{
    internal SystemMessage Next;

    /// <summary>Kept until the children that are to die are dead.</summary>
    internal virtual bool StashWhileWaitingForChildren => false;

    /// <summary>Kept until the failed receiver was told what becomes of it.</summary>
    internal virtual bool StashWhileFailed => false;
}

internal sealed class Create : SystemMessage;

internal sealed class Recreate(Exception cause) : SystemMessage
{
    public Exception Cause { get; } = cause;

    internal override bool StashWhileWaitingForChildren => true;
}

internal sealed class Suspend : SystemMessage
{
    internal override bool StashWhileWaitingForChildren => true;
}

internal sealed class Resume(Exception causedByFailure) : SystemMessage
{
    public Exception CausedByFailure { get; } = causedByFailure;

    internal override bool StashWhileWaitingForChildren => true;
}

internal sealed class Terminate : SystemMessage, IPossiblyHarmful, IDeadLetterSuppression;

internal sealed class Watch(IInternalActorRef watchee, IInternalActorRef watcher) : SystemMessage, IDeadLetterSuppression
{
    public IInternalActorRef Watchee { get; } = watchee;

    public IInternalActorRef Watcher { get; } = watcher;
}

internal sealed class Unwatch(IInternalActorRef watchee, IInternalActorRef watcher) : SystemMessage, IDeadLetterSuppression
{
    public IInternalActorRef Watchee { get; } = watchee;

    public IInternalActorRef Watcher { get; } = watcher;
}

internal sealed class DeathWatchNotification(IActorRef actor, bool existenceConfirmed, bool addressTerminated)
    : SystemMessage, IDeadLetterSuppression
{
    public IActorRef Actor { get; } = actor;

    public bool ExistenceConfirmed { get; } = existenceConfirmed;

    public bool AddressTerminated { get; } = addressTerminated;
}

/// <summary>A child tells its parent that it failed and waits, suspended, for what the parent decides.</summary>
internal sealed class Failed(IActorRef child, Exception cause, long uid) : SystemMessage
{
    public IActorRef Child { get; } = child;

    public Exception Cause { get; } = cause;

    /// <summary>The incarnation that failed; a failure of an earlier one of the same name is stale.</summary>
    public long Uid { get; } = uid;

    internal override bool StashWhileWaitingForChildren => true;

    internal override bool StashWhileFailed => true;
}

/// <summary>A step of an asynchronous handler, run in its actor.</summary>
internal sealed class ActorTask(Task task, ActorTaskScheduler scheduler) : SystemMessage, IDeadLetterSuppression
{
    public Task Task { get; } = task;

    public ActorTaskScheduler Scheduler { get; } = scheduler;
}
