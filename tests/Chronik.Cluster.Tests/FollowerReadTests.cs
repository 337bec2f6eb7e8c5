using System.Diagnostics;
using System.Text;
using Chronik.Cluster.Tests.Processes;
using Chronik.Cluster.Tests.Wire;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;
using Xunit.Sdk;

namespace Chronik.Cluster.Tests;

/// <summary>What a client acknowledged to be written is in every read that starts afterwards, whichever replica it asks.</summary>
public sealed class FollowerReadTests
{
    private const string Topic = "reads";
    private const short ProduceVersion = 9;
    private const short FetchVersion = 12;

    private static readonly string[] Settings =
    [
        "--set", "chronik.broker.default.replication.factor=3", "--set", "chronik.follower-read.read-index-timeout=500ms",
    ];

    private long _end;

    [NetworkFact]
    public async Task An_acknowledged_write_is_read_from_every_replica_and_one_that_is_cut_off_or_was_stopped_shows_nothing_old()
    {
        const int Nodes = 3;
        await using Namespaces network = await Namespaces.CreateAsync(Nodes);
        await using TestCluster cluster = new(Nodes, network.PlaceOf, Settings);
        await cluster.StartAllAsync();
        try
        {
            await cluster.Client.CreateTopicAsync(Topic, 1, Nodes);
            await WriteAndReadAsync(cluster, 100, cluster.Nodes);

            NodeId cutOff = (await cluster.Client.LeadersAsync(Topic))[0];
            NodeProcess[] others = [.. cluster.Nodes.Where(node => node.Id != cutOff)];
            foreach (NodeProcess other in others) await CutAsync(network, cutOff, other.Id);
            await WriteAndReadAsync(cluster, 20, others);
            (long watermark, bool hasRecords) = await AskAsync(cluster[cutOff], _end - 1);
            Assert.Equal((-1, false), (watermark, hasRecords)); // Clients still reach it; it cannot know, and says nothing.
            foreach (NodeProcess other in others) await HealAsync(network, cutOff, other.Id);
            await WriteAndReadAsync(cluster, 20, cluster.Nodes);

            NodeProcess stopped = cluster[(await cluster.Client.LeadersAsync(Topic))[0]];
            await stopped.PauseAsync();
            await WriteAndReadAsync(cluster, 20, [.. cluster.Nodes.Where(node => node != stopped)]);
            await stopped.ResumeAsync();
            (watermark, hasRecords) = await AskAsync(stopped, _end - 1); // It believes that it leads until it hears otherwise.
            Assert.Contains((watermark, hasRecords), new[] { (-1L, false), (_end, true) });
            await WriteAndReadAsync(cluster, 20, cluster.Nodes);
        }
        catch (Exception e)
        {
            throw new XunitException($"{e.Message}\n{e.StackTrace}\n{cluster.Story()}", e);
        }
    }

    [KcatFact]
    public async Task A_consumer_that_names_its_rack_reads_from_the_replica_there()
    {
        await using TestCluster cluster = new(3, node => TestCluster.OnLoopback() with { Rack = $"rack-{node}" }, Settings);
        await cluster.StartAllAsync();
        await cluster.Client.CreateTopicAsync(Topic, 1, 3);
        NodeId leader = (await cluster.Client.LeadersAsync(Topic))[0];
        NodeProcess follower = cluster.Nodes.First(node => node.Id != leader);
        for (int i = 0; i < 20; i++) _end = await WriteAsync(cluster, cluster.Nodes, $"{i}") + 1;
        string broker = $"{cluster[leader].Kafka.Host}:{cluster[leader].Kafka.Port}";
        string options = $"-b {broker} -C -t {Topic} -p 0 -o beginning -u -c 40 -X client.rack=rack-{follower.Id}";
        ProcessStartInfo kcat = new("kcat", options) { RedirectStandardOutput = true };
        using Process consumer = Process.Start(kcat)!;
        try
        {
            for (int i = 0; i < 40; i++)
            {
                string? line = await consumer.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60));
                Assert.Equal($"{i}", line);
                if (i >= 19 && i < 39) await WriteAsync(cluster, cluster.Nodes, $"{i + 1}");
            }

