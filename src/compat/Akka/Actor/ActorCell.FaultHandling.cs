using System.Runtime.ExceptionServices;
using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// The life of an actor as its system messages drive it.
///   failure: the mailbox is suspended, the children too, the parent gets Failed and answers with Resume, Recreate or Terminate.
///   Recreate: PreRestart of the old instance, wait for the children that it stopped, new instance, PostRestart, mailbox resumed.
///   Terminate: stop the children, wait for them, PostStop, mailbox closed, parent and watchers told.
/// </summary>
internal sealed partial class ActorCell
{
    private enum WaitingFor
    {
        Nothing,
        Recreation,
        Creation,
        Termination,
    }

    private WaitingFor _waitingFor;
    private Exception _recreationCause;
    private bool _isTerminating;
    private bool _isFailed;
    private bool _isFailedFatally;

    /// <summary>An instance has started once; until then there is nothing to resume or to restart.</summary>
    private bool _hasLived;
    private IActorRef _perpetrator;
    private List<SystemMessage> _stashedSystemMessages;

    public void SystemInvoke(SystemMessage message)
    {
        if (ShouldStash(message))
        {
            (_stashedSystemMessages ??= []).Add(message);
            return;
        }

        Handle(message);
        if (_stashedSystemMessages is not null)
            HandleStashed();
    }

    public void HandleInvokeFailure(Exception cause, IActorRef perpetrator, bool childrenAreSuspended = false)
    {
        if (_isFailed)
            return;
        try
        {
            _mailbox.Suspend();
            _isFailed = true;
            _perpetrator = perpetrator ?? LocalSelf;
            if (!childrenAreSuspended)
            {
                foreach (ChildRestartStats child in ChildSnapshot())
                {
                    // A child that failed suspended itself.
                    if (!child.Child.Equals(perpetrator))
                        child.Child.SendSystemMessage(new Suspend());
                }
            }

            ParentRef.SendSystemMessage(new Failed(LocalSelf, cause, LocalSelf.Path.Uid));
        }
        catch (Exception e)
        {
            Publish(new Error(e, LocalSelf.Path.ToString(), GetType(), "Emergency stop: a failure could not be handled"));
            FinishTerminate();
        }
    }

    private bool ShouldStash(SystemMessage message) =>
        (_waitingFor != WaitingFor.Nothing && message.StashWhileWaitingForChildren)
        || (message.StashWhileFailed && _mailbox.IsSuspended && !_isTerminating);

    private void HandleStashed()
    {
        for (int i = 0; i < _stashedSystemMessages.Count;)
        {
            SystemMessage message = _stashedSystemMessages[i];
            if (!_mailbox.IsClosed && ShouldStash(message))
            {
                i++;
                continue;
            }

            _stashedSystemMessages.RemoveAt(i);
            if (_mailbox.IsClosed)
                SystemImpl.DeadLetterSystem(message, LocalSelf);
            else
                Handle(message);
            // What it changed may have freed an earlier one.
            i = 0;
        }

        _stashedSystemMessages = null;
    }

    private void Handle(SystemMessage message)
    {
        try
        {
            switch (message)
            {
                case ActorTask task:
                    task.Scheduler.ExecuteInActor(task.Task);
                    break;
                case DeathWatchNotification notification:
                    WatchedActorTerminated(notification);
                    break;
                case Watch watch:
                    AddWatcher(watch);
                    break;
                case Unwatch unwatch:
                    RemoveWatcher(unwatch);
                    break;
                case Failed failed:
                    HandleFailed(failed);
                    break;
                case Create:
                    CreateActor();
                    break;
                case Recreate recreate:
                    FaultRecreate(recreate.Cause);
                    break;
                case Suspend:
                    FaultSuspend();
                    break;
                case Resume resume:
                    FaultResume(resume.CausedByFailure);
                    break;
                case Terminate:
                    TerminateSelf();
                    break;
                default:
                    throw new NotSupportedException($"Unknown system message {message.GetType().Name}");
            }
        }
        catch (Exception cause)
        {
            HandleInvokeFailure(cause, (message as Failed)?.Child);
        }
    }

    private void CreateActor()
    {
        try
        {
            NewActor().AroundPreStart();
            _hasLived = true;
        }
        catch (Exception e)
        {
            ClearActor();
            throw new ActorInitializationException(LocalSelf, $"{Props.TypeName} could not be created", Unwrap(e));
        }

        if (SystemImpl.Settings.DebugLifecycle)
            Publish(new Debug(LocalSelf.Path.ToString(), _actor.GetType(), "Started (" + _actor + ")"));
        CheckReceiveTimeout(restart: true);
    }

    private void FaultSuspend()
    {
        _mailbox.Suspend();
        foreach (ChildRestartStats child in ChildSnapshot())
            child.Child.SendSystemMessage(new Suspend());
    }

    private void FaultResume(Exception cause)
    {
        if (!_hasLived)
        {
            FaultCreate();
        }
        else if (_isFailedFatally)
        {
            FaultRecreate(cause);
        }
        else
        {
            IActorRef perpetrator = _perpetrator;
            _mailbox.Resume();
            if (cause is not null)
                ClearFailed();
            foreach (ChildRestartStats child in ChildSnapshot())
                child.Child.SendSystemMessage(new Resume(child.Child.Equals(perpetrator) ? cause : null));
        }
    }

