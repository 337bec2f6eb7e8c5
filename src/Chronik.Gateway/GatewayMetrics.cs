using System.Diagnostics;
using System.Diagnostics.Metrics;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;

namespace Chronik.Gateway;

/// <summary>What the client-facing side measures, under the meter <see cref="MeterName"/>.</summary>
public sealed class GatewayMetrics : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Chronik.Gateway";

    private static readonly KeyValuePair<string, object?>[] PolicyTags =
        [.. Enum.GetNames<FollowerReadPolicy>().Select(name => new KeyValuePair<string, object?>("policy", name.ToLowerInvariant()))];

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _requests;
    private readonly Counter<long> _errors;
    private readonly Counter<long> _bytesIn;
    private readonly Counter<long> _bytesOut;
    private readonly Histogram<double> _latency;
    private readonly KeyValuePair<string, object?>[] _apiTags;
    private readonly Counter<long> _followerReads;
    private readonly Counter<long> _forwarded;
    private long _connections;

    /// <summary>Makes the instruments.</summary>
    public GatewayMetrics()
    {
        _requests = _meter.CreateCounter<long>("chronik.gateway.requests", "{request}", "Requests answered, by API.");
        _errors = _meter.CreateCounter<long>("chronik.gateway.errors", "{error}", "Connections closed and requests failed, by reason.");
        _bytesIn = _meter.CreateCounter<long>("chronik.gateway.received", "By", "Bytes received from clients.");
        _bytesOut = _meter.CreateCounter<long>("chronik.gateway.sent", "By", "Bytes sent to clients.");
        _latency = _meter.CreateDurationHistogram(
            "chronik.gateway.latency", "From the last byte of a request to the last byte of its response, by API.");
        _followerReads = _meter.CreateCounter<long>(
            "chronik.follower.reads", "{read}", "Partitions in fetches answered by a replica that does not lead, by policy.");
        _forwarded = _meter.CreateCounter<long>(
            "chronik.gateway.forwarded", "{request}", "Requests, or parts of them, passed on to the leader of their partitions, by API.");
        _meter.CreateObservableUpDownCounter("chronik.gateway.connections", () => Connections, "{connection}", "Open connections.");
        _apiTags = new KeyValuePair<string, object?>[ApiCatalog.All.Max(api => (int)api.Key) + 1];
        foreach (ApiInfo api in ApiCatalog.All) _apiTags[(int)api.Key] = new KeyValuePair<string, object?>("api", api.Name);
    }

    /// <summary>Open connections.</summary>
    public long Connections => Volatile.Read(ref _connections);

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    internal long ConnectionOpened() => Interlocked.Increment(ref _connections);

    internal void ConnectionClosed() => Interlocked.Decrement(ref _connections);

    internal void BytesIn(long bytes)
    {
        if (_bytesIn.Enabled) _bytesIn.Add(bytes);
    }

    internal void Answered(ApiKey api, long receivedAt, int bytes)
    {
        if (!_requests.Enabled && !_latency.Enabled) return;
        KeyValuePair<string, object?> tag = _apiTags[(int)api];
        _requests.Add(1, tag);
        _bytesOut.Add(bytes);
        _latency.Record(Stopwatch.GetElapsedTime(receivedAt).TotalSeconds, tag);
    }

    internal void FollowerRead(FollowerReadPolicy policy) => _followerReads.Add(1, PolicyTags[(int)policy]);

    internal void Forwarded(ApiKey api) => _forwarded.Add(1, _apiTags[(int)api]);

    internal void Error(string reason) => _errors.Add(1, new KeyValuePair<string, object?>("reason", reason));
}
