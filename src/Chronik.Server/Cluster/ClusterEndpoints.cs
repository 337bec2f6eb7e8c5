using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Operating;

namespace Chronik.Server.Cluster;

/// <summary>
/// What lies under /cluster: how the cluster stands, and what operators ask of it. Any node answers; what changes something reaches the
/// controller from there.
/// </summary>
/// <remarks>
/// <code>
///   GET    /cluster/status                  200 ClusterStatus
///   POST   /cluster/nodes/N/drain           empty a broker                      DELETE: let it be used again
///   POST   /cluster/nodes/N/remove          empty it, then take it off the list DELETE: the same
///   POST   /cluster/balance[?dry-run=true]  even out, or say what would move
///   DELETE /cluster/moves                   take back what is being moved, and move nothing more
///   POST   /cluster/level?level=N[&amp;dry-run=true]
/// </code>
/// 200 granted, 400 not understood, 403 asked by a page of another site, 404 no such broker, 405, 409 refused with the reason, 503 nobody
/// to decide. There is no authentication, so whoever reaches the port may ask; a browser that reaches it may not be made to by other sites.
/// </remarks>
internal static class ClusterEndpoints
{
    public const string Prefix = "/cluster";

    public static async Task RespondAsync(ClusterOperator? cluster, HttpContext context)
    {
        if (!HttpMethods.IsGet(context.Request.Method) && WhyForeign(context.Request) is { } foreign)
        {
            await SayAsync(context, StatusCodes.Status403Forbidden, false, null, foreign).ConfigureAwait(false);
            return;
        }

        if (cluster is null)
        {
            await SayAsync(context, StatusCodes.Status503ServiceUnavailable, false, null, "the node is starting").ConfigureAwait(false);
            return;
        }

        try
        {
            await RouteAsync(cluster, context).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or MetadataAppendException or Akka.Actor.AskTimeoutException)
        {
            await SayAsync(context, StatusCodes.Status503ServiceUnavailable, false, nameof(KafkaError.NotController), e.Message)
                .ConfigureAwait(false);
        }
    }

    private static Task RouteAsync(ClusterOperator cluster, HttpContext context)
    {
        var method = context.Request.Method;
        var parts = context.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return (method, parts) switch
        {
            ("GET", [_, "status"]) => StatusAsync(cluster, context),
            ("POST", [_, "nodes", var node, "drain"]) => DrainAsync(cluster, context, node, drains: true, remove: false),
            ("POST", [_, "nodes", var node, "remove"]) => DrainAsync(cluster, context, node, drains: true, remove: true),
            ("DELETE", [_, "nodes", var node, "drain" or "remove"]) => DrainAsync(cluster, context, node, drains: false, remove: false),
            ("POST", [_, "balance"]) => BalanceAsync(cluster, context),
            ("DELETE", [_, "moves"]) => CancelAsync(cluster, context),
            ("POST", [_, "level"]) => LevelAsync(cluster, context),
            (_, [_, "status"]) => NotAllowedAsync(context, "GET"),
            (_, [_, "nodes", _, "drain" or "remove"]) => NotAllowedAsync(context, "POST, DELETE"),
            (_, [_, "balance" or "level"]) => NotAllowedAsync(context, "POST"),
            (_, [_, "moves"]) => NotAllowedAsync(context, "DELETE"),
            _ => SayAsync(
                context, StatusCodes.Status404NotFound, false, null,
                "There are /cluster/status, /cluster/nodes/N/drain, /cluster/nodes/N/remove, /cluster/balance, /cluster/moves and "
                + "/cluster/level."),
        };
    }

    /// <summary>Why a request that changes something is not an operator's; null when it may be one.</summary>
    /// <remarks>
    /// A browser says of every such request where it comes from, and a form of another site, which needs nobody's permission to be sent,
    /// has one of three content types.
    /// </remarks>
    private static string? WhyForeign(HttpRequest request)
    {
        if (request.Headers.Origin.Count > 0
            && !(Uri.TryCreate(request.Headers.Origin, UriKind.Absolute, out var origin) && origin.Authority == request.Host.Value))
        {
            return $"asked by a page of {request.Headers.Origin}, which is not {request.Host}";
        }

        if (request.Headers["Sec-Fetch-Site"].ToString() is { Length: > 0 } site and not ("same-origin" or "none"))
        {
            return $"asked by a page of another site ({site})";
        }

        return request.ContentType is { } type && !type.StartsWith("application/json", StringComparison.OrdinalIgnoreCase)
            ? $"the content type is {type}; send none, or application/json"
            : null;
    }

