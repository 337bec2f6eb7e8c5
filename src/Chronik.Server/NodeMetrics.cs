using System.Buffers;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Akka.Actor;
using Chronik.Gateway;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Partitions.Watching;
using Chronik.Server.Configuration;
using Chronik.Storage;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Chronik.Server;

/// <summary>
/// Collects what every part of the node measures for /metrics, and measures the node as a whole under the meter <c>Chronik.Node</c>.
/// </summary>
internal sealed class NodeMetrics : IDisposable
{
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(1);

    private readonly Meter _meter;
    private readonly MeterProvider _provider;
    private readonly PartitionSeries _partitions = new();
    private readonly ChronikNode _node;
    private readonly RequestDelegate _scrape;
    private readonly Histogram<double> _dispatcherDelay;
    private readonly Timer _probe;

    public NodeMetrics(
        ChronikHost host, ChronikNode node, NodeStorage storage, GatewayServices gateway, ChronikOptions options, BufferPool buffers,
        ActorSystem system, IServiceProvider services)
    {
        _node = node;
        _meter = storage.Meters.Create("Chronik.Node");
        Gauge("chronik.ready", "{flag}", "1 when clients are served and may write.", () => host.WhyNotReady is null ? 1 : 0);
        Gauge("chronik.partitions", "{partition}", "Replicas that live on this node.", () => host.Progress.All);
        Gauge("chronik.partitions.leaderless", "{partition}", "Replicas of this node whose leader is not known here.", () =>
        {
            var (led, all) = host.Progress;
            return all - led;
        });
        Gauge("chronik.cluster.brokers", "{broker}", "Brokers that have registered with the cluster.", () => node.Metadata.Brokers.Count);
        Gauge("chronik.cluster.brokers.live", "{broker}", "Brokers that the controller holds to be live.", () => node.Metadata.LiveCount);
        Gauge("chronik.cluster.controller", "{flag}", "1 on the node that leads the metadata.", () => node.Controller == node.Id ? 1 : 0);
        Gauge("chronik.storage.refusing", "{flag}", "1 while produce is refused because the disk's reserve is reached.",
            () => storage.HasRoom ? 0 : 1);
        Gauge("chronik.buffers.lent", "By", "Pooled buffers that are in use.", () => buffers.LentBytes);
        Gauge("chronik.buffers.kept", "By", "Pooled buffers that wait for the next use.", () => buffers.KeptBytes);
        ObserveAccounts(
        [
            new("requests", () => gateway.RequestBytesInUse, () => gateway.RequestBytesLimit),
            new("answers", () => gateway.AnswerBytesInUse, () => gateway.Limits.MaxAnswerMemory),
            new("wal-queue", () => storage.Wal.QueueBytes, () => options.Storage.WalQueueBytes),
            new("groups", () => options.Groups.Memory.Bytes, () => options.Groups.Memory.MaxBytes),
        ]);
        _dispatcherDelay = _meter.CreateDurationHistogram(
            "chronik.dispatcher.delay", "How long work waits for a thread of the actors' dispatcher: probed once a second.");
        var dispatcher = system.Dispatchers.DefaultGlobalDispatcher;
        _probe = new Timer(_ => Probe(dispatcher), null, ProbeInterval, ProbeInterval);
        _provider = Sdk.CreateMeterProviderBuilder().AddMeter("Chronik.*").AddMeter("System.Runtime").AddPrometheusExporter()
            .AddView(instrument => storage.Meters.Owns(instrument) || instrument.Meter.Name == "System.Runtime"
                ? null
                : MetricStreamConfiguration.Drop)
            .Build();
        var branch = new ApplicationBuilder(services);
        branch.UseOpenTelemetryPrometheusScrapingEndpoint(_provider, null, HttpEndpoints.Metrics, null, null);
        _scrape = branch.Build();
    }

    /// <summary>Answers a request for the metrics: those of partitions first, then what the meters measure.</summary>
    public async Task ScrapeAsync(HttpContext context)
    {
        var own = new ArrayBufferWriter<byte>();
        _partitions.Write(own, (most, shown) => _node.FindLed(most, PartitionOrder.Trouble, shown: shown));
        var body = context.Response.Body;
        using var measured = new MemoryStream();
        context.Response.Body = measured;
        try
        {
            await _scrape(context).ConfigureAwait(false);
        }
        finally
        {
            context.Response.Body = body;
        }

        if (context.Response.StatusCode != StatusCodes.Status200OK) return;
        context.Response.ContentLength = own.WrittenCount + measured.Length;
        await body.WriteAsync(own.WrittenMemory, context.RequestAborted).ConfigureAwait(false);
        await body.WriteAsync(measured.GetBuffer().AsMemory(0, (int)measured.Length), context.RequestAborted).ConfigureAwait(false);
    }

    public void Dispose()
    {
        _probe.Dispose();
        _provider.Dispose();
        _meter.Dispose();
    }

    private void Probe(Akka.Dispatch.MessageDispatcher dispatcher)
    {
        var posted = Stopwatch.GetTimestamp();
        dispatcher.Schedule(() => _dispatcherDelay.Record(Stopwatch.GetElapsedTime(posted).TotalSeconds));
    }

    private void Gauge(string name, string? unit, string description, Func<long> value) =>
        _meter.CreateObservableGauge(name, value, unit, description);

    private void ObserveAccounts(IReadOnlyList<MemoryAccount> accounts)
    {
        _meter.CreateObservableGauge(
            "chronik.memory.used", () => accounts.Select(account => account.Measure(account.Used())), "By",
            "Bytes in use of each bounded account: requests, answers, wal-queue, groups.");
        _meter.CreateObservableGauge(
            "chronik.memory.limit", () => accounts.Select(account => account.Measure(account.Limit())), "By", "The bound of each account.");
    }

    /// <summary>Memory that is counted and bounded.</summary>
    private sealed record MemoryAccount(string Name, Func<long> Used, Func<long> Limit)
    {
        private readonly KeyValuePair<string, object?> _tag = new("account", Name);

        public Measurement<long> Measure(long bytes) => new(bytes, _tag);
    }
}
