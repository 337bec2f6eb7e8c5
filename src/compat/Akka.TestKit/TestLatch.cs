namespace Akka.TestKit;

/// <summary>Opens after so many counts, or by <see cref="Open"/>; <see cref="Ready()"/> waits for it.</summary>
public class TestLatch
{
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(5);

    private readonly Func<TimeSpan, TimeSpan> _dilate;
    private readonly TimeSpan _defaultTimeout;
    private readonly CountdownEvent _latch;

    public TestLatch() : this(1)
    {
    }

    public TestLatch(int count) : this(count, DefaultTimeout)
    {
    }

    public TestLatch(int count, TimeSpan defaultTimeout) : this(static time => time, defaultTimeout, count)
    {
    }

    protected TestLatch(Func<TimeSpan, TimeSpan> dilate, TimeSpan defaultTimeout, int count)
    {
        _dilate = dilate;
        _defaultTimeout = defaultTimeout;
        _latch = new CountdownEvent(count);
    }

    public bool IsOpen => _latch.IsSet;

    public void CountDown()
    {
        // A count too many leaves an open latch open.
        if (!_latch.IsSet) _latch.Signal();
    }

    public void Open()
    {
        while (!_latch.IsSet) CountDown();
    }

    /// <summary>Waits until the latch is open.</summary>
    /// <exception cref="TimeoutException">It did not open in time.</exception>
    public void Ready(TimeSpan timeout)
    {
        var limit = _dilate(timeout);
        if (!_latch.Wait(limit))
            throw new TimeoutException($"The latch did not open within {limit}, {_latch.CurrentCount} counts are missing.");
    }

    public void Ready() => Ready(_defaultTimeout);

    /// <summary>Closes the latch again, with its first count.</summary>
    public void Reset() => _latch.Reset();
}

/// <summary>A latch whose times follow akka.test.timefactor.</summary>
internal sealed class DilatedLatch(Func<TimeSpan, TimeSpan> dilate, TimeSpan defaultTimeout, int count)
    : TestLatch(dilate, defaultTimeout, count);
