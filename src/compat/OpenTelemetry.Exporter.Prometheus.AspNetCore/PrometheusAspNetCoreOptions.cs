namespace OpenTelemetry.Exporter;

/// <summary>Options of the Prometheus exporter.</summary>
public class PrometheusAspNetCoreOptions
{
    internal const string DefaultScrapeEndpointPath = "/metrics";

    /// <summary>The path of the scraping endpoint, unless one is given where the endpoint is registered.</summary>
    public string? ScrapeEndpointPath { get; set; } = DefaultScrapeEndpointPath;

    /// <summary>Whether counters keep their names without the suffix "_total".</summary>
    public bool DisableTotalNameSuffixForCounters { get; set; }

    /// <summary>For how long a collected response is given to further scrapes; 0: every scrape collects.</summary>
    public int ScrapeResponseCacheDurationMilliseconds { get; set; } = 300;
}
