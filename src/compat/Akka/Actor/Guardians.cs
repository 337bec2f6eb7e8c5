using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>Tells a guardian whom it watches; nothing else may create or stop it.</summary>
internal sealed record GuardianPair(IActorRef User, IActorRef System);

/// <summary>The parent of what the application creates from outside of actors.</summary>
internal sealed class GuardianActor : ActorBase
{
    protected override bool Receive(object message)
    {
        Context.System.DeadLetters.Tell(new DeadLetter(message, Sender, Self), Sender);
        return true;
    }
}

/// <summary>The parent of the runtime's own actors. They end after the application's, the loggers last.</summary>
internal sealed class SystemGuardianActor(ActorSystemImpl system) : ActorBase
{
    protected override bool Receive(object message)
    {
        switch (message)
        {
            case GuardianPair pair:
                Context.Watch(pair.User);
                return true;
            case Terminated:
                system.StopLoggers();
                Context.Stop(Self);
                return true;
            default:
                system.DeadLetters.Tell(new DeadLetter(message, Sender, Self), Sender);
                return true;
        }
    }
}

/// <summary>The root. A guardian that fails, by an escalation that nobody stopped, ends the system.</summary>
internal sealed class RootGuardianActor : ActorBase
{
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(static _ => Directive.Stop);

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case GuardianPair pair:
                Context.Watch(pair.System);
                return true;
            case Terminated:
                Context.Stop(Self);
                return true;
            default:
                Context.System.DeadLetters.Tell(new DeadLetter(message, Sender, Self), Sender);
                return true;
        }
    }
}

/// <summary>Above the root: learns of its end.</summary>
internal sealed class RootSupervisor(ActorSystemImpl system) : MinimalActorRef
{
    public override ActorPath Path { get; } = system.RootPath / "_Root-guardian-supervisor";

    public override ActorSystemImpl SystemImpl => system;

    public override void SendSystemMessage(SystemMessage message)
    {
        switch (message)
        {
            case Failed failed:
                system.Log.Error(failed.Cause, "The root guardian failed; the system ends.");
                ((IInternalActorRef)failed.Child).Stop();
                break;
            case DeathWatchNotification:
                // Not on the dispatcher's thread, which is shut down there.
                ThreadPool.UnsafeQueueUserWorkItem(static s => _ = s.End(), system, preferLocal: false);
                break;
        }
    }
}