            Assert.True(Metrics.Value(await follower.MetricsAsync(), "chronik_follower_reads_total") > 0, "the consumer never came");
        }
        catch (Exception e)
        {
            throw new XunitException($"{e.Message}\n{e.StackTrace}\n{cluster.Story()}", e);
        }
        finally
        {
            consumer.Kill();
        }
    }

    private static Task CutAsync(Namespaces network, NodeId one, NodeId other) =>
        Task.WhenAll(network.CutAsync(one.Value, other.Value), network.CutAsync(other.Value, one.Value));

    private static Task HealAsync(Namespaces network, NodeId one, NodeId other) =>
        Task.WhenAll(network.HealAsync(one.Value, other.Value), network.HealAsync(other.Value, one.Value));

    /// <summary>Writes values one by one; after each acknowledgement every one of the nodes is asked for it.</summary>
    private async Task WriteAndReadAsync(TestCluster cluster, int count, IReadOnlyList<NodeProcess> readers)
    {
        for (int i = 0; i < count; i++)
        {
            long offset = await WriteAsync(cluster, readers, $"{_end}");
            Assert.True(offset >= _end);
            _end = offset + 1;
            foreach (NodeProcess reader in readers)
            {
                // Nothing may be said while there is nobody to ask; but what is said holds everything.
                await Wait.UntilAsync(async () =>
                {
                    (long watermark, bool hasRecords) = await FetchAsync(reader, offset);
                    if (watermark < 0) return false;
                    Assert.True(watermark >= _end, $"node {reader.Id} shows {watermark}, {_end} are acknowledged");
                    Assert.True(hasRecords, $"node {reader.Id} does not show offset {offset}");
                    return true;
                }, $"node {reader.Id} shows offset {offset}");
            }
        }
    }

    private static async Task<long> WriteAsync(TestCluster cluster, IReadOnlyList<NodeProcess> reachable, string value)
    {
        byte[] batch = new RecordBatchBuilder().Add(1_000, null, Encoding.UTF8.GetBytes(value)).Build();
        long offset = -1;
        await Wait.UntilAsync(async () =>
        {
            foreach (NodeProcess node in reachable)
            {
                using Connection connection = await Connection.OpenAsync(node.Kafka);
                ProduceRequest request = new()
                {
                    Acks = -1,
                    TimeoutMs = 2_000,
                    TopicData = [new() { Name = Topic, PartitionData = [new() { Index = 0, Records = new MemoryRecords(batch) }] }],
                };
                ProduceResponse response = await connection.CallAsync(request, ProduceVersion);
                ProduceResponse.PartitionProduceResponse answer = response.Responses[0].PartitionResponses[0];
                if (answer.ErrorCode != 0) continue;
                offset = answer.BaseOffset;
                return true;
            }

            return false;
        }, $"{value} is written");
        return offset;
    }

    /// <summary>The first answer that a node gives.</summary>
    private static async Task<(long HighWatermark, bool HasRecords)> AskAsync(NodeProcess node, long offset)
    {
        (long, bool) answer = default;
        await Wait.UntilAsync(async () =>
        {
            answer = await FetchAsync(node, offset);
            return true;
        }, $"node {node.Id} answers");
        return answer;
    }

    private static async Task<(long HighWatermark, bool HasRecords)> FetchAsync(NodeProcess node, long offset)
    {
        using Connection connection = await Connection.OpenAsync(node.Kafka);
        FetchRequest request = new()
        {
            MaxWaitMs = 0,
            MinBytes = 1,
            Topics = [new() { Topic = Topic, Partitions = [new() { FetchOffset = offset, PartitionMaxBytes = 1 << 20 }] }],
        };
        FetchResponse.PartitionData data =
            (await connection.CallAsync(request, FetchVersion, TimeSpan.FromSeconds(10))).Responses[0].Partitions[0];
        return data.ErrorCode == 0 ? (data.HighWatermark, data.Records is { Length: > 0 }) : (-1, false);
    }
}
