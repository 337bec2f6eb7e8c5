namespace Akka.TestKit;

/// <content>Time limits, and waiting for what is not a message.</content>
public abstract partial class TestKitBase
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>What is left of the innermost Within; an exception outside of one.</summary>
    public TimeSpan Remaining => _end.HasValue
        ? Max(_end.Value - Now, TimeSpan.Zero)
        : throw new InvalidOperationException(@"Remaining may not be called outside of ""within""");

    public TimeSpan RemainingOrDefault => RemainingOr(Dilated(TestKitSettings.SingleExpectDefault));

    /// <summary>The given time, dilated, but not more than what is left of the innermost Within; without one the default.</summary>
    public TimeSpan RemainingOrDilated(TimeSpan? duration)
    {
        if (!duration.HasValue) return RemainingOrDefault;
        if (duration.Value == Timeout.InfiniteTimeSpan)
            return _end.HasValue ? Remaining : throw new ArgumentException("An infinite time needs a Within around it.", nameof(duration));
        if (duration.Value < TimeSpan.Zero) throw new ArgumentException("Must be positive TimeSpan", nameof(duration));
        var dilated = Dilated(duration.Value);
        return _end.HasValue && Remaining < dilated ? Remaining : dilated;
    }

    public TimeSpan GetTimeoutOrDefault(TimeSpan? timeout) => RemainingOrDilated(timeout);

    /// <summary>Runs an action that may take so long at most; times without a value inside of it end with it.</summary>
    public void Within(TimeSpan max, Action action, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        Within(TimeSpan.Zero, max, action, null, epsilonValue, cancellationToken);

    public void Within(
        TimeSpan min,
        TimeSpan max,
        Action action,
        string hint = null,
        TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default) => Within<object>(
        min,
        max,
        () =>
        {
            action();
            return null;
        },
        hint,
        epsilonValue,
        cancellationToken);

    public T Within<T>(TimeSpan max, Func<T> function, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        Within(TimeSpan.Zero, max, function, null, epsilonValue, cancellationToken);

    public T Within<T>(
        TimeSpan min,
        TimeSpan max,
        Func<T> function,
        string hint = null,
        TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var frame = Enter(min, max, hint, epsilonValue);
        T result;
        try
        {
            result = function();
        }
        finally
        {
            _end = frame.OuterEnd;
        }

        Leave(frame);
        return result;
    }

    public Task WithinAsync(
        TimeSpan max, Func<Task> actionAsync, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        WithinAsync(TimeSpan.Zero, max, actionAsync, null, epsilonValue, cancellationToken);

    public Task WithinAsync(
        TimeSpan min,
        TimeSpan max,
        Func<Task> actionAsync,
        string hint = null,
        TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default) => WithinAsync<object>(
        min,
        max,
        async () =>
        {
            await actionAsync();
            return null;
        },
        hint,
        epsilonValue,
        cancellationToken);

    public Task<T> WithinAsync<T>(
        TimeSpan max, Func<Task<T>> function, TimeSpan? epsilonValue = null, CancellationToken cancellationToken = default) =>
        WithinAsync(TimeSpan.Zero, max, function, null, epsilonValue, cancellationToken);

    public async Task<T> WithinAsync<T>(
        TimeSpan min,
        TimeSpan max,
        Func<Task<T>> function,
        string hint = null,
        TimeSpan? epsilonValue = null,
        CancellationToken cancellationToken = default)
    {
        var frame = Enter(min, max, hint, epsilonValue);
        T result;
        try
        {
            result = await function().WaitAsync(cancellationToken);
        }
        finally
        {
            _end = frame.OuterEnd;
        }

        Leave(frame);
        return result;
    }

    /// <summary>Waits until an assertion holds; what it threw last is the failure.</summary>
    public void AwaitAssert(
        Action assertion, TimeSpan? duration = null, TimeSpan? interval = null, CancellationToken cancellationToken = default)
    {
        var stop = Now + RemainingOrDilated(duration);
        var pause = interval ?? PollInterval;
        while (true)
        {
            try
            {
                assertion();
                return;
            }
            catch when (Now + pause < stop)
            {
                cancellationToken.WaitHandle.WaitOne(pause);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    public Task AwaitAssertAsync(
        Action assertion, TimeSpan? duration = null, TimeSpan? interval = null, CancellationToken cancellationToken = default) =>
        AwaitAssertAsync(AsTask(assertion), duration, interval, cancellationToken);

    public async Task AwaitAssertAsync(
        Func<Task> assertion, TimeSpan? duration = null, TimeSpan? interval = null, CancellationToken cancellationToken = default)
    {
        var stop = Now + RemainingOrDilated(duration);
        var pause = interval ?? PollInterval;
        while (true)
        {
            try
            {
                await assertion();
                return;
            }
            catch when (Now + pause < stop)
            {
            }

            await Task.Delay(pause, cancellationToken);
        }
    }

    public void AwaitCondition(Func<bool> conditionIsFulfilled, CancellationToken cancellationToken = default) =>
        AwaitCondition(conditionIsFulfilled, null, null, null, cancellationToken);

    public void AwaitCondition(Func<bool> conditionIsFulfilled, TimeSpan? max, CancellationToken cancellationToken = default) =>
        AwaitCondition(conditionIsFulfilled, max, null, null, cancellationToken);

    public void AwaitCondition(
        Func<bool> conditionIsFulfilled, TimeSpan? max, string message, CancellationToken cancellationToken = default) =>
        AwaitCondition(conditionIsFulfilled, max, null, message, cancellationToken);

    /// <summary>Waits until a condition holds, and fails when it does not in time.</summary>
    public void AwaitCondition(
        Func<bool> conditionIsFulfilled,
        TimeSpan? max,
        TimeSpan? interval,
        string message = null,
        CancellationToken cancellationToken = default)
    {
        var limit = RemainingOrDilated(max);
        if (!AwaitConditionNoThrow(conditionIsFulfilled, limit, interval, cancellationToken)) FailCondition(limit, message);
    }

    public Task AwaitConditionAsync(Func<bool> conditionIsFulfilled, CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(AsTask(conditionIsFulfilled), null, null, null, cancellationToken);

    public Task AwaitConditionAsync(Func<Task<bool>> conditionIsFulfilled, CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(conditionIsFulfilled, null, null, null, cancellationToken);

    public Task AwaitConditionAsync(
        Func<Task<bool>> conditionIsFulfilled, TimeSpan? max, CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(conditionIsFulfilled, max, null, null, cancellationToken);

    public Task AwaitConditionAsync(
        Func<bool> conditionIsFulfilled, TimeSpan? max, string message, CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(AsTask(conditionIsFulfilled), max, null, message, cancellationToken);

    public Task AwaitConditionAsync(
        Func<Task<bool>> conditionIsFulfilled, TimeSpan? max, string message, CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(conditionIsFulfilled, max, null, message, cancellationToken);

    public Task AwaitConditionAsync(
        Func<bool> conditionIsFulfilled,
        TimeSpan? max,
        TimeSpan? interval,
        string message = null,
        CancellationToken cancellationToken = default) =>
        AwaitConditionAsync(AsTask(conditionIsFulfilled), max, interval, message, cancellationToken);

    public async Task AwaitConditionAsync(
        Func<Task<bool>> conditionIsFulfilled,
        TimeSpan? max,
        TimeSpan? interval,
        string message = null,
        CancellationToken cancellationToken = default)
    {
        var limit = RemainingOrDilated(max);
        if (!await AwaitConditionNoThrowAsync(conditionIsFulfilled, limit, interval, cancellationToken)) FailCondition(limit, message);
    }

    public bool AwaitConditionNoThrow(
        Func<bool> conditionIsFulfilled, TimeSpan max, TimeSpan? interval = null, CancellationToken cancellationToken = default)
    {
        var stop = Now + max;
        while (!conditionIsFulfilled())
        {
            var left = stop - Now;
            if (left <= TimeSpan.Zero) return false;
            cancellationToken.WaitHandle.WaitOne(Min(left, interval ?? PollInterval));
            cancellationToken.ThrowIfCancellationRequested();
        }

        return true;
    }

    public Task<bool> AwaitConditionNoThrowAsync(
        Func<bool> conditionIsFulfilled, TimeSpan max, TimeSpan? interval = null, CancellationToken cancellationToken = default) =>
        AwaitConditionNoThrowAsync(AsTask(conditionIsFulfilled), max, interval, cancellationToken);

    public async Task<bool> AwaitConditionNoThrowAsync(
        Func<Task<bool>> conditionIsFulfilled, TimeSpan max, TimeSpan? interval = null, CancellationToken cancellationToken = default)
    {
        var stop = Now + max;
        while (!await conditionIsFulfilled())
        {
            var left = stop - Now;
            if (left <= TimeSpan.Zero) return false;
            await Task.Delay(Min(left, interval ?? PollInterval), cancellationToken);
        }

        return true;
    }

    protected TimeSpan RemainingOr(TimeSpan duration) => _end.HasValue ? Remaining : duration;

    internal static Func<Task<T>> AsTask<T>(Func<T> function) => () => Task.FromResult(function());

    internal static Func<Task> AsTask(Action action) => () =>
    {
        action();
        return Task.CompletedTask;
    };

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private void FailCondition(TimeSpan limit, string message) =>
        _assertions.Fail("Timeout {0} expired while waiting for condition. {1}", limit, message ?? "");

    private Frame Enter(TimeSpan min, TimeSpan max, string hint, TimeSpan? epsilon)
    {
        if (min < TimeSpan.Zero) throw new ArgumentException("Must be positive TimeSpan", nameof(min));
        if (max < TimeSpan.Zero) throw new ArgumentException("Must be positive TimeSpan", nameof(max));
        max = Dilated(max);
        var start = Now;
        var outer = _end;
        var left = outer.HasValue ? outer.Value - start : max;
        _assertions.AssertTrue(left >= min, "Required min time {0} not possible, only {1} left. {2}", min, left, hint ?? "");
        var limit = Min(max, left);
        _lastWasNoMsg = false;
        _end = start + limit;
        return new Frame(outer, start, min, limit, epsilon ?? TimeSpan.Zero, hint ?? "");
    }

    private void Leave(Frame frame)
    {
        var elapsed = Now - frame.Start;
        _assertions.AssertTrue(
            elapsed >= frame.Min, "Failed: Block took {0}, should have at least been {1}. {2}", elapsed, frame.Min, frame.Hint);
        // Silence until the very end was what the block asked for.
        if (_lastWasNoMsg) return;
        _assertions.AssertTrue(
            elapsed <= frame.Max + frame.Epsilon, "Failed: Block took {0}, exceeding {1}. {2}", elapsed, frame.Max, frame.Hint);
    }

    private readonly record struct Frame(
        TimeSpan? OuterEnd, TimeSpan Start, TimeSpan Min, TimeSpan Max, TimeSpan Epsilon, string Hint);
}
