using Chronik.Model;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>Readers that wait for a partition to grow: none is forgotten, none is woken twice.</summary>
public sealed class FetchWaitersTests
{
    private readonly FetchWaiters _waiters = new();

    [Fact]
    public void A_waiter_is_woken_once_when_the_high_watermark_passes_it()
    {
        Waiter waiter = new();
        _waiters.Add(waiter, new KafkaOffset(10));
        _waiters.Advance(new KafkaOffset(10));
        Assert.Equal(0, waiter.Woken);
        _waiters.Advance(new KafkaOffset(11));
        _waiters.Advance(new KafkaOffset(12));
        Assert.Equal(1, waiter.Woken);
    }

    [Fact]
    public void A_waiter_that_comes_too_late_is_woken_at_once()
    {
        _waiters.Advance(new KafkaOffset(11));
        Waiter waiter = new();
        _waiters.Add(waiter, new KafkaOffset(10));
        Assert.Equal(1, waiter.Woken);
    }

    [Fact]
    public void A_change_of_leadership_wakes_everyone()
    {
        Waiter near = new();
        Waiter far = new();
        _waiters.Add(near, new KafkaOffset(1));
        _waiters.Add(far, new KafkaOffset(1_000));
        _waiters.WakeAll(new KafkaOffset(0));
        Assert.Equal(1, near.Woken);
        Assert.Equal(1, far.Woken);
    }

    [Fact]
    public void A_waiter_that_was_removed_is_not_woken()
    {
        Waiter waiter = new();
        _waiters.Add(waiter, new KafkaOffset(0));
        _waiters.Remove(waiter);
        _waiters.Advance(new KafkaOffset(5));
        Assert.Equal(0, waiter.Woken);
    }

    [Fact]
    public void Additions_and_advances_from_many_threads_lose_no_wake_up()
    {
        const int Rounds = 2_000;
        CountdownEvent woken = new(Rounds);
        Parallel.Invoke(
            () =>
            {
                for (int i = 0; i < Rounds; i++) _waiters.Add(new Signal(woken), new KafkaOffset(i));
            },
            () =>
            {
                for (int i = 0; i <= Rounds; i++) _waiters.Advance(new KafkaOffset(i));
            });
        Assert.True(woken.Wait(TimeSpan.FromSeconds(30)), $"{woken.CurrentCount} waiters were never woken");
    }

    private sealed class Waiter : IFetchWaiter
    {
        public int Woken { get; private set; }

        public void Wake() => Woken++;
    }

    private sealed class Signal(CountdownEvent woken) : IFetchWaiter
    {
        public void Wake() => woken.Signal();
    }
}
