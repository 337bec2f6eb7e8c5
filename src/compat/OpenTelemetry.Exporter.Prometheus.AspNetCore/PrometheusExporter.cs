using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using OpenTelemetry.Metrics;

namespace OpenTelemetry.Exporter.Prometheus;

/// <summary>
/// A pull exporter: a scrape asks the reader to collect, and what the reader exports during that call is the response.
/// Scrapes that arrive while one collects, or shortly after it, are given the same response.
/// </summary>
[ExportModes(ExportModes.Pull)]
internal sealed class PrometheusExporter : BaseExporter<Metric>, IPullMetricExporter
{
    // The SDK's own way from a provider to its exporters is internal, but an exporter knows its provider.
    private static readonly ConditionalWeakTable<PrometheusExporter, object> Alive = [];

    private readonly PrometheusAspNetCoreOptions _options;
    private readonly PrometheusText _text;
    private readonly SemaphoreSlim _collecting = new(1, 1);
    private ReadOnlyMemory<byte>? _response;
    private long _collectedAt;
    private ArrayBufferWriter<byte>? _target;

    public PrometheusExporter(PrometheusAspNetCoreOptions options)
    {
        _options = options;
        _text = new PrometheusText(!options.DisableTotalNameSuffixForCounters);
        Alive.Add(this, Alive);
    }

    public Func<int, bool>? Collect { get; set; }

    /// <summary>The exporter that was added to a provider, or null.</summary>
    public static PrometheusExporter? Of(BaseProvider provider) =>
        Alive.Select(e => e.Key).FirstOrDefault(e => e.ParentProvider == provider);

    /// <summary>The exposition text, or null when a collection failed. The bytes are never changed afterwards.</summary>
    public async Task<ReadOnlyMemory<byte>?> ScrapeAsync(CancellationToken cancellation)
    {
        await _collecting.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            var age = Stopwatch.GetElapsedTime(_collectedAt).TotalMilliseconds;
            if (_response is not null && age < _options.ScrapeResponseCacheDurationMilliseconds)
            {
                return _response;
            }

            _target = new ArrayBufferWriter<byte>(Math.Max(4096, (_response?.Length ?? 0) + 1024));
            _response = Collect?.Invoke(Timeout.Infinite) == true ? _target.WrittenMemory : null;
            _collectedAt = Stopwatch.GetTimestamp();
            return _response;
        }
        finally
        {
            _target = null;
            _collecting.Release();
        }
    }

    public override ExportResult Export(in Batch<Metric> batch)
    {
        // Only a scrape collects for this exporter; a ForceFlush of the provider finds nobody waiting.
        if (_target is { } target)
        {
            _text.Write(batch, target);
        }

        return ExportResult.Success;
    }
}
