using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

/// <summary>What clients are told by a node that is one of several.</summary>
public sealed class ClusterTests
{
    private const long Latest = -1;

    [Fact]
    public async Task Who_produces_to_the_wrong_node_is_told_the_right_one()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        NodeId other = host.Node.AddBroker(8);
        TopicImage topic = host.Node.CreateTopicOn(other, "t", epoch: 5);
        using KafkaClient client = await host.ConnectAsync();
        for (short version = 3; version <= 13; version++)
        {
            ProduceRequest request = KafkaClient.Produce("t", KafkaClient.Batch("a"));
            request.TopicData[0].TopicId = topic.Id.Value;
            ProduceResponse response = await client.CallAsync(request, version);
            ProduceResponse.PartitionProduceResponse partition = response.Responses[0].PartitionResponses[0];
            Assert.Equal((short)KafkaError.NotLeaderOrFollower, partition.ErrorCode);
            (int, int) leader = (partition.CurrentLeader.LeaderId, partition.CurrentLeader.LeaderEpoch);
            Assert.Equal(version >= 10 ? (8, 5) : (-1, -1), leader);
            Assert.Equal(
                version >= 10 ? [(8, "host-8", 9008)] : Array.Empty<(int, string, int)>(),
                response.NodeEndpoints.Select(node => (node.NodeId, node.Host, node.Port)));
        }

