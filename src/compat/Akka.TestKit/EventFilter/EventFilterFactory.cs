using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Internal;

namespace Akka.TestKit;

/// <summary>
/// Makes filters for log events. Of <c>message</c> (the whole text), <c>start</c> and <c>contains</c> at most one is given;
/// <c>source</c> is the event's log source.
/// </summary>
public class EventFilterFactory
{
    private readonly TestKitBase _testKit;
    private readonly ActorSystem _system;
    private readonly IReadOnlyList<EventFilterBase> _filters;

    public EventFilterFactory(TestKitBase testkit) : this(testkit, testkit.Sys)
    {
    }

    public EventFilterFactory(TestKitBase testkit, ActorSystem system) : this(testkit, system, [])
    {
    }

    public EventFilterFactory(TestKitBase testkit, ActorSystem actorSystem, IReadOnlyList<EventFilterBase> filters)
    {
        _testKit = testkit;
        _system = actorSystem;
        _filters = filters ?? [];
    }

    public IEventFilterApplier Debug(string message = null, string start = null, string contains = null, string source = null) =>
        ForLogLevel(LogLevel.DebugLevel, message, start, contains, source);

    public IEventFilterApplier Debug(Regex pattern, string source = null) => ForLogLevel(LogLevel.DebugLevel, pattern, source);

    public IEventFilterApplier Info(string message = null, string start = null, string contains = null, string source = null) =>
        ForLogLevel(LogLevel.InfoLevel, message, start, contains, source);

    public IEventFilterApplier Info(Regex pattern, string source = null) => ForLogLevel(LogLevel.InfoLevel, pattern, source);

    public IEventFilterApplier Warning(string message = null, string start = null, string contains = null, string source = null) =>
        ForLogLevel(LogLevel.WarningLevel, message, start, contains, source);

    public IEventFilterApplier Warning(Regex pattern, string source = null) => ForLogLevel(LogLevel.WarningLevel, pattern, source);

    public IEventFilterApplier Error(string message = null, string start = null, string contains = null, string source = null) =>
        ForLogLevel(LogLevel.ErrorLevel, message, start, contains, source);

    public IEventFilterApplier Error(Regex pattern, string source = null) => ForLogLevel(LogLevel.ErrorLevel, pattern, source);

    public IEventFilterApplier ForLogLevel(
        LogLevel logLevel, string message = null, string start = null, string contains = null, string source = null)
    {
        var text = TextMatcher.Of(message, start, contains);
        return Create($"{logLevel}{text}{From(source)}", e => e.LogLevel() == logLevel && IsFrom(e, source) && text.Matches(TextOf(e)));
    }

    public IEventFilterApplier ForLogLevel(LogLevel logLevel, Regex pattern, string source = null)
    {
        var text = TextMatcher.Of(pattern);
        return Create($"{logLevel}{text}{From(source)}", e => e.LogLevel() == logLevel && IsFrom(e, source) && text.Matches(TextOf(e)));
    }

    /// <summary>An error with a cause of this type. The text is looked for in the event and in the cause.</summary>
    public IEventFilterApplier Exception<TException>(
        string message = null, string start = null, string contains = null, string source = null)
        where TException : Exception => Exception(typeof(TException), message, start, contains, source);

    public IEventFilterApplier Exception<TException>(Regex pattern, string source = null)
        where TException : Exception => Exception(typeof(TException), pattern, source);

    public IEventFilterApplier Exception(
        Type exceptionType,
        string message = null,
        string start = null,
        string contains = null,
        string source = null,
        bool checkInnerExceptions = false) =>
        Exception(exceptionType, TextMatcher.Of(message, start, contains), source, checkInnerExceptions);

    public IEventFilterApplier Exception(Type exceptionType, Regex pattern, string source = null, bool checkInnerExceptions = false) =>
        Exception(exceptionType, TextMatcher.Of(pattern), source, checkInnerExceptions);

    public IEventFilterApplier Custom(Predicate<LogEvent> predicate) => Create("Custom", predicate);

    public IEventFilterApplier Custom<TLogEvent>(Predicate<TLogEvent> predicate)
        where TLogEvent : LogEvent => Create($"Custom {typeof(TLogEvent).Name}", e => e is TLogEvent typed && predicate(typed));

    /// <summary>Messages that nobody received.</summary>
    public IEventFilterApplier DeadLetter() => DeadLetter(static _ => true, null, "any");

    public IEventFilterApplier DeadLetter<TMessage>(string source = null) =>
        DeadLetter(static message => message is TMessage, source, typeof(TMessage).Name);

    public IEventFilterApplier DeadLetter<TMessage>(Func<TMessage, bool> isMatch, string source = null) =>
        DeadLetter(message => message is TMessage typed && isMatch(typed), source, typeof(TMessage).Name);

    public IEventFilterApplier DeadLetter(Type type, string source = null) => DeadLetter(type.IsInstanceOfType, source, type.Name);

    public IEventFilterApplier DeadLetter(Type type, Func<object, bool> isMatch, string source = null) =>
        DeadLetter(message => type.IsInstanceOfType(message) && isMatch(message), source, type.Name);

    private static string From(string source) => source == null ? "" : $" from {source}";

    private static bool IsFrom(LogEvent e, string source) => source == null || source == e.LogSource
        || (e.LogSource?.StartsWith($"[{source}", StringComparison.Ordinal) ?? false)
        || (e.LogSource?.StartsWith(source + " (", StringComparison.Ordinal) ?? false);

    private static string TextOf(LogEvent e) => e.Message?.ToString() ?? "";

    private static bool Any(Exception cause, bool inner, Predicate<Exception> matches)
    {
        for (var e = cause; e != null; e = inner ? e.InnerException : null)
        {
            if (matches(e)) return true;
            if (inner && e is AggregateException aggregate && aggregate.InnerExceptions.Any(x => Any(x, true, matches))) return true;
        }

        return false;
    }

    private IEventFilterApplier Exception(Type type, TextMatcher text, string source, bool inner) => Create(
        $"Exception {type.Name}{text}{From(source)}",
        e => e is Error error && IsFrom(e, source)
            && Any(error.Cause, inner, cause => type.IsInstanceOfType(cause) && (text.Matches(TextOf(e)) || text.Matches(cause.Message))));

    private IEventFilterApplier DeadLetter(Func<object, bool> isMatch, string source, string description) => Create(
        $"DeadLetter {description}{From(source)}",
        e => e is Warning { Message: AllDeadLetters letter } && (source == null || source == letter.Recipient.Path.ToString())
            && isMatch(letter.Message));

    private IEventFilterApplier Create(string description, Predicate<LogEvent> isMatch) =>
        new EventFilterApplier(_testKit, _system, [.. _filters, new PredicateEventFilter(description, isMatch)]);

    /// <summary>What the text of an event has to look like.</summary>
    private sealed record TextMatcher(string Description, Predicate<string> Matches)
    {
        public static TextMatcher Of(string message, string start, string contains) =>
            message != null ? new($" \"{message}\"", text => text == message)
            : start != null ? new($" starting with \"{start}\"", text => text.StartsWith(start, StringComparison.Ordinal))
            : contains != null ? new($" containing \"{contains}\"", text => text.Contains(contains, StringComparison.Ordinal))
            : new("", static _ => true);

        public static TextMatcher Of(Regex pattern) => new($" matching {pattern}", pattern.IsMatch);

        public override string ToString() => Description;
    }
}
