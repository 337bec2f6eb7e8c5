using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage.Testing;

namespace Chronik.Gateway.Tests;

/// <summary>ListOffsets and OffsetForLeaderEpoch.</summary>
public sealed class OffsetTests
{
    private const long Latest = -1;
    private const long Earliest = -2;
    private const long MaxTimestamp = -3;

    [Fact]
    public async Task The_ends_of_a_partition_are_told_in_every_version()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await WithRecordsAsync(host);
        host.Node.Show("t", view => view with { LogStartOffset = new KafkaOffset(1), LogEndOffset = new KafkaOffset(9) });
        for (short version = 1; version <= 11; version++)
        {
            Assert.Equal((KafkaError.None, 6), await AskAsync(client, Latest, version));
            Assert.Equal((KafkaError.None, 1), await AskAsync(client, Earliest, version));
        }

        Assert.Equal((KafkaError.None, 1), await AskAsync(client, -4, 8));
        Assert.Equal((KafkaError.None, -1), await AskAsync(client, -5, 9));
        Assert.Equal((KafkaError.None, -1), await AskAsync(client, -6, 11));
    }

    [Theory]
    [InlineData(-3, 6)]
    [InlineData(-4, 7)]
    [InlineData(-5, 8)]
    [InlineData(-6, 10)]
    [InlineData(-7, 11)]
    public async Task A_special_time_that_the_version_does_not_know_is_refused(long timestamp, short version)
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await WithRecordsAsync(host);
        Assert.Equal((KafkaError.UnsupportedVersion, -1), await AskAsync(client, timestamp, version));
    }

    [Fact]
    public async Task A_time_finds_the_first_record_at_or_after_it()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await WithRecordsAsync(host);

        // Offsets 0 to 5 have the times 100, 300, 200, 500, 400, 450.
        Assert.Equal((KafkaError.None, 0), await AskAsync(client, 0));
        Assert.Equal((KafkaError.None, 0), await AskAsync(client, 100));
        Assert.Equal((KafkaError.None, 1), await AskAsync(client, 101));
        Assert.Equal((KafkaError.None, 3), await AskAsync(client, 301));
        Assert.Equal((KafkaError.None, -1), await AskAsync(client, 501));
        Assert.Equal((KafkaError.None, 3), await AskAsync(client, MaxTimestamp));
        host.Node.Show("t", view => view with { HighWatermark = new KafkaOffset(3) });
        Assert.Equal((KafkaError.None, -1), await AskAsync(client, 301));
    }

    [Fact]
    public async Task A_leader_that_does_not_know_its_watermark_yet_says_so()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await WithRecordsAsync(host);
        host.Node.Show("t", view => view with { IsLeader = false, Leader = NodeId.None });
        Assert.Equal((KafkaError.OffsetNotAvailable, -1), await AskAsync(client, Latest, 5));
        Assert.Equal((KafkaError.LeaderNotAvailable, -1), await AskAsync(client, Latest, 4));
        host.Node.Show("t", view => view with { Leader = new NodeId(8) });
        Assert.Equal((KafkaError.NotLeaderOrFollower, -1), await AskAsync(client, Latest, 5));
    }

    [Fact]
    public async Task A_partition_that_is_asked_for_twice_is_refused_the_second_time()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await WithRecordsAsync(host);
        ListOffsetsRequest ask =
            new() { ReplicaId = -1, Topics = [new() { Name = "t", Partitions = [new() { Timestamp = -1 }, new() { Timestamp = -2 }] }] };
        ListOffsetsResponse response = await client.CallAsync(ask, 7);
        Assert.Equal([(short)0, (short)KafkaError.InvalidRequest], response.Topics[0].Partitions.Select(partition => partition.ErrorCode));
    }

    [Fact]
    public async Task The_end_of_an_epoch_is_told()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await WithRecordsAsync(host);
        EpochHistory epochs = EpochHistory.Empty.With(new LeaderEpoch(1), KafkaOffset.Zero).With(new LeaderEpoch(3), new KafkaOffset(2));
        host.Node.Show("t", view => view with { Epochs = epochs });
        Assert.Equal((0, 1, 2L), await EpochAsync(client, 1));
        Assert.Equal((0, 1, 2L), await EpochAsync(client, 2));
        Assert.Equal((0, 3, 6L), await EpochAsync(client, 3));
        Assert.Equal((0, 0, 0L), await EpochAsync(client, 0));
        Assert.Equal((0, -1, -1L), await EpochAsync(client, 4));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-3)] // The largest.
    public async Task A_time_is_not_looked_up_among_damaged_records_their_replica_is_told_and_other_partitions_are_answered(long time)
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage damaged = host.Node.CreateTopic("damaged");
        host.Node.CreateTopic("whole");
        using KafkaClient client = await host.ConnectAsync();
        foreach (string topic in (string[])["damaged", "whole"])
            await client.CallAsync(KafkaClient.Produce(topic, KafkaClient.Batch("hello")), 9);
        ((MemoryDisk)host.Disk).FlipBit($"/data/logs/{new GroupId(damaged.Id, 0)}/{0:D20}.log", 66, 1); // In the record.
        ListOffsetsRequest ask = new()
        {
            ReplicaId = -1,
            Topics =
            [
                new() { Name = "damaged", Partitions = [new() { Timestamp = time }] },
                new() { Name = "whole", Partitions = [new() { Timestamp = time }] },
            ],
        };
        ListOffsetsResponse response = await client.CallAsync(ask, 7);
        Assert.Equal(
            [((short)KafkaError.KafkaStorageError, -1L), (0, 0L)],
            response.Topics.Select(topic => (topic.Partitions[0].ErrorCode, topic.Partitions[0].Offset)));
        await GatewayHost.Until(() => host.Node.Damages > 0, "the replica was told");
    }

    private static async Task<(int Error, int Epoch, long End)> EpochAsync(KafkaClient client, int epoch)
    {
        OffsetForLeaderEpochRequest ask =
            new() { ReplicaId = -1, Topics = [new() { Topic = "t", Partitions = [new() { LeaderEpoch = epoch }] }] };
        OffsetForLeaderEpochResponse.EpochEndOffset told = (await client.CallAsync(ask, 4)).Topics[0].Partitions[0];
        return (told.ErrorCode, told.LeaderEpoch, told.EndOffset);
    }

    private static async Task<KafkaClient> WithRecordsAsync(GatewayHost host)
    {
        host.Node.CreateTopic("t");
        KafkaClient client = await host.ConnectAsync();
        foreach (long[] times in new long[][] { [100, 300, 200], [500, 400], [450] })
        {
            var builder = new RecordBatchBuilder();
            foreach (long time in times) builder.Add(time, null, [1]);
            ProduceResponse response = await client.CallAsync(KafkaClient.Produce("t", builder.Build()), 9);
            Assert.Equal(0, response.Responses[0].PartitionResponses[0].ErrorCode);
        }

        return client;
    }

    private static async Task<(KafkaError Error, long Offset)> AskAsync(KafkaClient client, long timestamp, short version = 7)
    {
        ListOffsetsRequest ask = new() { ReplicaId = -1, Topics = [new() { Name = "t", Partitions = [new() { Timestamp = timestamp }] }] };
        ListOffsetsResponse.ListOffsetsPartitionResponse answer = (await client.CallAsync(ask, version)).Topics[0].Partitions[0];
        return ((KafkaError)answer.ErrorCode, answer.Offset);
    }
}
