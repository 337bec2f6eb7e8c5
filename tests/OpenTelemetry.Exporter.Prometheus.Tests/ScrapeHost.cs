using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace OpenTelemetryExporterPrometheusTests;

/// <summary>A meter of its own name, a provider that listens to it, and an endpoint on a free port.</summary>
internal sealed partial class ScrapeHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _client = new();

    private ScrapeHost(WebApplication app, Meter meter, MeterProvider provider)
    {
        _app = app;
        Meter = meter;
        Provider = provider;
    }

    public Meter Meter { get; }

    public MeterProvider Provider { get; }

    public static async Task<ScrapeHost> StartAsync(
        Action<PrometheusAspNetCoreOptions>? configure = null,
        string? path = "/metrics",
        Func<HttpContext, bool>? predicate = null,
        Action<MeterProviderBuilder>? build = null)
    {
        var meter = new Meter("test-" + Guid.NewGuid().ToString("N"), "1.2");
        var builder = Sdk.CreateMeterProviderBuilder().AddMeter(meter.Name).AddPrometheusExporter(options =>
        {
            options.ScrapeResponseCacheDurationMilliseconds = 0;
            configure?.Invoke(options);
        });
        build?.Invoke(builder);
        var provider = builder.Build();
        var web = WebApplication.CreateSlimBuilder();
        web.Logging.ClearProviders();
        web.WebHost.UseUrls("http://127.0.0.1:0");
        var app = web.Build();
        app.UseOpenTelemetryPrometheusScrapingEndpoint(provider, predicate, path, null, null);
        await app.StartAsync();
        return new ScrapeHost(app, meter, provider);
    }

    public Task<HttpResponseMessage> GetAsync(string path) => _client.GetAsync(new Uri(_app.Urls.First() + path));

    public async Task<string> ScrapeAsync() => await (await GetAsync("/metrics")).EnsureSuccessStatusCode().Content.ReadAsStringAsync();

    /// <summary>The samples of a scrape: name and labels (without those of the scope) as written, and the value.</summary>
    public async Task<Dictionary<string, double>> SamplesAsync()
    {
        var samples = new Dictionary<string, double>();
        foreach (Match line in Sample().Matches(await ScrapeAsync()))
        {
            var labels = Scope().Replace(line.Groups["labels"].Value, string.Empty).Trim(',');
            var value = line.Groups["value"].Value switch
            {
                "+Inf" => double.PositiveInfinity,
                "-Inf" => double.NegativeInfinity,
                var text => double.Parse(text, CultureInfo.InvariantCulture),
            };
            samples.Add(labels.Length == 0 ? line.Groups["name"].Value : $"{line.Groups["name"].Value}{{{labels}}}", value);
        }

        return samples;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        Meter.Dispose();
        await _app.DisposeAsync();
        Provider.Dispose();
    }

    [GeneratedRegex(
        """^(?<name>[a-zA-Z_:][\w:]*)(\{(?<labels>([^"}]|"([^"\\]|\\.)*")*)\})? (?<value>\S+)( \d+)?$""", RegexOptions.Multiline)]
    private static partial Regex Sample();

    [GeneratedRegex("""otel_scope_\w+="([^"\\]|\\.)*"(,|$)""")]
    private static partial Regex Scope();
}
