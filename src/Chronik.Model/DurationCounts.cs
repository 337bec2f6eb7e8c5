using System.Numerics;

namespace Chronik.Model;

/// <summary>
/// Counts durations by size, so that a percentile of any span of time can be had from two pictures of the counts. An addition is one
/// interlocked add. Thread-safe.
/// </summary>
/// <remarks>A bucket is at most a quarter wider than the one below it, so a percentile is at most a quarter too large.</remarks>
public sealed class DurationCounts
{
    private const int PerDoubling = 4;
    private const int Doublings = 32; // Of microseconds: up to an hour.

    private readonly long[] _counts = new long[PerDoubling * Doublings];

    /// <summary>Counts one duration.</summary>
    public void Add(TimeSpan duration) => Interlocked.Increment(ref _counts[BucketOf((long)duration.TotalMicroseconds)]);

    /// <summary>How often each size was counted until now.</summary>
    public long[] Picture()
    {
        long[] picture = new long[_counts.Length];
        for (int i = 0; i < picture.Length; i++) picture[i] = Volatile.Read(ref _counts[i]);
        return picture;
    }

    /// <summary>
    /// What a share of the durations that were counted between two pictures did not exceed; null when none was counted.
    /// </summary>
    /// <param name="before">The earlier picture.</param>
    /// <param name="after">The later one.</param>
    /// <param name="share">The share, above 0 and up to 1.</param>
    public static TimeSpan? Percentile(ReadOnlySpan<long> before, ReadOnlySpan<long> after, double share)
    {
        long all = 0;
        for (int i = 0; i < after.Length; i++) all += after[i] - before[i];
        if (all <= 0) return null;
        long wanted = Math.Max(1, (long)Math.Ceiling(all * share));
        long seen = 0;
        int at = -1;
        while (seen < wanted) seen += after[++at] - before[at];
        return TimeSpan.FromMicroseconds(UpperBound(at));
    }

    private static int BucketOf(long microseconds)
    {
        if (microseconds < PerDoubling) return (int)Math.Max(0, microseconds);
        int log = BitOperations.Log2((ulong)microseconds);
        int within = (int)(microseconds >> (log - 2)) & (PerDoubling - 1);
        return Math.Min(((log - 1) * PerDoubling) + within, (PerDoubling * Doublings) - 1);
    }

    private static long UpperBound(int bucket) => bucket < PerDoubling
        ? bucket + 1
        : (long)(PerDoubling + (bucket % PerDoubling) + 1) << ((bucket / PerDoubling) - 1);
}
