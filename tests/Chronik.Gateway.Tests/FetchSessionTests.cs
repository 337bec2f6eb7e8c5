using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

/// <summary>KIP-227.</summary>
public sealed class FetchSessionTests
{
    [Fact]
    public async Task A_session_sends_only_news_and_takes_only_changes()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t", partitions: 3);
        using KafkaClient client = await host.ConnectAsync();
        FetchResponse opened = await client.CallAsync(Ask(0, 0, 0, 1, 2), 12);
        Assert.NotEqual(0, opened.SessionId);
        Assert.Equal([0, 1, 2], Partitions(opened));
        int id = opened.SessionId;

        Assert.Empty(Partitions(await client.CallAsync(Ask(id, 1), 12)));
        await ProduceAsync(client, 1);
        Assert.Equal([1], Partitions(await client.CallAsync(Ask(id, 2), 12)));

        // The offset was not moved on, so the records come again, and so do those of a partition that had some meanwhile.
        await ProduceAsync(client, 0);
        Assert.Equal([0, 1], Partitions(await client.CallAsync(Ask(id, 3), 12)).Order());
        FetchRequest forget = Ask(id, 4);
        forget.ForgottenTopicsData = [new() { Topic = "t", Partitions = [0] }];
        Assert.Equal([1], Partitions(await client.CallAsync(forget, 12)));

        FetchRequest moveOn = Ask(id, 5, 1);
        moveOn.Topics[0].Partitions[0].FetchOffset = 1;
        Assert.Empty(Partitions(await client.CallAsync(moveOn, 12)));
        await ProduceAsync(client, 2);
        Assert.Equal([2], Partitions(await client.CallAsync(Ask(id, 6), 12)));
    }

    [Fact]
    public async Task A_wrong_id_or_epoch_or_kind_of_name_is_an_error_of_the_request()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        int id = (await client.CallAsync(Ask(0, 0, 0), 12)).SessionId;
        Assert.Equal((short)KafkaError.FetchSessionIdNotFound, (await client.CallAsync(Ask(id ^ 1, 1), 12)).ErrorCode);
        Assert.Equal((short)KafkaError.InvalidFetchSessionEpoch, (await client.CallAsync(Ask(id, 2), 12)).ErrorCode);
        Assert.Equal((short)KafkaError.FetchSessionTopicIdError, (await client.CallAsync(Ask(id, 1), 13)).ErrorCode);
        Assert.Equal(0, (await client.CallAsync(Ask(id, 1), 12)).ErrorCode);
    }

    [Fact]
    public async Task A_closed_session_is_gone_and_none_is_opened_beyond_the_limit()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(new GatewayLimits { FetchSessions = 2 });
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        int first = (await client.CallAsync(Ask(0, 0, 0), 12)).SessionId;
        int second = (await client.CallAsync(Ask(0, 0, 0), 12)).SessionId;
        Assert.True(first != 0 && second != 0 && first != second);
        FetchResponse without = await client.CallAsync(Ask(0, 0, 0), 12);
        Assert.Equal(0, without.SessionId);
        Assert.Equal([0], Partitions(without));
        Assert.Equal(0, (await client.CallAsync(Ask(first, -1, 0), 12)).SessionId);
        Assert.Equal(1, host.Services.Sessions.Count);
        Assert.Equal((short)KafkaError.FetchSessionIdNotFound, (await client.CallAsync(Ask(first, 1), 12)).ErrorCode);
        Assert.NotEqual(0, (await client.CallAsync(Ask(0, 0, 0), 12)).SessionId);
    }

    [Fact]
    public async Task A_long_poll_inside_a_session_is_woken_by_any_of_its_partitions()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t", partitions: 3);
        using KafkaClient client = await host.ConnectAsync();
        using KafkaClient producer = await host.ConnectAsync();
        int id = (await client.CallAsync(Ask(0, 0, 0, 1, 2), 12)).SessionId;
        FetchRequest poll = Ask(id, 1);
        poll.MaxWaitMs = 600_000;
        poll.MinBytes = 1;
        await client.SendAsync(poll, 12);
        await BadInputTests.AssertServesAsync(host);
        await ProduceAsync(producer, 2);
        Assert.Equal([2], Partitions(await client.ReceiveAsync<FetchResponse>()));
    }

    private static IEnumerable<int> Partitions(FetchResponse response) =>
        response.Responses.SelectMany(topic => topic.Partitions).Select(data => data.PartitionIndex).ToList();

    private static FetchRequest Ask(int session, int epoch, params int[] partitions)
    {
        var request = new FetchRequest { SessionId = session, SessionEpoch = epoch };
        if (partitions.Length > 0)
            request.Topics.Add(
                new()
                {
                    Topic = "t",
                    Partitions =
                    [.. partitions.Select(p => new FetchRequest.FetchPartition { Partition = p, PartitionMaxBytes = 1 << 20 })]
                });
        return request;
    }

    private static Task ProduceAsync(KafkaClient client, int partition) =>
        client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("x"), partition: partition), 9);
}
