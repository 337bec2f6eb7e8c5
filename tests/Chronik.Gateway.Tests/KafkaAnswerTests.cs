using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

/// <summary>What admin clients are answered, where Apache Kafka's answer is the measure.</summary>
public sealed class KafkaAnswerTests
{
    [Fact]
    public async Task The_start_of_an_empty_log_is_of_the_leaders_epoch()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.Show("t", view => view with { Epochs = EpochHistory.Empty });
        using KafkaClient client = await host.ConnectAsync();
        ListOffsetsRequest ask = new() { ReplicaId = -1, Topics = [new() { Name = "t", Partitions = [new() { Timestamp = -2 }] }] };
        ListOffsetsResponse.ListOffsetsPartitionResponse answer = (await client.CallAsync(ask, 9)).Topics[0].Partitions[0];
        Assert.Equal((0L, 3, (short)0), (answer.Offset, answer.LeaderEpoch, answer.ErrorCode));
    }

    [Fact]
    public async Task A_coordinator_of_transactions_is_refused_with_an_error_that_each_client_gives_up_on()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        FindCoordinatorResponse java = await client.CallAsync(new FindCoordinatorRequest { CoordinatorKeys = ["x"], KeyType = 1 }, 6);
        Assert.Equal(
            ((short)KafkaError.InvalidRequest, "transactions are not served"),
            (java.Coordinators[0].ErrorCode, java.Coordinators[0].ErrorMessage));
        FindCoordinatorResponse librdkafka = await client.CallAsync(new FindCoordinatorRequest { Key = "x", KeyType = 1 }, 2);
        Assert.Equal(
            ((short)KafkaError.TransactionalIdAuthorizationFailed, "transactions are not served"),
            (librdkafka.ErrorCode, librdkafka.ErrorMessage));
    }

    [Fact]
    public async Task Offsets_of_partitions_that_do_not_exist_are_not_deleted_silently()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        OffsetDeleteRequest? asked = null;
        host.Node.Coordinator = (_, request, _) =>
        {
            asked = (OffsetDeleteRequest)request;
            return Task.FromResult<Protocol.IResponseMessage?>(
                new OffsetDeleteResponse { Topics = [new() { Name = "t", Partitions = [new() { PartitionIndex = 0 }] }] });
        };
        using KafkaClient client = await host.ConnectAsync();
        OffsetDeleteRequest unknown = new() { GroupId = "g", Topics = [new() { Name = "gone", Partitions = [new()] }] };
        Assert.Equal(
            (short)KafkaError.UnknownTopicOrPartition, (await client.CallAsync(unknown, 0)).Topics[0].Partitions[0].ErrorCode);
        Assert.Null(asked);

        OffsetDeleteRequest mixed = new()
        {
            GroupId = "g",
            Topics = [new() { Name = "t", Partitions = [new() { PartitionIndex = 0 }, new() { PartitionIndex = 7 }] }],
        };
        OffsetDeleteResponse answer = await client.CallAsync(mixed, 0);
        Assert.Equal([0], asked!.Topics[0].Partitions.Select(partition => partition.PartitionIndex));
        Assert.Equal(
            [(0, (short)KafkaError.None), (7, (short)KafkaError.UnknownTopicOrPartition)],
            answer.Topics.SelectMany(topic => topic.Partitions).Select(p => (p.PartitionIndex, p.ErrorCode)));
    }
}
