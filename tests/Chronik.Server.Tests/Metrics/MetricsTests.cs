using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Chronik.Gateway.Tests;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;
using Chronik.Server.Configuration;
using Chronik.Storage.Testing;

namespace Chronik.Server.Tests.Metrics;

/// <summary>Every metric has a help text and a place in docs/metrics.md, and moves when that happens which it counts.</summary>
/// <remarks>Alone: what is measured is measured of every node in the process.</remarks>
[Collection(nameof(MetricsTests))]
[CollectionDefinition(nameof(MetricsTests), DisableParallelization = true)]
public sealed class MetricsTests
{
    private const string Page = "docs/metrics.md";
    private const string Head = "| metric | kind | labels | unit | what it says |\n|---|---|---|---|---|\n";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>What dashboards rely on, whatever else changes.</summary>
    private static readonly string[] Promised =
    [
        "chronik_raft_leader_count{node_id}", "chronik_raft_follower_lag{partition,follower_id}", "chronik_raft_isr_size{partition}",
        "chronik_raft_election_count{}", "chronik_raft_commit_latency_ms{}",
    ];

    [Fact]
    public async Task Every_metric_is_documented_and_moves()
    {
        using var recorder = new MeterRecorder();
        var text = await MoveEverythingAsync(recorder);
        var wrong = new List<string>();
        foreach (var metric in recorder.Known)
        {
            if (!metric.Help.EndsWith('.')) wrong.Add($"{metric.Instrument} has no help text that is a sentence");
            var labels = MetricTable.Labels(metric.Instrument);
            var seen = recorder.Labels(metric.Instrument);
            if (MetricTable.Elsewhere(metric) is var (file, what))
            {
                if (!Read(file).Contains(what, StringComparison.Ordinal)) wrong.Add($"{metric.Instrument} is not looked at in {file}");
                continue;
            }

            if (!recorder.HasMoved(metric.Instrument)) wrong.Add($"{metric.Instrument} did not move");
            else if (!seen.SetEquals(labels))
                wrong.Add($"{metric.Instrument} has the labels {string.Join(',', seen)}, not {string.Join(',', labels)}");
            if (!text.Contains($"# TYPE {metric.Name} {metric.Kind}\n", StringComparison.Ordinal))
                wrong.Add($"{metric.Instrument} is not scraped as the {metric.Kind} {metric.Name}");
        }

        var names = recorder.Known.Select(metric => metric.Instrument);
        wrong.AddRange(MetricTable.Named.Except(names).Select(name => $"{name} does not exist"));
        foreach (var promised in Promised)
        {
            var name = promised[..promised.IndexOf('{', StringComparison.Ordinal)];
            var labels = promised[(name.Length + 1)..^1].Split(',', StringSplitOptions.RemoveEmptyEntries);
            var series = text.Split('\n').Where(l => Regex.IsMatch(l, $@"^{name}(_count)?\{{")).ToList();
            if (series.Count == 0) wrong.Add($"{promised} is not there");
            wrong.AddRange(series.Where(l => !labels.All(label => l.Contains($"{label}=\"", StringComparison.Ordinal))));
        }

        var page = MakePage(recorder.Known);
        if (Environment.GetEnvironmentVariable("CHRONIK_UPDATE_DOCS") == "1") File.WriteAllText(Path.Combine(Root, Page), page);
        if (!File.Exists(Path.Combine(Root, Page)) || Read(Page) != page)
            wrong.Add($"{Page} is stale: CHRONIK_UPDATE_DOCS=1 dotnet test tests/Chronik.Server.Tests writes it anew");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    /// <summary>Does everything once that a metric counts; returns what a scrape of all nodes says afterwards.</summary>
    private static async Task<string> MoveEverythingAsync(MeterRecorder recorder)
    {
        // One node alone, whose disk fills up and then fails.
        var disk = new MemoryDisk();
        await using (var host = await ChronikHost.StartAsync(Alone(), TextWriter.Null, disk))
        {
            recorder.Observe();
            await host.Ready.WaitAsync(Patience);
            recorder.Observe();
            disk.Free = 1 << 20;
            await TestCluster.UntilAsync(() => host.WhyNotReady is not null);
            recorder.Observe();
            disk.Free = 1 << 30;
            await TestCluster.UntilAsync(() => host.WhyNotReady is null);
            disk.Fault = (_, _, _) =>
            {
                recorder.Observe(); // While something is on its way to the disk.
                return null;
            };
            await CreateAsync(host, "alone", replicas: 1);
            disk.Fault = (_, operation, _) => operation == DiskOperation.Sync ? new IOException("no luck") : null;
            await TestCluster.UntilAsync(async () =>
            {
                await Record.ExceptionAsync(() => CreateAsync(host, "another", replicas: 1));
                recorder.Observe();
                return recorder.HasMoved("chronik.storage.failed") && recorder.HasMoved("chronik.partition.failed");
            });
        }

        // Three nodes; a client that does what clients do, and some of what they should not.
        await using var cluster = await TestCluster.StartAsync(
            3, ("chronik.gateway.max-in-flight-requests-per-connection", "1"), ("chronik.broker.replica.lag.time.max.ms", "2000"),
            ("chronik.gateway.forward", "true"));
        recorder.Observe();
        await TestCluster.CreateTopicAsync(cluster[1].Node!, "t", partitions: 1, replicas: 3);
        await TestCluster.CreateTopicAsync(
            cluster[1].Node!, "strict", partitions: 1, replicas: 3, KeyValuePair.Create<string, string?>("min.insync.replicas", "3"));
        var topic = cluster[1].Node!.Metadata.Topics["t"].Id;
        await TestCluster.UntilAsync(() => cluster.Hosts.All(host => host.Node!.Locate(topic, 0)!.Leader.IsSome));
        var leader = cluster[cluster[1].Node!.Locate(topic, 0)!.Leader.Value];
        await WorkAsync(leader, recorder);
        recorder.Observe();

        // A broker that does not lead passes writes on, and answers reads itself.
        using (var client = await KafkaClient.ConnectAsync(cluster.Hosts.First(host => host != leader).KafkaEndpoints[0]))
        {
            await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("a")), 9);
            await client.CallAsync(KafkaClient.Fetch("t", 0), 12);
        }

