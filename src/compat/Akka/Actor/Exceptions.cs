using System.Runtime.Serialization;

namespace Akka.Actor;

/// <summary>The base of every exception of this library.</summary>
public abstract class AkkaException : Exception
{
    protected AkkaException()
    {
    }

    protected AkkaException(string message, Exception cause = null)
        : base(message, cause)
    {
    }

#pragma warning disable SYSLIB0051 // The official type still has the constructor of the old serialisation; derived exceptions call it.
    protected AkkaException(SerializationInfo info, StreamingContext context)
        : base(info, context)
    {
    }
#pragma warning restore SYSLIB0051

    protected Exception Cause => InnerException;
}

/// <summary>An actor could not be created, started or restarted. The default decider stops it.</summary>
public class ActorInitializationException : AkkaException
{
    public ActorInitializationException()
    {
    }

    public ActorInitializationException(string message)
        : base(message)
    {
    }

    public ActorInitializationException(string message, Exception cause)
        : base(message, cause)
    {
    }

    public ActorInitializationException(IActorRef actor, string message, Exception cause = null)
        : base(message, cause) => Actor = actor;

    public IActorRef Actor { get; set; }

    public override string ToString() => Actor is null ? base.ToString() : $"{Actor}: {base.ToString()}";
}

/// <summary>PreRestart of the failed instance threw.</summary>
public class PreRestartException : ActorInitializationException
{
    public PreRestartException(IActorRef actor, Exception restartException, Exception cause, object optionalMessage)
        : base(actor,
            $"PreRestart of {actor} failed after [{cause?.Message}] on a message of type [{optionalMessage?.GetType().Name ?? "none"}]",
            restartException)
    {
        RestartException = restartException;
        OptionalMessage = optionalMessage;
    }

    public object OptionalMessage { get; }

    public Exception RestartException { get; }
}

/// <summary>The constructor or PostRestart of the fresh instance threw.</summary>
public class PostRestartException : ActorInitializationException
{
    public PostRestartException(IActorRef actor, Exception cause, Exception originalCause)
        : base(actor, $"{actor} could not be restarted after [{originalCause?.Message}]", cause) => OriginalCause = originalCause;

    public Exception OriginalCause { get; }
}

/// <summary>The reaction to <see cref="Kill"/>.</summary>
public class ActorKilledException : AkkaException
{
    public ActorKilledException()
    {
    }

    public ActorKilledException(string message)
        : base(message)
    {
    }
}

/// <summary>No actor answered to a selection.</summary>
public class ActorNotFoundException : AkkaException
{
    public ActorNotFoundException()
    {
    }

    public ActorNotFoundException(string message, Exception innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>No answer came in time.</summary>
public class AskTimeoutException : AkkaException
{
    public AskTimeoutException(string message)
        : base(message)
    {
    }
}

/// <summary>A watched actor died and its <see cref="Terminated"/> was not handled.</summary>
public class DeathPactException : AkkaException
{
    public DeathPactException(IActorRef deadActor)
        : base($"Terminated of the watched actor {deadActor} was not handled") => DeadActor = deadActor;

    public IActorRef DeadActor { get; }
}

public class IllegalActorNameException : AkkaException
{
    public IllegalActorNameException(string message)
        : base(message)
    {
    }
}

/// <summary>What was asked of an actor does not fit its state, as stashing one message twice.</summary>
public class IllegalActorStateException : AkkaException
{
    public IllegalActorStateException(string message)
        : base(message)
    {
    }
}

/// <summary>A name is malformed or already taken by a sibling.</summary>
public class InvalidActorNameException : AkkaException
{
    public InvalidActorNameException(string message)
        : base(message)
    {
    }

    public InvalidActorNameException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>A message that cannot be sent, as null.</summary>
public class InvalidMessageException : AkkaException
{
    public InvalidMessageException()
        : this("A message must not be null.")
    {
    }

    public InvalidMessageException(string message)
        : base(message)
    {
    }
}

/// <summary>A logger did not start in time or failed to.</summary>
public class LoggerInitializationException : AkkaException
{
    public LoggerInitializationException()
    {
    }

    public LoggerInitializationException(string message)
        : base(message)
    {
    }

    public LoggerInitializationException(string message, Exception cause = null)
        : base(message, cause)
    {
    }
}

/// <summary>A scheduler cannot take more work, as after its system ended.</summary>
public sealed class SchedulerException : AkkaException
{
    public SchedulerException(string message)
        : base(message)
    {
    }
}

/// <summary>A bounded stash is full.</summary>
public class StashOverflowException : AkkaException
{
    public StashOverflowException(string message, Exception cause = null)
        : base(message, cause)
    {
    }
}
