using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

/// <summary>Requests that reach a node that does not lead, and are passed on to the one that does.</summary>
public sealed class ForwardingTests
{
    [Fact]
    public async Task A_batch_is_passed_on_and_the_leaders_answer_is_repeated_in_every_version()
    {
        await using Pair pair = await Pair.StartAsync();
        using KafkaClient client = await pair.Near.ConnectAsync();
        for (short version = 3; version <= 13; version++)
        {
            ProduceResponse response = await client.CallAsync(pair.Produce("a"), version);
            ProduceResponse.PartitionProduceResponse answer = response.Responses[0].PartitionResponses[0];
            Assert.Equal((0, version - 3L), (answer.ErrorCode, answer.BaseOffset));
        }

        ProduceResponse.PartitionProduceResponse bad =
            (await client.CallAsync(KafkaClient.Produce("t", new byte[70]), 9)).Responses[0].PartitionResponses[0];
        Assert.Equal((short)KafkaError.InvalidRecord, bad.ErrorCode);
        Assert.Equal((11, 11), (pair.Far.Node.Appends, pair.Far.Node.ForwardedAppends));
        Assert.Equal(0, pair.Near.Node.Appends);
    }

    [Fact]
    public async Task Batches_of_a_connection_stay_in_order_and_those_without_an_answer_arrive()
    {
        await using Pair pair = await Pair.StartAsync();
        using KafkaClient client = await pair.Near.ConnectAsync();
        pair.Far.Node.Hold("t");
        for (int i = 0; i < 50; i++) await client.SendAsync(pair.Produce($"{i}"), 9);
        await client.SendAsync(pair.Produce("silent", acks: 0), 9, expectsAnswer: false);
        await GatewayHost.Until(() => Volatile.Read(ref pair.Far.Node.Appends) == 51, "all batches have arrived");
        pair.Far.Node.LetGo("t");
        for (int i = 0; i < 50; i++)
            Assert.Equal(i, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].BaseOffset);
        await GatewayHost.Until(() => pair.Far.Node.Find(new TopicPartition("t", 0))!.View.HighWatermark.Value == 51, "all are there");
    }

    [Fact]
    public async Task A_fetch_is_passed_on_with_its_clients_patience()
    {
        await using Pair pair = await Pair.StartAsync(new GatewayLimits { FollowerFetchWait = TimeSpan.FromMinutes(1) });
        using KafkaClient client = await pair.Near.ConnectAsync();
        using KafkaClient producer = await pair.Far.ConnectAsync();
        for (short version = 4; version <= 18; version++)
        {
            await client.SendAsync(pair.Fetch(version - 4, maxWaitMs: 60_000), version);
            await BadInputTests.AssertServesAsync(pair.Near);
            await producer.CallAsync(pair.Produce("x"), 9);
            FetchResponse.PartitionData data = (await client.ReceiveAsync<FetchResponse>()).Responses[0].Partitions[0];
            Assert.Equal((0, version - 3L, true), (data.ErrorCode, data.HighWatermark, data.Records!.Length > 0));
        }

        await pair.Near.UntilMemoryIsFree();
    }

    [Fact]
    public async Task A_fetch_that_comes_back_empty_is_answered_without_waiting_for_what_cannot_come()
    {
        await using Pair pair = await Pair.StartAsync(new GatewayLimits { FollowerFetchWait = TimeSpan.FromMilliseconds(50) });
        using KafkaClient client = await pair.Near.ConnectAsync();
        FetchRequest fetch = pair.Fetch(0, maxWaitMs: 600_000);
        FetchResponse.PartitionData data = (await client.CallAsync(fetch, 12)).Responses[0].Partitions[0];
        Assert.Equal((0, 0L, 0), (data.ErrorCode, data.HighWatermark, data.Records!.Length));
        fetch.Topics.Add(KafkaClient.Fetch("here", 0).Topics[0]);
        FetchResponse both = await client.CallAsync(fetch, 12);
        Assert.Equal([("t", 0L), ("here", 0L)], both.Responses.Select(topic => (topic.Topic, topic.Partitions[0].HighWatermark)));
    }

    [Fact]
    public async Task One_request_may_name_partitions_of_several_leaders()
    {
        await using Pair pair = await Pair.StartAsync();
        using KafkaClient client = await pair.Near.ConnectAsync();
        ProduceRequest both = pair.Produce("x");
        both.TopicData.Add(KafkaClient.Produce("here", KafkaClient.Batch("y", "z")).TopicData[0]);
        ProduceResponse response = await client.CallAsync(both, 9);
        Assert.Equal([("t", 0), ("here", 0)], response.Responses.Select(topic => (topic.Name, (int)topic.PartitionResponses[0].ErrorCode)));
        FetchRequest fetch = pair.Fetch(0, maxWaitMs: 600_000);
        fetch.Topics.Add(KafkaClient.Fetch("here", 0).Topics[0]);
        FetchResponse fetched = await client.CallAsync(fetch, 12);
        Assert.Equal([("t", 1L), ("here", 2L)], fetched.Responses.Select(topic => (topic.Topic, topic.Partitions[0].HighWatermark)));
    }

    [Fact]
    public async Task A_request_is_passed_on_once_and_a_lost_leader_is_no_leader()
    {
        await using Pair pair = await Pair.StartAsync();

        // The other node knows of a third one, but does not pass on what was passed on to it: its replica decides on it.
        pair.Far.Node.Show("t", view => view with { IsLeader = false, Leader = pair.Far.Node.AddBroker(9) });
        using KafkaClient client = await pair.Near.ConnectAsync();
        await client.CallAsync(pair.Produce("x"), 9);
        Assert.Equal(1, pair.Far.Node.Appends);
        Assert.Equal(
            (short)KafkaError.NotLeaderOrFollower, (await client.CallAsync(pair.Fetch(0), 10)).Responses[0].Partitions[0].ErrorCode);
        pair.Far.Node.Hold("t");
        await client.SendAsync(pair.Produce("y"), 9);
        await GatewayHost.Until(() => Volatile.Read(ref pair.Far.Node.Appends) >= 2, "the batch has arrived");
        pair.Near.Node.Reachable.Clear();
        ProduceResponse lost = await client.ReceiveAsync<ProduceResponse>();
        Assert.Equal((short)KafkaError.NotLeaderOrFollower, lost.Responses[0].PartitionResponses[0].ErrorCode);
        pair.Far.Node.LetGo("t");
    }

    [Fact]
    public async Task What_waits_for_another_node_leaves_room_for_what_this_one_answers_by_itself()
    {
        await using Pair pair = await Pair.StartAsync(new GatewayLimits { MaxRequestBytes = 1 << 20, MaxRequestMemory = 2 << 20 });
        pair.Far.Node.Hold("t");
        List<KafkaClient> clients = [];
        List<int> left = [];
        for (int i = 0; i < 12; i++)
        {
            clients.Add(await pair.Near.ConnectAsync());
            left.Add(i);
            await clients[i].SendAsync(pair.Produce(new string('x', 200_000)), 9);
        }

        // Those that find no room are told at once to ask the leader themselves, as many as it takes.
        int refused = 0;
        long began = Environment.TickCount64;
        while (pair.Far.Node.Appends + refused < clients.Count)
        {
            Assert.True(Environment.TickCount64 - began < 30_000, $"{pair.Far.Node.Appends} arrived, {refused} were refused");
            foreach (int i in left.ToArray())
            {
                if (clients[i].Socket.Available == 0) continue;
                ProduceResponse.PartitionProduceResponse no = await AnswerAsync(clients[i]);
                Assert.Equal((short)KafkaError.NotLeaderOrFollower, no.ErrorCode);
                Assert.Contains("passed on is in use", no.ErrorMessage, StringComparison.Ordinal);
                left.Remove(i);
                refused++;
            }

            await Task.Yield();
        }

        Assert.InRange(refused, 1, clients.Count - 1);
        using KafkaClient other = await pair.Near.ConnectAsync();
        await other.SendAsync(KafkaClient.Produce("here", KafkaClient.Batch("a")), 9);
        Assert.Equal(0, (await AnswerAsync(other)).ErrorCode);
        pair.Far.Node.LetGo("t");
        foreach (int i in left) Assert.Equal(0, (await AnswerAsync(clients[i])).ErrorCode);
        foreach (KafkaClient client in clients) client.Dispose();
        await pair.Near.UntilMemoryIsFree();
        await pair.Far.UntilMemoryIsFree();
    }

    private static async Task<ProduceResponse.PartitionProduceResponse> AnswerAsync(KafkaClient client) =>
        (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0];

    /// <summary>Two nodes: the near one holds nothing of the topic, the far one leads it.</summary>
    private sealed class Pair(GatewayHost near, GatewayHost far) : IAsyncDisposable
    {
        private Guid _topic;

        public GatewayHost Near => near;

        public GatewayHost Far => far;

        public static async Task<Pair> StartAsync(GatewayLimits? limits = null)
        {
            var settings = new GatewaySettings { Forward = true, Limits = limits ?? new GatewayLimits() };
            var pair = new Pair(await GatewayHost.StartAsync(settings: settings), await GatewayHost.StartAsync(settings: settings));
            pair.Near.Node.CreateTopic("here");
            NodeId leader = pair.Near.Node.AddBroker(8, at: pair.Far.Endpoint);
            pair.Near.Node.Reachable.Add(leader);
            pair._topic = pair.Near.Node.CreateTopicOn(leader, "t").Id.Value;
            pair.Far.Node.CreateTopic("t", id: pair._topic);
            return pair;
        }

        public ProduceRequest Produce(string value, short acks = -1)
        {
            ProduceRequest request = KafkaClient.Produce("t", KafkaClient.Batch(value), acks);
            request.TopicData[0].TopicId = _topic;
            return request;
        }

        public FetchRequest Fetch(long offset, int maxWaitMs = 0)
        {
            FetchRequest request = KafkaClient.Fetch("t", offset, maxWaitMs);
            request.Topics[0].TopicId = _topic;
            return request;
        }

        public async ValueTask DisposeAsync()
        {
            await near.DisposeAsync();
            await far.DisposeAsync();
        }
    }
}
