namespace Chronik.Partitions.Tests;

/// <summary>A clock that a test moves by hand.</summary>
internal sealed class HandTime : TimeProvider
{
    private static readonly TimeSpan LongestStep = TimeSpan.FromMilliseconds(50);

    private readonly Lock _lock = new();
    private readonly List<HandTimer> _timers = [];
    private long _now = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Volatile.Read(ref _now);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        HandTimer timer = new(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>
    /// Lets time pass, and calls whom it was promised to: once, however many periods of a timer that is. What was to be done for each of
    /// them would only pile up.
    /// </summary>
    public void Advance(TimeSpan time)
    {
        List<HandTimer> due;
        lock (_lock)
        {
            _now += time.Ticks;
            due = _timers.FindAll(timer => timer.DueAt <= _now);
            foreach (HandTimer timer in due) timer.Plan(timer.Period);
        }

        foreach (HandTimer timer in due) timer.Fire();
    }

    /// <summary>
    /// Lets time pass as on the wall until something is so. While this process hardly gets on, time does not either: for each step
    /// everybody else has had a turn.
    /// </summary>
    public Task RunUntilAsync(Func<bool> condition)
    {
        long last = System.GetTimestamp();
        return NodeFixture.UntilAsync(() =>
        {
            if (condition()) return true;
            long now = System.GetTimestamp();
            TimeSpan passed = System.GetElapsedTime(last, now);
            last = now;
            Advance(passed < LongestStep ? passed : LongestStep);
            return false;
        });
    }

    private sealed class HandTimer(HandTime time, Action fire) : ITimer
    {
        private bool _isDisposed;

        public long DueAt { get; private set; }

        public TimeSpan Period { get; private set; }

        public void Fire() => fire();

        /// <summary>It is due after so long, or not at all. Under the clock's lock.</summary>
        public void Plan(TimeSpan dueTime)
        {
            time._timers.Remove(this);
            if (dueTime == Timeout.InfiniteTimeSpan || _isDisposed) return;
            DueAt = time._now + dueTime.Ticks;
            time._timers.Add(this);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._lock)
            {
                Period = period;
                Plan(dueTime);
                return !_isDisposed;
            }
        }

        public void Dispose()
        {
            lock (time._lock)
            {
                _isDisposed = true;
                time._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
