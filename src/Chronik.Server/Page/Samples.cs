using Chronik.Gateway;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Storage;

namespace Chronik.Server.Page;

/// <summary>
/// What the node did in the last quarter of an hour: a value each five seconds of a few things, in rings of a fixed size. Thread-safe.
/// </summary>
internal sealed class Samples : IDisposable
{
    /// <summary>How many there are: a quarter of an hour.</summary>
    public const int Count = 180;

    /// <summary>Seconds between two.</summary>
    public const int StepSeconds = 5;

    private readonly Lock _lock = new();
    private readonly Func<Reading> _read;
    private readonly TimeProvider _time;
    private readonly Queue<double?>[] _rings = [.. Enumerable.Range(0, 10).Select(_ => new Queue<double?>(Count))];
    private readonly ITimer _timer;
    private Reading _last;
    private long _lastAt;
    private long _end;

    public Samples(Func<Reading> read, TimeProvider time)
    {
        _read = read;
        _time = time;
        _last = read();
        _lastAt = time.GetTimestamp();
        var step = TimeSpan.FromSeconds(StepSeconds);
        _timer = time.CreateTimer(_ => Take(), null, step, step);
    }

    /// <summary>The rings as they are.</summary>
    public SampleSeries Series
    {
        get
        {
            lock (_lock)
            {
                var rings = _rings.Select(ring => ring.ToArray()).ToArray();
                return new SampleSeries
                {
                    End = _end,
                    Step = StepSeconds,
                    BytesIn = rings[0],
                    BytesOut = rings[1],
                    Records = rings[2],
                    Requests = rings[3],
                    Errors = rings[4],
                    Elections = rings[5],
                    CommitMedian = rings[6],
                    CommitHigh = rings[7],
                    ProduceHigh = rings[8],
                    SyncHigh = rings[9],
                };
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Take()
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            var seconds = _time.GetElapsedTime(_lastAt, now).TotalSeconds;
            if (seconds <= 0) return;
            var reading = _read();
            Put(0, (reading.BytesIn - _last.BytesIn) / seconds);
            Put(1, (reading.BytesOut - _last.BytesOut) / seconds);
            Put(2, (reading.Records - _last.Records) / seconds);
            Put(3, (reading.Requests - _last.Requests) / seconds);
            Put(4, (reading.Errors - _last.Errors) / seconds);
            Put(5, reading.Elections - _last.Elections);
            Put(6, Milliseconds(_last.Commits, reading.Commits, 0.5));
            Put(7, Milliseconds(_last.Commits, reading.Commits, 0.99));
            Put(8, Milliseconds(_last.Produces, reading.Produces, 0.99));
            Put(9, Milliseconds(_last.Syncs, reading.Syncs, 0.99));
            _last = reading;
            _lastAt = now;
            _end = _time.GetUtcNow().ToUnixTimeSeconds();
        }
    }

    private void Put(int ring, double? value)
    {
        if (_rings[ring].Count == Count) _rings[ring].Dequeue();
        _rings[ring].Enqueue(value is { } number ? Math.Round(number, number < 100 ? 2 : 0) : null);
    }

    private static double? Milliseconds(long[] before, long[] after, double share) =>
        DurationCounts.Percentile(before, after, share)?.TotalMilliseconds;
}

/// <summary>Everything that the node has counted since its start.</summary>
internal readonly record struct Reading(
    long BytesIn, long BytesOut, long Records, long Requests, long Errors, long Elections, long[] Commits, long[] Produces, long[] Syncs)
{
    /// <summary>Reads the counters of a node.</summary>
    public static Reading Of(ChronikNode node, GatewayMetrics gateway, NodeStorage storage) => new(
        gateway.BytesReceived, gateway.BytesSent, node.Committed.Records, gateway.Requests, gateway.PartitionErrors, node.Elections,
        node.CommitTimes.Picture(), gateway.ProduceTimes.Picture(), storage.SyncTimes.Picture());
}

/// <summary>The rings; the last value of each is that of <see cref="End"/>. Rates are by the second, times in milliseconds.</summary>
internal sealed record SampleSeries
{
    /// <summary>When the last value was taken, in seconds since 1970; 0 while there is none.</summary>
    public required long End { get; init; }

    /// <summary>Seconds between two values.</summary>
    public required int Step { get; init; }

    public required double?[] BytesIn { get; init; }

    public required double?[] BytesOut { get; init; }

    public required double?[] Records { get; init; }

    public required double?[] Requests { get; init; }

    /// <summary>Partitions in answers that had an error.</summary>
    public required double?[] Errors { get; init; }

    /// <summary>Elections that its replicas stood for, in the step.</summary>
    public required double?[] Elections { get; init; }

    public required double?[] CommitMedian { get; init; }

    /// <summary>What 99 of 100 commits did not exceed; null where there was none.</summary>
    public required double?[] CommitHigh { get; init; }

    public required double?[] ProduceHigh { get; init; }

    public required double?[] SyncHigh { get; init; }
}
