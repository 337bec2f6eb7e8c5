using Akka.Dispatch.SysMsg;

namespace Akka.Actor;

/// <summary>Messages with an answer that can be awaited.</summary>
public static class Futures
{
    /// <summary>Without a timeout, given here or as akka.actor.ask-timeout, it waits for ever.</summary>
    public static Task<object> Ask(this ICanTell self, object message, TimeSpan? timeout = null) =>
        self.Ask<object>(message, timeout, CancellationToken.None);

    public static Task<object> Ask(this ICanTell self, object message, CancellationToken cancellationToken) =>
        self.Ask<object>(message, null, cancellationToken);

    public static Task<object> Ask(this ICanTell self, object message, TimeSpan? timeout, CancellationToken cancellationToken) =>
        self.Ask<object>(message, timeout, cancellationToken);

    public static Task<T> Ask<T>(this ICanTell self, object message, TimeSpan? timeout = null) =>
        self.Ask<T>(message, timeout, CancellationToken.None);

    public static Task<T> Ask<T>(this ICanTell self, object message, CancellationToken cancellationToken) =>
        self.Ask<T>(message, null, cancellationToken);

    public static Task<T> Ask<T>(this ICanTell self, object message, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        FutureActorRef<T> future = Begin<T>(self, timeout, cancellationToken);
        self.Tell(message, future);
        return future.Task;
    }

    /// <summary>The message is made for the reference that will take the answer.</summary>
    public static Task<T> Ask<T>(
        this ICanTell self, Func<IActorRef, object> messageFactory, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        FutureActorRef<T> future = Begin<T>(self, timeout, cancellationToken);
        self.Tell(messageFactory(future), future);
        return future.Task;
    }

    private static FutureActorRef<T> Begin<T>(ICanTell self, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        ICanTell target = self is ActorSelection selection ? selection.Anchor : self;
        ActorSystemImpl system = (target as IInternalActorRef)?.SystemImpl ?? ActorCell.Current?.SystemImpl
            ?? throw new ArgumentException("There is no actor system behind the target.", nameof(self));
        return new FutureActorRef<T>(system, timeout ?? system.Settings.AskTimeout, cancellationToken);
    }
}

public static class GracefulStopSupport
{
    /// <summary>Sends PoisonPill; true once the actor is dead. The task is cancelled when that takes longer than the timeout.</summary>
    public static Task<bool> GracefulStop(this IActorRef target, TimeSpan timeout) => GracefulStop(target, timeout, PoisonPill.Instance);

    public static Task<bool> GracefulStop(this IActorRef target, TimeSpan timeout, object stopMessage)
    {
        var internalTarget = (IInternalActorRef)target;
        var watching = new WatchingActorRef(internalTarget);
        internalTarget.SendSystemMessage(new Watch(internalTarget, watching));
        target.Tell(stopMessage, ActorRefs.NoSender);
        return Wait();

        async Task<bool> Wait()
        {
            using var timer = new Timer(_ => watching.GiveUp(static died => died.TrySetCanceled()), null, timeout,
                Timeout.InfiniteTimeSpan);
            return await watching.Died.ConfigureAwait(false);
        }
    }
}

public static class WatchAsyncSupport
{
    /// <summary>True once the actor is dead; false when the token was cancelled before.</summary>
    public static async Task<bool> WatchAsync(this IActorRef target, CancellationToken token = default)
    {
        if (target is not IInternalActorRef { SystemImpl: not null } internalTarget)
            throw new InvalidOperationException($"{target} cannot be watched.");
        var watching = new WatchingActorRef(internalTarget);
        await using CancellationTokenRegistration registration =
            token.Register(() => watching.GiveUp(static died => died.TrySetResult(false)));
        internalTarget.SendSystemMessage(new Watch(internalTarget, watching));
        return await watching.Died.ConfigureAwait(false);
    }
}

/// <summary>Sends the outcome of a task to an actor; a failure as <see cref="Status.Failure"/>.</summary>
public static class PipeToSupport
{
    public static Task PipeTo<T>(this Task<T> taskToPipe, ICanTell recipient, IActorRef sender = null,
        Func<T, object> success = null, Func<Exception, object> failure = null) =>
        Pipe(new ValueTask<T>(taskToPipe), recipient, false, sender, success, failure);

    public static Task PipeTo<T>(this ValueTask<T> taskToPipe, ICanTell recipient, IActorRef sender = null,
        Func<T, object> success = null, Func<Exception, object> failure = null) =>
        Pipe(taskToPipe, recipient, false, sender, success, failure);

    public static Task PipeTo<T>(this Task<T> taskToPipe, ICanTell recipient, bool useConfigureAwait, IActorRef sender = null,
        Func<T, object> success = null, Func<Exception, object> failure = null) =>
        Pipe(new ValueTask<T>(taskToPipe), recipient, useConfigureAwait, sender, success, failure);

    public static Task PipeTo<T>(this ValueTask<T> taskToPipe, ICanTell recipient, bool useConfigureAwait, IActorRef sender = null,
        Func<T, object> success = null, Func<Exception, object> failure = null) =>
        Pipe(taskToPipe, recipient, useConfigureAwait, sender, success, failure);

    public static Task PipeTo(this Task taskToPipe, ICanTell recipient, IActorRef sender = null,
        Func<object> success = null, Func<Exception, object> failure = null) =>
        Pipe(new ValueTask(taskToPipe), recipient, false, sender, success, failure);

    public static Task PipeTo(this ValueTask taskToPipe, ICanTell recipient, IActorRef sender = null,
        Func<object> success = null, Func<Exception, object> failure = null) =>
        Pipe(taskToPipe, recipient, false, sender, success, failure);

    public static Task PipeTo(this Task taskToPipe, ICanTell recipient, bool useConfigureAwait, IActorRef sender = null,
        Func<object> success = null, Func<Exception, object> failure = null) =>
        Pipe(new ValueTask(taskToPipe), recipient, useConfigureAwait, sender, success, failure);

    public static Task PipeTo(this ValueTask taskToPipe, ICanTell recipient, bool useConfigureAwait, IActorRef sender = null,
        Func<object> success = null, Func<Exception, object> failure = null) =>
        Pipe(taskToPipe, recipient, useConfigureAwait, sender, success, failure);

    private static async Task Pipe<T>(ValueTask<T> task, ICanTell recipient, bool continueOnContext, IActorRef sender,
        Func<T, object> success, Func<Exception, object> failure)
    {
        try
        {
            T result = await task.ConfigureAwait(continueOnContext);
            recipient.Tell(success is null ? result : success(result), sender);
        }
        catch (Exception e)
        {
            recipient.Tell(failure is null ? new Status.Failure(e) : failure(e), sender);
        }
    }

    private static async Task Pipe(ValueTask task, ICanTell recipient, bool continueOnContext, IActorRef sender,
        Func<object> success, Func<Exception, object> failure)
    {
        try
        {
            await task.ConfigureAwait(continueOnContext);
            if (success is not null)
                recipient.Tell(success(), sender);
        }
        catch (Exception e)
        {
            recipient.Tell(failure is null ? new Status.Failure(e) : failure(e), sender);
        }
    }
}
