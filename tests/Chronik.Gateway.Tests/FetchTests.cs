using Chronik.Gateway.Handlers;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol.Messages;
using Chronik.Storage.Testing;

namespace Chronik.Gateway.Tests;

public sealed class FetchTests
{
    [Fact]
    public async Task Records_come_back_byte_for_byte_in_every_version()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        byte[] batch = KafkaClient.Batch("hello", "world");
        await client.CallAsync(KafkaClient.Produce("t", batch), 9);
        for (short version = 4; version <= 18; version++)
        {
            FetchRequest request = KafkaClient.Fetch("t", 1);
            request.Topics[0].TopicId = topic.Id.Value;
            FetchResponse response = await client.CallAsync(request, version);
            FetchResponse.PartitionData data = response.Responses[0].Partitions[0];
            Assert.Equal((0, 2L), (data.ErrorCode, data.HighWatermark));
            byte[] records = new byte[data.Records!.Length];
            data.Records.CopyTo(records);
            Assert.Equal(batch[16..], records[16..]);
        }
    }

    [Fact]
    public async Task Records_that_are_damaged_are_not_given_and_their_replica_is_told()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("hello")), 9);
        ((MemoryDisk)host.Disk).FlipBit($"/data/logs/{new GroupId(topic.Id, 0)}/{0:D20}.log", 16, 1); // The format of the batch.
        FetchResponse.PartitionData data = (await client.CallAsync(KafkaClient.Fetch("t", 0), 12)).Responses[0].Partitions[0];
        Assert.Equal(((short)KafkaError.KafkaStorageError, 0), (data.ErrorCode, data.Records!.Length));
        await GatewayHost.Until(() => host.Node.Damages > 0, "the replica was told");
    }

    [Fact]
    public async Task A_file_that_cannot_be_read_is_an_error_and_no_damage()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("hello")), 9);
        ((MemoryDisk)host.Disk).Kill();
        FetchResponse.PartitionData data = (await client.CallAsync(KafkaClient.Fetch("t", 0), 12)).Responses[0].Partitions[0];
        Assert.Equal(((short)KafkaError.KafkaStorageError, 0), (data.ErrorCode, data.Records!.Length));
        await host.Node.FindHere("t", 0).Partition!.DeleteRecordsAsync(KafkaOffset.Zero); // Whatever the replica was told is before that.
        Assert.Equal(0, host.Node.Damages);
    }

    [Fact]
    public async Task A_long_poll_is_answered_when_records_arrive()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient consumer = await host.ConnectAsync();
        using KafkaClient producer = await host.ConnectAsync();
        for (int i = 0; i < 20; i++)
        {
            await consumer.SendAsync(KafkaClient.Fetch("t", i, maxWaitMs: 600_000), 12);
            if (i % 2 == 0) await BadInputTests.AssertServesAsync(host);
            await producer.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("x")), 9);
            FetchResponse response = await consumer.ReceiveAsync<FetchResponse>();
            Assert.Equal(i + 1, response.Responses[0].Partitions[0].HighWatermark);
            Assert.True(response.Responses[0].Partitions[0].Records!.Length > 0);
        }
    }

    [Fact]
    public async Task A_long_poll_waits_for_as_many_bytes_as_it_wants_and_not_longer_than_it_wants()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient consumer = await host.ConnectAsync();
        using KafkaClient producer = await host.ConnectAsync();
        await consumer.SendAsync(KafkaClient.Fetch("t", 0, maxWaitMs: 600_000, minBytes: 2_000), 12);
        for (int i = 0; i < 3; i++) await producer.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch(new string('x', 900))), 9);
        Assert.True((await consumer.ReceiveAsync<FetchResponse>()).Responses[0].Partitions[0].Records!.Length >= 2_000);
        FetchResponse waited = await consumer.CallAsync(KafkaClient.Fetch("t", 3, maxWaitMs: 50), 12);
        Assert.Equal(0, waited.Responses[0].Partitions[0].Records!.Length);
    }

    [Fact]
    public async Task A_partition_that_loses_its_leader_ends_the_long_poll_where_followers_are_not_read()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(
            settings: new GatewaySettings { FollowerReads = FollowerReadPolicy.None });
        host.Node.AddBroker(8);
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        await client.SendAsync(KafkaClient.Fetch("t", 0, maxWaitMs: 600_000), 12);
        await BadInputTests.AssertServesAsync(host);
        host.Node.Show("t", view => view with { IsLeader = false, Leader = new NodeId(8), Epoch = new LeaderEpoch(4) });
        FetchResponse.PartitionData data = (await client.ReceiveAsync<FetchResponse>()).Responses[0].Partitions[0];
        Assert.Equal((short)KafkaError.NotLeaderOrFollower, data.ErrorCode);
        Assert.Equal((8, 4), (data.CurrentLeader.LeaderId, data.CurrentLeader.LeaderEpoch));
    }

    [Fact]
    public async Task Offsets_and_epochs_out_of_range_have_their_errors()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        for (int i = 0; i < 4; i++) await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("x")), 9);
        host.Node.Show("t", view => view with { LogStartOffset = new KafkaOffset(1), HighWatermark = new KafkaOffset(3) });
        Assert.Equal(KafkaError.OffsetOutOfRange, (await AskAsync(client, 0)).Error);
        Assert.Equal(KafkaError.OffsetOutOfRange, (await AskAsync(client, 5)).Error);
        Assert.Equal(KafkaError.OffsetOutOfRange, (await AskAsync(client, -1)).Error);
        Assert.Equal((KafkaError.None, 0), await AskAsync(client, 4));
        Assert.Equal((KafkaError.None, 0), await AskAsync(client, 3));
        Assert.True((await AskAsync(client, 2)).Bytes > 0);
        Assert.Equal(KafkaError.FencedLeaderEpoch, (await AskAsync(client, 2, epoch: 2)).Error);
        Assert.Equal(KafkaError.UnknownLeaderEpoch, (await AskAsync(client, 2, epoch: 4)).Error);
        Assert.Equal(KafkaError.None, (await AskAsync(client, 2, epoch: 3)).Error);
    }

    [Fact]
    public async Task A_reader_on_another_branch_is_told_where_it_parts()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        for (int i = 0; i < 4; i++) await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("x")), 9);
        EpochHistory epochs = EpochHistory.Empty.With(new LeaderEpoch(1), KafkaOffset.Zero).With(new LeaderEpoch(3), new KafkaOffset(2));
        host.Node.Show("t", view => view with { Epochs = epochs });
        FetchRequest ask = KafkaClient.Fetch("t", 3);
        ask.Topics[0].Partitions[0].LastFetchedEpoch = 1;
        FetchResponse.PartitionData data = (await client.CallAsync(ask, 12)).Responses[0].Partitions[0];
        Assert.Equal((0, 1, 2L, 0), (data.ErrorCode, data.DivergingEpoch.Epoch, data.DivergingEpoch.EndOffset, data.Records!.Length));
    }

    [Fact]
    public async Task The_first_partition_with_records_gives_a_whole_batch_and_the_others_fill_what_is_left()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t", partitions: 4);
        using KafkaClient client = await host.ConnectAsync();
        for (int p = 1; p < 4; p++)
            await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch(new string('x', 1_000)), partition: p), 9);
        FetchRequest request = KafkaClient.Fetch("t", 0);
        request.MaxBytes = 10;
        request.Topics[0].Partitions.Clear();
        foreach (int p in new[] { 0, 3, 1, 2 }) request.Topics[0].Partitions.Add(new() { Partition = p, PartitionMaxBytes = 10 });
        FetchResponse response = await client.CallAsync(request, 12);
        Assert.Equal([0, 3, 1, 2], response.Responses[0].Partitions.Select(data => data.PartitionIndex));
        Assert.Equal([false, true, false, false], response.Responses[0].Partitions.Select(data => data.Records!.Length > 0));
    }

    [Fact]
    public async Task Unknown_topics_have_the_error_of_how_they_were_named()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        Assert.Equal(
            (short)KafkaError.UnknownTopicOrPartition,
                (await client.CallAsync(KafkaClient.Fetch("no", 0), 12)).Responses[0].Partitions[0].ErrorCode);
        FetchRequest byId = KafkaClient.Fetch("", 0, maxWaitMs: 600_000);
        byId.Topics[0].TopicId = Guid.NewGuid();
        Assert.Equal((short)KafkaError.UnknownTopicId, (await client.CallAsync(byId, 13)).Responses[0].Partitions[0].ErrorCode);
        byId.Topics[0].TopicId = TopicId.ClusterMetadata.Value;
        Assert.Equal((short)KafkaError.UnknownTopicId, (await client.CallAsync(byId, 13)).Responses[0].Partitions[0].ErrorCode);
        byId.Topics[0].TopicId = topic.Id.Value;
        byId.Topics[0].Partitions[0].Partition = 9;
        Assert.Equal((short)KafkaError.UnknownTopicOrPartition, (await client.CallAsync(byId, 13)).Responses[0].Partitions[0].ErrorCode);
    }

    private static async Task<(KafkaError Error, int Bytes)> AskAsync(KafkaClient client, long offset, int epoch = -1)
    {
        FetchRequest request = KafkaClient.Fetch("t", offset);
        request.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch;
        FetchResponse.PartitionData data = (await client.CallAsync(request, 12)).Responses[0].Partitions[0];
        return ((KafkaError)data.ErrorCode, data.Records!.Length);
    }
}
