using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

/// <summary>ElectLeaders, in every version.</summary>
public sealed class ElectLeadersTests
{
    [Fact]
    public async Task Partitions_are_led_by_their_preferred_replica_again()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopicOn(host.Node.AddBroker(8), "t");
        List<LeaderMove> asked = [];
        host.Node.MoveLeader = move =>
        {
            asked.Add(move);
            return new ItemResult(KafkaError.None, null);
        };
        using KafkaClient client = await host.ConnectAsync();
        for (short version = 0; version <= 2; version++)
        {
            asked.Clear();
            ElectLeadersResponse response = await client.CallAsync(Request(0, "t", 0, 7), version);
            Assert.Equal([new LeaderMove(topic.Id, 0, new NodeId(8))], asked);
            Assert.Equal(
                [(0, KafkaError.None), (7, KafkaError.UnknownTopicOrPartition)],
                Assert.Single(response.ReplicaElectionResults).PartitionResult.Select(one => (one.PartitionId, (KafkaError)one.ErrorCode)));
        }

        ElectLeadersResponse unknown = await client.CallAsync(Request(0, "u", 0), 2);
        Assert.Equal((short)KafkaError.UnknownTopicOrPartition, unknown.ReplicaElectionResults[0].PartitionResult[0].ErrorCode);
    }

    [Fact]
    public async Task Whoever_names_no_partition_hears_of_those_that_had_another_leader()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        NodeId other = host.Node.AddBroker(8);
        TopicImage moved = host.Node.CreateTopicOn(other, "moved");
        TopicImage stuck = host.Node.CreateTopicOn(other, "stuck");
        TopicImage dead = host.Node.CreateTopicOn(other, "dead");
        host.Node.CreateTopicOn(other, "fine");
        host.Node.MoveLeader = move => new ItemResult(
            move.Topic == moved.Id ? KafkaError.None
            : move.Topic == stuck.Id ? KafkaError.PreferredLeaderNotAvailable
            : move.Topic == dead.Id ? KafkaError.LeaderNotAvailable
            : KafkaError.ElectionNotNeeded,
            null);
        using KafkaClient client = await host.ConnectAsync();
        ElectLeadersResponse response = await client.CallAsync(new ElectLeadersRequest { TopicPartitions = null, TimeoutMs = 1_000 }, 2);
        const KafkaError NotAvailable = KafkaError.PreferredLeaderNotAvailable;
        Assert.Equal(
            [("dead", NotAvailable), ("moved", KafkaError.None), ("stuck", NotAvailable)],
            response.ReplicaElectionResults.Select(one => (one.Topic, (KafkaError)one.PartitionResult[0].ErrorCode)).Order());
    }

    [Fact]
    public async Task An_unclean_election_is_refused_and_says_why()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopicOn(host.Node.AddBroker(8), "t");
        host.Node.MoveLeader = _ => throw new InvalidOperationException("nobody may be asked");
        using KafkaClient client = await host.ConnectAsync();
        foreach (sbyte type in new sbyte[] { 1, 5 })
        {
            ElectLeadersResponse response = await client.CallAsync(Request(type, "t", 0), 2);
            ElectLeadersResponse.PartitionResult result = response.ReplicaElectionResults[0].PartitionResult[0];
            Assert.Equal((short)KafkaError.InvalidRequest, result.ErrorCode);
            Assert.Contains(type == 1 ? "there are no unclean elections" : "type 5", result.ErrorMessage, StringComparison.Ordinal);
        }
    }

    private static ElectLeadersRequest Request(sbyte type, string topic, params int[] partitions) => new()
    {
        ElectionType = type,
        TopicPartitions = [new() { Topic = topic, Partitions = [.. partitions] }],
        TimeoutMs = 1_000,
    };
}
