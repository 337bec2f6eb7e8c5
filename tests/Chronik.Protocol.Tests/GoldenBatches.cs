namespace Chronik.Protocol.Tests;

/// <summary>The record batches of Golden/batches.txt.</summary>
internal static class GoldenBatches
{
    public const int Records = 60;
    public const long FirstTimestamp = 1_700_000_000_000;

    private static readonly Dictionary<string, byte[]> ByName = File
        .ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Golden", "batches.txt"))
        .Select(line => line.Split(' '))
        .ToDictionary(words => words[0], words => Convert.FromHexString(words[1]));

    public static byte[] Get(string name) => (byte[])ByName[name].Clone();

    public static string Value(int i) => string.Concat(Enumerable.Repeat($"value number {i} ", 10));
}
