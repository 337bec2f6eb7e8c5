using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

internal sealed partial class ActorCell
{
    /// <summary>Whom this actor watches, with the message to get instead of Terminated, or null.</summary>
    private Dictionary<IActorRef, object> _watching;

    /// <summary>Whose Terminated is in the mailbox.</summary>
    private Dictionary<IActorRef, object> _terminatedQueued;

    private HashSet<IInternalActorRef> _watchedBy;

    public IActorRef Watch(IActorRef subject)
    {
        ArgumentNullException.ThrowIfNull(subject);
        return StartWatching(subject, null);
    }

    public IActorRef WatchWith(IActorRef subject, object message)
    {
        ArgumentNullException.ThrowIfNull(subject);
        ArgumentNullException.ThrowIfNull(message);
        return StartWatching(subject, message);
    }

    public IActorRef Unwatch(IActorRef subject)
    {
        ArgumentNullException.ThrowIfNull(subject);
        if (!subject.Equals(LocalSelf) && _watching is not null && _watching.Remove(subject))
            ((IInternalActorRef)subject).SendSystemMessage(new Unwatch((IInternalActorRef)subject, LocalSelf));
        _terminatedQueued?.Remove(subject);
        return subject;
    }

    private IActorRef StartWatching(IActorRef subject, object message)
    {
        if (!subject.Equals(LocalSelf) && (_watching ??= []).TryAdd(subject, message))
            ((IInternalActorRef)subject).SendSystemMessage(new Watch((IInternalActorRef)subject, LocalSelf));
        return subject;
    }

    /// <summary>A Terminated that was received once, and stashed, is in the mailbox again.</summary>
    internal void TerminatedQueuedAgain(Terminated terminated) => (_terminatedQueued ??= [])[terminated.ActorRef] = null;

    private void ReceivedTerminated(Terminated terminated)
    {
        if (_terminatedQueued is null || !_terminatedQueued.Remove(terminated.ActorRef, out object custom))
            return;
        if (custom is not null)
            _currentMessage = custom;
        ReceiveMessage(custom ?? terminated);
    }

    private void WatchedActorTerminated(DeathWatchNotification notification)
    {
        IActorRef actor = notification.Actor;
        if (_watching is not null && _watching.Remove(actor, out object custom) && !_isTerminating)
        {
            // It goes through the mailbox, so that what the dead actor sent before is handled before; an Unwatch until then takes it back.
            (_terminatedQueued ??= [])[actor] = custom;
            LocalSelf.Tell(new Terminated(actor, notification.ExistenceConfirmed, notification.AddressTerminated), actor);
        }

        if (Children?.ByRef(actor) is not null)
            HandleChildTerminated(actor);
    }

    private void AddWatcher(Watch watch)
    {
        bool watchesSelf = watch.Watchee.Equals(LocalSelf);
        bool isWatcher = watch.Watcher.Equals(LocalSelf);
        if (watchesSelf && !isWatcher)
            (_watchedBy ??= []).Add(watch.Watcher);
        else if (!watchesSelf && isWatcher)
            Watch(watch.Watchee);
    }

    private void RemoveWatcher(Unwatch unwatch)
    {
        bool watchesSelf = unwatch.Watchee.Equals(LocalSelf);
        bool isWatcher = unwatch.Watcher.Equals(LocalSelf);
        if (watchesSelf && !isWatcher)
            _watchedBy?.Remove(unwatch.Watcher);
        else if (!watchesSelf && isWatcher)
            Unwatch(unwatch.Watchee);
    }

    private void TellWatchersWeDied()
    {
        if (_watchedBy is null)
            return;
        foreach (IInternalActorRef watcher in _watchedBy)
        {
            // The parent has been told already.
            if (!watcher.Equals(ParentRef))
                watcher.SendSystemMessage(new DeathWatchNotification(LocalSelf, true, false));
        }

        _watchedBy = null;
    }

    private void UnwatchAll()
    {
        if (_watching is not null)
        {
            foreach (IActorRef watched in _watching.Keys)
                ((IInternalActorRef)watched).SendSystemMessage(new Unwatch((IInternalActorRef)watched, LocalSelf));
        }

        _watching = null;
        _terminatedQueued = null;
    }

    private void Publish(LogEvent logEvent)
    {
        try
        {
            SystemImpl.EventStream.Publish(logEvent);
        }
        catch (Exception e)
        {
            // A broken logger must not break what is being logged.
            Console.Error.WriteLine($"{logEvent} could not be logged: {e}");
        }
    }
}
