using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OpenTelemetry.Exporter;
using OpenTelemetry.Exporter.Prometheus;

namespace OpenTelemetry.Metrics;

/// <summary>Registers the Prometheus exporter.</summary>
public static class PrometheusExporterMeterProviderBuilderExtensions
{
    /// <summary>Adds the exporter with default options.</summary>
    public static MeterProviderBuilder AddPrometheusExporter(this MeterProviderBuilder builder) =>
        builder.AddPrometheusExporter(null, null);

    /// <summary>Adds the exporter with options.</summary>
    public static MeterProviderBuilder AddPrometheusExporter(
        this MeterProviderBuilder builder, Action<PrometheusAspNetCoreOptions> configure) => builder.AddPrometheusExporter(null, configure);

    /// <summary>Adds the exporter with named options.</summary>
    public static MeterProviderBuilder AddPrometheusExporter(
        this MeterProviderBuilder builder, string? name, Action<PrometheusAspNetCoreOptions>? configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        name ??= Options.DefaultName;
        if (configure is not null)
        {
            builder.ConfigureServices(services => services.Configure(name, configure));
        }

        return builder.AddReader(services =>
        {
            var options = services.GetRequiredService<IOptionsMonitor<PrometheusAspNetCoreOptions>>().Get(name);
            return new BaseExportingMetricReader(new PrometheusExporter(options))
            {
                TemporalityPreference = MetricReaderTemporalityPreference.Cumulative,
            };
        });
    }
}
