using System.Collections.Concurrent;

namespace Chronik.Cluster.Tests.Work;

/// <summary>What must not be, noted where it is seen. Thread-safe.</summary>
internal sealed class Findings
{
    private const int Shown = 20;

    private readonly ConcurrentQueue<string> _all = new();

    public void Add(string finding) => _all.Enqueue(finding);

    /// <summary>Fails when there is one.</summary>
    public void AssertNone() =>
        Assert.True(_all.IsEmpty, $"{_all.Count} findings, the first are:\n{string.Join('\n', _all.Take(Shown))}");
}
