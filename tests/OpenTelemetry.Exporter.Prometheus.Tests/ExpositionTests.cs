using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using OpenTelemetry.Metrics;
using Xunit;

namespace OpenTelemetryExporterPrometheusTests;

public sealed class ExpositionTests
{
    [Fact]
    public async Task A_counter_has_its_unit_and_total_in_the_name_and_a_head()
    {
        await using var host = await ScrapeHost.StartAsync();
        host.Meter.CreateCounter<long>("records.appended", "By", "What was\nappended \\ stored").Add(5);

        var text = await host.ScrapeAsync();
        Assert.Contains("# TYPE records_appended_bytes_total counter\n", text, StringComparison.Ordinal);
        Assert.Contains("# HELP records_appended_bytes_total What was\\nappended \\\\ stored\n", text, StringComparison.Ordinal);
        Assert.Equal(5, (await host.SamplesAsync())["records_appended_bytes_total"]);
    }

    [Fact]
    public async Task A_counter_goes_on_counting_from_scrape_to_scrape()
    {
        await using var host = await ScrapeHost.StartAsync();
        var counter = host.Meter.CreateCounter<double>("work", "s");
        counter.Add(0.25);
        Assert.Equal(0.25, (await host.SamplesAsync())["work_seconds_total"]);
        counter.Add(1);
        Assert.Equal(1.25, (await host.SamplesAsync())["work_seconds_total"]);
    }

    [Theory]
    [InlineData("already_total", null, "already_total")]
    [InlineData("disk.bytes", "By", "disk_bytes_total")]
    [InlineData("rate", "By/s", "rate_bytes_per_second_total")]
    [InlineData("calls", "{call}", "calls_total")]
    [InlineData("a.-b", "1", "a_b_total")]
    public async Task Names_and_units_become_Prometheus_names(string name, string? unit, string expected)
    {
        await using var host = await ScrapeHost.StartAsync();
        host.Meter.CreateCounter<long>(name, unit).Add(1);
        Assert.Equal(expected, Assert.Single(await host.SamplesAsync()).Key);
    }

    [Fact]
    public async Task Counters_keep_their_names_when_the_suffix_is_disabled()
    {
        await using var host = await ScrapeHost.StartAsync(o => o.DisableTotalNameSuffixForCounters = true);
        host.Meter.CreateCounter<long>("calls").Add(1);
        Assert.Equal("calls", Assert.Single(await host.SamplesAsync()).Key);
    }

    [Fact]
    public async Task Label_values_are_escaped_and_label_names_made_valid()
    {
        await using var host = await ScrapeHost.StartAsync();
        host.Meter.CreateCounter<long>("calls").Add(1, new("api.key", "a\"b\\c\nd"), new("ok", true), new("none", null));
        Assert.Equal("""calls_total{api_key="a\"b\\c\nd",none="",ok="true"}""", Sorted(Assert.Single(await host.SamplesAsync()).Key));
    }

    [Fact]
    public async Task Gauges_and_up_down_counters_are_gauges()
    {
        await using var host = await ScrapeHost.StartAsync();
        host.Meter.CreateObservableGauge("ratio", () => 0.5, "1");
        host.Meter.CreateObservableGauge("limit", () => double.PositiveInfinity);
        host.Meter.CreateUpDownCounter<int>("open", "{connection}").Add(-2);

        var samples = await host.SamplesAsync();
        Assert.Equal(0.5, samples["ratio"]);
        Assert.Equal(double.PositiveInfinity, samples["limit"]);
        Assert.Equal(-2, samples["open"]);
        Assert.Equal(3, Regex.Count(await host.ScrapeAsync(), "^# TYPE \\w+ gauge$", RegexOptions.Multiline));
    }

    [Fact]
    public async Task A_histogram_has_cumulative_buckets_a_sum_and_a_count()
    {
        await using var host = await ScrapeHost.StartAsync(build: b =>
            b.AddView("latency", new ExplicitBucketHistogramConfiguration { Boundaries = [0.5, 1, 2] }));
        var latency = host.Meter.CreateHistogram<double>("latency", "s");
        foreach (var value in (double[])[0.5, 0.75, 1.5, 8])
        {
            latency.Record(value, new KeyValuePair<string, object?>("api", "Fetch"));
        }

        Assert.Contains("# TYPE latency_seconds histogram\n", await host.ScrapeAsync(), StringComparison.Ordinal);
        var samples = await host.SamplesAsync();
        Assert.Equal(1, samples["""latency_seconds_bucket{api="Fetch",le="0.5"}"""]);
        Assert.Equal(2, samples["""latency_seconds_bucket{api="Fetch",le="1"}"""]);
        Assert.Equal(3, samples["""latency_seconds_bucket{api="Fetch",le="2"}"""]);
        Assert.Equal(4, samples["""latency_seconds_bucket{api="Fetch",le="+Inf"}"""]);
        Assert.Equal(10.75, samples["""latency_seconds_sum{api="Fetch"}"""]);
        Assert.Equal(4, samples["""latency_seconds_count{api="Fetch"}"""]);
    }

    [Fact]
    public async Task One_name_from_two_meters_is_one_group_under_one_head()
    {
        using var first = new Meter("first-" + Guid.NewGuid().ToString("N"));
        using var second = new Meter("second-" + Guid.NewGuid().ToString("N"));
        await using var host = await ScrapeHost.StartAsync(build: b => b.AddMeter(first.Name).AddMeter(second.Name));
        first.CreateCounter<long>("shared").Add(1);
        first.CreateCounter<long>("between").Add(1);
        second.CreateCounter<long>("shared").Add(2);

        var text = await host.ScrapeAsync();
        Assert.Single(Regex.Matches(text, "# TYPE shared_total counter"));
        Assert.Matches("""shared_total\{[^}]*first-[^}]*\} 1( \d+)?\nshared_total\{[^}]*second-[^}]*\} 2""", text);
    }

    private static string Sorted(string sample)
    {
        var open = sample.IndexOf('{', StringComparison.Ordinal);
        var labels = Regex.Matches(sample[(open + 1)..^1], """\w+="([^"\\]|\\.)*["]""").Select(m => m.Value).Order(StringComparer.Ordinal);
        return $"{sample[..open]}{{{string.Join(',', labels)}}}";
    }
}
