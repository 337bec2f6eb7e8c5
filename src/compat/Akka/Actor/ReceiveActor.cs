using Akka.Dispatch;

namespace Akka.Actor
{
    /// <summary>
    /// An actor that says in its constructor which messages it takes. Handlers are tried in the order in which they were added; the first
    /// one that takes the message ends the search.
    /// </summary>
    public abstract class ReceiveActor : UntypedActor, Internal.IInitializableActor
    {
        private List<Handler> _configuring;
        private Receive _initial;

        protected ReceiveActor() => _configuring = [];

        void Internal.IInitializableActor.Init()
        {
            _initial ??= Build(_configuring);
            _configuring = null;
        }

        protected void Become(Action configure) => Become(Configure(configure));

        protected void BecomeStacked(Action configure) => BecomeStacked(Configure(configure));

        protected sealed override void OnReceive(object message) =>
            throw new NotSupportedException("A ReceiveActor receives through the handlers that it added.");

        protected void Receive<T>(Action<T> handler, Predicate<T> shouldHandle = null)
        {
            ArgumentNullException.ThrowIfNull(handler);
            Add(new ActionHandler<T>(handler, shouldHandle));
        }

        protected void Receive<T>(Predicate<T> shouldHandle, Action<T> handler) => Receive(handler, shouldHandle);

        protected void Receive(Type messageType, Action<object> handler, Predicate<object> shouldHandle = null)
        {
            ArgumentNullException.ThrowIfNull(messageType);
            ArgumentNullException.ThrowIfNull(handler);
            Add(new TypeHandler(messageType, message =>
            {
                if (shouldHandle is not null && !shouldHandle(message))
                    return false;
                handler(message);
                return true;
            })
            { TakesAll = messageType == typeof(object) && shouldHandle is null });
        }

        protected void Receive(Type messageType, Predicate<object> shouldHandle, Action<object> handler) =>
            Receive(messageType, handler, shouldHandle);

        protected void Receive<T>(Func<T, bool> handler)
        {
            ArgumentNullException.ThrowIfNull(handler);
            Add(new FuncHandler<T>(handler));
        }

        protected void Receive(Type messageType, Func<object, bool> handler)
        {
            ArgumentNullException.ThrowIfNull(messageType);
            ArgumentNullException.ThrowIfNull(handler);
            Add(new TypeHandler(messageType, handler));
        }

        protected void ReceiveAny(Action<object> handler) => Receive(handler);

        protected void ReceiveAnyAsync(Func<object, Task> handler) => ReceiveAsync(handler);

        /// <summary>Until the task is done, no further user message is handled; system messages are.</summary>
        protected void ReceiveAsync<T>(Func<T, Task> handler, Predicate<T> shouldHandle = null)
        {
            ArgumentNullException.ThrowIfNull(handler);
            Receive(message => ActorTaskScheduler.RunTask(() => handler(message)), shouldHandle);
        }

        protected void ReceiveAsync<T>(Predicate<T> shouldHandle, Func<T, Task> handler) => ReceiveAsync(handler, shouldHandle);

        protected void ReceiveAsync(Type messageType, Func<object, Task> handler, Predicate<object> shouldHandle = null)
        {
            ArgumentNullException.ThrowIfNull(handler);
            Receive(messageType, message => ActorTaskScheduler.RunTask(() => handler(message)), shouldHandle);
        }

        protected void ReceiveAsync(Type messageType, Predicate<object> shouldHandle, Func<object, Task> handler) =>
            ReceiveAsync(messageType, handler, shouldHandle);

        internal override Receive InitialReceive()
        {
            ((Internal.IInitializableActor)this).Init();
            return _initial;
        }

        private static Receive Build(List<Handler> configured)
        {
            Handler[] handlers = [.. configured];
            return message =>
            {
                foreach (Handler handler in handlers)
                {
                    if (handler.TryHandle(message))
                        return true;
                }

                return false;
            };
        }

        private Receive Configure(Action configure)
        {
            ArgumentNullException.ThrowIfNull(configure);
            // Become may be called while another behaviour, that of the constructor too, is being put together.
            List<Handler> outer = _configuring;
            _configuring = [];
            try
            {
                configure();
                return Build(_configuring);
            }
            finally
            {
                _configuring = outer;
            }
        }

        private void Add(Handler handler)
        {
            if (_configuring is null)
                throw new InvalidOperationException("Handlers are added in the constructor or in the action given to Become.");
            if (_configuring.Count > 0 && _configuring[^1].TakesAll)
                throw new InvalidOperationException(
                    "A handler that takes every message has been added; none that is added later would be reached.");
            _configuring.Add(handler);
        }

        private abstract class Handler
        {
            public bool TakesAll { get; init; }

            public abstract bool TryHandle(object message);
        }

        private sealed class ActionHandler<T> : Handler
        {
            private readonly Action<T> _handler;
            private readonly Predicate<T> _shouldHandle;

            public ActionHandler(Action<T> handler, Predicate<T> shouldHandle)
            {
                _handler = handler;
                _shouldHandle = shouldHandle;
                TakesAll = typeof(T) == typeof(object) && shouldHandle is null;
            }

            public override bool TryHandle(object message)
            {
                if (message is not T typed || (_shouldHandle is not null && !_shouldHandle(typed)))
                    return false;
                _handler(typed);
                return true;
            }
        }

        private sealed class FuncHandler<T>(Func<T, bool> handler) : Handler
        {
            public override bool TryHandle(object message) => message is T typed && handler(typed);
        }

        private sealed class TypeHandler(Type type, Func<object, bool> handler) : Handler
        {
            public override bool TryHandle(object message) => type.IsInstanceOfType(message) && handler(message);
        }
    }
}

namespace Akka.Actor.Internal
{
    /// <summary>Is told when its constructor is done.</summary>
    public interface IInitializableActor
    {
        void Init();
    }
}
