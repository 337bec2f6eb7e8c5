using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Internal;
using Akka.TestKit.TestEvent;

namespace Akka.TestKit;

internal sealed class EventFilterApplier(TestKitBase testKit, ActorSystem system, EventFilterBase[] filters) : IEventFilterApplier
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    public EventFilterFactory And => new(testKit, system, filters);

    public void ExpectOne(Action action, CancellationToken cancellationToken = default) => Expect(1, action, cancellationToken);

    public void ExpectOne(TimeSpan timeout, Action action, CancellationToken cancellationToken = default) =>
        Expect(1, timeout, action, cancellationToken);

    public T ExpectOne<T>(Func<T> func, CancellationToken cancellationToken = default) => Expect(1, func, cancellationToken);

    public T ExpectOne<T>(TimeSpan timeout, Func<T> func, CancellationToken cancellationToken = default) =>
        Expect(1, timeout, func, cancellationToken);

    public Task ExpectOneAsync(Func<Task> actionAsync, CancellationToken cancellationToken = default) =>
        ExpectAsync(1, actionAsync, cancellationToken);

    public Task ExpectOneAsync(TimeSpan timeout, Func<Task> action, CancellationToken cancellationToken = default) =>
        ExpectAsync(1, timeout, action, cancellationToken);

    public Task<T> ExpectOneAsync<T>(Func<Task<T>> func, CancellationToken cancellationToken = default) =>
        ExpectAsync(1, func, cancellationToken);

    public Task<T> ExpectOneAsync<T>(TimeSpan timeout, Func<Task<T>> func, CancellationToken cancellationToken = default) =>
        ExpectAsync(1, timeout, func, cancellationToken);

    public void Expect(int expectedCount, Action action, CancellationToken cancellationToken = default) =>
        Intercept(AsFunction(action), expectedCount, null, cancellationToken);

    public void Expect(int expectedCount, TimeSpan timeout, Action action, CancellationToken cancellationToken = default) =>
        Intercept(AsFunction(action), expectedCount, timeout, cancellationToken);

    public T Expect<T>(int expectedCount, Func<T> func, CancellationToken cancellationToken = default) =>
        Intercept(func, expectedCount, null, cancellationToken);

    public T Expect<T>(int expectedCount, TimeSpan timeout, Func<T> func, CancellationToken cancellationToken = default) =>
        Intercept(func, expectedCount, timeout, cancellationToken);

    public Task ExpectAsync(int expectedCount, Func<Task> actionAsync, CancellationToken cancellationToken = default) =>
        InterceptAsync(AsFunction(actionAsync), expectedCount, null, cancellationToken);

    public Task ExpectAsync(int expectedCount, TimeSpan timeout, Func<Task> action, CancellationToken cancellationToken = default) =>
        InterceptAsync(AsFunction(action), expectedCount, timeout, cancellationToken);

    public Task<T> ExpectAsync<T>(int expectedCount, Func<Task<T>> func, CancellationToken cancellationToken = default) =>
        InterceptAsync(func, expectedCount, null, cancellationToken);

    public Task<T> ExpectAsync<T>(
        int expectedCount, TimeSpan timeout, Func<Task<T>> func, CancellationToken cancellationToken = default) =>
        InterceptAsync(func, expectedCount, timeout, cancellationToken);

    public void Mute(Action action, CancellationToken cancellationToken = default) =>
        Intercept(AsFunction(action), null, null, cancellationToken);

    public T Mute<T>(Func<T> func, CancellationToken cancellationToken = default) => Intercept(func, null, null, cancellationToken);

    public Task MuteAsync(Func<Task> action, CancellationToken cancellationToken = default) =>
        InterceptAsync(AsFunction(action), null, null, cancellationToken);

    public Task<T> MuteAsync<T>(Func<Task<T>> func, CancellationToken cancellationToken = default) =>
        InterceptAsync(func, null, null, cancellationToken);

    public IUnmutableFilter Mute()
    {
        system.EventStream.Publish(new Mute(filters));
        return new Muted(system, filters);
    }

    private static Func<object> AsFunction(Action action) => () =>
    {
        action();
        return null;
    };

    private static Func<Task<object>> AsFunction(Func<Task> action) => async () =>
    {
        await action();
        return null;
    };

    private T Intercept<T>(Func<T> func, int? expected, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using var count = new Count(system, filters);
        var result = func();
        if (expected.HasValue)
        {
            var limit = Limit(timeout);
            testKit.AwaitConditionNoThrow(() => Enough(count, expected.Value), limit, PollInterval, cancellationToken);
            Check(count, expected.Value, limit);
        }

        return result;
    }

    private async Task<T> InterceptAsync<T>(Func<Task<T>> func, int? expected, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using var count = new Count(system, filters);
        var result = await func();
        if (expected.HasValue)
        {
            var limit = Limit(timeout);
            await testKit.AwaitConditionNoThrowAsync(() => Enough(count, expected.Value), limit, PollInterval, cancellationToken);
            Check(count, expected.Value, limit);
        }

        return result;
    }

    private TimeSpan Limit(TimeSpan? timeout) => testKit.Dilated(timeout ?? testKit.TestKitSettings.TestEventFilterLeeway);

    /// <summary>That nothing came shows only at the end of the time.</summary>
    private static bool Enough(Count count, int expected) => count.Value >= Math.Max(expected, 1);

    private void Check(Count count, int expected, TimeSpan limit)
    {
        var actual = count.Value;
        if (actual == expected) return;
        var names = string.Join<EventFilterBase>(", ", filters);
        testKit.Fail(actual < expected
            ? $"Timeout ({limit}) while waiting for messages. Only received {actual}/{expected} messages that matched filter [{names}]"
            : $"Received {actual - expected} messages too many. Expected {expected} but received {actual} that matched filter [{names}]");
    }

    /// <summary>Mutes the filters and counts what they match, until it is disposed of.</summary>
    private sealed class Count : IDisposable
    {
        private readonly ActorSystem _system;
        private readonly EventFilterBase[] _filters;
        private int _value;

        public Count(ActorSystem system, EventFilterBase[] filters)
        {
            _system = system;
            _filters = filters;
            foreach (var filter in filters) filter.EventMatched += OnMatched;
            system.EventStream.Publish(new Mute(filters));
        }

        public int Value => Volatile.Read(ref _value);

        public void Dispose()
        {
            foreach (var filter in _filters) filter.EventMatched -= OnMatched;
            _system.EventStream.Publish(new Unmute(_filters));
        }

        private void OnMatched(EventFilterBase filter, LogEvent logEvent) => Interlocked.Increment(ref _value);
    }

    private sealed class Muted(ActorSystem system, EventFilterBase[] filters) : IUnmutableFilter
    {
        public void Unmute() => system.EventStream.Publish(new Unmute(filters));

        public void Dispose() => Unmute();
    }
}
