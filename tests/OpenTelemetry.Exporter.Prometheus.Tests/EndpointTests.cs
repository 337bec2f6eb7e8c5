using System.Net;
using Microsoft.AspNetCore.Builder;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using Xunit;

namespace OpenTelemetryExporterPrometheusTests;

public sealed class EndpointTests
{
    [Fact]
    public async Task Only_its_path_is_served_and_as_prometheus_text()
    {
        await using var host = await ScrapeHost.StartAsync();
        host.Meter.CreateCounter<long>("calls").Add(1);
        using var served = await host.GetAsync("/metrics");
        Assert.Equal("text/plain", served.Content.Headers.ContentType?.MediaType);
        using var other = await host.GetAsync("/other");
        Assert.Equal(HttpStatusCode.NotFound, other.StatusCode);
    }

    [Fact]
    public async Task A_predicate_narrows_a_path()
    {
        await using var host = await ScrapeHost.StartAsync(predicate: context => context.Request.Query.ContainsKey("yes"));
        using var refused = await host.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.NotFound, refused.StatusCode);
        using var served = await host.GetAsync("/metrics?yes");
        Assert.Equal(HttpStatusCode.OK, served.StatusCode);
    }

    [Fact]
    public async Task A_response_is_shared_within_the_cache_duration()
    {
        await using var host = await ScrapeHost.StartAsync(o => o.ScrapeResponseCacheDurationMilliseconds = int.MaxValue);
        var counter = host.Meter.CreateCounter<long>("calls");
        counter.Add(1);
        var first = await host.ScrapeAsync();
        counter.Add(1);
        Assert.Equal(first, await host.ScrapeAsync());
    }

    [Fact]
    public async Task Many_scrapes_at_once_all_see_a_whole_response()
    {
        await using var host = await ScrapeHost.StartAsync();
        var counter = host.Meter.CreateCounter<long>("calls");
        for (var i = 0; i < 200; i++)
        {
            counter.Add(1, new KeyValuePair<string, object?>("partition", i));
        }

        var bodies = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => host.ScrapeAsync()));
        Assert.All(bodies, body => Assert.Equal(200, body.Split("\ncalls_total{").Length - 1));
    }

    [Fact]
    public async Task A_provider_without_the_exporter_is_refused()
    {
        using var provider = Sdk.CreateMeterProviderBuilder().Build();
        await using var app = WebApplication.CreateSlimBuilder().Build();
        void Register() => app.UseOpenTelemetryPrometheusScrapingEndpoint(provider, null, "/metrics", null, null);
        Assert.Throws<ArgumentException>(Register);
    }
}
