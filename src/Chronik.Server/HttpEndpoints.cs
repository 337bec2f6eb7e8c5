using Chronik.Server.Cluster;
using Chronik.Server.Page;

namespace Chronik.Server;

/// <summary>The pages for operators and their tools. So few paths do not need routing.</summary>
internal static class HttpEndpoints
{
    public const string Metrics = "/metrics";

    /// <summary>
    /// /health/live: 200 as long as the process answers. /health/ready: 200 when clients are served and may write, 503 with the reason
    /// otherwise. /metrics: 503 until there are any, moments after the node is ready. / and what is
    /// below /page: see <see cref="PageEndpoints"/>.
    /// </summary>
    public static Task RespondAsync(ChronikHost host, RequestDelegate? scrape, HttpContext context)
    {
        if (PageEndpoints.Has(context.Request.Path)) return PageEndpoints.RespondAsync(host.Page, context);
        if (context.Request.Path == Metrics && scrape is not null)
        {
            return scrape(context);
        }

        if (context.Request.Path.StartsWithSegments(ClusterEndpoints.Prefix, StringComparison.Ordinal))
        {
            return ClusterEndpoints.RespondAsync(host.Operator, context);
        }

        var (status, text) = context.Request.Path.Value switch
        {
            "/health/live" => (StatusCodes.Status200OK, "live"),
            "/health/ready" when host.WhyNotReady is { } reason => (StatusCodes.Status503ServiceUnavailable, reason),
            "/health/ready" when host.Remark is { } remark => (StatusCodes.Status200OK, $"ready, but {remark}"),
            "/health/ready" => (StatusCodes.Status200OK, "ready"),
            Metrics => (StatusCodes.Status503ServiceUnavailable, "the node is starting"),
            _ => (StatusCodes.Status404NotFound, "There are / for people, /health/live, /health/ready, /metrics and /cluster/status."),
        };
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text + "\n", context.RequestAborted);
    }
}
