using System.Runtime.ExceptionServices;
using Akka.Actor;
using Akka.Dispatch.SysMsg;

namespace Akka.Dispatch;

/// <summary>
/// Runs the steps of an actor's asynchronous handlers as its system messages, with the message that began the handler as the current one.
///   handler begins on the actor's thread -> its first await suspends user mail -> each continuation is a system message
///   -> when the task is done user mail goes on; when it failed the actor fails with its exception.
/// </summary>
public class ActorTaskScheduler : TaskScheduler
{
    private readonly ActorCell _cell;
    private Envelope _envelope;
    private int _pending;

    internal ActorTaskScheduler(ActorCell cell) => _cell = cell;

    public object CurrentMessage => _envelope.Message;

    public override int MaximumConcurrencyLevel => 1;

    /// <summary>Runs an action that may start asynchronous work.</summary>
    public static void RunTask(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        RunTask(() =>
        {
            action();
            return Task.CompletedTask;
        });
    }

    /// <summary>Runs an asynchronous action in the current actor and keeps user mail back until it is done.</summary>
    /// <exception cref="InvalidOperationException">No actor runs on this thread.</exception>
    public static void RunTask(Func<Task> asyncAction)
    {
        ArgumentNullException.ThrowIfNull(asyncAction);
        ActorCell cell = ActorCell.Current ?? throw new InvalidOperationException("RunTask is called by a running actor.");
        cell.TaskScheduler.Run(asyncAction);
    }

    internal void ExecuteInActor(Task task) => _cell.InvokeTask(static state =>
    {
        (ActorTaskScheduler scheduler, Task step) = ((ActorTaskScheduler, Task))state;
        scheduler.TryExecuteTask(step);
        scheduler.ThrowWhatFailed();
    }, (this, task), _envelope);

    protected override IEnumerable<Task> GetScheduledTasks() => null;

    protected override void QueueTask(Task task) => _cell.SendSystemMessage(new ActorTask(task, this));

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) =>
        !taskWasPreviouslyQueued && ActorCell.Current == _cell && TryExecuteTask(task);

    private Exception _failure;

    private void Run(Func<Task> asyncAction)
    {
        // The part before the first await runs here and now; a handler that never really waits costs no suspension.
        var begun = new Task<Task>(asyncAction);
        begun.RunSynchronously(this);
        Task running = begun.IsCompletedSuccessfully ? begun.Result ?? Task.CompletedTask : begun;
        if (running.IsCompleted)
        {
            if (Failure(running) is { } failure)
                ExceptionDispatchInfo.Throw(failure);
            return;
        }

        if (_pending++ == 0)
        {
            _envelope = _cell.CurrentEnvelope;
            _cell.Mailbox.BeginAwait();
        }

        running.ContinueWith(static (done, state) => ((ActorTaskScheduler)state).Completed(done), this,
            CancellationToken.None, TaskContinuationOptions.None, this);
    }

    private void Completed(Task task)
    {
        if (--_pending == 0)
        {
            _envelope = default;
            _cell.Mailbox.EndAwait();
        }

        _failure = Failure(task);
        if (_failure is null)
            _cell.CheckReceiveTimeout(restart: true);
    }

    /// <summary>The scheduler may not throw into the task that completed; it throws into the actor afterwards.</summary>
    private void ThrowWhatFailed()
    {
        if (_failure is not { } failure)
            return;
        _failure = null;
        ExceptionDispatchInfo.Throw(failure);
    }

    private static Exception Failure(Task task)
    {
        if (task.IsCompletedSuccessfully)
            return null;
        if (task.IsCanceled)
            return new TaskCanceledException(task);
        AggregateException failure = task.Exception;
        return failure!.InnerExceptions.Count == 1 ? failure.InnerException : failure;
    }
}