        await leader.Node!.Find(topic, 0)!.DeleteRecordsAsync(new KafkaOffset(1));

        // A node that stops, and comes back with nothing.
        var before = await ScrapeAsync(cluster);
        var victim = cluster.Hosts.First(host => host != leader).Node!.Id.Value;
        await cluster.StopAsync(victim);
        await WorkAsync(leader, recorder);
        await TestCluster.UntilAsync(() =>
        {
            recorder.Observe();
            return recorder.HasMoved("chronik.peer.losses") && recorder.HasMoved("chronik.under.min.isr.partitions");
        });
        Directory.Delete(cluster.FolderOf(victim), recursive: true);
        await cluster.BeginAsync(victim, 3);
        await cluster[victim].Ready.WaitAsync(TestCluster.Patience);
        await TestCluster.UntilAsync(() =>
        {
            recorder.Observe();
            return recorder.HasMoved("chronik.partition.recoveries");
        });

        // And one that restarts with what it had.
        before += await ScrapeAsync(cluster);
        await cluster.StopAsync(victim);
        await cluster.BeginAsync(victim, 3);
        await cluster[victim].Ready.WaitAsync(TestCluster.Patience);
        var text = "";
        await TestCluster.UntilAsync(async () =>
        {
            recorder.Observe();
            text = before + await ScrapeAsync(cluster);
            return recorder.HasMoved("chronik.dispatcher.delay") && text.Contains("chronik_raft_follower_lag{", StringComparison.Ordinal);
        });
        return text;
    }

    private static async Task WorkAsync(ChronikHost leader, MeterRecorder recorder)
    {
        using var client = await KafkaClient.ConnectAsync(leader.KafkaEndpoints[0]);
        var sequence = leader.Node!.Find(new TopicPartition("t", 0))!.View.LogEndOffset.Value;
        var batch = Batch((int)sequence);
        foreach (var records in (byte[][])[batch, batch, Batch((int)sequence + 99)])
            await client.CallAsync(KafkaClient.Produce("t", records), 9);
        await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("b")), 9);
        await client.CallAsync(KafkaClient.Fetch("t", 0), 12);
        recorder.Observe(); // While a client is connected.

        // The second waits until the first, a long poll, is answered.
        var end = leader.Node.Find(new TopicPartition("t", 0))!.View.LogEndOffset.Value;
        await client.SendAsync(KafkaClient.Fetch("t", end, maxWaitMs: 200), 12);
        await client.SendAsync(KafkaClient.Fetch("t", end, maxWaitMs: 0), 12);
        await client.ReceiveAsync<FetchResponse>();
        await client.ReceiveAsync<FetchResponse>();

        using var stranger = await KafkaClient.ConnectAsync(leader.KafkaEndpoints[0]);
        await stranger.SendRawAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        await stranger.AssertClosedAsync();
    }

    private static byte[] Batch(int sequence)
    {
        var batch = new RecordBatchBuilder { ProducerId = 1, ProducerEpoch = 0, BaseSequence = sequence };
        batch.Add(1_000, null, "x"u8.ToArray());
        return batch.Build();
    }

    private static async Task CreateAsync(
        ChronikHost host, string topic, short replicas, params IReadOnlyList<KeyValuePair<string, string?>> configs)
    {
        var made = new NewTopic { Name = topic, PartitionCount = 1, ReplicationFactor = replicas, Configs = configs };
        var created = Assert.Single(await host.Node!.SubmitAsync(new CreateTopics([made]), Patience));
        Assert.Equal((KafkaError.None, null), (created.Error, created.Message));
    }

    private static ChronikOptions Alone() => ChronikOptions.Load(
        ("chronik.data", "/data"), ("chronik.node-id", "7"), ("chronik.kafka.listeners", "[\"127.0.0.1:0\"]"),
        ("chronik.http", "127.0.0.1:0"), ("chronik.storage.reserve-bytes", "2 MiB"), ("chronik.gateway.max-request-memory", "1 GiB"));

    private static async Task<string> ScrapeAsync(TestCluster cluster) =>
        string.Concat(await Task.WhenAll(cluster.Hosts.Select(ScrapeAsync)));

    private static async Task<string> ScrapeAsync(ChronikHost host)
    {
        using var client = new HttpClient { BaseAddress = host.HttpAddress };
        var text = "";
        await TestCluster.UntilAsync(async () =>
        {
            // They come moments after the node is ready.
            using var response = await client.GetAsync(new Uri("/metrics", UriKind.Relative));
            if (response.IsSuccessStatusCode) text = await response.Content.ReadAsStringAsync();
            return response.IsSuccessStatusCode;
        });
        return text;
    }

    private static string MakePage(IReadOnlyList<KnownMetric> known)
    {
        var page = new StringBuilder("""
            # Metrics

            Made from the code by a test; change it there. Every node serves its own at `http://HOST:9644/metrics` for Prometheus
            ([a job](../deploy/prometheus/prometheus.yaml), [alerts](../deploy/prometheus/alerts.yaml),
            [a dashboard](../deploy/grafana/chronik.json)). What a number out of the ordinary means, and what to do, is in
            [troubleshooting](troubleshooting.md).

            Histograms have the series `_bucket`, `_sum` and `_count`. Series that come from a meter have the label `otel_scope_name`, the
            meter's name, besides those below. The runtime's own metrics are there too, as `dotnet_*`.

            The number of series does not grow with that of partitions. Only `chronik_raft_isr_size` and `chronik_raft_follower_lag` have
            series of single partitions, for at most 
            """);
        page.Append(CultureInfo.InvariantCulture, $"{PartitionSeries.PartitionsMax} of those that a node leads: those with replicas");
        page.Append("""

            out of sync first, then those furthest behind (a lag below 1,000 records counts as none), then those that were there at the last
            scrape, then by name. What holds for all of them is in `chronik_raft_follower_lag_max` and in the counts of partitions.


            """);
        foreach (var meter in known.GroupBy(metric => metric.Meter).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            page.Append(CultureInfo.InvariantCulture, $"## {meter.Key}\n\n{Head}");
            foreach (var metric in meter)
            {
                page.Append(Row(metric.Name, metric.Kind, MetricTable.Labels(metric.Instrument), metric.UnitWord, metric.Help));
            }

            page.Append('\n');
        }

        page.Append(CultureInfo.InvariantCulture, $"## Of single partitions\n\n{Head}");
        foreach (var metric in PartitionSeries.All) page.Append(Row(metric.Name, "gauge", metric.Labels, metric.Unit, metric.Help));
        return page.ToString();
    }

    private static string Row(string name, string kind, IReadOnlyList<string> labels, string unit, string help) =>
        $"| `{name}` | {kind} | {string.Join(", ", labels.Select(label => $"`{label}`"))} | {unit} | {help} |\n";

    private static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    private static string Root
    {
        get
        {
            var root = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(root, "Chronik.Akka.sln"))) root = Path.GetDirectoryName(root)!;
            return root;
        }
    }
}
