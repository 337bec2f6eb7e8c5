namespace Chronik.Server.Tests.Metrics;

/// <summary>
/// What the code does not say of its metrics: the labels of each, and which test moves those that <see cref="MetricsTests"/> does not.
/// A metric that is not in it has no labels, and moves there.
/// </summary>
internal static class MetricTable
{
    private static readonly Dictionary<string, string[]> LabelsOf = new()
    {
        ["chronik.gateway.requests"] = ["api"],
        ["chronik.gateway.latency"] = ["api"],
        ["chronik.gateway.errors"] = ["reason"],
        ["chronik.gateway.throttled"] = ["reason"],
        ["chronik.gateway.partition.results"] = ["api", "error"],
        ["chronik.gateway.forwarded"] = ["api"],
        ["chronik.follower.reads"] = ["policy"],
        ["chronik.memory.used"] = ["account"],
        ["chronik.memory.limit"] = ["account"],
        ["chronik.partition.refused.batches"] = ["error"],
        ["chronik.peer.sent.frames"] = ["lane"],
        ["chronik.peer.sent.bytes"] = ["lane"],
        ["chronik.snapshot.transfers"] = ["direction", "outcome"],
        ["chronik.snapshot.bytes"] = ["direction"],
        ["chronik.snapshot.duration"] = ["direction"],
        ["chronik.snapshot.running"] = ["direction"],
        ["chronik.snapshot.remaining.bytes"] = ["direction"],
        ["chronik.raft.leader.count"] = ["node_id"],
        ["chronik.raft.append.entries"] = ["direction"],
    };

    /// <summary>The file of the test that moves it, and what it looks at there.</summary>
    private static readonly Dictionary<string, (string File, string What)> MovedBy = new()
    {
        ["chronik.readindex.latency"] = ("tests/Chronik.Partitions.Tests/ReadIndexActorTests.cs", "chronik.readindex."),
        ["chronik.readindex.rounds"] = ("tests/Chronik.Partitions.Tests/ReadIndexActorTests.cs", "chronik.readindex."),
        ["chronik.readindex.timeouts"] = ("tests/Chronik.Partitions.Tests/ReadIndexActorTests.cs", "chronik.readindex."),
        ["chronik.partition.recovering"] = ("tests/Chronik.Partitions.Tests/Cluster/IsrTests.cs", "chronik.partition.recovering"),
        ["chronik.peer.refused.frames"] = ("tests/Chronik.Partitions.Tests/Cluster/PeerHubTests.cs", "Meters.RefusedFrames > "),
        ["chronik.peer.dropped.messages"] = ("tests/Chronik.Partitions.Tests/Cluster/PeerHubTests.cs", "dropped + 1, _one.Meters."),
    };

    /// <summary>The same for all of a meter.</summary>
    private static readonly Dictionary<string, (string File, string What)> MeterMovedBy = new()
    {
        ["Chronik.Snapshots"] = ("tests/Chronik.Partitions.Tests/SnapshotTransfersTests.cs", "seen[\"chronik.snapshot."),
    };

    public static IReadOnlyList<string> Labels(string instrument) => LabelsOf.GetValueOrDefault(instrument) ?? [];

    public static (string File, string What)? Elsewhere(KnownMetric metric) =>
        MovedBy.TryGetValue(metric.Instrument, out var elsewhere) || MeterMovedBy.TryGetValue(metric.Meter, out elsewhere)
            ? elsewhere
            : null;

    public static IEnumerable<string> Named => LabelsOf.Keys.Union(MovedBy.Keys);
}
