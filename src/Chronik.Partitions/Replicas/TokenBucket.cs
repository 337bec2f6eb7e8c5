namespace Chronik.Partitions.Replicas;

/// <summary>
/// Bytes that may be sent, so many a second. Whoever finds any may take as much as it needs at once, and those after it wait until that is
/// made up for, so that what is sent in one piece may be larger than what gathers. Thread-safe.
/// </summary>
/// <param name="bytesPerSecond">How many; 0 or less: without end.</param>
/// <param name="time">The clock.</param>
internal sealed class TokenBucket(long bytesPerSecond, TimeProvider time)
{
    private const double GatherSeconds = 0.1; // What is not used for so long is gone.

    private readonly Lock _lock = new();
    private double _left = bytesPerSecond * GatherSeconds;
    private long _filledAt = time.GetTimestamp();

    /// <summary>Takes bytes and returns zero; or takes none, and returns how long to wait before asking again.</summary>
    public TimeSpan Take(int bytes)
    {
        if (bytesPerSecond <= 0) return TimeSpan.Zero;
        lock (_lock)
        {
            long now = time.GetTimestamp();
            double gathered = time.GetElapsedTime(_filledAt, now).TotalSeconds * bytesPerSecond;
            _left = Math.Min(_left + gathered, bytesPerSecond * GatherSeconds);
            _filledAt = now;
            // Rounded up to what a timer can wait for.
            if (_left < 0) return TimeSpan.FromMilliseconds(Math.Ceiling(-_left / bytesPerSecond * 1_000) + 1);
            _left -= bytes;
            return TimeSpan.Zero;
        }
    }
}
