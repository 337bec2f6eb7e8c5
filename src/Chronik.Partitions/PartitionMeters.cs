using System.Diagnostics;
using System.Diagnostics.Metrics;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>
/// What the partitions of a node measure together, under the meter <see cref="MeterName"/>. Nothing here is counted per partition, so the
/// number of series does not grow with theirs.
/// </summary>
internal sealed class PartitionMeters : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Chronik.Partitions";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _batches;
    private readonly Counter<long> _bytes;
    private readonly Counter<long> _records;
    private readonly Counter<long> _duplicates;
    private readonly Counter<long> _refused;
    private readonly Histogram<double> _commitTime;
    private readonly Histogram<double> _replicationTime;
    private readonly Histogram<double> _readIndexTime;
    private readonly Counter<long> _readRounds;
    private readonly Counter<long> _readTimeouts;
    private long _producers;

    public PartitionMeters(PartitionDirectory directory)
    {
        _batches = _meter.CreateCounter<long>("chronik.partition.appended.batches", "{batch}", "Batches committed.");
        _bytes = _meter.CreateCounter<long>("chronik.partition.appended.bytes", "By", "Bytes of batches committed.");
        _records = _meter.CreateCounter<long>("chronik.partition.appended.records", "{record}", "Records committed.");
        _duplicates = _meter.CreateCounter<long>(
            "chronik.partition.duplicates", "{batch}", "Batches that an idempotent producer sent again and that were there already.");
        _refused = _meter.CreateCounter<long>("chronik.partition.refused.batches", "{batch}", "Batches refused, by error.");
        _commitTime = _meter.CreateHistogram<double>(
            "chronik.partition.commit.duration", "s", "From the step that takes a batch to its commit.");
        _replicationTime = _meter.CreateHistogram<double>(
            "chronik.partition.replication.lag", "s", "From the step that takes a batch to each follower's having it on disk.");
        _readIndexTime = _meter.CreateDurationHistogram(
            "chronik.readindex.latency", "From a linearizable read's question to its confirmation.");
        _readRounds = _meter.CreateCounter<long>(
            "chronik.readindex.rounds", "{round}", "Rounds of confirmation begun for linearizable reads; one serves all that wait.");
        _readTimeouts = _meter.CreateCounter<long>(
            "chronik.readindex.timeouts", "{read}", "Linearizable reads that nobody confirmed in time, answered empty.");
        _meter.CreateObservableGauge(
            "chronik.partition.log.end", () => directory.All.Sum(partition => partition.View.LogEndOffset.Value), "{record}",
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

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<PartitionView> Led(PartitionDirectory directory) =>
        directory.All.Select(partition => partition.Published).Where(view => view is { IsLeader: true, Failure: null });

    private static bool IsUnderMin(PartitionView view) => view.Isr.Count < Math.Min(view.Config.MinInsyncReplicas, view.Replicas.Count);

    public void Committed(int batches, long bytes, long records)
    {
        if (batches == 0 || !_batches.Enabled) return;
        _batches.Add(batches);
        _bytes.Add(bytes);
        _records.Add(records);
    }

    /// <summary>A batch of a client is committed.</summary>
    /// <param name="takenAt">When it was proposed, as a <see cref="Stopwatch"/> timestamp.</param>
    public void CommittedAfter(long takenAt)
    {
        if (_commitTime.Enabled) _commitTime.Record(Stopwatch.GetElapsedTime(takenAt).TotalSeconds);
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
