using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Chronik.Load;

/// <summary>Waits until requests of an open loop are due, to within some tens of microseconds and without spinning.</summary>
internal sealed partial class Pacer(double perSecond)
{
    private readonly double _ticksBetween = Stopwatch.Frequency / perSecond;
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _count;

    /// <summary>Returns the time at which the next request is due, once it has come. A request that is late is not waited for.</summary>
    public long Next()
    {
        var due = _start + (long)(_ticksBetween * _count++);
        var nanoseconds = (due - Stopwatch.GetTimestamp()) * (1_000_000_000 / Stopwatch.Frequency);
        if (nanoseconds > 0)
        {
            // Thread.Sleep counts in milliseconds.
            _ = Sleep(new TimeSpec(nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000), 0);
        }

        return due;
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(in TimeSpec duration, nint remaining);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct TimeSpec(long Seconds, long Nanoseconds);
}
