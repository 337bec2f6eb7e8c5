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

    private readonly Meter _meter;
    private readonly Counter<long> _errors;
    private readonly Counter<long> _throttled;
    private readonly Histogram<double> _latency;
    private readonly KeyValuePair<string, object?>[] _apiTags;
    private readonly Counter<long> _followerReads;
    private readonly Counter<long> _forwarded;
    private readonly long[] _requests; // By API.
    private readonly PartitionResults _produced = new(ApiKey.Produce);
    private readonly PartitionResults _fetched = new(ApiKey.Fetch);
    private long _bytesIn;
    private long _bytesOut;
    private long _connections;

    /// <summary>Makes the instruments.</summary>
    /// <param name="node">What makes the node's meters.</param>
    public GatewayMetrics(NodeMeters node)
    {
        _meter = node.Create(MeterName);
        _requests = new long[ApiCatalog.All.Max(api => (int)api.Key) + 1];
        _apiTags = new KeyValuePair<string, object?>[_requests.Length];
        foreach (ApiInfo api in ApiCatalog.All) _apiTags[(int)api.Key] = new KeyValuePair<string, object?>("api", api.Name);
        _meter.CreateObservableCounter("chronik.gateway.requests", RequestsByApi, "{request}", "Requests answered, by API.");
        _meter.CreateObservableCounter(
            "chronik.gateway.partition.results", () => _produced.Measure().Concat(_fetched.Measure()), "{partition}",
            "Partitions in answers to Produce and Fetch, by API and error; the error None is success.");
        _errors = _meter.CreateCounter<long>("chronik.gateway.errors", "{error}", "Connections closed and requests failed, by reason.");
        _throttled = _meter.CreateCounter<long>(
            "chronik.gateway.throttled", "{pause}",
            "Times that a connection was not read for a while, by reason: in-flight (its own unanswered requests), memory (all of them).");
        _meter.CreateObservableCounter("chronik.gateway.received", () => BytesReceived, "By", "Bytes received from clients.");
        _meter.CreateObservableCounter("chronik.gateway.sent", () => BytesSent, "By", "Bytes sent to clients.");
        _latency = _meter.CreateDurationHistogram(
            "chronik.gateway.latency", "From the last byte of a request to the last byte of its response, by API.");
        _followerReads = _meter.CreateCounter<long>(
            "chronik.follower.reads", "{read}", "Partitions in fetches answered by a replica that does not lead, by policy.");
        _forwarded = _meter.CreateCounter<long>(
            "chronik.gateway.forwarded", "{request}", "Requests, or parts of them, passed on to the leader of their partitions, by API.");
        _meter.CreateObservableUpDownCounter("chronik.gateway.connections", () => Connections, "{connection}", "Open connections.");
    }

    /// <summary>Open connections.</summary>
    public long Connections => Volatile.Read(ref _connections);

    /// <summary>Bytes received from clients since the start.</summary>
    public long BytesReceived => Volatile.Read(ref _bytesIn);

    /// <summary>Bytes sent to clients since the start.</summary>
    public long BytesSent => Volatile.Read(ref _bytesOut);

    /// <summary>Requests answered since the start.</summary>
    public long Requests => _requests.Sum();

    /// <summary>Partitions in answers to Produce and Fetch that had an error, since the start.</summary>
    public long PartitionErrors => _produced.Errors + _fetched.Errors;

    /// <summary>How long Produce requests took to be answered.</summary>
    public DurationCounts ProduceTimes { get; } = new();

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    internal long ConnectionOpened() => Interlocked.Increment(ref _connections);

    internal void ConnectionClosed() => Interlocked.Decrement(ref _connections);

    internal void BytesIn(long bytes)
    {
        Interlocked.Add(ref _bytesIn, bytes);
    }

    internal void Answered(ApiKey api, long receivedAt, int bytes)
    {
        TimeSpan taken = Stopwatch.GetElapsedTime(receivedAt);
        Interlocked.Increment(ref _requests[(int)api]);
        Interlocked.Add(ref _bytesOut, bytes);
        if (api == ApiKey.Produce) ProduceTimes.Add(taken);
        _latency.Record(taken.TotalSeconds, _apiTags[(int)api]);
    }

    internal void FollowerRead(FollowerReadPolicy policy) => _followerReads.Add(1, PolicyTags[(int)policy]);

    internal void Forwarded(ApiKey api) => _forwarded.Add(1, _apiTags[(int)api]);

    /// <summary>A partition was written to, or not.</summary>
    internal void Produced(short error) => _produced.Add(error);

    /// <summary>A partition was read from, or not.</summary>
    internal void Fetched(short error) => _fetched.Add(error);

    /// <summary>A connection is not read for a while.</summary>
    internal void Throttled(string reason) => _throttled.Add(1, new KeyValuePair<string, object?>("reason", reason));

    internal void Error(string reason) => _errors.Add(1, new KeyValuePair<string, object?>("reason", reason));

    private IEnumerable<Measurement<long>> RequestsByApi()
    {
        for (int api = 0; api < _requests.Length; api++)
            if (Volatile.Read(ref _requests[api]) is > 0 and long count) yield return new Measurement<long>(count, _apiTags[api]);
    }

    /// <summary>Counts by error what became of partitions; a single add each.</summary>
    private sealed class PartitionResults(ApiKey api)
    {
        private const int Lowest = (int)KafkaError.UnknownServerError;

        private readonly long[] _counts = new long[256];

        public long Errors => _counts.Sum() - Volatile.Read(ref _counts[(int)KafkaError.None - Lowest]);

        public void Add(short error) => Interlocked.Increment(ref _counts[Math.Clamp(error - Lowest, 0, _counts.Length - 1)]);

        public IEnumerable<Measurement<long>> Measure()
        {
            for (int i = 0; i < _counts.Length; i++)
            {
                if (Volatile.Read(ref _counts[i]) is not (> 0 and long count)) continue;
                yield return new Measurement<long>(count, new("api", api.ToString()), new("error", ((KafkaError)(i + Lowest)).ToString()));
            }
        }
    }
}
