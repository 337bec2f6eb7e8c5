using Chronik.Model;
using Chronik.Partitions.Leaderships;
using Xunit;

namespace Chronik.Partitions.Tests;

public sealed class SteadinessTests
{
    private static readonly NodeId Node = new(1);

    private readonly Clock _clock = new();
    private readonly Steadiness _steadiness;

    public SteadinessTests() => _steadiness = new Steadiness(_clock, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(10));

    [Fact]
    public void A_node_is_steady_when_it_has_been_there_for_a_while()
    {
        Assert.False(_steadiness.IsSteady(Node));
        _steadiness.Seen(Node, isAlive: true);
        Assert.Equal(10, SecondsUntilSteady());
        _steadiness.Seen(Node, isAlive: false);
        Assert.False(_steadiness.IsSteady(Node));
        _clock.Pass(1_000);
        Assert.False(_steadiness.IsSteady(Node));
        _steadiness.Seen(Node, isAlive: true);
        Assert.Equal(10, SecondsUntilSteady());
    }

    [Fact]
    public void A_node_that_comes_and_goes_must_stay_for_longer_each_time()
    {
        _steadiness.Seen(Node, isAlive: true);
        int[] waits = [10, 20, 40, 80, 160, 320, 600];
        foreach (int wait in waits)
        {
            _steadiness.Seen(Node, isAlive: false);
            _steadiness.Seen(Node, isAlive: true);
            Assert.Equal(wait, SecondsUntilSteady());
        }

        // Ten minutes without a loss, and all is forgotten.
        _steadiness.Seen(Node, isAlive: false);
        _steadiness.Seen(Node, isAlive: true);
        Assert.Equal(10, SecondsUntilSteady());
    }

    private int SecondsUntilSteady()
    {
        for (int seconds = 0; seconds < 10_000; seconds++)
        {
            if (_steadiness.IsSteady(Node)) return seconds;
            _clock.Pass(1);
        }

        return int.MaxValue;
    }

    private sealed class Clock : TimeProvider
    {
        private long _seconds;

        public override long TimestampFrequency => 1;

        public void Pass(int seconds) => _seconds += seconds;

        public override long GetTimestamp() => _seconds;
    }
}
