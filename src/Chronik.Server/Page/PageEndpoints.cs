using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.WebUtilities;

namespace Chronik.Server.Page;

/// <summary>
/// The page for people at "/" and what it asks for below /page. Everything is in the executable; nothing comes from elsewhere.
/// </summary>
internal static class PageEndpoints
{
    private const string Prefix = "/page/";

    private static readonly FrozenDictionary<string, (string Type, byte[] Bytes)> Files = new Dictionary<string, (string, byte[])>
    {
        ["/"] = ("text/html; charset=utf-8", Load("page.html")),
        [Prefix + "page.css"] = ("text/css; charset=utf-8", Load("page.css")),
        [Prefix + "page.js"] = ("text/javascript; charset=utf-8", Load("page.js")),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Whether a path is the page's.</summary>
    public static bool Has(PathString path) => path == "/" || path.Value!.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Answers; 503 for what the page asks while the node is starting.</summary>
    public static Task RespondAsync(ClusterPage? cluster, HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);

        // Names that clients chose are shown: nothing but the page's own script runs, and nobody else frames it.
        response.Headers.ContentSecurityPolicy =
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'";
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers.CacheControl = "no-cache";
        if (!HttpMethods.IsGet(request.Method))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            response.Headers.Allow = "GET";
            return Task.CompletedTask;
        }

        if (Files.TryGetValue(request.Path.Value!, out var file))
        {
            response.ContentType = file.Type;
            response.ContentLength = file.Bytes.Length;
            return response.Body.WriteAsync(file.Bytes, context.RequestAborted).AsTask();
        }

        if (cluster is null)
        {
            response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        }

        var query = QueryHelpers.ParseQuery(request.QueryString.Value);
        string Text(string name) => query.TryGetValue(name, out var value) && value.ToString() is { Length: <= 300 } text ? text : "";
        int Number(string name, int otherwise) => int.TryParse(Text(name), out var number) ? number : otherwise;
        return request.Path.Value switch
        {
            Prefix + "cluster" => WriteAsync(cluster.ClusterAsync(), PageJson.Default.ClusterReport, context),
            Prefix + "partitions" => WriteAsync(
                cluster.PartitionsAsync(Text("filter"), Text("only"), Text("order"), Number("offset", 0), Number("limit", 50)),
                PageJson.Default.PartitionPage, context),
            Prefix + "groups" => WriteAsync(
                cluster.GroupsAsync(Text("filter"), Text("order"), Number("offset", 0), Number("limit", 50)),
                PageJson.Default.GroupPage, context),
            _ => NotFoundAsync(response),
        };
    }

    private static async Task WriteAsync<T>(Task<T> value, JsonTypeInfo<T> type, HttpContext context)
    {
        var found = await value.ConfigureAwait(false);
        context.Response.ContentType = "application/json; charset=utf-8";
        await JsonSerializer.SerializeAsync(context.Response.Body, found, type, context.RequestAborted).ConfigureAwait(false);
    }

    private static Task NotFoundAsync(HttpResponse response)
    {
        response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    private static byte[] Load(string name)
    {
        using var stream = typeof(PageEndpoints).Assembly.GetManifestResourceStream(name)!;
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
