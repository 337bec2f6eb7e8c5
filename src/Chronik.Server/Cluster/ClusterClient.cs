using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Chronik.Partitions.Operating;
using Chronik.Server.Configuration;

namespace Chronik.Server.Cluster;

/// <summary>A node refused what it was asked, or could not be asked. The message is one line.</summary>
internal sealed class ClusterRequestException : Exception
{
    public ClusterRequestException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>Whether nobody answered; otherwise it was refused.</summary>
    public bool IsUnreachable { get; init; }
}

/// <summary>Asks a node what lies under /cluster.</summary>
internal sealed class ClusterClient : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    private readonly HttpClient _http;
    private readonly string _address;

    /// <summary>Makes one for a node.</summary>
    /// <param name="address">HOST:PORT, or a URL.</param>
    public ClusterClient(string address)
    {
        _address = address.Contains("://", StringComparison.Ordinal) ? address : $"http://{address}";
        if (!Uri.TryCreate(_address, UriKind.Absolute, out var uri))
        {
            throw new ChronikStartException($"--http {address}: is not HOST:PORT");
        }

        _http = new HttpClient { BaseAddress = uri, Timeout = Timeout };
    }

    public void Dispose() => _http.Dispose();

    public Task<ClusterStatus> StatusAsync(CancellationToken stop = default) =>
        SendAsync(HttpMethod.Get, "/cluster/status", ClusterJson.Default.ClusterStatus, stop);

    public Task<PlanAnswer> PlanAsync() =>
        SendAsync(HttpMethod.Post, "/cluster/balance?dry-run=true", ClusterJson.Default.PlanAnswer, default);

    public Task<OperationAnswer> AskAsync(HttpMethod method, string path) =>
        SendAsync(method, path, ClusterJson.Default.OperationAnswer, default);

    private async Task<T> SendAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken stop)
    {
        string body;
        bool isGranted;
        try
        {
            using var request = new HttpRequestMessage(method, path);
            using var response = await _http.SendAsync(request, stop).ConfigureAwait(false);
            body = await response.Content.ReadAsStringAsync(stop).ConfigureAwait(false);
            isGranted = response.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !stop.IsCancellationRequested))
        {
            throw new ClusterRequestException($"{_address} does not answer: {e.Message.ReplaceLineEndings(" ")}", e)
            {
                IsUnreachable = true,
            };
        }

        try
        {
            if (isGranted) return JsonSerializer.Deserialize(body, type)!;
            throw new ClusterRequestException(JsonSerializer.Deserialize(body, ClusterJson.Default.OperationAnswer)!.Message);
        }
        catch (JsonException e)
        {
            throw new ClusterRequestException($"{_address}{path} is not a node of this version: {body.Trim().ReplaceLineEndings(" ")}", e);
        }
    }
}
