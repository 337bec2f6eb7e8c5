using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

/// <summary>Brokers 7 (this one), 8 and 9; topic t with one partition on 7.</summary>
public sealed class ReassignmentTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_partition_is_sent_elsewhere_shown_on_its_way_and_called_back(short version)
    {
        await using GatewayHost host = await StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        Assert.Empty((await ListAsync(client, null)).Topics);
        Assert.Equal((KafkaError.None, null), await AlterAsync(client, version, 0, [8, 9]));
        foreach (string? topic in (string?[])[null, "t"])
        {
            ListPartitionReassignmentsResponse.OngoingPartitionReassignment moving =
                Assert.Single(Assert.Single((await ListAsync(client, topic)).Topics).Partitions);
            Assert.Equal([8, 9, 7], moving.Replicas);
            Assert.Equal([8, 9], moving.AddingReplicas);
            Assert.Equal([7], moving.RemovingReplicas);
        }

        Assert.Empty((await ListAsync(client, "u")).Topics);
        MetadataResponse metadata = await client.CallAsync(new MetadataRequest { Topics = null }, 12);
        Assert.Equal([8, 9, 7], metadata.Topics[0].Partitions[0].ReplicaNodes);
        Assert.Equal((KafkaError.None, null), await AlterAsync(client, version, 0, null));
        TopicId id = host.Node.Metadata.Topics["t"].Id;
        await host.Node.SubmitAsync(new CompleteReassignment(id, 0, new LeaderEpoch(5), [new NodeId(7)]), TimeSpan.FromSeconds(1));
        Assert.Empty((await ListAsync(client, null)).Topics);
        (KafkaError error, string? message) = await AlterAsync(client, version, 0, null);
        Assert.Equal(KafkaError.NoReassignmentInProgress, error);
        Assert.Contains("t-0", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_is_refused_with_the_reason()
    {
        await using GatewayHost host = await StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        Assert.Equal(KafkaError.InvalidReplicaAssignment, (await AlterAsync(client, 1, 0, [8, 8])).Error);
        Assert.Equal(KafkaError.InvalidReplicaAssignment, (await AlterAsync(client, 1, 0, [-1])).Error);
        Assert.Equal(KafkaError.InvalidReplicaAssignment, (await AlterAsync(client, 1, 0, [7, 8, 9, 10])).Error);
        Assert.Equal(KafkaError.UnknownTopicOrPartition, (await AlterAsync(client, 1, 1, [8])).Error);
        Assert.Equal(KafkaError.InvalidReplicationFactor, (await AlterAsync(client, 1, 0, [8, 9], allowFactorChange: false)).Error);
        host.Node.SubmitFails = new TimeoutException();
        AlterPartitionReassignmentsResponse late = await client.CallAsync(Request(0, [8]), 1);
        Assert.Equal((short)KafkaError.RequestTimedOut, late.ErrorCode);
        Assert.Equal((short)KafkaError.RequestTimedOut, late.Responses[0].Partitions[0].ErrorCode);
    }

    [Fact]
    public async Task A_broker_is_forgotten_once_it_is_away_and_holds_nothing()
    {
        await using GatewayHost host = await StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        UnregisterBrokerResponse live = await client.CallAsync(new UnregisterBrokerRequest { BrokerId = 9 }, 0);
        Assert.Equal((short)KafkaError.InvalidRequest, live.ErrorCode);
        Assert.Contains("stop it first", live.ErrorMessage, StringComparison.Ordinal);
        host.Node.Apply(new BrokerLivenessChanged(new NodeId(9), IsLive: false));
        UnregisterBrokerResponse forgotten = await client.CallAsync(new UnregisterBrokerRequest { BrokerId = 9 }, 0);
        Assert.Equal((0, (string?)null), (forgotten.ErrorCode, forgotten.ErrorMessage));
        DescribeClusterResponse cluster = await client.CallAsync(new DescribeClusterRequest { EndpointType = 1 }, 1);
        Assert.Equal([7, 8], cluster.Brokers.Select(broker => broker.BrokerId));
        UnregisterBrokerResponse unknown = await client.CallAsync(new UnregisterBrokerRequest { BrokerId = 9 }, 0);
        Assert.Equal((short)KafkaError.BrokerIdNotRegistered, unknown.ErrorCode);
    }

    private static async Task<GatewayHost> StartAsync()
    {
        GatewayHost host = await GatewayHost.StartAsync();
        host.Node.Apply(new LevelChanged(FeatureLevel.Operable));
        host.Node.CreateTopic("t");
        host.Node.AddBroker(8);
        host.Node.AddBroker(9);
        return host;
    }

    private static AlterPartitionReassignmentsRequest Request(int partition, List<int>? target, bool allowFactorChange = true) => new()
    {
        TimeoutMs = 10_000,
        AllowReplicationFactorChange = allowFactorChange,
        Topics = [new() { Name = "t", Partitions = [new() { PartitionIndex = partition, Replicas = target }] }],
    };

    private static async Task<(KafkaError Error, string? Message)> AlterAsync(
        KafkaClient client, short version, int partition, List<int>? target, bool allowFactorChange = true)
    {
        AlterPartitionReassignmentsResponse response = await client.CallAsync(Request(partition, target, allowFactorChange), version);
        Assert.Equal(0, response.ErrorCode);
        AlterPartitionReassignmentsResponse.ReassignablePartitionResponse one = response.Responses.Single().Partitions.Single();
        return ((KafkaError)one.ErrorCode, one.ErrorMessage);
    }

    private static async Task<ListPartitionReassignmentsResponse> ListAsync(KafkaClient client, string? topic) =>
        await client.CallAsync(
            new ListPartitionReassignmentsRequest { Topics = topic is null ? null : [new() { Name = topic, PartitionIndexes = [0, 5] }] },
            0);
}
