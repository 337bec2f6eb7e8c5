using System.Diagnostics.Metrics;
using Chronik.Model;
using Chronik.Partitions.Watching;

namespace Chronik.Partitions;

/// <content>
/// What the Raft groups of a node do. What is added up over all replicas is worked out when somebody asks, not as it happens.
/// </content>
internal sealed partial class PartitionMeters
{
    private static readonly TimeSpan TotalsAge = TimeSpan.FromMilliseconds(200); // One scrape asks for all of them.
    private static readonly KeyValuePair<string, object?> Sent = new("direction", "sent");
    private static readonly KeyValuePair<string, object?> Received = new("direction", "received");

    /// <summary>Upper bounds in milliseconds: from what a cached write takes to what only an election takes.</summary>
    private static readonly IReadOnlyList<double> CommitBounds =
        [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000];

    private readonly PartitionDirectory _directory;
    private readonly Counter<long> _proposals;
    private readonly Counter<long> _appendEntries;
    private long _recoveries; // Most begin before anybody collects what is measured.
    private readonly Histogram<double> _commitLatency;
    private long _elections;
    private Totals _totals = new();

    /// <summary>Elections that replicas of this node stood for.</summary>
    public long Elections => Volatile.Read(ref _elections);

    /// <summary>How long clients' batches took from the step that took them to their commit.</summary>
    public DurationCounts CommitTimes { get; } = new();

    /// <summary>An election begins: a replica of this node stands.</summary>
    public void Stands() => Interlocked.Increment(ref _elections);

    public void Proposed(int entries) => _proposals.Add(entries);

    public void SentAppend() => _appendEntries.Add(1, Sent);

    public void ReceivedAppend() => _appendEntries.Add(1, Received);

    /// <summary>A replica that had lost what it held begins to be filled again.</summary>
    public void Recovers() => Interlocked.Increment(ref _recoveries);

    private void ObserveRaft(NodeId self)
    {
        // The names are fixed: a gauge keeps its name as it is, where a counter would be given the suffix "_total", and a unit in braces
        // is only a remark.
        KeyValuePair<string, object?> node = new("node_id", self.ToString());
        _meter.CreateObservableGauge(
            "chronik.raft.leader.count", () => new Measurement<long>(Added().Leaders, node), "{partition}",
            "Replicas of this node that lead.");
        _meter.CreateObservableGauge(
            "chronik.raft.election.count", () => Elections, "{election}",
            "Elections that replicas of this node stood for since it started; only ever grows.");
        _meter.CreateObservableGauge(
            "chronik.raft.follower.lag.max", () => Added().LagMax, "{record}",
            "The largest lag of any follower of any partition that this node leads.");
        _meter.CreateObservableGauge(
            "chronik.raft.term", () => Added().Term, "{term}", "The highest term of any group that has a replica here.");
        _meter.CreateObservableGauge(
            "chronik.raft.commit.index", () => Added().Commit, "{entry}",
            "Entries known to be committed, added up over all replicas here.");
        _meter.CreateObservableGauge(
            "chronik.raft.applied.index", () => Added().Applied, "{entry}", "Entries applied, added up over all replicas here.");
    }

    /// <summary>The totals, at most a moment old: a scrape asks for each of them.</summary>
    private Totals Added()
    {
        Totals known = Volatile.Read(ref _totals);
        if (known.At != 0 && TimeProvider.System.GetElapsedTime(known.At) < TotalsAge) return known;
        Totals totals = new() { At = TimeProvider.System.GetTimestamp() };
        foreach (Partition partition in _directory.All)
        {
            ReplicaPulse pulse = partition.Pulse;
            if (partition.View.IsLeader) totals.Leaders++;
            totals.Term = Math.Max(totals.Term, pulse.Term.Value);
            totals.Commit += pulse.Commit.Value;
            totals.Applied += pulse.Applied.Value;
            totals.LogEnd += partition.Published.LogEndOffset.Value;
            totals.LagMax = Math.Max(totals.LagMax, pulse.LagMax);
        }

        Volatile.Write(ref _totals, totals);
        return totals;
    }

    private sealed class Totals
    {
        public long At { get; init; }

        public long Leaders { get; set; }

        public long Term { get; set; }

        public long Commit { get; set; }

        public long Applied { get; set; }

        public long LogEnd { get; set; }

        public long LagMax { get; set; }
    }
}
