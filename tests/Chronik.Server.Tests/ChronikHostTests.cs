using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Chronik.Server.Configuration;
using Chronik.Storage.Testing;

namespace Chronik.Server.Tests;

public sealed class ChronikHostTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly string _folder = Directory.CreateTempSubdirectory("chronik-host-").FullName;

    private string Data => Path.Combine(_folder, "data");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_node_serves_health_metrics_and_Kafka_and_stops()
    {
        await using var host = await StartAsync();
        await host.Ready.WaitAsync(Patience);
        Assert.All(host.KafkaEndpoints, e => Assert.NotEqual(0, e.Port));
        Assert.Matches(@"^chronik ready: kafka 127\.0\.0\.1:\d+, http http://127\.0\.0\.1:\d+, data \S+ \(\d+\.\d s\)$", host.ReadyLine);
        Assert.Equal((HttpStatusCode.OK, "live\n"), await GetAsync(host, "/health/live"));
        Assert.Equal((HttpStatusCode.OK, "ready\n"), await GetAsync(host, "/health/ready"));
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync(host, "/elsewhere")).Status);
        var (status, metrics) = await GetAsync(host, "/metrics");
        for (var start = Stopwatch.GetTimestamp(); status != HttpStatusCode.OK && Stopwatch.GetElapsedTime(start) < Patience;)
        {
            // They come moments after the node is ready, and there is nothing to wait on but the page itself.
            (status, metrics) = await GetAsync(host, "/metrics");
        }

        Assert.Contains("# TYPE chronik_partitions gauge\n", metrics, StringComparison.Ordinal);
        Assert.Contains("chronik_disk_free_bytes", metrics, StringComparison.Ordinal);

        await AskVersionsAsync(host);
        await host.StopAsync().WaitAsync(Patience);
        await host.Ended.WaitAsync(Patience);
    }

    [Fact]
    public async Task Durations_are_in_buckets_of_seconds_and_every_metric_says_what_it_is()
    {
        await using var host = await StartAsync();
        await host.Ready.WaitAsync(Patience);
        await MetricsWithAsync(host, "chronik_ready"); // What is done before is not measured.
        await AskVersionsAsync(host);
        const string Latency = "chronik_gateway_latency_seconds_bucket";
        var metrics = await MetricsWithAsync(host, Latency);
        var lines = metrics.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var helped = lines.Where(l => l.StartsWith("# HELP ", StringComparison.Ordinal)).Select(l => l.Split(' ')[2]).ToHashSet();
        Assert.All(lines.Where(l => l.StartsWith("# TYPE ", StringComparison.Ordinal)), l => Assert.Contains(l.Split(' ')[2], helped));
        var buckets = lines.Where(l => l.StartsWith(Latency, StringComparison.Ordinal)).ToList();
        Assert.Contains(buckets, l => l.Contains("le=\"0.001\"", StringComparison.Ordinal));
        Assert.DoesNotContain(buckets, l => l.Contains("le=\"7500\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_node_measures_is_its_own_and_goes_on_when_another_of_the_process_stops()
    {
        await using var host = await StartAsync();
        await using (var other = await StartAsync(("chronik.data", Path.Combine(_folder, "other"))))
        {
            await host.Ready.WaitAsync(Patience);
            await other.Ready.WaitAsync(Patience);
            await MetricsWithAsync(host, "chronik_ready");
            await AskVersionsAsync(other);
            await AskVersionsAsync(other);
        }

        await AskVersionsAsync(host);
        await MetricsWithAsync(host, "chronik_gateway_latency_seconds_count");
        var metrics = await MetricsWithAsync(host, "chronik_gateway_requests_total{");
        Assert.Matches(@"\nchronik_gateway_latency_seconds_count\{[^}]*api=""ApiVersions""[^}]*\} 1\n", metrics);
        Assert.Matches(@"\nchronik_gateway_requests_total\{[^}]*api=""ApiVersions""[^}]*\} 1\n", metrics);
    }

    [Fact]
    public async Task A_node_starts_again_on_its_folder()
    {
        string cluster;
        await using (var first = await StartAsync())
        {
            await first.Ready.WaitAsync(Patience);
            cluster = first.Node!.ClusterId;
        }

        await using var second = await StartAsync();
        await second.Ready.WaitAsync(Patience);
        Assert.Equal(cluster, second.Node!.ClusterId);
    }

    [Fact]
    public async Task A_node_whose_actor_does_not_end_lets_go_of_its_folder_and_says_so()
    {
        var said = new StringWriter();
        var goOn = new ManualResetEventSlim(); // Not disposed of: the actor asks it to its end.
        var host = await ChronikHost.StartAsync(Options(), TextWriter.Synchronized(said));
        await host.Ready.WaitAsync(Patience);
        (await host.Node!.ActorOfAsync(Props.Create(() => new Busy()), "busy")).Tell(goOn);
        try
        {
            await host.StopAsync().WaitAsync(Patience);
            await host.Ended.WaitAsync(Patience);
            Assert.Contains("chronik: stopping: ", said.ToString(), StringComparison.Ordinal);
            await using var next = await StartAsync();
            await next.Ready.WaitAsync(Patience);
        }
        finally
        {
            goOn.Set();
        }
    }

    [Fact]
    public async Task A_node_that_is_stopped_before_it_serves_says_that_it_will_not()
    {
        var host = await StartAsync(
            ("chronik.cluster.bootstrap-expect", "2"), ("akka.remote.dot-netty.tcp.hostname", "127.0.0.1"),
            ("akka.remote.dot-netty.tcp.port", "0"));
        await host.StopAsync().WaitAsync(Patience);
        await Assert.ThrowsAsync<ChronikStartException>(() => host.Ready.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_port_in_use_is_named_and_nothing_is_made()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = taken.LocalEndpoint.ToString()!;
        var kafka = await RefusedAsync(("chronik.kafka.listeners", $"[\"{address}\"]"));
        Assert.Contains($"chronik.kafka.listeners = {address}", kafka.Message, StringComparison.Ordinal);
        var http = await RefusedAsync(("chronik.http", address));
        Assert.Contains($"chronik.http = {address}", http.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Data));
    }

    [Fact]
    public async Task A_folder_in_use_is_refused()
    {
        await using var host = await StartAsync();
        var refused = await RefusedAsync();
        Assert.Contains(Data, refused.Message, StringComparison.Ordinal);
        await host.Ready.WaitAsync(Patience);
    }

    [Fact]
    public async Task Another_nodes_folder_is_refused_and_stays_as_it_is()
    {
        await using (var host = await StartAsync())
        {
            await host.Ready.WaitAsync(Patience);
        }

        var before = Snapshot();
        var refused = await RefusedAsync(("chronik.node-id", "5"));
        Assert.Contains("5", refused.Message, StringComparison.Ordinal);
        Assert.Contains("node-id", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, Snapshot());
    }

    [Fact]
    public async Task A_folder_that_cannot_be_made_is_refused()
    {
        await File.WriteAllTextAsync(Data, "a file where the folder should be");
        var refused = await RefusedAsync();
        Assert.Contains(Data, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_whose_storage_failed_is_not_ready_and_says_why()
    {
        var disk = new MemoryDisk();
        var said = new StringWriter();
        await using var host = await ChronikHost.StartAsync(Options(), TextWriter.Synchronized(said), disk);
        await host.Ready.WaitAsync(Patience);
        disk.Fault = (_, operation, _) => operation == DiskOperation.Sync ? new IOException("no luck") : null;
        using var client = new TcpClient();
        await client.ConnectAsync(host.KafkaEndpoints[0]);
        // Metadata, version 4, of a topic that is not there: it is to be made, which is a write.
        await client.GetStream().WriteAsync(
            new byte[] { 0, 0, 0, 18, 0, 3, 0, 4, 0, 0, 0, 7, 255, 255, 0, 0, 0, 1, 0, 1, (byte)'t', 1 });
        using var patience = new CancellationTokenSource(Patience);
        (HttpStatusCode Status, string Text) answer;
        do answer = await GetAsync(host, "/health/ready");
        while (answer.Status == HttpStatusCode.OK && !patience.IsCancellationRequested);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "the storage failed: no luck\n"), answer);
        Assert.Equal((HttpStatusCode.OK, "live\n"), await GetAsync(host, "/health/live"));

        // The line is written a moment after the failure is seen.
        const string Line = "the storage failed, nothing is written until the next start: no luck";
        await TestCluster.UntilAsync(() => said.ToString().Contains(Line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_node_without_room_says_so_once_and_once_when_it_has_room_again()
    {
        var disk = new MemoryDisk();
        var said = new StringWriter();
        await using var host = await ChronikHost.StartAsync(Options(), TextWriter.Synchronized(said), disk);
        await host.Ready.WaitAsync(Patience);
        disk.Free = 1 << 20;
        await UntilAsync(HttpStatusCode.ServiceUnavailable);
        disk.Free = 1 << 30;
        await UntilAsync(HttpStatusCode.OK);
        var lines = said.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            ["chronik: produce is refused: 1048576 bytes are free, chronik.storage.reserve-bytes = 1048576",
                "chronik: produce is accepted again: 1073741824 bytes are free, chronik.storage.reserve-bytes = 1048576"],
            lines);

        async Task UntilAsync(HttpStatusCode status)
        {
            using var patience = new CancellationTokenSource(Patience);
            while ((await GetAsync(host, "/health/ready")).Status != status) patience.Token.ThrowIfCancellationRequested();
        }
    }

    private ChronikOptions Options(params (string Key, string Value)[] values) => ChronikOptions.Load(
    [
        ("chronik.data", Data),
        ("chronik.kafka.listeners", "[\"127.0.0.1:0\"]"),
        ("chronik.http", "127.0.0.1:0"),
        ("chronik.storage.reserve-bytes", "1 MiB"),
        .. values,
    ]);

    private Task<ChronikHost> StartAsync(params (string Key, string Value)[] values) =>
        ChronikHost.StartAsync(Options(values), TextWriter.Null);

    private async Task<ChronikStartException> RefusedAsync(params (string Key, string Value)[] values)
    {
        var refused = await Assert.ThrowsAsync<ChronikStartException>(() => StartAsync(values));
        Assert.DoesNotContain('\n', refused.Message);
        return refused;
    }

    private static async Task AskVersionsAsync(ChronikHost host)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(host.KafkaEndpoints[0]);
        // ApiVersions, version 0, correlation 7, no client id.
        await client.GetStream().WriteAsync(new byte[] { 0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255 });
        var answer = new byte[10];
        await client.GetStream().ReadExactlyAsync(answer);
        Assert.Equal([0, 0, 0, 7, 0, 0], answer[4..]);
    }

    /// <summary>What the node measures, as soon as that is among it: what was answered is counted a moment later.</summary>
    private static async Task<string> MetricsWithAsync(ChronikHost host, string name)
    {
        for (var start = Stopwatch.GetTimestamp(); ;)
        {
            var (_, metrics) = await GetAsync(host, "/metrics");
            if (metrics.Contains(name, StringComparison.Ordinal)) return metrics;
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, $"{name} does not come: {metrics}");
        }
    }

    private static async Task<(HttpStatusCode Status, string Text)> GetAsync(ChronikHost host, string path)
    {
        using var client = new HttpClient { BaseAddress = host.HttpAddress };
        using var response = await client.GetAsync(new Uri(path, UriKind.Relative));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Does one thing for as long as it is not told to go on.</summary>
    private sealed class Busy : ReceiveActor
    {
        public Busy() => Receive<ManualResetEventSlim>(goOn => goOn.Wait(Patience));
    }

    private List<string> Snapshot() =>
    [
        .. Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(f => $"{f} {new FileInfo(f).Length} {new FileInfo(f).LastWriteTimeUtc:O}"),
    ];
}
