using System.Globalization;
using Akka.Dispatch.SysMsg;

namespace Akka.Actor;

/// <summary>
/// The reference that takes the answer to an Ask. It has a path, and is found by it, only once somebody asks for the path.
/// </summary>
internal abstract class TemporaryActorRef(ActorSystemImpl system) : MinimalActorRef
{
    private ActorPath _path;
    private bool _stopped;

    public override ActorSystemImpl SystemImpl => system;

    public override IInternalActorRef Parent => system.TempContainer;

    public override ActorPath Path
    {
        get
        {
            if (Volatile.Read(ref _path) is { } path)
                return path;
            lock (this)
            {
                if (_path is null)
                {
                    _path = system.TempContainer.NextPath();
                    if (!_stopped)
                        system.TempContainer.Add(_path.Name, this);
                }

                return _path;
            }
        }
    }

    /// <summary>Nothing is expected any more.</summary>
    protected void Unregister()
    {
        lock (this)
        {
            _stopped = true;
            if (_path is not null)
                system.TempContainer.Remove(_path.Name);
        }
    }
}

internal sealed class FutureActorRef<T> : TemporaryActorRef
{
    private readonly TaskCompletionSource<T> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Timer _timer;
    private readonly CancellationTokenRegistration _cancellation;

    public FutureActorRef(ActorSystemImpl system, TimeSpan timeout, CancellationToken cancellationToken)
        : base(system)
    {
        if (timeout > TimeSpan.Zero)
        {
            // Without a flow of the execution context the asker's locals are not kept alive by the timer.
            using (ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow())
                _timer = new Timer(static state => ((FutureActorRef<T>)state).TimedOut(), this, Timeout.Infinite, Timeout.Infinite);
            _timer.Change(timeout, Timeout.InfiniteTimeSpan);
            After = timeout;
        }

        if (cancellationToken.CanBeCanceled)
            _cancellation = cancellationToken.UnsafeRegister(static state => ((FutureActorRef<T>)state).Cancelled(), this);
    }

    public Task<T> Task => _result.Task;

    private TimeSpan After { get; }

    public override void SendSystemMessage(SystemMessage message)
    {
        if (message is Watch watch)
            watch.Watcher.SendSystemMessage(new DeathWatchNotification(this, _result.Task.IsCompleted, false));
    }

    protected override void TellInternal(object message, IActorRef sender)
    {
        bool taken = message switch
        {
            // A T that is a Status.Failure too is what was asked for.
            T answer => _result.TrySetResult(answer),
            Status.Failure failure => _result.TrySetException(
                failure.Cause ?? new TaskCanceledException("The actor answered with a failure that has no cause.")),
            _ => _result.TrySetException(new ArgumentException(
                $"Received message of type [{message.GetType()}] - Ask expected message of type [{typeof(T)}]")),
        };
        if (taken)
            Ended();
        else if (!_result.Task.IsCanceled)
            SystemImpl.DeadLetters.Tell(message, this);
    }

    private void TimedOut()
    {
        string seconds = After.TotalSeconds.ToString("F2", CultureInfo.InvariantCulture);
        if (_result.TrySetException(new AskTimeoutException($"Timeout after {seconds} seconds")))
            Ended();
    }

    private void Cancelled()
    {
        if (_result.TrySetCanceled())
            Ended();
    }

    private void Ended()
    {
        _timer?.Dispose();
        _cancellation.Unregister();
        Unregister();
    }
}

/// <summary>Waits for one actor to die.</summary>
internal sealed class WatchingActorRef(IInternalActorRef target) : TemporaryActorRef(target.SystemImpl)
{
    private readonly TaskCompletionSource<bool> _died = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<bool> Died => _died.Task;

    public override void SendSystemMessage(SystemMessage message)
    {
        if (message is DeathWatchNotification notification && notification.Actor.Equals(target))
        {
            Unregister();
            _died.TrySetResult(true);
        }
    }

    public void GiveUp(Action<TaskCompletionSource<bool>> how)
    {
        Unregister();
        how(_died);
        target.SendSystemMessage(new Unwatch(target, this));
    }
}

/// <summary>The parent of temporary references, at /temp.</summary>
internal sealed class TemporaryContainer(ActorSystemImpl system, ActorPath path) : MinimalActorRef
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, IInternalActorRef> _refs = new();

    /// <summary>Not from 0: a late answer to a former system at the same address must not find a question of this one.</summary>
    private long _next = Random.Shared.NextInt64(1L << 40);

    public override ActorSystemImpl SystemImpl => system;

    public override ActorPath Path => path;

    public override IInternalActorRef Parent => system.RootGuardian;

    public ActorPath NextPath() => path / ActorCell.TemporaryName("$", Interlocked.Increment(ref _next));

    public void Add(string name, IInternalActorRef actorRef) => _refs[name] = actorRef;

    public void Remove(string name) => _refs.TryRemove(name, out _);

    public override IActorRef GetChild(ReadOnlySpan<string> names)
    {
        if (names.IsEmpty)
            return this;
        if (names[0] == "..")
            return Parent.GetChild(names[1..]);
        return _refs.TryGetValue(names[0], out IInternalActorRef found) ? found.GetChild(names[1..]) : Nobody.Instance;
    }
}
