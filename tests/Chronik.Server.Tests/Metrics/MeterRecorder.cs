using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Chronik.Server.Tests.Metrics;

/// <summary>An instrument as the reference describes it.</summary>
internal sealed record KnownMetric(string Meter, string Instrument, string Kind, string Unit, string Help)
{
    private static readonly Dictionary<string, (string Suffix, string Word)> Units = new()
    {
        ["s"] = ("seconds", "seconds"),
        ["By"] = ("bytes", "bytes"),
        ["By/s"] = ("bytes_per_second", "bytes per second"),
    };

    /// <summary>What it is called when it is scraped: dots become underscores, the unit and "_total" are added.</summary>
    public string Name
    {
        get
        {
            var name = Instrument.Replace('.', '_').Replace('-', '_');
            if (Units.TryGetValue(Unit, out var unit) && !name.EndsWith("_" + unit.Suffix, StringComparison.Ordinal))
                name += "_" + unit.Suffix;
            return Kind == "counter" ? name + "_total" : name;
        }
    }

    /// <summary>The unit in words; one in braces is only a remark.</summary>
    public string UnitWord => Units.TryGetValue(Unit, out var unit) ? unit.Word : Unit switch
    {
        "{ms}" => "milliseconds",
        "{flag}" => "0 or 1",
        "{batch}" => "batches",
        "{entry}" => "entries",
        "{loss}" => "losses",
        _ when Unit.StartsWith('{') && Unit.EndsWith('}') => $"{Unit[1..^1]}s",
        _ => throw new InvalidOperationException($"{Instrument}: the unit is '{Unit}'; a remark in braces, By or s are known"),
    };
}

/// <summary>Remembers every instrument of the broker's meters, and what each has said.</summary>
internal sealed class MeterRecorder : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, KnownMetric> _known = new();
    private readonly ConcurrentDictionary<(string Instrument, double Value), bool> _observed = new();
    private readonly ConcurrentDictionary<string, bool> _recorded = new();
    private readonly ConcurrentDictionary<(string Instrument, string Label), bool> _labels = new();

    public MeterRecorder()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (!instrument.Meter.Name.StartsWith("Chronik.", StringComparison.Ordinal)) return;
            var type = instrument.GetType().Name;
            var kind = type.Contains("Histogram", StringComparison.Ordinal) ? "histogram"
                : type.Contains("UpDown", StringComparison.Ordinal) || type.Contains("Gauge", StringComparison.Ordinal) ? "gauge"
                : "counter";
            _known[instrument.Name] = new KnownMetric(
                instrument.Meter.Name, instrument.Name, kind, instrument.Unit ?? "", instrument.Description ?? "");
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.Start();
    }

    public IReadOnlyList<KnownMetric> Known => [.. _known.Values.OrderBy(metric => metric.Name, StringComparer.Ordinal)];

    /// <summary>Looks at everything that is looked at rather than told.</summary>
    public void Observe() => _listener.RecordObservableInstruments();

    /// <summary>Whether something was recorded, or what was observed has become something else.</summary>
    public bool HasMoved(string instrument) =>
        _recorded.ContainsKey(instrument) || _observed.Keys.Count(seen => seen.Instrument == instrument) > 1;

    public IReadOnlySet<string> Labels(string instrument) =>
        _labels.Keys.Where(seen => seen.Instrument == instrument).Select(seen => seen.Label).ToHashSet();

    public void Dispose() => _listener.Dispose();

    private void Take(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (instrument.IsObservable) _observed[(instrument.Name, value)] = true;
        else if (value > 0 || instrument is Histogram<double>) _recorded[instrument.Name] = true;
        foreach (var tag in tags) _labels[(instrument.Name, tag.Key)] = true;
    }
}
