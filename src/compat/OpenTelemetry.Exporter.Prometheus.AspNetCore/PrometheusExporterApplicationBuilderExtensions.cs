using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OpenTelemetry.Exporter;
using OpenTelemetry.Exporter.Prometheus;
using OpenTelemetry.Metrics;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Registers the endpoint that Prometheus scrapes.</summary>
public static class PrometheusExporterApplicationBuilderExtensions
{
    /// <summary>Serves the application's MeterProvider at the path of its options ("/metrics").</summary>
    public static IApplicationBuilder UseOpenTelemetryPrometheusScrapingEndpoint(this IApplicationBuilder app) =>
        app.UseOpenTelemetryPrometheusScrapingEndpoint(null, null, null, null, null);

    /// <summary>Serves a MeterProvider, at a path or for the requests that a predicate chooses, or both.</summary>
    /// <exception cref="ArgumentException">The provider has no Prometheus exporter.</exception>
    public static IApplicationBuilder UseOpenTelemetryPrometheusScrapingEndpoint(
        this IApplicationBuilder app,
        MeterProvider? meterProvider,
        Func<HttpContext, bool>? predicate,
        string? path,
        Action<IApplicationBuilder>? configureBranchedPipeline,
        string? optionsName)
    {
        meterProvider ??= app.ApplicationServices.GetRequiredService<MeterProvider>();
        var exporter = PrometheusExporter.Of(meterProvider)
            ?? throw new ArgumentException("The provider has no Prometheus exporter.", nameof(meterProvider));

        if (predicate is null || path is not null)
        {
            path ??= app.ApplicationServices.GetRequiredService<IOptionsMonitor<PrometheusAspNetCoreOptions>>()
                .Get(optionsName ?? Options.DefaultName).ScrapeEndpointPath ?? PrometheusAspNetCoreOptions.DefaultScrapeEndpointPath;
            var scraped = new PathString(path.StartsWith('/') ? path : "/" + path);
            var also = predicate;
            predicate = context => context.Request.Path == scraped && (also is null || also(context));
        }

        return app.MapWhen(predicate, branch =>
        {
            configureBranchedPipeline?.Invoke(branch);
            branch.Run(context => RespondAsync(exporter, context));
        });
    }

    private static async Task RespondAsync(PrometheusExporter exporter, HttpContext context)
    {
        if (await exporter.ScrapeAsync(context.RequestAborted).ConfigureAwait(false) is not { } body)
        {
            context.Response.StatusCode = StatusCodes.Status500InternalServerError;
            return;
        }

        context.Response.ContentType = PrometheusText.ContentType;
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }
}
