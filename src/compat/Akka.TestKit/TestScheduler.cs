using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.TestKit;

/// <summary>
/// A scheduler whose time passes only when the test says so. Select it with
/// <c>akka.scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit"</c>. What is due runs in the thread that advances the
/// time, in the order of its times; what is due at the same time in the order in which it was scheduled.
/// </summary>
public class TestScheduler : IScheduler, IAdvancedScheduler
{
    private readonly Lock _lock = new();
    private readonly PriorityQueue<Item, (long Ticks, long Order)> _items = new();
    private DateTimeOffset _now = DateTimeOffset.UtcNow;
    private TimeSpan _elapsed;
    private long _order;

    public TestScheduler(Config schedulerConfig, ILoggingAdapter log)
    {
    }

    public DateTimeOffset Now => TimeNow;

    public TimeSpan MonotonicClock
    {
        get
        {
            lock (_lock) return _elapsed;
        }
    }

    public TimeSpan HighResMonotonicClock => MonotonicClock;

    public IAdvancedScheduler Advanced => this;

    protected DateTimeOffset TimeNow
    {
        get
        {
            lock (_lock) return _now;
        }
    }

    /// <summary>Lets time pass. What repeats is run for every interval that has passed.</summary>
    public void Advance(TimeSpan offset)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(offset, TimeSpan.Zero);
        var target = Now + offset;
        while (NextUntil(target) is { } item) item.Action();
        lock (_lock) MoveTo(target);
    }

    public void AdvanceTo(DateTimeOffset when)
    {
        if (when < Now) throw new InvalidOperationException("You can't reverse time...");
        Advance(when - Now);
    }

    public void ScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender) =>
        ScheduleTellOnce(delay, receiver, message, sender, null);

    public void ScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Add(delay, null, () => receiver.Tell(message, sender), cancelable);

    public void ScheduleTellRepeatedly(TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender) =>
        ScheduleTellRepeatedly(initialDelay, interval, receiver, message, sender, null);

    public void ScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Add(initialDelay, interval, () => receiver.Tell(message, sender), cancelable);

    public void ScheduleOnce(TimeSpan delay, Action action) => Add(delay, null, action, null);

    public void ScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) => Add(delay, null, action, cancelable);

    public void ScheduleOnce(TimeSpan delay, IRunnable action) => Add(delay, null, action.Run, null);

    public void ScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) => Add(delay, null, action.Run, cancelable);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action) => Add(initialDelay, interval, action, null);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        Add(initialDelay, interval, action, cancelable);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action) =>
        Add(initialDelay, interval, action.Run, null);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action, ICancelable cancelable) =>
        Add(initialDelay, interval, action.Run, cancelable);

    private void Add(TimeSpan delay, TimeSpan? interval, Action action, ICancelable cancelable)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        if (interval.HasValue) ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(interval.Value, TimeSpan.Zero, nameof(interval));
        lock (_lock) Enqueue(new Item(_now + delay, interval, action, cancelable));
    }

    private void Enqueue(Item item) => _items.Enqueue(item, (item.When.UtcTicks, _order++));

    /// <summary>Takes the next item that is due, with the time moved to it; the lock is free while it runs.</summary>
    private Item NextUntil(DateTimeOffset target)
    {
        lock (_lock)
        {
            while (_items.TryPeek(out var item, out _) && item.When <= target)
            {
                _items.Dequeue();
                if (item.Cancelable is { IsCancellationRequested: true }) continue;
                MoveTo(item.When);
                if (item.Interval.HasValue) Enqueue(item with { When = item.When + item.Interval.Value });
                return item;
            }

            return null;
        }
    }

    private void MoveTo(DateTimeOffset time)
    {
        if (time <= _now) return;
        _elapsed += time - _now;
        _now = time;
    }

    private sealed record Item(DateTimeOffset When, TimeSpan? Interval, Action Action, ICancelable Cancelable);
}
