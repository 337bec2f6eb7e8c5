using System.Diagnostics.Metrics;
using Chronik.Model;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Chronik.Server;

/// <summary>
/// Collects what every part of the node measures for /metrics, and measures the node as a whole under the meter <c>Chronik.Node</c>.
/// </summary>
internal sealed class NodeMetrics : IDisposable
{
    private readonly Meter _meter = new("Chronik.Node");
    private readonly MeterProvider _provider;

    public NodeMetrics(ChronikHost host, BufferPool buffers, IServiceProvider services)
    {
        Gauge("chronik.ready", null, "1 when clients are served and may write.", () => host.WhyNotReady is null ? 1 : 0);
        Gauge("chronik.partitions", "{partition}", "Replicas that live on this node.", () => host.Progress.All);
        Gauge("chronik.partitions.leading", "{partition}", "Replicas of this node that lead.", () => host.Leading);
        Gauge("chronik.buffers.lent", "By", "Pooled buffers that are in use.", () => buffers.LentBytes);
        Gauge("chronik.buffers.kept", "By", "Pooled buffers that wait for the next use.", () => buffers.KeptBytes);
        _provider = Sdk.CreateMeterProviderBuilder().AddMeter("Chronik.*").AddMeter("System.Runtime").AddPrometheusExporter().Build();
        var branch = new ApplicationBuilder(services);
        branch.UseOpenTelemetryPrometheusScrapingEndpoint(_provider, null, HttpEndpoints.Metrics, null, null);
        Scrape = branch.Build();
    }

    /// <summary>Answers a request for the metrics.</summary>
    public RequestDelegate Scrape { get; }

    public void Dispose()
    {
        _provider.Dispose();
        _meter.Dispose();
    }

    private void Gauge(string name, string? unit, string description, Func<long> value) =>
        _meter.CreateObservableGauge(name, value, unit, description);
}