    private void FaultCreate()
    {
        CancelReceiveTimeout();
        StopChildren();
        if (WaitForDyingChildren(WaitingFor.Creation))
            return;
        FinishCreate();
    }

    private void FinishCreate()
    {
        _mailbox.Resume();
        ClearFailed();
        CreateActor();
    }

    private void FaultRecreate(Exception cause)
    {
        if (_isTerminating)
        {
            // Keeps the count of suspensions balanced; there is nothing to restart any more.
            FaultResume(null);
            return;
        }

        if (!_hasLived)
        {
            FaultCreate();
            return;
        }

        ActorBase failed = _actor;
        object message = _currentMessage;
        try
        {
            if (failed is not null && !_isFailedFatally)
                failed.AroundPreRestart(cause, message);
        }
        catch (Exception e)
        {
            Publish(new Error(new PreRestartException(LocalSelf, e, cause, message), LocalSelf.Path.ToString(), Props.Type, e.Message));
        }
        finally
        {
            ClearActor();
        }

        _recreationCause = cause;
        if (!WaitForDyingChildren(WaitingFor.Recreation))
            FinishRecreate();
    }

    private void FinishRecreate()
    {
        Exception cause = _recreationCause;
        _recreationCause = null;
        ChildRestartStats[] survivors = ChildSnapshot();
        try
        {
            _mailbox.Resume();
            ClearFailed();
            NewActor().AroundPostRestart(cause, null);
            if (SystemImpl.Settings.DebugLifecycle)
                Publish(new Debug(LocalSelf.Path.ToString(), _actor.GetType(), "Restarted"));
            // Only once their parent runs again.
            foreach (ChildRestartStats survivor in survivors)
                survivor.Child.SendSystemMessage(new Recreate(cause));
            CheckReceiveTimeout(restart: true);
        }
        catch (Exception e)
        {
            // PreRestart must not run for an instance that never ran.
            _isFailedFatally = true;
            ClearActor();
            HandleInvokeFailure(new PostRestartException(LocalSelf, Unwrap(e), cause), null, childrenAreSuspended: true);
        }
    }

    private void TerminateSelf()
    {
        SetReceiveTimeout(null);
        CancelReceiveTimeout();
        UnwatchAll();
        (Children ?? Interlocked.CompareExchange(ref _children, ChildContainer.Closed, null))?.Close();
        StopChildren();
        if (WaitForDyingChildren(WaitingFor.Termination))
        {
            if (!_isTerminating)
            {
                _mailbox.Suspend();
                // A failure on the way out is nothing that the parent should decide about.
                _isFailed = true;
                _perpetrator = LocalSelf;
                _isTerminating = true;
            }

            return;
        }

        _isTerminating = true;
        FinishTerminate();
    }

    private void FinishTerminate()
    {
        ActorBase actor = _actor;
        Type type = actor?.GetType() ?? Props.Type;
        try
        {
            actor?.AroundPostStop();
        }
        catch (Exception e)
        {
            Publish(new Error(e, LocalSelf.Path.ToString(), type, e.Message));
        }

        try
        {
            ClearActor();
            _mailbox.CloseAndCleanUp();
            SystemImpl.Dispatchers.Released(Dispatcher);
            if (SubscribesToEventStream)
                SystemImpl.EventStream.Unsubscribe(LocalSelf);
        }
        finally
        {
            ParentRef.SendSystemMessage(new DeathWatchNotification(LocalSelf, true, false));
            TellWatchersWeDied();
            UnwatchAll();
            if (SystemImpl.Settings.DebugLifecycle)
                Publish(new Debug(LocalSelf.Path.ToString(), type, "Stopped"));
        }
    }

    private void HandleFailed(Failed failed)
    {
        _currentMessage = failed;
        _sender = failed.Child;
        ChildRestartStats stats = Children?.ByRef(failed.Child);
        // ByRef compares uids: a failure of a former child of this name does not count against its successor.
        if (stats is not null && failed.Uid == stats.Child.Path.Uid
            && !_actor.SupervisorStrategyInternal.HandleFailure(this, failed.Child, failed.Cause, stats, ChildSnapshot()))
            ExceptionDispatchInfo.Throw(failed.Cause);
        _currentMessage = null;
        _sender = null;
    }

    private void HandleChildTerminated(IActorRef child)
    {
        Children.Remove(child);
        if (_waitingFor == WaitingFor.Nothing || Children.AnyDying)
            return;
        WaitingFor waitedFor = _waitingFor;
        _waitingFor = WaitingFor.Nothing;
        switch (waitedFor)
        {
            case WaitingFor.Recreation:
                FinishRecreate();
                break;
            case WaitingFor.Creation:
                FinishCreate();
                break;
            default:
                FinishTerminate();
                break;
        }
    }

    /// <summary>True when there are children that have been told to stop and have not yet.</summary>
    private bool WaitForDyingChildren(WaitingFor reason)
    {
        if (Children is not { AnyDying: true })
        {
            _waitingFor = WaitingFor.Nothing;
            return false;
        }

        _waitingFor = reason;
        return true;
    }

    private void ClearFailed()
    {
        _isFailed = false;
        _isFailedFatally = false;
        _perpetrator = null;
    }

    private static Exception Unwrap(Exception e) =>
        e is System.Reflection.TargetInvocationException { InnerException: { } inner } ? inner : e;
}
