using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Gateway.Tests;

public sealed class ProduceTests
{
    [Fact]
    public async Task A_batch_gets_its_offset_in_every_version()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        long expected = 0;
        for (short version = 3; version <= 13; version++)
        {
            ProduceRequest request = KafkaClient.Produce("t", KafkaClient.Batch("a", "b"));
            request.TopicData[0].TopicId = topic.Id.Value;
            ProduceResponse response = await client.CallAsync(request, version);
            ProduceResponse.PartitionProduceResponse partition = response.Responses[0].PartitionResponses[0];
            Assert.Equal((0, expected, -1L), (partition.ErrorCode, partition.BaseOffset, partition.LogAppendTimeMs));
            expected += 2;
        }
    }

    [Fact]
    public async Task Without_acks_there_is_no_answer_and_an_error_closes_the_connection()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        await client.SendAsync(KafkaClient.Produce("t", KafkaClient.Batch("a"), acks: 0), 9, expectsAnswer: false);
        await client.SendAsync(KafkaClient.Produce("t", KafkaClient.Batch("b"), acks: 0), 9, expectsAnswer: false);
        Assert.Equal(
            2, (await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("c")), 9)).Responses[0].PartitionResponses[0].BaseOffset);
        await client.SendAsync(KafkaClient.Produce("none", KafkaClient.Batch("d"), acks: 0), 9, expectsAnswer: false);
        await client.AssertClosedAsync();
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task What_cannot_be_appended_is_refused_with_its_own_error()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopic("t", 1, KeyValuePair.Create("max.message.bytes", (string?)"500"));
        using KafkaClient client = await host.ConnectAsync();
        byte[] batch = KafkaClient.Batch("a");
        Assert.Equal(KafkaError.InvalidRequiredAcks, await SendAsync(client, KafkaClient.Produce("t", batch, acks: 2)));
        Assert.Equal(KafkaError.UnknownTopicOrPartition, await SendAsync(client, KafkaClient.Produce("none", batch)));
        Assert.Equal(KafkaError.UnknownTopicOrPartition, await SendAsync(client, KafkaClient.Produce("t", batch, partition: 1)));
        Assert.Equal(KafkaError.UnknownTopicOrPartition, await SendAsync(client, KafkaClient.Produce("t", batch, partition: -1)));
        Assert.Equal(KafkaError.UnknownTopicOrPartition, await SendAsync(client, KafkaClient.Produce(TopicNames.ClusterMetadata, batch)));
        Assert.Equal(
            KafkaError.MessageTooLarge, await SendAsync(client, KafkaClient.Produce("t", KafkaClient.Batch(new string('x', 600)))));
        ProduceRequest transactional = KafkaClient.Produce("t", batch);
        transactional.TransactionalId = "tx";
        Assert.Equal(KafkaError.InvalidTxnState, await SendAsync(client, transactional));
        byte[] inTransaction =
            new RecordBatchBuilder { IsTransactional = true, ProducerId = 1, ProducerEpoch = 0, BaseSequence = 0 }.Add(1, null, [1]).Build(
                );
        Assert.Equal(KafkaError.InvalidTxnState, await SendAsync(client, KafkaClient.Produce("t", inTransaction)));
        ProduceRequest unknownId = KafkaClient.Produce("t", batch);
        unknownId.TopicData[0].TopicId = Guid.NewGuid();
        Assert.Equal(KafkaError.UnknownTopicId, await SendAsync(client, unknownId, 13));
        Assert.Equal(0, host.Node.Appends);
        ProduceRequest fine = KafkaClient.Produce("t", batch);
        fine.TopicData[0].TopicId = topic.Id.Value;
        Assert.Equal(KafkaError.None, await SendAsync(client, fine, 13));
    }

    [Fact]
    public async Task A_bad_record_is_named()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t", 1, KeyValuePair.Create("message.timestamp.after.max.ms", (string?)"1000"));
        using KafkaClient client = await host.ConnectAsync();
        long farAhead = DateTimeOffset.UtcNow.AddDays(3).ToUnixTimeMilliseconds();
        byte[] batch = new RecordBatchBuilder().Add(5, null, [1]).Add(farAhead, null, [2]).Build();
        ProduceResponse.PartitionProduceResponse refused =
            (await client.CallAsync(KafkaClient.Produce("t", batch), 9)).Responses[0].PartitionResponses[0];
        Assert.Equal((short)KafkaError.InvalidTimestamp, refused.ErrorCode);
        Assert.Equal(1, Assert.Single(refused.RecordErrors).BatchIndex);
        Assert.NotNull(refused.ErrorMessage);
    }

    [Fact]
    public async Task Many_partitions_in_one_request_are_answered_together_in_their_order()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("a", partitions: 50);
        host.Node.CreateTopic("b", partitions: 50);
        using KafkaClient client = await host.ConnectAsync();
        var request = new ProduceRequest { Acks = -1, TimeoutMs = 30_000 };
        foreach (string topic in new[] { "b", "a" })
        {
            var data = new ProduceRequest.TopicProduceData { Name = topic };
            for (int i = 49; i >= 0; i--) data.PartitionData.Add(
                new() { Index = i, Records = new MemoryRecords(KafkaClient.Batch($"{topic}{i}")) });
            request.TopicData.Add(data);
        }

        ProduceResponse response = await client.CallAsync(request, 9);
        Assert.Equal(["b", "a"], response.Responses.Select(topic => topic.Name));
        Assert.Equal(Enumerable.Range(0, 50).Reverse(), response.Responses[1].PartitionResponses.Select(partition => partition.Index));
        Assert.All(response.Responses, topic => Assert.All(topic.PartitionResponses, partition => Assert.Equal(0, partition.ErrorCode)));
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task What_is_not_committed_in_time_is_told_so_while_its_memory_stays_counted()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.CreateTopic("held");
        host.Node.Hold("held");
        using KafkaClient client = await host.ConnectAsync();
        ProduceRequest both = KafkaClient.Produce("t", KafkaClient.Batch("a"));
        both.TimeoutMs = 3_000;
        both.TopicData.Add(KafkaClient.Produce("held", KafkaClient.Batch("b")).TopicData[0]);
        ProduceResponse response = await client.CallAsync(both, 9);
        Assert.Equal(
            [KafkaError.None, KafkaError.RequestTimedOut],
            response.Responses.Select(topic => (KafkaError)topic.PartitionResponses[0].ErrorCode));
        string? message = response.Responses[1].PartitionResponses[0].ErrorMessage;
        Assert.Contains("was not committed in the time", message, StringComparison.Ordinal);
        Assert.True(host.Services.RequestBytesInUse > 0);

        // It is committed later all the same.
        host.Node.LetGo("held");
        await host.UntilMemoryIsFree();
        response = await client.CallAsync(KafkaClient.Produce("held", KafkaClient.Batch("c")), 9);
        ProduceResponse.PartitionProduceResponse next = response.Responses[0].PartitionResponses[0];
        Assert.Equal((0, 1L), (next.ErrorCode, next.BaseOffset));
    }

    [Fact]
    public async Task Only_who_asks_for_all_acks_is_told_that_the_time_is_up()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.Hold("t");
        using KafkaClient patient = await host.ConnectAsync();
        using KafkaClient client = await host.ConnectAsync();
        ProduceRequest one = KafkaClient.Produce("t", KafkaClient.Batch("a"), acks: 1);
        one.TimeoutMs = 0;
        await patient.SendAsync(one, 9);
        await GatewayHost.Until(() => Volatile.Read(ref host.Node.Appends) == 1, "the first has arrived");

        // On one connection some may wait for long and others not.
        ProduceRequest all = KafkaClient.Produce("t", KafkaClient.Batch("b"));
        all.TimeoutMs = 1;
        await client.SendAsync(all, 9);
        await client.SendAsync(KafkaClient.Produce("t", KafkaClient.Batch("c")), 9);
        Assert.Equal(
            (short)KafkaError.RequestTimedOut, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].ErrorCode);
        host.Node.LetGo("t");
        Assert.Equal(0, (await patient.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].ErrorCode);
        Assert.Equal(0, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].ErrorCode);
        await host.UntilMemoryIsFree();
    }

    private static async Task<KafkaError> SendAsync(KafkaClient client, ProduceRequest request, short version = 9) =>
        (KafkaError)(await client.CallAsync(request, version)).Responses[0].PartitionResponses[0].ErrorCode;
}
