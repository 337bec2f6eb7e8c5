using System.Numerics;

namespace Chronik.Simulation;

/// <summary>
/// Where everything random comes from (xoshiro256**, seeded by splitmix64): the same on every machine and in every version of .NET.
/// </summary>
internal sealed class SimRandom
{
    private ulong _a;
    private ulong _b;
    private ulong _c;
    private ulong _d;

    public SimRandom(ulong seed)
    {
        _a = Split(ref seed);
        _b = Split(ref seed);
        _c = Split(ref seed);
        _d = Split(ref seed);
    }

    public ulong NextULong()
    {
        ulong result = BitOperations.RotateLeft(_b * 5, 7) * 9;
        ulong t = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= t;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>From 0 to below <paramref name="bound"/>.</summary>
    public int Next(int bound) => (int)Math.BigMul(NextULong(), (ulong)bound, out _);

    /// <summary>From <paramref name="low"/> to <paramref name="high"/>, both included.</summary>
    public long Between(long low, long high) => low + (long)Math.BigMul(NextULong(), (ulong)(high - low + 1), out _);

    /// <summary>The same, but small values as likely as large ones: each power of two gets its share.</summary>
    public long Logarithmic(long low, long high) => (long)(low * Math.Pow((double)high / low, Unit()));

    public bool Chance(double probability) => probability > 0 && Unit() < probability;

    /// <summary>From 0 to below 1.</summary>
    public double Unit() => (NextULong() >> 11) * (1.0 / (1UL << 53));

    /// <summary>How long until something comes to pass again that happens every <paramref name="mean"/>, at random.</summary>
    public long Exponential(long mean) => 1 + (long)(-Math.Log(1 - Unit()) * mean);

    public T Pick<T>(IReadOnlyList<T> items) => items[Next(items.Count)];

    /// <summary>A generator of its own, so that more draws in one part do not shift those in another.</summary>
    public SimRandom Fork() => new(NextULong());

    private static ulong Split(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        ulong z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
