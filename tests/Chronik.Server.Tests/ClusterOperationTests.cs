using System.Net;
using System.Text;
using System.Text.Json;
using Chronik.Model;
using Chronik.Server.Cluster;
using Chronik.Server.Configuration;

namespace Chronik.Server.Tests;

/// <summary>Operators' requests and commands against nodes in this process.</summary>
public sealed class ClusterOperationTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private readonly string _folder = Directory.CreateTempSubdirectory("chronik-operate-").FullName;
    private readonly List<ChronikHost> _hosts = [];
    private readonly HttpClient _http = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _http.Dispose();
        foreach (var host in _hosts) await host.StopAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task What_operators_ask_of_a_node_that_is_alone_is_answered_or_refused_with_the_reason()
    {
        var host = await StartAsync(1, isAlone: true);
        await host.Ready.WaitAsync(Patience);
        await TestCluster.CreateTopicAsync(host.Node!, "t", partitions: 3, replicas: 1);

        HttpStatusCode code;
        JsonElement status = default, node = default;
        await TestCluster.UntilAsync(async () =>
        {
            // What a node does not say in time is left out.
            (code, status) = await AskAsync(host, HttpMethod.Get, "/cluster/status");
            Assert.Equal(HttpStatusCode.OK, code);
            node = Assert.Single(status.GetProperty("nodes").EnumerateArray());
            return node.GetProperty("disk").ValueKind != JsonValueKind.Null
                && status.GetProperty("balancer").ValueKind != JsonValueKind.Null;
        });
        Assert.Equal((1, "live", 3), (node.GetProperty("id").GetInt32(), Text(node, "state"), node.GetProperty("replicas").GetInt32()));
        Assert.True(node.GetProperty("disk").GetProperty("totalBytes").GetInt64() > 0);
        Assert.Equal(host.Node!.ClusterId, Text(status, "clusterId"));
        Assert.Equal(3, status.GetProperty("partitions").GetProperty("all").GetInt32());
        Assert.Equal("balanced", Text(status.GetProperty("balancer"), "state"));

        // What cannot be done says so, and changes nothing.
        await RefusedAsync(host, HttpMethod.Post, "/cluster/nodes/1/drain", HttpStatusCode.Conflict, "the last one that is live");
        await RefusedAsync(host, HttpMethod.Post, "/cluster/nodes/1/remove", HttpStatusCode.Conflict, "the last one that is live");
        await RefusedAsync(host, HttpMethod.Post, "/cluster/nodes/7/drain", HttpStatusCode.NotFound, "No broker has the id 7");
        await RefusedAsync(host, HttpMethod.Post, "/cluster/nodes/x/drain", HttpStatusCode.BadRequest, "x is not the id");
        await RefusedAsync(host, HttpMethod.Get, "/cluster/nodes/1/drain", HttpStatusCode.MethodNotAllowed, "POST, DELETE");
        await RefusedAsync(host, HttpMethod.Get, "/cluster/balance", HttpStatusCode.MethodNotAllowed, "POST");
        await RefusedAsync(host, HttpMethod.Post, "/cluster/balance?dry-run=perhaps", HttpStatusCode.BadRequest, "true or false");
        await RefusedAsync(host, HttpMethod.Post, "/cluster/level?level=high", HttpStatusCode.BadRequest, "level=high");
        await RefusedAsync(host, HttpMethod.Post, "/cluster/level?level=77", HttpStatusCode.Conflict, "77");
        await RefusedAsync(host, HttpMethod.Get, "/cluster/nothing", HttpStatusCode.NotFound, "/cluster/status");
        Assert.False(host.Node.Metadata.Brokers[new NodeId(1)].IsDraining);

        // Nor may pages of other sites ask for anything.
        const string Balance = "/cluster/balance";
        (string, string) foreign = ("Origin", "https://evil.example");
        await RefusedAsync(host, HttpMethod.Post, Balance, HttpStatusCode.Forbidden, "https://evil.example", foreign);
        await RefusedAsync(host, HttpMethod.Post, Balance, HttpStatusCode.Forbidden, "cross-site", ("Sec-Fetch-Site", "cross-site"));
        await RefusedAsync(
            host, HttpMethod.Post, Balance, HttpStatusCode.Forbidden, "content type", content: "application/x-www-form-urlencoded");
        (string, string) own = ("Origin", host.HttpAddress.ToString().TrimEnd('/'));
        (code, _) = await AskAsync(host, HttpMethod.Post, Balance, own, "application/json");
        Assert.Equal(HttpStatusCode.OK, code);

        // The same by the command.
        var (exit, text) = await RunAsync(host, "status");
        Assert.Equal(0, exit);
        Assert.Contains("controller 1", text, StringComparison.Ordinal);
        Assert.Contains("3 partitions: 0 under-replicated", text, StringComparison.Ordinal);
        (exit, text) = await RunAsync(host, "status", "--json");
        Assert.Equal((0, 1), (exit, JsonDocument.Parse(text).RootElement.GetProperty("controller").GetInt32()));
        (exit, text) = await RunAsync(host, "drain", "1");
        Assert.Equal(1, exit);
        Assert.Contains("chronik: Broker 1 is the last one", text, StringComparison.Ordinal);
        (exit, text) = await RunAsync(host, "balance");
        Assert.Equal(0, exit);
        Assert.Contains("replicas and leaders are even", text, StringComparison.Ordinal);
        (exit, text) = await RunAsync(host, "balance", "--dry-run");
        Assert.Equal(0, exit);
        Assert.Contains("0 partitions would move", text, StringComparison.Ordinal);
        (exit, text) = await RunAsync(host, "add");
        Assert.Equal(1, exit);
        Assert.Contains("--akka", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("there is no command cluster drian; did you mean drain?", "drian")]
    [InlineData("cluster drain needs the id of a broker", "drain")]
    [InlineData("cluster drain one: is not the id of a broker", "drain", "one")]
    [InlineData("cluster drain has no --dry-run", "drain", "1", "--dry-run")]
    [InlineData("there is no option --jsno; did you mean --json?", "status", "--jsno")]
    [InlineData("--timeout needs a value", "balance", "--timeout")]
    [InlineData("--timeout soon: is a number of seconds", "balance", "--timeout", "soon")]
    public async Task A_command_that_is_not_understood_says_so(string message, params string[] args)
    {
        var error = new StringWriter();
        Assert.Equal(2, await ClusterCommand.RunAsync(args, TextWriter.Null, error));
        Assert.Equal($"chronik: {message}", error.ToString().TrimEnd());
    }

    [Fact]
    public async Task A_node_that_nobody_reaches_is_named()
    {
        var error = new StringWriter();
        Assert.Equal(1, await ClusterCommand.RunAsync(["status", "--http", "127.0.0.1:1"], TextWriter.Null, error));
        Assert.Contains("http://127.0.0.1:1 does not answer", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_joins_gets_its_share_is_drained_and_removed()
    {
        var first = await StartAsync(1, expect: 1);
        await first.Ready.WaitAsync(Patience);
        await TestCluster.CreateTopicAsync(first.Node!, "t", partitions: 6, replicas: 1);
        var (exit, text) = await RunAsync(first, "add");
        Assert.Equal(0, exit);
        Assert.Contains("--node-id 2 --data DIR --kafka HOST:9092 --akka HOST:2552", text, StringComparison.Ordinal);
        Assert.Contains($"--seed 127.0.0.1:{first.AkkaPort}", text, StringComparison.Ordinal);

        var second = await StartAsync(2, expect: 1, seed: first.AkkaPort);
        (exit, text) = await RunAsync(first, "add", "2", "--wait");
        Assert.True(exit == 0, text);
        Assert.Contains("broker 2 has 3 replicas", text, StringComparison.Ordinal);
        await second.Ready.WaitAsync(Patience);

        // By way of the node itself, which is not the controller.
        (exit, text) = await RunAsync(second, "drain", "2");
        Assert.True(exit == 0, text);
        Assert.Contains("broker 2 is empty", text, StringComparison.Ordinal);
        var partitions = first.Node!.Metadata.Topics["t"].Partitions;
        Assert.All(partitions, partition => Assert.Equal(new NodeId(1), Assert.Single(partition.Replicas)));
        await RefusedAsync(first, HttpMethod.Post, "/cluster/nodes/1/drain", HttpStatusCode.Conflict, "the last one that is live");
        (exit, text) = await RunAsync(first, "drain", "2", "--cancel");
        Assert.Equal(0, exit);
        (exit, text) = await RunAsync(first, "balance");
        Assert.True(exit == 0, text);
        Assert.Equal(3, first.Node.Metadata.ReplicaCounts[new NodeId(2)]);

        (exit, text) = await RunAsync(first, "remove", "2", "--json");
        Assert.True(exit == 0, text);
        Assert.Contains("\"exitCode\":0", text, StringComparison.Ordinal);
        Assert.DoesNotContain(new NodeId(2), first.Node.Metadata.Brokers.Keys);
        await second.Ended.WaitAsync(Patience);
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private static async Task<(int Exit, string Text)> RunAsync(ChronikHost host, params string[] args)
    {
        using var stop = new CancellationTokenSource(Patience);
        var text = new StringWriter();
        var exit = await ClusterCommand.RunAsync(
            [.. args, "--http", host.HttpAddress.Authority], TextWriter.Synchronized(text), TextWriter.Synchronized(text), stop.Token);
        return (exit, text.ToString());
    }

    private async Task RefusedAsync(
        ChronikHost host, HttpMethod method, string path, HttpStatusCode expected, string words,
        (string Name, string Value)? header = null, string? content = null)
    {
        var (code, answer) = await AskAsync(host, method, path, header, content);
        Assert.Equal(expected, code);
        Assert.False(answer.GetProperty("ok").GetBoolean());
        Assert.Contains(words, Text(answer, "message"), StringComparison.Ordinal);
    }

    private async Task<(HttpStatusCode Code, JsonElement Answer)> AskAsync(
        ChronikHost host, HttpMethod method, string path, (string Name, string Value)? header = null, string? content = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(host.HttpAddress, path));
        if (header is { } one) request.Headers.TryAddWithoutValidation(one.Name, one.Value);
        if (content is not null) request.Content = new StringContent("", Encoding.UTF8, content);
        using var response = await _http.SendAsync(request);
        return (response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement);
    }

    private async Task<ChronikHost> StartAsync(int id, int expect = 1, bool isAlone = false, int? seed = null)
    {
        List<(string Key, string Value)> values =
        [
            ("chronik.node-id", $"{id}"),
            ("chronik.data", Path.Combine(_folder, $"{id}")),
            ("chronik.kafka.listeners", "[\"127.0.0.1:0\"]"),
            ("chronik.http", "127.0.0.1:0"),
            ("chronik.storage.reserve-bytes", "1 MiB"),
        ];
        if (!isAlone)
        {
            values.Add(("chronik.cluster.bootstrap-expect", $"{expect}"));
            values.Add(("akka.remote.dot-netty.tcp.hostname", "127.0.0.1"));
            values.Add(("akka.remote.dot-netty.tcp.port", "0"));
        }

        if (seed is not null) values.Add(("akka.cluster.seed-nodes", $"[\"akka.tcp://chronik@127.0.0.1:{seed}\"]"));
        var host = await ChronikHost.StartAsync(ChronikOptions.Load(values), TextWriter.Null);
        _hosts.Add(host);
        return host;
    }
}