    private static async Task StatusAsync(ClusterOperator cluster, HttpContext context) => await WriteAsync(
        context, StatusCodes.Status200OK, await cluster.DescribeAsync().ConfigureAwait(false), ClusterJson.Default.ClusterStatus)
        .ConfigureAwait(false);

    private static async Task DrainAsync(ClusterOperator cluster, HttpContext context, string node, bool drains, bool remove)
    {
        if (!int.TryParse(node, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
        {
            await SayAsync(context, StatusCodes.Status400BadRequest, false, null, $"{node} is not the id of a broker")
                .ConfigureAwait(false);
            return;
        }

        var result = await cluster.DrainAsync(new NodeId(id), drains, remove).ConfigureAwait(false);
        await SayAsync(context, result, (drains, remove) switch
        {
            (true, true) => $"Broker {id} is emptied, and removed then.",
            (true, false) => $"Broker {id} is emptied.",
            _ => $"Broker {id} does not drain, and is used as any other.",
        }).ConfigureAwait(false);
    }

    private static async Task BalanceAsync(ClusterOperator cluster, HttpContext context)
    {
        if (Flag(context, "dry-run") is not { } dry)
        {
            await SayAsync(context, StatusCodes.Status400BadRequest, false, null, "dry-run is true or false").ConfigureAwait(false);
            return;
        }

        if (dry)
        {
            var planned = await cluster.PlanAsync().ConfigureAwait(false);
            await WriteAsync(
                context, StatusCodes.Status200OK, new PlanAnswer(planned.Plan.Moves, planned.Plan.Stuck, planned.Reason),
                ClusterJson.Default.PlanAnswer).ConfigureAwait(false);
            return;
        }

        await SayAsync(context, await cluster.BalanceAsync().ConfigureAwait(false), "Everything is evened out.").ConfigureAwait(false);
    }

    private static async Task CancelAsync(ClusterOperator cluster, HttpContext context) => await SayAsync(
        context, await cluster.CancelMovesAsync().ConfigureAwait(false), "What was being moved goes back, and nothing more is moved.")
        .ConfigureAwait(false);

    private static async Task LevelAsync(ClusterOperator cluster, HttpContext context)
    {
        if (Flag(context, "dry-run") is not { } dry)
        {
            await SayAsync(context, StatusCodes.Status400BadRequest, false, null, "dry-run is true or false").ConfigureAwait(false);
            return;
        }

        var text = context.Request.Query["level"].ToString();
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var level))
        {
            await SayAsync(context, StatusCodes.Status400BadRequest, false, null, $"level={text} is not a level; such as ?level=2")
                .ConfigureAwait(false);
            return;
        }

        var result = await cluster.RaiseLevelAsync(level, dry).ConfigureAwait(false);
        await SayAsync(context, result, dry ? $"Level {level} would be granted." : $"The cluster is at level {level}.")
            .ConfigureAwait(false);
    }

    /// <summary>A parameter that is true or false, which it is when it is not there; null when it is neither.</summary>
    private static bool? Flag(HttpContext context, string name) => context.Request.Query[name].ToString() switch
    {
        "" or "false" => false,
        "true" => true,
        _ => null,
    };

    private static Task NotAllowedAsync(HttpContext context, string methods)
    {
        context.Response.Headers.Allow = methods;
        return SayAsync(context, StatusCodes.Status405MethodNotAllowed, false, null, $"{context.Request.Path} takes {methods}");
    }

    private static Task SayAsync(HttpContext context, ItemResult result, string granted) => result.Error == KafkaError.None
        ? SayAsync(context, StatusCodes.Status200OK, true, null, granted)
        : SayAsync(
            context,
            result.Error == KafkaError.BrokerIdNotRegistered ? StatusCodes.Status404NotFound : StatusCodes.Status409Conflict,
            false,
            result.Error.ToString(),
            result.Message ?? "refused");

    private static Task SayAsync(HttpContext context, int status, bool ok, string? error, string message) =>
        WriteAsync(context, status, new OperationAnswer(ok, error, message), ClusterJson.Default.OperationAnswer);

    private static Task WriteAsync<T>(HttpContext context, int status, T value, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        return JsonSerializer.SerializeAsync(context.Response.Body, value, type, context.RequestAborted);
    }
}
