using System.Diagnostics;

namespace Chronik.Load;

/// <summary>Times of one thread's requests. Merged and sorted once, at the end.</summary>
internal sealed class Latencies
{
    private readonly List<long> _ticks = new(1 << 16);

    public void Add(long ticks) => _ticks.Add(ticks);

    public static void Into(Report report, string prefix, params IEnumerable<Latencies> parts)
    {
        var all = parts.SelectMany(p => p._ticks).Order().ToArray();
        if (all.Length == 0)
        {
            return;
        }

        double At(double quantile) => Math.Round(all[(int)(quantile * (all.Length - 1))] * 1000.0 / Stopwatch.Frequency, 3);
        report[prefix + "p50_ms"] = At(0.5);
        report[prefix + "p90_ms"] = At(0.9);
        report[prefix + "p99_ms"] = At(0.99);
        report[prefix + "p999_ms"] = At(0.999);
        report[prefix + "max_ms"] = At(1);
    }
}
