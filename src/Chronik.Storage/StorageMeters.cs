using System.Diagnostics.Metrics;
using Chronik.Model;

namespace Chronik.Storage;

/// <summary>What storage measures, under the meter "Chronik.Storage".</summary>
internal sealed class StorageMeters : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Chronik.Storage";

    private readonly Meter _meter;
    private readonly Counter<long> _walBytes;
    private readonly Counter<long> _walWrites;
    private readonly Counter<long> _walGroups;
    private readonly Histogram<double> _walWriteTime;
    private readonly Histogram<double> _walSyncTime;
    private readonly Histogram<double> _checkpointTime;

    public StorageMeters(NodeMeters node)
    {
        _meter = node.Create(MeterName);
        _walBytes = _meter.CreateCounter<long>("chronik.wal.bytes", "By", "Bytes written to the WAL, padding included.");
        _walWrites = _meter.CreateCounter<long>("chronik.wal.appends", "{append}", "Appends written to the WAL.");
        _walGroups = _meter.CreateCounter<long>("chronik.wal.writes", "{write}", "Gathered writes to the WAL.");
        _walWriteTime = _meter.CreateDurationHistogram("chronik.wal.write.duration", "Time to encode and write one gathered write.");
        _walSyncTime = _meter.CreateDurationHistogram("chronik.wal.sync.duration", "Time of one sync of the WAL.");
        _checkpointTime = _meter.CreateDurationHistogram("chronik.checkpoint.duration", "Time to make checkpoints durable.");
    }

    public void Written(long bytes, int appends, TimeSpan time)
    {
        _walBytes.Add(bytes);
        _walWrites.Add(appends);
        _walGroups.Add(1);
        _walWriteTime.Record(time.TotalSeconds);
    }

    public void Synced(TimeSpan time)
    {
        _walSyncTime.Record(time.TotalSeconds);
        SyncTimes.Add(time);
    }

    public void Checkpointed(TimeSpan time) => _checkpointTime.Record(time.TotalSeconds);

    /// <summary>How long syncs of the WAL took.</summary>
    public DurationCounts SyncTimes { get; } = new();

    /// <summary>Says, once, how long the WAL was read at the start.</summary>
    public void Recovered(TimeSpan time) => _meter.CreateObservableGauge(
        "chronik.wal.recovery.duration", () => time.TotalSeconds, "s", "How long the last start took to read the WAL.");

    /// <summary>Adds a gauge.</summary>
    public void Observe(string name, string unit, string description, Func<long> value) =>
        _meter.CreateObservableGauge(name, value, unit, description);

    public void Dispose() => _meter.Dispose();
}
