using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

public sealed class MetadataTests
{
    [Fact]
    public async Task Null_topics_are_all_and_an_empty_list_is_none()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("a", partitions: 3);
        host.Node.CreateTopic("b");
        using KafkaClient client = await host.ConnectAsync();
        for (short version = 1; version <= 13; version++)
        {
            MetadataResponse all = await client.CallAsync(new MetadataRequest { Topics = null }, version);
            Assert.Equal(["a", "b"], all.Topics.Select(topic => topic.Name).Order());
            Assert.Empty((await client.CallAsync(new MetadataRequest { Topics = [] }, version)).Topics);
            MetadataResponse.MetadataResponsePartition partition = all.Topics.Single(topic => topic.Name == "a").Partitions[2];
            Assert.Equal((0, 2, 7), (partition.ErrorCode, partition.PartitionIndex, partition.LeaderId));
            Assert.Equal([7], partition.ReplicaNodes);
            Assert.Equal([7], partition.IsrNodes);
        }

        Assert.Equal(2, (await client.CallAsync(new MetadataRequest { Topics = [] }, 0)).Topics.Count);
    }

    [Fact]
    public async Task A_topic_that_does_not_exist_is_created_when_both_sides_allow_it()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        Assert.Equal(KafkaError.UnknownTopicOrPartition, await AskAsync(client, "new", allows: false));
        Assert.Equal(KafkaError.None, await AskAsync(client, "new", allows: true));
        Assert.Equal(KafkaError.None, await AskAsync(client, "new", allows: false));
        Assert.Equal(KafkaError.InvalidTopicException, await AskAsync(client, "no/good", allows: true));
        Assert.Equal(KafkaError.UnknownTopicOrPartition, await AskAsync(client, TopicNames.ConsumerOffsets, allows: true));
        Assert.Equal(KafkaError.UnknownTopicOrPartition, await AskAsync(client, TopicNames.ClusterMetadata, allows: true));
        host.Node.Settings = new BrokerSettings([new("auto.create.topics.enable", "false")]);
        Assert.Equal(KafkaError.UnknownTopicOrPartition, await AskAsync(client, "another", allows: true));
        host.Node.Settings = new BrokerSettings();
        host.Node.SubmitFails = new TimeoutException();
        Assert.Equal(KafkaError.LeaderNotAvailable, await AskAsync(client, "slow", allows: true));
    }

    [Fact]
    public async Task A_topic_that_could_not_be_created_because_the_controller_was_lost_spoils_no_other()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.SubmitFails = new MetadataAppendException(KafkaError.RequestTimedOut, "controller 3 was lost");
        using KafkaClient client = await host.ConnectAsync();
        MetadataRequest request = new() { Topics = [new() { Name = "t" }, new() { Name = "new" }], AllowAutoTopicCreation = true };
        MetadataResponse response = await client.CallAsync(request, 13);
        Assert.Equal((0, 0), (response.ErrorCode, response.Topics[0].ErrorCode));
        Assert.Equal((short)KafkaError.LeaderNotAvailable, response.Topics[1].ErrorCode);
    }

    [Fact]
    public async Task Topics_are_found_by_id()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        for (short version = 12; version <= 13; version++)
        {
            var unknown = Guid.NewGuid();
            MetadataRequest request =
                new() { Topics = [new() { Name = null, TopicId = topic.Id.Value }, new() { Name = null, TopicId = unknown }] };
            MetadataResponse response = await client.CallAsync(request, version);
            Assert.Equal(("t", topic.Id.Value, 0), (response.Topics[0].Name, response.Topics[0].TopicId, response.Topics[0].ErrorCode));
            Assert.Equal(
                (null, unknown, (short)KafkaError.UnknownTopicId),
                    (response.Topics[1].Name, response.Topics[1].TopicId, response.Topics[1].ErrorCode));
        }
    }

    [Fact]
    public async Task Topics_are_found_by_id_also_with_the_empty_name_that_javas_admin_client_sends()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        MetadataRequest request = new() { Topics = [new() { Name = "", TopicId = topic.Id.Value }] };
        MetadataResponse.MetadataResponseTopic found = (await client.CallAsync(request, 13)).Topics[0];
        Assert.Equal(("t", topic.Id.Value, 0), (found.Name, found.TopicId, found.ErrorCode));
    }

    [Fact]
    public async Task A_partition_without_a_leader_says_so()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.Show("t", view => view with { IsLeader = false, Leader = NodeId.None });
        using KafkaClient client = await host.ConnectAsync();
        MetadataResponse.MetadataResponsePartition partition =
            (await client.CallAsync(new MetadataRequest { Topics = null }, 9)).Topics[0].Partitions[0];
        Assert.Equal(((short)KafkaError.LeaderNotAvailable, -1), (partition.ErrorCode, partition.LeaderId));
    }

    [Fact]
    public async Task Authorised_operations_are_told_to_those_who_ask()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        MetadataRequest ask = new() { Topics = null, IncludeTopicAuthorizedOperations = true, IncludeClusterAuthorizedOperations = true };
        MetadataResponse told = await client.CallAsync(ask, 10);
        Assert.Equal(3_576, told.Topics[0].TopicAuthorizedOperations);
        Assert.Equal(8_096, told.ClusterAuthorizedOperations);
        MetadataResponse notTold = await client.CallAsync(new MetadataRequest { Topics = null }, 10);
        Assert.Equal((int.MinValue, int.MinValue), (notTold.Topics[0].TopicAuthorizedOperations, notTold.ClusterAuthorizedOperations));
    }

    [Fact]
    public async Task Partitions_are_described_page_by_page()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("a", partitions: 5);
        host.Node.CreateTopic("b", partitions: 2);
        host.Node.CreateTopic("c", partitions: 1);
        using KafkaClient client = await host.ConnectAsync();
        var seen = new List<string>();
        DescribeTopicPartitionsRequest.PageCursor? cursor = null;
        for (int page = 0; page < 10; page++)
        {
            DescribeTopicPartitionsRequest ask = new()
            {
                Topics = [new() { Name = "c" }, new() { Name = "a" }, new() { Name = "b" }, new() { Name = "zz" }],
                ResponsePartitionLimit = 3,
                Cursor = cursor,
            };
            DescribeTopicPartitionsResponse response = await client.CallAsync(ask, 0);
            foreach (DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic topic in response.Topics)
            {
                if (topic.ErrorCode != 0) seen.Add($"{topic.Name}:{topic.ErrorCode}");
                seen.AddRange(topic.Partitions.Select(partition => $"{topic.Name}{partition.PartitionIndex}"));
            }

            if (response.NextCursor is not { } next) break;
            cursor = new() { TopicName = next.TopicName, PartitionIndex = next.PartitionIndex };
        }

        Assert.Equal(["a0", "a1", "a2", "a3", "a4", "b0", "b1", "c0", "zz:3"], seen);
    }

    private static async Task<KafkaError> AskAsync(KafkaClient client, string topic, bool allows)
    {
        MetadataRequest request = new() { Topics = [new() { Name = topic }], AllowAutoTopicCreation = allows };
        return (KafkaError)(await client.CallAsync(request, 9)).Topics[0].ErrorCode;
    }
}
