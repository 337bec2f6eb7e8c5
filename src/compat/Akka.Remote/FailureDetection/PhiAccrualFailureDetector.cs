using Akka.Configuration;
using Akka.Event;

namespace Akka.Remote;

/// <summary>
/// The phi accrual failure detector of Hayashibara et al. (2004). The suspicion phi = -log10(probability that a heartbeat comes later than
/// it is late now), from a normal distribution of the intervals seen before; the cumulative distribution is approximated by a logistic
/// function. A phi of 1 is wrong in one of 10 cases, a phi of 10 in one of 10^10.
/// </summary>
public class PhiAccrualFailureDetector : FailureDetector
{
    private readonly Lock _lock = new();
    private readonly double _threshold;
    private readonly double _minStdDeviation;
    private readonly double _acceptablePause;
    private readonly Clock _clock;
    private readonly EventStream _eventStream;
    private readonly HeartbeatHistory _history;
    private readonly double _firstEstimate;
    private long? _last;

    /// <param name="threshold">From which suspicion on the resource counts as unavailable.</param>
    /// <param name="maxSampleSize">How many intervals are remembered.</param>
    /// <param name="minStdDeviation">Regular heartbeats would make the detector too nervous; the deviation counts as at least this.</param>
    /// <param name="acceptableHeartbeatPause">How much later than usual a heartbeat may be before it counts as late.</param>
    /// <param name="firstHeartbeatEstimate">The interval to begin with, with a high deviation, as there is none to learn from.</param>
    public PhiAccrualFailureDetector(double threshold, int maxSampleSize, TimeSpan minStdDeviation, TimeSpan acceptableHeartbeatPause,
        TimeSpan firstHeartbeatEstimate, Clock clock = null)
        : this(clock)
    {
        if (!(threshold > 0))
            throw new ArgumentException("The threshold must be more than 0.", nameof(threshold));
        if (maxSampleSize < 1)
            throw new ArgumentException("The sample size must be more than 0.", nameof(maxSampleSize));
        if (minStdDeviation <= TimeSpan.Zero)
            throw new ArgumentException("The least deviation must be more than 0.", nameof(minStdDeviation));
        if (acceptableHeartbeatPause < TimeSpan.Zero)
            throw new ArgumentException("The acceptable pause must not be negative.", nameof(acceptableHeartbeatPause));
        if (firstHeartbeatEstimate <= TimeSpan.Zero)
            throw new ArgumentException("The first estimate must be more than 0.", nameof(firstHeartbeatEstimate));
        _threshold = threshold;
        _minStdDeviation = minStdDeviation.TotalMilliseconds;
        _acceptablePause = acceptableHeartbeatPause.TotalMilliseconds;
        _firstEstimate = firstHeartbeatEstimate.TotalMilliseconds;
        _history = new HeartbeatHistory(maxSampleSize);
    }

    /// <summary>Reads threshold, max-sample-size, min-std-deviation, acceptable-heartbeat-pause and heartbeat-interval.</summary>
    public PhiAccrualFailureDetector(Config config, EventStream ev)
        : this(config.GetDouble("threshold", 0), config.GetInt("max-sample-size", 0), config.GetTimeSpan("min-std-deviation", null),
            config.GetTimeSpan("acceptable-heartbeat-pause", null), config.GetTimeSpan("heartbeat-interval", null)) =>
        _eventStream = ev;

    protected PhiAccrualFailureDetector(Clock clock) => _clock = clock ?? DefaultClock;

    /// <summary>Whose heartbeats these are, for the log.</summary>
    public string Address { get; set; } = "N/A";

    public override bool IsAvailable => PhiAt(_clock()) < _threshold;

    public override bool IsMonitoring
    {
        get
        {
            lock (_lock)
                return _last is not null;
        }
    }

    internal double CurrentPhi => PhiAt(_clock());

    public override void HeartBeat()
    {
        long now = _clock();
        long interval;
        lock (_lock)
        {
            if (_last is not { } last)
            {
                _history.Add(_firstEstimate - _firstEstimate / 4);
                _history.Add(_firstEstimate + _firstEstimate / 4);
                _last = now;
                return;
            }

            interval = now - last;
            // An interval that ends a failure says nothing about how a living resource behaves.
            if (Phi(now - last) < _threshold)
                _history.Add(interval);
            _last = now;
        }

        if (_eventStream is not null && interval >= _acceptablePause / 3 * 2)
            _eventStream.Publish(new Warning(ToString(), GetType(), $"The heartbeat interval of {Address} grows too large: {interval} ms"));
    }

    private double PhiAt(long now)
    {
        lock (_lock)
            return _last is { } last ? Phi(now - last) : 0;
    }

    private double Phi(double sinceLast)
    {
        double mean = _history.Mean + _acceptablePause;
        double y = (sinceLast - mean) / Math.Max(_history.StdDeviation, _minStdDeviation);
        double e = Math.Exp(-y * (1.5976 + 0.070566 * y * y));
        return sinceLast > mean ? -Math.Log10(e / (1 + e)) : -Math.Log10(1 - 1 / (1 + e));
    }
}

/// <summary>The last so many intervals, with their mean and deviation at hand.</summary>
internal sealed class HeartbeatHistory(int maxSampleSize)
{
    private readonly Queue<double> _intervals = new();
    private double _sum;
    private double _sumOfSquares;

    public double Mean => _sum / _intervals.Count;

    // Rounding may leave a tiny negative variance.
    public double StdDeviation => Math.Sqrt(Math.Max(0, _sumOfSquares / _intervals.Count - Mean * Mean));

    public void Add(double interval)
    {
        if (_intervals.Count >= maxSampleSize)
        {
            double oldest = _intervals.Dequeue();
            _sum -= oldest;
            _sumOfSquares -= oldest * oldest;
        }

        _intervals.Enqueue(interval);
        _sum += interval;
        _sumOfSquares += interval * interval;
    }
}
