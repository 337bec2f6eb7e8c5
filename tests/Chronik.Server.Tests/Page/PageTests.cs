using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Chronik.Gateway.Tests;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Server.Tests.Page;

/// <summary>The page for people, as its node serves it and as a browser shows it.</summary>
public sealed class PageTests
{
    private const string Hostile = "<img src=x onerror=alert(1)>\"'&";

    [Fact]
    public async Task The_page_comes_from_the_node_alone_and_nothing_else_may_run_in_it()
    {
        await using var cluster = await TestCluster.StartAsync(1);
        using var client = new HttpClient { BaseAddress = cluster[1].HttpAddress };
        foreach (var path in (string[])["/", "/page/page.css", "/page/page.js"])
        {
            using var response = await client.GetAsync(new Uri(path, UriKind.Relative));
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
            Assert.StartsWith("default-src 'none'; script-src 'self'", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
            var text = await response.Content.ReadAsStringAsync();
            Assert.DoesNotMatch("""https?://(?!www\.w3\.org/2000/svg)""", text);
            Assert.DoesNotMatch("innerHTML|outerHTML|insertAdjacentHTML|document\\.write|eval\\(|style=\"|onclick=", text);
        }

        using var posted = await client.PostAsync(new Uri("/", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, posted.StatusCode);
        using var elsewhere = await client.GetAsync(new Uri("/page/../secret", UriKind.Relative));
        Assert.Equal(HttpStatusCode.NotFound, elsewhere.StatusCode);
        using var none = await client.GetAsync(new Uri("/page/none", UriKind.Relative));
        Assert.Equal(HttpStatusCode.NotFound, none.StatusCode);
    }

    [Fact]
    public async Task Thousands_of_partitions_come_page_by_page()
    {
        await using var cluster = await TestCluster.StartAsync(1);
        var created = await cluster[1].Node!.SubmitAsync(
            new CreateTopics([new NewTopic { Name = "many", PartitionCount = 300, ReplicationFactor = 1 }]), TestCluster.Patience);
        Assert.Equal(KafkaError.None, Assert.Single(created).Error);
        var (total, names) = await PartitionsAsync("limit=1000000");
        Assert.Equal((300, 200), (total, names.Count));
        (total, names) = await PartitionsAsync("offset=290&limit=50");
        Assert.Equal((300, "many-290", 10), (total, names[0], names.Count));
        (total, names) = await PartitionsAsync("filter=ny-29&limit=50");
        Assert.Equal((11, "many-29", "many-290"), (total, names[0], names[1]));
        (total, names) = await PartitionsAsync("offset=-5&limit=nonsense&order=size&filter=%3Cb%3E");
        Assert.Equal((0, 0), (total, names.Count));
        (total, names) = await PartitionsAsync("order=lag&limit=20");
        Assert.Equal((300, 20), (total, names.Count));
        await TestCluster.UntilAsync(async () => (await PartitionsAsync("only=problems")).Total == 0);

        async Task<(int Total, List<string> Names)> PartitionsAsync(string query)
        {
            var answer = await GetAsync(cluster[1], "/page/partitions?" + query);
            return (answer.GetProperty("total").GetInt32(), [.. answer.GetProperty("rows").EnumerateArray()
                .Select(row => $"{row.GetProperty("topic").GetString()}-{row.GetProperty("partition").GetInt32()}")]);
        }
    }

    [Fact]
    public async Task The_page_shows_the_cluster_its_groups_and_who_is_missing()
    {
        await using var cluster = await TestCluster.StartAsync(3, ("chronik.broker.replica.lag.time.max.ms", "2000"));
        await FillAsync(cluster);
        var report = await GetAsync(cluster[1], "/page/cluster");
        await TestCluster.UntilAsync(async () =>
        {
            report = await GetAsync(cluster[1], "/page/cluster");
            return States(report) == "up,up,up" && report.GetProperty("partitions").GetProperty("leaderless").GetInt32() == 0;
        });
        Assert.True(report.GetProperty("nodes")[2].GetProperty("report").GetProperty("replicas").GetInt32() > 0);

        // The lag is what this node knows of it, which may be a little late.
        await TestCluster.UntilAsync(async () =>
        {
            var groups = await GetAsync(cluster[2], "/page/groups?order=lag&filter=ONERROR");
            if (groups.GetProperty("total").GetInt32() == 0) return false;
            var group = Assert.Single(groups.GetProperty("rows").EnumerateArray());
            Assert.Equal(Hostile, group.GetProperty("id").GetString());
            return group.TryGetProperty("lag", out var lag) && lag.GetInt64() == 4;
        });
        if (Chromium.Path is not null)
        {
            var shown = "";
            await TestCluster.UntilAsync(async () =>
            {
                // While a browser starts on a busy machine, a node may be silent for a moment.
                shown = await Chromium.DumpAsync(cluster[1].HttpAddress);
                return shown.Contains("data-node=\"3\" data-state=\"up\"", StringComparison.Ordinal);
            });
            Assert.Contains("data-loaded=\"yes\"", shown, StringComparison.Ordinal);
            Assert.Matches("data-partition=\"t-0\" data-trouble=\"(None|UnderReplicated)\"", shown);
            Assert.Contains("&lt;img src=x onerror=alert(1)&gt;", shown, StringComparison.Ordinal);
            Assert.DoesNotContain("<img", shown, StringComparison.Ordinal);
            Assert.Equal(8, Regex.Count(shown, "<figure>"));
        }

        await cluster.StopAsync(3);
        await TestCluster.UntilAsync(async () =>
        {
            report = await GetAsync(cluster[1], "/page/cluster");
            return States(report) == "up,up,down";
        });
        JsonElement problems = default;
        await TestCluster.UntilAsync(async () =>
        {
            problems = await GetAsync(cluster[1], "/page/partitions?only=problems&filter=t-0");
            return problems.GetProperty("total").GetInt32() == 1
                && problems.GetProperty("rows")[0].GetProperty("trouble").GetString() == "UnderReplicated";
        });
        Assert.Equal("node 3 is down", problems.GetProperty("rows")[0].GetProperty("why").GetString());
    }

    [ChromiumFact]
    public async Task A_browser_shows_a_node_that_was_lost_as_down_and_why_partitions_suffer()
    {
        await using var cluster = await TestCluster.StartAsync(3, ("chronik.broker.replica.lag.time.max.ms", "2000"));
        await FillAsync(cluster);
        await cluster.StopAsync(3);
        await TestCluster.UntilAsync(async () =>
        {
            var report = await GetAsync(cluster[1], "/page/cluster");
            return States(report) == "up,up,down" && report.GetProperty("partitions").GetProperty("underReplicated").GetInt32() > 0;
        });
        var shown = await Chromium.DumpAsync(cluster[1].HttpAddress);
        Assert.Contains("data-node=\"3\" data-state=\"down\"", shown, StringComparison.Ordinal);
        Assert.Contains("Node 3 cannot be reached.", shown, StringComparison.Ordinal);
        Assert.Contains("node 3 is down", shown, StringComparison.Ordinal);
    }

    /// <summary>A topic with five records, and a group with a hostile name that has read one of them.</summary>
    private static async Task FillAsync(TestCluster cluster)
    {
        var node = cluster[1].Node!;
        await TestCluster.CreateTopicAsync(node, "t", partitions: 1, replicas: 3);
        var topic = node.Metadata.Topics["t"].Id;
        await TestCluster.UntilAsync(() => node.Locate(topic, 0) is { Leader.IsSome: true } location
            && cluster[location.Leader.Value].Node!.Find(topic, 0) is { View.IsLeader: true });
        using (var client = await KafkaClient.ConnectAsync(cluster[node.Locate(topic, 0)!.Leader.Value].KafkaEndpoints[0]))
        {
            var produced = await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("a", "b", "c", "d", "e")), 9);
            Assert.Equal(0, produced.Responses[0].PartitionResponses[0].ErrorCode);
        }

        (KafkaError Error, NodeId Coordinator) found = default;
        await TestCluster.UntilAsync(async () => (found = await node.FindGroupCoordinatorAsync(Hostile)).Error == KafkaError.None);
        await TestCluster.UntilAsync(async () =>
        {
            using var client = await KafkaClient.ConnectAsync(cluster[found.Coordinator.Value].KafkaEndpoints[0]);
            var committed = await client.CallAsync(new OffsetCommitRequest
            {
                GroupId = Hostile,
                GenerationIdOrMemberEpoch = -1,
                MemberId = "",
                Topics = [new() { Name = "t", Partitions = [new() { PartitionIndex = 0, CommittedOffset = 1, CommittedMetadata = "" }] }],
            }, 8);
            return committed.Topics[0].Partitions[0].ErrorCode == 0;
        });
    }

    private static string States(JsonElement report) =>
        string.Join(',', report.GetProperty("nodes").EnumerateArray().Select(node => node.GetProperty("state").GetString()));

    private static async Task<JsonElement> GetAsync(ChronikHost host, string path)
    {
        using var client = new HttpClient { BaseAddress = host.HttpAddress };
        return JsonDocument.Parse(await client.GetStringAsync(new Uri(path, UriKind.Relative))).RootElement;
    }
}
