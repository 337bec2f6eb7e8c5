using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

/// <summary>What consumers get from a replica that does not lead.</summary>
public sealed class FollowerReadTests
{
    private static readonly NodeId Leader = new(8);

    // For fetches that wait for what the test does next, however long that takes.
    private static readonly GatewaySettings Patient =
        new() { Limits = new GatewayLimits { FollowerFetchWait = TimeSpan.FromMinutes(1) } };

    [Fact]
    public async Task A_follower_answers_once_the_read_is_confirmed_and_shows_what_came_until_then()
    {
        await using GatewayHost host = await StartAsync(Patient);
        host.Node.Confirms = null;
        using KafkaClient client = await host.ConnectAsync();
        for (short version = 11; version <= 18; version++)
        {
            await client.SendAsync(Fetch(host, 0), version);
            await GatewayHost.Until(() => !host.Node.Unconfirmed.IsEmpty, "the read was asked for");
            Assert.True(host.Node.Unconfirmed.TryDequeue(out IReadSink? read));
            read.Confirmed(true);
            FetchResponse.PartitionData data = (await client.ReceiveAsync<FetchResponse>()).Responses[0].Partitions[0];
            Assert.Equal((0, 2L, true), (data.ErrorCode, data.HighWatermark, data.Records!.Length > 0));
        }

        Assert.Equal(8, host.Node.Confirmations);
    }

    [Fact]
    public async Task What_nobody_confirms_is_answered_empty_and_says_nothing_about_the_partition()
    {
        await using GatewayHost host = await StartAsync();
        host.Node.Confirms = false;
        using KafkaClient client = await host.ConnectAsync();
        FetchResponse.PartitionData data = (await client.CallAsync(Fetch(host, 0), 12)).Responses[0].Partitions[0];
        Assert.Equal((0, -1L, -1L, 0), (data.ErrorCode, data.HighWatermark, data.LastStableOffset, data.Records!.Length));
    }

    [Fact]
    public async Task A_replica_that_never_answers_costs_no_more_than_the_most_that_a_fetch_may_wait_on_a_follower()
    {
        await using GatewayHost host = await StartAsync(new GatewaySettings
        {
            Limits = new GatewayLimits { FollowerFetchWait = TimeSpan.FromMilliseconds(50) },
        });
        host.Node.Confirms = null;
        using KafkaClient client = await host.ConnectAsync();
        FetchResponse.PartitionData data = (await client.CallAsync(Fetch(host, 0, maxWaitMs: 600_000), 12)).Responses[0].Partitions[0];
        Assert.Equal((0, 0), (data.ErrorCode, data.Records!.Length));

        // On a busy machine an answer may come too late, too; then another fetch is as good.
        host.Node.Confirms = true;
        await GatewayHost.Until(async () =>
        {
            data = (await client.CallAsync(Fetch(host, 2, maxWaitMs: 600_000), 12)).Responses[0].Partitions[0];
            return data.HighWatermark >= 0;
        }, "the read was confirmed in time");
        Assert.Equal((0, 2L, 0), (data.ErrorCode, data.HighWatermark, data.Records!.Length));
    }

