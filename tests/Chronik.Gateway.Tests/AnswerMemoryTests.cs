using Chronik.Gateway.Network;

namespace Chronik.Gateway.Tests;

public sealed class AnswerMemoryTests
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Clock _clock = new();
    private readonly List<int> _closed = [];
    private readonly AnswerMemory _memory;

    public AnswerMemoryTests() => _memory = new AnswerMemory(100, Grace, Patience, _clock);

    [Fact]
    public void Whoever_has_held_some_for_longest_makes_room_before_it_is_used_up()
    {
        Take(1, 30);
        Take(2, 30);
        _clock.Pass(Grace);
        Take(3, 15);
        Assert.Empty(_closed);
        Take(4, 25);
        Assert.Equal([1], _closed);
        Assert.Null(Try(5, 30));
        Assert.Equal([1, 2], _closed);
        Assert.InRange(_memory.InUse, 1, 100);
    }

    [Fact]
    public void Those_that_are_being_closed_count_until_they_have_given_back()
    {
        AnswerLease first = Take(1, 60);
        _clock.Pass(Grace);
        Take(2, 40);
        Assert.Equal([1], _closed);
        Assert.Equal(100, _memory.InUse);
        Assert.Null(Try(3, 1));
        _memory.Give(first);
        Assert.Equal(40, _memory.InUse);
        _memory.Give(Take(3, 60));
        Assert.Equal(40, _memory.InUse);
    }

    [Fact]
    public void Nobody_is_closed_within_the_grace_nor_while_this_node_is_what_takes_long()
    {
        Take(1, 50);
        Assert.NotNull(Try(2, 50, waitsForClient: false));
        Assert.Null(Try(3, 10));
        _clock.Pass(Grace);
        Assert.Null(Try(3, 100));
        Assert.Equal([1], _closed);
    }

    [Fact]
    public void Beyond_the_patience_everybody_is_closed_until_half_is_left()
    {
        Take(1, 20);
        Assert.NotNull(Try(2, 20, waitsForClient: false));
        Take(3, 30);
        _clock.Pass(Patience);
        _memory.Sweep();
        Assert.Empty(_closed);
        _clock.Pass(TimeSpan.FromTicks(1));
        _memory.Sweep();
        Assert.Equal([1], _closed);
        Take(4, 10);
        _memory.Sweep();
        Assert.Equal([1, 2], _closed);
    }

    private AnswerLease Take(int who, long bytes)
    {
        AnswerLease? lease = Try(who, bytes);
        Assert.NotNull(lease);
        return lease;
    }

    private AnswerLease? Try(int who, long bytes, bool waitsForClient = true) =>
        _memory.TryTake(bytes, waitsForClient, () => _closed.Add(who));

    private sealed class Clock : TimeProvider
    {
        private long _ticks = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Pass(TimeSpan time) => _ticks += time.Ticks;
    }
}
