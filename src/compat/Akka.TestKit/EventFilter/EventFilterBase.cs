using Akka.Event;

namespace Akka.TestKit.Internal;

/// <summary>Told by a filter that an event was its own.</summary>
public delegate void EventMatched(EventFilterBase eventFilter, LogEvent logEvent);

/// <summary>Recognises log events. As long as it is muted, the event listener shows it every event before anyone else.</summary>
public abstract class EventFilterBase : IEventFilter
{
    private protected EventFilterBase()
    {
    }

    /// <summary>Raised in the listener's thread.</summary>
    public event EventMatched EventMatched;

    protected abstract string FilterDescriptiveName { get; }

    public bool Apply(LogEvent logEvent)
    {
        if (!IsMatch(logEvent)) return false;
        OnEventMatched(logEvent);
        return true;
    }

    public override string ToString() => FilterDescriptiveName;

    protected abstract bool IsMatch(LogEvent evt);

    protected virtual void OnEventMatched(LogEvent logEvent) => EventMatched?.Invoke(this, logEvent);
}

/// <summary>A filter made of a predicate and its description.</summary>
internal sealed class PredicateEventFilter(string description, Predicate<LogEvent> isMatch) : EventFilterBase
{
    protected override string FilterDescriptiveName => description;

    protected override bool IsMatch(LogEvent evt) => isMatch(evt);
}
