using System.Diagnostics;
using System.Diagnostics.Metrics;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>
/// What the partitions of a node measure together, under the meter <see cref="MeterName"/>. Nothing here is counted per partition, so the
/// number of series does not grow with theirs.
/// </summary>
internal sealed partial class PartitionMeters : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Chronik.Partitions";

    private readonly Meter _meter;
    private readonly Counter<long> _duplicates;
    private readonly Counter<long> _refused;
    private readonly Histogram<double> _replicationTime;
    private readonly Histogram<double> _readIndexTime;
    private readonly Counter<long> _readRounds;
    private readonly Counter<long> _readTimeouts;
    private long _producers;
    private long _batchesCommitted;
    private long _bytesCommitted;
    private long _recordsCommitted;

    public PartitionMeters(NodeMeters node, NodeId self, PartitionDirectory directory)
    {
        _meter = node.Create(MeterName);
        _directory = directory;
        _meter.CreateObservableCounter(
            "chronik.partition.appended.batches", () => Volatile.Read(ref _batchesCommitted), "{batch}",
            "Batches committed under leaders of this node.");
        _meter.CreateObservableCounter(
            "chronik.partition.appended.bytes", () => Volatile.Read(ref _bytesCommitted), "By",
            "Bytes of batches committed under leaders of this node.");
        _meter.CreateObservableCounter(
            "chronik.partition.appended.records", () => Volatile.Read(ref _recordsCommitted), "{record}",
            "Records committed under leaders of this node.");
        _duplicates = _meter.CreateCounter<long>(
            "chronik.partition.duplicates", "{batch}", "Batches that an idempotent producer sent again and that were there already.");
        _refused = _meter.CreateCounter<long>("chronik.partition.refused.batches", "{batch}", "Batches refused, by error.");
        _readIndexTime = _meter.CreateDurationHistogram(
            "chronik.readindex.latency", "From a linearizable read's question to its confirmation.");
        _readRounds = _meter.CreateCounter<long>(
            "chronik.readindex.rounds", "{round}", "Rounds of confirmation begun for linearizable reads; one serves all that wait.");
        _readTimeouts = _meter.CreateCounter<long>(
            "chronik.readindex.timeouts", "{read}", "Linearizable reads that nobody confirmed in time, answered empty.");
        _commitLatency = _meter.CreateHistogram(
            "chronik.raft.commit.latency.ms", "{ms}", "From the step that takes a client's batch to its commit, in milliseconds.",
            tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = CommitBounds });
        _replicationTime = _meter.CreateDurationHistogram(
            "chronik.partition.replication.lag", "From the step that takes a batch to each follower's having it on disk.");
        _proposals = _meter.CreateCounter<long>("chronik.raft.proposals", "{entry}", "Entries that leaders of this node proposed.");
        _appendEntries = _meter.CreateCounter<long>(
            "chronik.raft.append.entries", "{message}",
            "AppendEntries messages, by direction: sent by leaders here, received by followers.");
        _meter.CreateObservableCounter(
            "chronik.partition.recoveries", () => Volatile.Read(ref _recoveries), "{partition}",
            "Replicas that had lost what they held and began to be filled again.");
        ObserveRaft(self);
        _meter.CreateObservableGauge(
            "chronik.partition.log.end", () => Added().LogEnd, "{record}",
            "Log end offsets of all replicas, added up: what was ever appended to the partitions that are here.");
        _meter.CreateObservableGauge(
            "chronik.partition.failed", () => directory.FailedCount, "{partition}", "Replicas that stopped and serve nothing.");
        _meter.CreateObservableGauge(
            "chronik.under.replicated.partitions", () => Led(directory).Count(view => view.Isr.Count < view.Replicas.Count), "{partition}",
            "Partitions led here that have replicas which are not in sync.");
        _meter.CreateObservableGauge(
            "chronik.under.min.isr.partitions", () => Led(directory).Count(IsUnderMin), "{partition}",
            "Partitions led here that have fewer replicas in sync than min.insync.replicas: acks=all is refused.");
        _meter.CreateObservableGauge(
            "chronik.partition.recovering", () => directory.All.Count(partition => partition.View.IsRecovering), "{partition}",
            "Replicas that lost what they held and are being filled again: they have no vote, and are not in sync.");
        _meter.CreateObservableGauge(
            "chronik.partition.producers", () => Volatile.Read(ref _producers), "{producer}", "Idempotent producers remembered.");
    }

    /// <summary>Bytes of batches committed under leaders of this node, and their records.</summary>
    public (long Bytes, long Records) CommittedSoFar => (Volatile.Read(ref _bytesCommitted), Volatile.Read(ref _recordsCommitted));

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<PartitionView> Led(PartitionDirectory directory) =>
        directory.All.Select(partition => partition.Published).Where(view => view is { IsLeader: true, Failure: null });

    private static bool IsUnderMin(PartitionView view) => view.Isr.Count < Math.Min(view.Config.MinInsyncReplicas, view.Replicas.Count);

    public void Committed(int batches, long bytes, long records)
    {
        if (batches == 0) return;
        Interlocked.Add(ref _batchesCommitted, batches);
        Interlocked.Add(ref _bytesCommitted, bytes);
        Interlocked.Add(ref _recordsCommitted, records);
    }

    /// <summary>A batch of a client is committed.</summary>
    /// <param name="takenAt">When it was proposed, as a <see cref="Stopwatch"/> timestamp.</param>
    public void CommittedAfter(long takenAt)
    {
        TimeSpan taken = Stopwatch.GetElapsedTime(takenAt);
        CommitTimes.Add(taken);
        _commitLatency.Record(taken.TotalMilliseconds);
    }

    /// <summary>A follower has something durably.</summary>
    /// <param name="takenAt">When the leader proposed it, as a <see cref="Stopwatch"/> timestamp.</param>
    public void ReplicatedAfter(long takenAt)
    {
        if (_replicationTime.Enabled) _replicationTime.Record(Stopwatch.GetElapsedTime(takenAt).TotalSeconds);
    }

    /// <summary>A round of confirmation begins.</summary>
    public void ReadRound() => _readRounds.Add(1);

    /// <summary>A read was confirmed.</summary>
    /// <param name="askedAt">When it was asked for, as a <see cref="Stopwatch"/> timestamp.</param>
    public void ReadConfirmed(long askedAt)
    {
        if (_readIndexTime.Enabled) _readIndexTime.Record(Stopwatch.GetElapsedTime(askedAt).TotalSeconds);
    }

    public void ReadTimedOut() => _readTimeouts.Add(1);

    public void Duplicate() => _duplicates.Add(1);

    public void Refused(KafkaError error)
    {
        if (_refused.Enabled) _refused.Add(1, new KeyValuePair<string, object?>("error", error.ToString()));
    }

    public void ProducersChanged(int by)
    {
        if (by != 0) Interlocked.Add(ref _producers, by);
    }
}