    [Fact]
    public async Task A_long_poll_on_a_follower_is_woken_by_its_high_watermark_without_another_confirmation()
    {
        await using GatewayHost host = await StartAsync(Patient);
        using KafkaClient client = await host.ConnectAsync();
        await client.SendAsync(Fetch(host, 2, maxWaitMs: 600_000), 12);
        await GatewayHost.Until(() => Volatile.Read(ref host.Node.Confirmations) == 1, "the read was asked for");
        await BadInputTests.AssertServesAsync(host);
        using KafkaClient producer = await host.ConnectAsync();
        await producer.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("c")), 9); // The fake replica takes it, as if from a leader.
        FetchResponse.PartitionData data = (await client.ReceiveAsync<FetchResponse>()).Responses[0].Partitions[0];
        Assert.Equal((0, 3L, true), (data.ErrorCode, data.HighWatermark, data.Records!.Length > 0));
        Assert.Equal(1, host.Node.Confirmations);
    }

    [Fact]
    public async Task Another_partitions_records_are_not_held_back_for_long_by_one_that_nobody_confirms()
    {
        await using GatewayHost host = await StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        await client.CallAsync(KafkaClient.Produce("led", KafkaClient.Batch("x")), 9);
        host.Node.Confirms = null;
        FetchRequest both = Fetch(host, 0, maxWaitMs: 600_000);
        both.Topics.Add(new() { Topic = "led", Partitions = [new() { PartitionMaxBytes = 1 << 20 }] });
        FetchResponse response = await client.CallAsync(both, 12);
        Assert.Equal(
            [("t", 0, -1L, false), ("led", 0, 1L, true)],
            response.Responses.Select(topic => (topic.Topic, topic.Partitions[0]))
                .Select(one => (one.Topic, (int)one.Item2.ErrorCode, one.Item2.HighWatermark, one.Item2.Records!.Length > 0)));
    }

    [Fact]
    public async Task A_partition_that_was_left_out_once_is_waited_for_by_the_next_fetch()
    {
        await using GatewayHost host = await StartAsync(new GatewaySettings
        {
            Limits = new GatewayLimits { FollowerFetchGrace = TimeSpan.FromMilliseconds(1), FollowerFetchWait = TimeSpan.FromMinutes(10) },
        });
        using KafkaClient client = await host.ConnectAsync();
        await client.CallAsync(KafkaClient.Produce("led", KafkaClient.Batch("x")), 9);
        host.Node.Confirms = null;
        FetchRequest both = Fetch(host, 0, maxWaitMs: 0);
        both.Topics.Add(new() { Topic = "led", Partitions = [new() { PartitionMaxBytes = 1 << 20 }] });
        Assert.Equal([false, true], HaveRecords(await client.CallAsync(both, 12)));
        await GatewayHost.Until(() => !host.Node.Unconfirmed.IsEmpty, "the first read has arrived");
        host.Node.Unconfirmed.Clear();
        await client.SendAsync(both, 12);
        await GatewayHost.Until(() => !host.Node.Unconfirmed.IsEmpty, "the read was asked for");
        await BadInputTests.AssertServesAsync(host);
        Assert.True(host.Node.Unconfirmed.TryDequeue(out IReadSink? read));
        read.Confirmed(true);
        Assert.Equal([true, true], HaveRecords(await client.ReceiveAsync<FetchResponse>()));

        static IEnumerable<bool> HaveRecords(FetchResponse response) =>
            response.Responses.Select(topic => topic.Partitions[0].Records!.Length > 0);
    }

    [Fact]
    public async Task Unsafe_shows_what_is_there_and_none_names_the_leader()
    {
        await using (GatewayHost host = await StartAsync(new GatewaySettings { FollowerReads = FollowerReadPolicy.Unsafe }))
        {
            using KafkaClient client = await host.ConnectAsync();
            Assert.Equal((KafkaError.None, 2L, -1), await AskAsync(host, client, 12));
            Assert.Equal(0, host.Node.Confirmations);
        }

        await using (GatewayHost host = await StartAsync(new GatewaySettings { FollowerReads = FollowerReadPolicy.None }))
        {
            using KafkaClient client = await host.ConnectAsync();
            Assert.Equal((KafkaError.NotLeaderOrFollower, -1L, 8), await AskAsync(host, client, 12));
            Assert.Equal(0, host.Node.Confirmations);
        }
    }

    [Fact]
    public async Task Only_consumers_that_are_new_enough_read_from_followers_and_their_epoch_and_offset_are_checked()
    {
        await using GatewayHost host = await StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        Assert.Equal((KafkaError.NotLeaderOrFollower, -1L, -1), await AskAsync(host, client, 10));
        Assert.Equal((KafkaError.NotLeaderOrFollower, -1L, 8), await AskAsync(host, client, 12, request => request.ReplicaId = 3));
        Assert.Equal((KafkaError.FencedLeaderEpoch, -1L, 8), await AskAsync(host, client, 12, epoch: 5));
        Assert.Equal((KafkaError.UnknownLeaderEpoch, -1L, -1), await AskAsync(host, client, 12, epoch: 7));
        Assert.Equal((KafkaError.None, 2L, -1), await AskAsync(host, client, 12, epoch: 6));
        Assert.Equal((KafkaError.OffsetNotAvailable, 2L, -1), await AskAsync(host, client, 12, offset: 3));
        host.Node.Show("t", view => view with { LogEndOffset = new KafkaOffset(3) });
        Assert.Equal((KafkaError.None, 2L, -1), await AskAsync(host, client, 12, offset: 3));
        Assert.Equal((KafkaError.OffsetOutOfRange, 2L, -1), await AskAsync(host, client, 12, offset: -1));
    }

    [Fact]
    public async Task A_leader_sends_a_consumer_to_the_furthest_replica_in_its_rack()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(settings: new GatewaySettings { Rack = "a" });
        foreach ((int id, string rack) in new[] { (8, "b"), (9, "b"), (10, "c") }) host.Node.Reachable.Add(host.Node.AddBroker(id, rack));
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("a", "b")), 9);
        Partition partition = host.Node.Find(new TopicPartition("t", 0))!;
        host.Node.Show("t", view => view with { Isr = [host.Node.Id, new NodeId(8), new NodeId(9)] });
        partition.SetEnd(new NodeId(8), new KafkaOffset(1));
        partition.SetEnd(new NodeId(9), new KafkaOffset(2));
        partition.SetEnd(new NodeId(10), new KafkaOffset(2));
        Assert.Equal(9, await PreferredAsync("b"));
        Assert.Equal(-1, await PreferredAsync("a")); // The leader stands there itself.
        Assert.Equal(-1, await PreferredAsync("")); // Nobody says where the client is.
        Assert.Equal(-1, await PreferredAsync("c")); // That replica is not in sync.
        host.Node.ServesNoReads.Add(new NodeId(9)); // It stops, or is too old.
        Assert.Equal(8, await PreferredAsync("b", offset: 1));
        Assert.Equal(-1, await PreferredAsync("b", offset: 2)); // That one does not have it yet.
        host.Node.Reachable.Remove(new NodeId(8));
        Assert.Equal(-1, await PreferredAsync("b")); // It is gone, though the metadata does not say so yet.

        async Task<int> PreferredAsync(string rack, long offset = 0)
        {
            FetchRequest request = KafkaClient.Fetch("t", offset, maxWaitMs: 50);
            request.RackId = rack;
            FetchResponse.PartitionData data = (await client.CallAsync(request, 12)).Responses[0].Partitions[0];
            Assert.Equal((0, 2L), (data.ErrorCode, data.HighWatermark));
            Assert.Equal(data.PreferredReadReplica < 0 && offset < 2, data.Records!.Length > 0);
            return data.PreferredReadReplica;
        }
    }

    [Fact]
    public async Task A_session_says_nothing_of_a_partition_that_nobody_confirmed()
    {
        await using GatewayHost host = await StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        FetchRequest opens = Fetch(host, 2);
        opens.SessionEpoch = 0;
        FetchResponse opened = await client.CallAsync(opens, 12);
        Assert.Equal(2L, opened.Responses[0].Partitions[0].HighWatermark);
        host.Node.Confirms = false;
        FetchRequest goesOn = new() { MaxWaitMs = 0, MinBytes = 1, SessionId = opened.SessionId, SessionEpoch = 1 };
        Assert.Empty((await client.CallAsync(goesOn, 12)).Responses);
        host.Node.Confirms = true;
        goesOn.SessionEpoch = 2;
        Assert.Empty((await client.CallAsync(goesOn, 12)).Responses);
    }

    // A partition with two records of which this node holds a replica, and another node leads it.
    private static async Task<GatewayHost> StartAsync(GatewaySettings? settings = null)
    {
        GatewayHost host = await GatewayHost.StartAsync(settings: settings);
        host.Node.CreateTopic("t");
        host.Node.CreateTopic("led");
        host.Node.AddBroker(Leader.Value);
        using KafkaClient client = await host.ConnectAsync();
        await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("a", "b")), 9);
        host.Node.Show("t", view => view with { IsLeader = false, Leader = Leader, Epoch = new LeaderEpoch(6) });
        return host;
    }

    private static FetchRequest Fetch(GatewayHost host, long offset, int maxWaitMs = 0)
    {
        FetchRequest request = KafkaClient.Fetch("t", offset, maxWaitMs);
        request.Topics[0].TopicId = host.Node.Metadata.Topics["t"].Id.Value;
        return request;
    }

    private static async Task<(KafkaError Error, long HighWatermark, int Leader)> AskAsync(
        GatewayHost host, KafkaClient client, short version, Action<FetchRequest>? change = null, int epoch = -1, long offset = 0)
    {
        FetchRequest request = Fetch(host, offset);
        request.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch;
        change?.Invoke(request);
        FetchResponse.PartitionData data = (await client.CallAsync(request, version)).Responses[0].Partitions[0];
        return ((KafkaError)data.ErrorCode, data.HighWatermark, data.CurrentLeader.LeaderId);
    }
}
