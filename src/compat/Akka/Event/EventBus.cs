using System.Collections.Concurrent;
using Akka.Actor;

namespace Akka.Event;

/// <summary>Publishes events to those who subscribed to what the events are classified by.</summary>
public abstract class EventBus<TEvent, TClassifier, TSubscriber>
{
    private protected EventBus()
    {
    }

    public abstract void Publish(TEvent @event);

    /// <summary>False when the subscriber had subscribed already.</summary>
    public abstract bool Subscribe(TSubscriber subscriber, TClassifier classifier);

    public abstract bool Unsubscribe(TSubscriber subscriber);

    public abstract bool Unsubscribe(TSubscriber subscriber, TClassifier classifier);
}

/// <summary>A bus whose subscribers are actors.</summary>
public abstract class ActorEventBus<TEvent, TClassifier> : EventBus<TEvent, TClassifier, IActorRef>
{
    private protected ActorEventBus()
    {
    }
}

/// <summary>
/// Publishes events to the actors that subscribed to their type or to a base of it. Subscriptions are copied when they change; publishing
/// reads a cached array.
/// </summary>
public class LoggingBus : ActorEventBus<object, Type>
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Type, IActorRef[]> _subscriptions = [];
    private readonly ConcurrentDictionary<Type, IActorRef[]> _cache = new();
    private List<IActorRef> _loggers = [];
    private volatile int _logLevel;

    public LogLevel LogLevel => (LogLevel)_logLevel;

    /// <summary>Sends an event to its subscribers.</summary>
    public override void Publish(object @event)
    {
        ArgumentNullException.ThrowIfNull(@event);
        Type type = @event.GetType();
        if (!_cache.TryGetValue(type, out IActorRef[] subscribers))
            subscribers = Collect(type);
        foreach (IActorRef subscriber in subscribers)
            subscriber.Tell(@event, ActorRefs.NoSender);
    }

    public override bool Subscribe(IActorRef subscriber, Type classifier)
    {
        lock (_lock)
        {
            IActorRef[] subscribers = _subscriptions.GetValueOrDefault(classifier, []);
            if (Array.IndexOf(subscribers, subscriber) >= 0)
                return false;
            _subscriptions[classifier] = [.. subscribers, subscriber];
            _cache.Clear();
            return true;
        }
    }

    public override bool Unsubscribe(IActorRef subscriber)
    {
        lock (_lock)
        {
            bool any = false;
            foreach (Type classifier in _subscriptions.Keys.ToArray())
                any |= Unsubscribe(subscriber, classifier);
            return any;
        }
    }

    public override bool Unsubscribe(IActorRef subscriber, Type classifier)
    {
        lock (_lock)
        {
            if (!_subscriptions.TryGetValue(classifier, out IActorRef[] subscribers) || Array.IndexOf(subscribers, subscriber) < 0)
                return false;
            subscribers = Array.FindAll(subscribers, s => !s.Equals(subscriber));
            if (subscribers.Length > 0)
                _subscriptions[classifier] = subscribers;
            else
                _subscriptions.Remove(classifier);
            _cache.Clear();
            return true;
        }
    }

    /// <summary>Loggers get the events of this level and of those above it.</summary>
    public void SetLogLevel(LogLevel logLevel)
    {
        lock (_lock)
        {
            _logLevel = (int)logLevel;
            foreach (IActorRef logger in _loggers)
                SubscribeLogger(logger, logLevel);
        }
    }

    /// <summary>Logs to the console until the configured loggers run.</summary>
    public void StartStdoutLogger(Settings config)
    {
        _logLevel = (int)Logging.LogLevelFor(config.StdoutLogLevel);
        AddLogger(config.StdoutLogger);
    }

    internal void AddLogger(IActorRef logger)
    {
        lock (_lock)
        {
            _loggers = [.. _loggers, logger];
            SubscribeLogger(logger, LogLevel);
        }
    }

    internal void RemoveLogger(IActorRef logger)
    {
        lock (_lock)
        {
            _loggers = _loggers.FindAll(l => !l.Equals(logger));
            foreach (LogLevel level in Logging.AllLevels)
                Unsubscribe(logger, level.ClassFor());
        }
    }

    private void SubscribeLogger(IActorRef logger, LogLevel from)
    {
        foreach (LogLevel level in Logging.AllLevels)
        {
            if (level >= from)
                Subscribe(logger, level.ClassFor());
            else
                Unsubscribe(logger, level.ClassFor());
        }
    }

    private IActorRef[] Collect(Type type)
    {
        lock (_lock)
        {
            var found = new List<IActorRef>();
            foreach ((Type classifier, IActorRef[] subscribers) in _subscriptions)
            {
                if (!classifier.IsAssignableFrom(type))
                    continue;
                foreach (IActorRef subscriber in subscribers)
                {
                    if (!found.Contains(subscriber))
                        found.Add(subscriber);
                }
            }

            // Stored under the lock, so that a change that comes later clears it.
            IActorRef[] all = [.. found];
            _cache[type] = all;
            return all;
        }
    }
}

/// <summary>The bus of a system: log events, dead letters, unhandled messages and whatever the application publishes.</summary>
public class EventStream : LoggingBus
{
    private readonly bool _debug;

    public EventStream(bool debug) => _debug = debug;

    public override bool Subscribe(IActorRef subscriber, Type channel)
    {
        ArgumentNullException.ThrowIfNull(subscriber);
        // A dead subscriber takes itself out. Watching it instead would cost an actor and two messages for every one.
        if (ActorCell.Of(subscriber) is { } cell)
            cell.SubscribesToEventStream = true;
        DebugLog("subscribing {0} to channel {1}", subscriber, channel);
        bool subscribed = base.Subscribe(subscriber, channel);
        if (ActorCell.Of(subscriber) is { IsTerminated: true })
            base.Unsubscribe(subscriber);
        return subscribed;
    }

    public override bool Unsubscribe(IActorRef subscriber, Type channel)
    {
        ArgumentNullException.ThrowIfNull(subscriber);
        bool unsubscribed = base.Unsubscribe(subscriber, channel);
        DebugLog("unsubscribing {0} from channel {1}", subscriber, channel);
        return unsubscribed;
    }

    public override bool Unsubscribe(IActorRef subscriber)
    {
        ArgumentNullException.ThrowIfNull(subscriber);
        bool unsubscribed = base.Unsubscribe(subscriber);
        DebugLog("unsubscribing {0} from {1}", subscriber, "all channels");
        return unsubscribed;
    }

    private void DebugLog(string format, IActorRef subscriber, object channel)
    {
        if (_debug)
            Publish(new Debug(nameof(EventStream), GetType(), DefaultLogMessageFormatter.Instance.Format(format, subscriber, channel)));
    }
}

public static class EventStreamExtensions
{
    public static bool Subscribe<TChannel>(this EventStream eventStream, IActorRef subscriber) =>
        eventStream.Subscribe(subscriber, typeof(TChannel));

    public static bool Unsubscribe<TChannel>(this EventStream eventStream, IActorRef subscriber) =>
        eventStream.Unsubscribe(subscriber, typeof(TChannel));
}
