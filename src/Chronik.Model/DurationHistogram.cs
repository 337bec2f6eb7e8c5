using System.Diagnostics.Metrics;

namespace Chronik.Model;

/// <summary>Histograms of durations, all with the same buckets, so that one can be laid over another.</summary>
public static class DurationHistogram
{
    /// <summary>
    /// The upper bounds of the buckets in seconds: from a tenth of a millisecond, which a cached answer takes, to half a minute, which only
    /// something that waits does. Without such advice the exporters use bounds made for milliseconds, and everything is in the first one.
    /// </summary>
    private static readonly IReadOnlyList<double> Bounds =
        [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

    /// <summary>Makes a histogram of durations, which are recorded in seconds.</summary>
    /// <param name="meter">Whose it is.</param>
    /// <param name="name">Its name, without the unit.</param>
    /// <param name="description">What it measures.</param>
    public static Histogram<double> CreateDurationHistogram(this Meter meter, string name, string description) =>
        meter.CreateHistogram(name, "s", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds });
}
