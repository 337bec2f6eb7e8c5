using Akka.Actor;

namespace Akka.Persistence;

/// <summary>A persistent actor with one method for commands and one for events.</summary>
public abstract class UntypedPersistentActor : Eventsourced
{
    protected static new IUntypedActorContext Context => (IUntypedActorContext)ActorBase.Context;

    protected override bool Receive(object message) => ReceiveCommand(message);

    protected sealed override bool ReceiveCommand(object message)
    {
        OnCommand(message);
        return true;
    }

    protected sealed override bool ReceiveRecover(object message)
    {
        OnRecover(message);
        return true;
    }

    protected abstract void OnCommand(object message);

    protected abstract void OnRecover(object message);

    protected void Become(UntypedReceive receive) => Context.Become(receive);

    protected void BecomeStacked(UntypedReceive receive) => Context.BecomeStacked(receive);
}

/// <summary>A persistent actor whose constructor says which method handles which type of command and event; the first match wins.</summary>
public abstract class ReceivePersistentActor : UntypedPersistentActor
{
    private readonly MessageHandlers _recoverHandlers = new();
    private readonly MessageHandlers _commandHandlers = new();
    private MessageHandlers _configuring;
    private bool _isConstructed;

    protected ReceivePersistentActor()
    {
        _configuring = _commandHandlers;
    }

    protected sealed override void OnCommand(object message) => Handle(_commandHandlers, message);

    protected sealed override void OnRecover(object message) => Handle(_recoverHandlers, message);

    protected void Become(Action configure)
    {
        var handlers = Configure(configure);
        Become(message => Handle(handlers, message));
    }

    protected void BecomeStacked(Action configure)
    {
        var handlers = Configure(configure);
        BecomeStacked(message => Handle(handlers, message));
    }

    protected void Recover<T>(Action<T> handler, Predicate<T> shouldHandle = null) => Events.Add(handler, shouldHandle);

    protected void Recover<T>(Predicate<T> shouldHandle, Action<T> handler) => Events.Add(handler, shouldHandle);

    protected void Recover(Type messageType, Action<object> handler, Predicate<object> shouldHandle = null) =>
        Events.Add(messageType, handler, shouldHandle);

    protected void Recover(Type messageType, Predicate<object> shouldHandle, Action<object> handler) =>
        Events.Add(messageType, handler, shouldHandle);

    protected void Recover<T>(Func<T, bool> handler) => Events.Add(handler);

    protected void Recover(Type messageType, Func<object, bool> handler) => Events.Add(messageType, handler);

    protected void RecoverAny(Action<object> handler) => Events.Add<object>(handler, null);

    protected void Command<T>(Action<T> handler, Predicate<T> shouldHandle = null) => Commands.Add(handler, shouldHandle);

    protected void Command<T>(Predicate<T> shouldHandle, Action<T> handler) => Commands.Add(handler, shouldHandle);

    protected void Command(Type messageType, Action<object> handler, Predicate<object> shouldHandle = null) =>
        Commands.Add(messageType, handler, shouldHandle);

    protected void Command(Type messageType, Predicate<object> shouldHandle, Action<object> handler) =>
        Commands.Add(messageType, handler, shouldHandle);

    protected void Command<T>(Func<T, bool> handler) => Commands.Add(handler);

    protected void Command(Type messageType, Func<object, bool> handler) => Commands.Add(messageType, handler);

    protected void Command(Action<object> handler) => Commands.Add<object>(handler, null);

    protected void CommandAny(Action<object> handler) => Commands.Add<object>(handler, null);

    protected void CommandAsync<T>(Func<T, Task> handler, Predicate<T> shouldHandle = null) => Command(AsTask(handler), shouldHandle);

    protected void CommandAsync<T>(Predicate<T> shouldHandle, Func<T, Task> handler) => Command(AsTask(handler), shouldHandle);

    protected void CommandAsync(Type messageType, Func<object, Task> handler, Predicate<object> shouldHandle = null) =>
        Command(messageType, AsTask(handler), shouldHandle);

    protected void CommandAsync(Type messageType, Predicate<object> shouldHandle, Func<object, Task> handler) =>
        Command(messageType, AsTask(handler), shouldHandle);

    protected void CommandAnyAsync(Func<object, Task> handler) => CommandAny(AsTask(handler));

    private protected override void OnConstructed()
    {
        _isConstructed = true;
        _configuring = null;
    }

    private MessageHandlers Commands => _configuring
        ?? throw new InvalidOperationException("You may only call Command-methods when constructing the actor and inside Become().");

    private MessageHandlers Events => !_isConstructed
        ? _recoverHandlers
        : throw new InvalidOperationException("You may only call Recover-methods when constructing the actor.");

    private Action<T> AsTask<T>(Func<T, Task> handler) => message => RunTask(() => handler(message));

    private MessageHandlers Configure(Action configure)
    {
        var outer = _configuring;
        var handlers = _configuring = new MessageHandlers();
        try
        {
            configure();
        }
        finally
        {
            _configuring = outer;
        }

        return handlers;
    }

    private void Handle(MessageHandlers handlers, object message)
    {
        if (!handlers.TryHandle(message)) Unhandled(message);
    }

    /// <summary>Handlers in the order in which they were given.</summary>
    private sealed class MessageHandlers
    {
        private readonly List<Func<object, bool>> _handlers = [];

        public void Add<T>(Action<T> handler, Predicate<T> shouldHandle) => _handlers.Add(message =>
        {
            if (message is not T typed || (shouldHandle != null && !shouldHandle(typed))) return false;
            handler(typed);
            return true;
        });

        public void Add<T>(Func<T, bool> handler) => _handlers.Add(message => message is T typed && handler(typed));

        public void Add(Type type, Action<object> handler, Predicate<object> shouldHandle) => _handlers.Add(message =>
        {
            if (!type.IsInstanceOfType(message) || (shouldHandle != null && !shouldHandle(message))) return false;
            handler(message);
            return true;
        });

        public void Add(Type type, Func<object, bool> handler) =>
            _handlers.Add(message => type.IsInstanceOfType(message) && handler(message));

        public bool TryHandle(object message)
        {
            foreach (var handler in _handlers)
                if (handler(message)) return true;
            return false;
        }
    }
}