        Assert.Equal(0, host.Node.Appends);
    }

    [Fact]
    public async Task Who_fetches_from_the_wrong_node_is_told_the_right_one()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        NodeId other = host.Node.AddBroker(8);
        TopicImage topic = host.Node.CreateTopicOn(other, "t", epoch: 5);
        using KafkaClient client = await host.ConnectAsync();
        for (short version = 4; version <= 18; version++)
        {
            FetchRequest request = KafkaClient.Fetch("t", 0, maxWaitMs: 30_000);
            request.Topics[0].TopicId = topic.Id.Value;
            FetchResponse response = await client.CallAsync(request, version);
            FetchResponse.PartitionData partition = response.Responses[0].Partitions[0];
            Assert.Equal((short)KafkaError.NotLeaderOrFollower, partition.ErrorCode);
            (int, int) leader = (partition.CurrentLeader.LeaderId, partition.CurrentLeader.LeaderEpoch);
            Assert.Equal(version >= 12 ? (8, 5) : (-1, -1), leader);
            Assert.Equal(
                version >= 16 ? [(8, "host-8", 9008)] : Array.Empty<(int, string, int)>(),
                response.NodeEndpoints.Select(node => (node.NodeId, node.Host, node.Port)));
        }
    }

    [Fact]
    public async Task A_replica_that_follows_names_its_leader_and_knows_the_epochs()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(
            settings: new GatewaySettings { FollowerReads = FollowerReadPolicy.None });
        host.Node.AddBroker(8);
        host.Node.CreateTopic("t");
        host.Node.Show("t", view => view with { IsLeader = false, Leader = new NodeId(8), Epoch = new LeaderEpoch(6) });
        using KafkaClient client = await host.ConnectAsync();
        Assert.Equal((KafkaError.NotLeaderOrFollower, 8, 6), await FetchAsync(client, currentEpoch: 6));
        Assert.Equal((KafkaError.FencedLeaderEpoch, 8, 6), await FetchAsync(client, currentEpoch: 5));
        Assert.Equal((KafkaError.UnknownLeaderEpoch, -1, -1), await FetchAsync(client, currentEpoch: 7));
        Assert.Equal(KafkaError.NotLeaderOrFollower, await ListAsync(client, 5, currentEpoch: 6));
        Assert.Equal(KafkaError.FencedLeaderEpoch, await ListAsync(client, 5, currentEpoch: 5));
        DeleteRecordsRequest delete = new()
        {
            TimeoutMs = 1_000,
            Topics = [new() { Name = "t", Partitions = [new() { PartitionIndex = 0 }] }],
        };
        Assert.Equal(
            (short)KafkaError.NotLeaderOrFollower, (await client.CallAsync(delete, 2)).Topics[0].Partitions[0].ErrorCode);
    }

    [Fact]
    public async Task A_leader_that_nobody_can_be_sent_to_is_not_named()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        NodeId other = host.Node.AddBroker(8);
        TopicImage topic = host.Node.CreateTopicOn(other, "t");
        host.Node.Apply(new BrokerLivenessChanged(other, IsLive: false));
        using KafkaClient client = await host.ConnectAsync();
        ProduceResponse response = await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("a")), 12);
        Assert.Equal(-1, response.Responses[0].PartitionResponses[0].CurrentLeader.LeaderId);
        Assert.Empty(response.NodeEndpoints);
        FetchRequest fetch = KafkaClient.Fetch("t", 0);
        fetch.Topics[0].TopicId = topic.Id.Value;
        Assert.Equal(-1, (await client.CallAsync(fetch, 18)).Responses[0].Partitions[0].CurrentLeader.LeaderId);
    }

    [Fact]
    public async Task A_new_leader_tells_no_offset_before_it_has_committed()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.Show("t", view => view with { IsLeader = false, Leader = NodeId.None, Epoch = new LeaderEpoch(4) });
        using KafkaClient client = await host.ConnectAsync();
        Assert.Equal(KafkaError.LeaderNotAvailable, await ListAsync(client, 4, currentEpoch: 4));
        for (short version = 5; version <= 11; version++)
            Assert.Equal(KafkaError.OffsetNotAvailable, await ListAsync(client, version, currentEpoch: 4));
        host.Node.Show("t", view => view with { IsLeader = true, Leader = host.Node.Id });
        Assert.Equal(KafkaError.None, await ListAsync(client, 5, currentEpoch: 4));
    }

    [Fact]
    public async Task Metadata_names_leaders_elsewhere_and_what_is_offline()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        NodeId other = host.Node.AddBroker(8);
        host.Node.CreateTopicOn(other, "t", epoch: 5);
        host.Node.Controller = other;
        using KafkaClient client = await host.ConnectAsync();
        for (short version = 1; version <= 13; version++)
        {
            MetadataResponse response = await client.CallAsync(new MetadataRequest { Topics = null }, version);
            MetadataResponse.MetadataResponsePartition partition = response.Topics[0].Partitions[0];
            Assert.Equal((0, 8, version >= 7 ? 5 : -1), (partition.ErrorCode, partition.LeaderId, partition.LeaderEpoch));
            Assert.Equal([8], partition.IsrNodes);
            Assert.Empty(partition.OfflineReplicas);
            Assert.Equal([7, 8], response.Brokers.Select(broker => broker.NodeId));
            Assert.Equal(8, response.ControllerId);
        }

        host.Node.Apply(new BrokerLivenessChanged(other, IsLive: false));
        MetadataResponse later = await client.CallAsync(new MetadataRequest { Topics = null }, 13);
        MetadataResponse.MetadataResponsePartition lost = later.Topics[0].Partitions[0];
        Assert.Equal(((short)KafkaError.LeaderNotAvailable, -1), (lost.ErrorCode, lost.LeaderId));
        Assert.Equal([8], lost.ReplicaNodes);
        Assert.Equal([8], lost.OfflineReplicas);
        Assert.Equal([7], later.Brokers.Select(broker => broker.NodeId));
        host.Node.Reachable.Add(other); // It leads and is there, but the metadata has not heard so yet.
        MetadataResponse last = await client.CallAsync(new MetadataRequest { Topics = null }, 13);
        Assert.Equal((0, 8), (last.Topics[0].Partitions[0].ErrorCode, last.Topics[0].Partitions[0].LeaderId));
        Assert.Equal([7, 8], last.Brokers.Select(broker => broker.NodeId));
        host.Node.Reachable.Clear();
        DescribeTopicPartitionsResponse paged = await client.CallAsync(new DescribeTopicPartitionsRequest(), 0);
        Assert.Equal((short)KafkaError.LeaderNotAvailable, paged.Topics[0].Partitions[0].ErrorCode);
        Assert.Equal([8], paged.Topics[0].Partitions[0].OfflineReplicas);
    }

    [Fact]
    public async Task Brokers_that_are_not_live_are_described_to_those_who_ask()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        NodeId other = host.Node.AddBroker(8);
        host.Node.Apply(new BrokerLivenessChanged(other, IsLive: false));
        host.Node.Controller = NodeId.None;
        using KafkaClient client = await host.ConnectAsync();
        DescribeClusterResponse some = await client.CallAsync(new DescribeClusterRequest(), 2);
        Assert.Equal([7], some.Brokers.Select(broker => broker.BrokerId));
        Assert.Equal(-1, some.ControllerId);
        DescribeClusterResponse all = await client.CallAsync(new DescribeClusterRequest { IncludeFencedBrokers = true }, 2);
        Assert.Equal([(7, false), (8, true)], all.Brokers.Select(broker => (broker.BrokerId, broker.IsFenced)));
    }

    [Fact]
    public async Task A_coordinator_is_found_wherever_it_is()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.GroupCoordinator = host.Node.AddBroker(8);
        using KafkaClient client = await host.ConnectAsync();
        FindCoordinatorResponse one = await client.CallAsync(new FindCoordinatorRequest { Key = "g" }, 3);
        Assert.Equal((0, 8, "host-8", 9008), (one.ErrorCode, one.NodeId, one.Host, one.Port));
        FindCoordinatorResponse many = await client.CallAsync(new FindCoordinatorRequest { CoordinatorKeys = ["g", "h"] }, 6);
        Assert.Equal([("g", 8), ("h", 8)], many.Coordinators.Select(found => (found.Key, found.NodeId)));
        host.Node.Apply(new BrokerLivenessChanged(host.Node.GroupCoordinator, IsLive: false));
        one = await client.CallAsync(new FindCoordinatorRequest { Key = "g" }, 3);
        Assert.Equal(((short)KafkaError.CoordinatorNotAvailable, -1), (one.ErrorCode, one.NodeId));
    }

    [Fact]
    public async Task The_metadatas_quorum_is_described()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        NodeId other = host.Node.AddBroker(8);
        using KafkaClient client = await host.ConnectAsync();
        DescribeQuorumRequest ask = new()
        {
            Topics =
            [
                new() { TopicName = TopicNames.ClusterMetadata, Partitions = [new() { PartitionIndex = 0 }] },
                new() { TopicName = "t", Partitions = [new() { PartitionIndex = 0 }] },
            ],
        };
        Assert.Equal((short)KafkaError.NotLeaderOrFollower, (await client.CallAsync(ask, 2)).ErrorCode);
        host.Node.Quorum = new QuorumState(
            other, new LeaderEpoch(9), new KafkaOffset(100),
            [new(host.Node.Id, new KafkaOffset(99), 5, 4), new(other, new KafkaOffset(100), 6, 6)],
            [new(new NodeId(9), KafkaOffset.Unknown, -1, -1)]);
        for (short version = 0; version <= 2; version++)
        {
            DescribeQuorumResponse response = await client.CallAsync(ask, version);
            DescribeQuorumResponse.PartitionData partition = response.Topics[0].Partitions[0];
            Assert.Equal((0, 0, 8, 9, 100L), (
                response.ErrorCode, partition.ErrorCode, partition.LeaderId, partition.LeaderEpoch, partition.HighWatermark));
            Assert.Equal([(7, 99L), (8, 100L)], partition.CurrentVoters.Select(voter => (voter.ReplicaId, voter.LogEndOffset)));
            Assert.Equal([9], partition.Observers.Select(observer => observer.ReplicaId));
            Assert.Equal((short)KafkaError.UnknownTopicOrPartition, response.Topics[1].Partitions[0].ErrorCode);
            Assert.Equal(version >= 2 ? [7, 8] : Array.Empty<int>(), response.Nodes.Select(node => node.NodeId));
        }
    }

    private static async Task<(KafkaError Error, int Leader, int Epoch)> FetchAsync(KafkaClient client, int currentEpoch)
    {
        FetchRequest request = KafkaClient.Fetch("t", 0);
        request.Topics[0].Partitions[0].CurrentLeaderEpoch = currentEpoch;
        FetchResponse.PartitionData partition = (await client.CallAsync(request, 12)).Responses[0].Partitions[0];
        return ((KafkaError)partition.ErrorCode, partition.CurrentLeader.LeaderId, partition.CurrentLeader.LeaderEpoch);
    }

    private static async Task<KafkaError> ListAsync(KafkaClient client, short version, int currentEpoch)
    {
        ListOffsetsRequest request = new()
        {
            ReplicaId = -1,
            Topics = [new() { Name = "t", Partitions = [new() { Timestamp = Latest, CurrentLeaderEpoch = currentEpoch }] }],
        };
        return (KafkaError)(await client.CallAsync(request, version)).Topics[0].Partitions[0].ErrorCode;
    }
}
