using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

public sealed class AdminTests
{
    [Fact]
    public async Task Topics_are_created_extended_and_deleted()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        CreateTopicsRequest create = new()
        {
            TimeoutMs = 10_000,
            Topics =
            [
                new() { Name = "a", NumPartitions = -1, ReplicationFactor = -1, Configs =
                    [new() { Name = "retention.ms", Value = "1234567" }] },
                new() { Name = "bad name", NumPartitions = 1, ReplicationFactor = 1 },
                new() { Name = "twice", NumPartitions = 1, ReplicationFactor = 1 },
                new() { Name = "twice", NumPartitions = 1, ReplicationFactor = 1 },
                new() { Name = "wide", NumPartitions = 1, ReplicationFactor = 9 },
            ],
        };
        CreateTopicsResponse created = await client.CallAsync(create, 7);
        Assert.Equal(
            [KafkaError.None, KafkaError.InvalidTopicException, KafkaError.InvalidRequest, KafkaError.InvalidRequest,
                KafkaError.InvalidReplicationFactor],
            created.Topics.Select(topic => (KafkaError)topic.ErrorCode));
        Assert.Equal((1, (short)1), (created.Topics[0].NumPartitions, created.Topics[0].ReplicationFactor));
        Assert.Equal("1234567", created.Topics[0].Configs!.Single(config => config.Name == "retention.ms").Value);
        Assert.All(created.Topics, topic => Assert.NotNull(topic.Configs));
        Assert.Equal((short)KafkaError.TopicAlreadyExists, (await client.CallAsync(create, 7)).Topics[0].ErrorCode);

        CreatePartitionsRequest extend = new()
        {
            TimeoutMs = 10_000,
            Topics = [new() { Name = "a", Count = 4, Assignments = null }, new() { Name = "none", Count = 4, Assignments = null }],
        };
        CreatePartitionsResponse extended = await client.CallAsync(extend, 3);
        Assert.Equal([(short)0, (short)KafkaError.UnknownTopicOrPartition], extended.Results.Select(result => result.ErrorCode));
        Assert.Equal(4, host.Node.Metadata.Topics["a"].Partitions.Length);

        TopicImage topic = host.Node.Metadata.Topics["a"];
        DeleteTopicsRequest delete = new() { TimeoutMs = 10_000, Topics = [new() { TopicId = topic.Id.Value }, new() { Name = "none" }] };
        DeleteTopicsResponse deleted = await client.CallAsync(delete, 6);
        Assert.Equal(("a", topic.Id.Value, 0), (deleted.Responses[0].Name, deleted.Responses[0].TopicId, deleted.Responses[0].ErrorCode));
        Assert.Equal((short)KafkaError.UnknownTopicOrPartition, deleted.Responses[1].ErrorCode);
        Assert.Equal(
            (short)KafkaError.UnknownTopicOrPartition,
                (await client.CallAsync(new DeleteTopicsRequest { TopicNames = ["a"] }, 1)).Responses[0].ErrorCode);
    }

    [Fact]
    public async Task Configs_are_described_and_changed()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        IncrementalAlterConfigsRequest set = new()
        {
            Resources =
            [
                new() { ResourceType = 2, ResourceName = "t", Configs =
                    [new() { Name = "retention.ms", ConfigOperation = 0, Value = "777" }] },
                new() { ResourceType = 2, ResourceName = "t2", Configs =
                    [new() { Name = "retention.ms", ConfigOperation = 0, Value = "777" }] },
                new() { ResourceType = 2, ResourceName = "t3", Configs = [] },
                new() { ResourceType = 99, ResourceName = "x", Configs = [] },
            ],
        };
        IncrementalAlterConfigsResponse changed = await client.CallAsync(set, 1);
        Assert.Equal(0, changed.Responses[0].ErrorCode);
        Assert.Equal((short)KafkaError.UnknownTopicOrPartition, changed.Responses[1].ErrorCode);
        Assert.NotEqual(0, changed.Responses[3].ErrorCode);

        DescribeConfigsRequest ask = new()
        {
            IncludeSynonyms = true,
            IncludeDocumentation = true,
            Resources =
                [new() { ResourceType = 2, ResourceName = "t", ConfigurationKeys = ["retention.ms"] },
                    new() { ResourceType = 4, ResourceName = "7" }],
        };
        DescribeConfigsResponse described = await client.CallAsync(ask, 4);
        DescribeConfigsResponse.DescribeConfigsResourceResult retention = Assert.Single(described.Results[0].Configs);
        Assert.Equal(("777", (sbyte)ConfigSource.DynamicTopic), (retention.Value, retention.ConfigSource));
        Assert.NotEmpty(retention.Documentation!);
        Assert.True(retention.Synonyms.Count >= 2);
        Assert.Contains(described.Results[1].Configs, config => config.Name == "num.partitions");

        AlterConfigsRequest reset = new() { Resources = [new() { ResourceType = 2, ResourceName = "t", Configs = [] }] };
        Assert.Equal(0, (await client.CallAsync(reset, 2)).Responses[0].ErrorCode);
        retention = Assert.Single((await client.CallAsync(ask, 4)).Results[0].Configs);
        Assert.NotEqual((sbyte)ConfigSource.DynamicTopic, retention.ConfigSource);

        ListConfigResourcesResponse listed = await client.CallAsync(new ListConfigResourcesRequest { ResourceTypes = [2] }, 1);
        Assert.Equal(["t"], listed.ConfigResources.Select(resource => resource.ResourceName));
        Assert.Empty((await client.CallAsync(new ListConfigResourcesRequest(), 0)).ConfigResources);
        Assert.Equal(
            (short)KafkaError.UnsupportedVersion,
                (await client.CallAsync(new ListConfigResourcesRequest { ResourceTypes = [3] }, 1)).ErrorCode);
    }

    [Fact]
    public async Task Every_idempotent_producer_gets_its_own_id_and_a_transactional_one_is_refused()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        var ids = new HashSet<long>();
        for (int i = 0; i < 1_500; i++)
        {
            InitProducerIdResponse response = await client.CallAsync(new InitProducerIdRequest { TransactionalId = null }, (short)(i % 6));
            Assert.Equal((0, 0), (response.ErrorCode, response.ProducerEpoch));
            Assert.True(ids.Add(response.ProducerId));
        }

        InitProducerIdResponse refused =
            await client.CallAsync(new InitProducerIdRequest { TransactionalId = "tx", TransactionTimeoutMs = 1_000 }, 4);
        Assert.Equal(((short)KafkaError.TransactionalIdAuthorizationFailed, -1L), (refused.ErrorCode, refused.ProducerId));
        FindCoordinatorResponse none = await client.CallAsync(new FindCoordinatorRequest { Key = "tx", KeyType = 1 }, 3);
        Assert.Equal(((short)KafkaError.TransactionalIdAuthorizationFailed, -1), (none.ErrorCode, none.NodeId));
    }

    [Fact]
    public async Task A_producer_gets_its_id_though_the_controller_was_lost_meanwhile()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.SubmitFails = new MetadataAppendException(KafkaError.RequestTimedOut, "controller 3 was lost");
        host.Node.SubmitFailures = 2;
        using KafkaClient client = await host.ConnectAsync();
        InitProducerIdResponse response = await client.CallAsync(new InitProducerIdRequest { TransactionalId = null }, 4);
        Assert.Equal((0, 0), (response.ErrorCode, host.Node.SubmitFailures));
    }

    [Fact]
    public async Task Coordinators_are_found_one_by_one_and_together()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        for (short version = 0; version <= 3; version++)
        {
            FindCoordinatorResponse one = await client.CallAsync(new FindCoordinatorRequest { Key = "g" }, version);
            Assert.Equal((0, 7, "127.0.0.1", host.Endpoint.Port), (one.ErrorCode, one.NodeId, one.Host, one.Port));
        }

        FindCoordinatorResponse both = await client.CallAsync(new FindCoordinatorRequest { CoordinatorKeys = ["g", "h"] }, 6);
        Assert.Equal(["g", "h"], both.Coordinators.Select(coordinator => coordinator.Key));
        Assert.All(
            both.Coordinators, coordinator =>
                Assert.Equal((0, 7, host.Endpoint.Port), (coordinator.ErrorCode, coordinator.NodeId, coordinator.Port)));
    }

    [Fact]
    public async Task Requests_about_groups_go_to_the_coordinator_group_by_group_and_with_names_instead_of_ids()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        TopicImage topic = host.Node.CreateTopic("t", partitions: 2);
        host.Node.Coordinator = (group, request, _) => Task.FromResult<IResponseMessage?>(request switch
        {
            OffsetFetchRequest fetch => new OffsetFetchResponse
            {
                Groups =
                [
                    new()
                    {
                        GroupId = group,
                        Topics = [.. (fetch.Groups[0].Topics ?? []).Select(
                            asked => new OffsetFetchResponse.OffsetFetchResponseTopics { Name = asked.Name })],
                    },
                ],
            },
            OffsetCommitRequest commit => new OffsetCommitResponse
            {
                Topics = [.. commit.Topics.Select(
                    one => new OffsetCommitResponse.OffsetCommitResponseTopic { Name = one.Name, TopicId = one.TopicId })],
            },
            DescribeGroupsRequest describe => new DescribeGroupsResponse { Groups = [new() { GroupId = Assert.Single(describe.Groups) }] },
            DeleteGroupsRequest delete => new DeleteGroupsResponse { Results = [new() { GroupId = Assert.Single(delete.GroupsNames) }] },
            _ => null,
        });
        using KafkaClient client = await host.ConnectAsync();
        Guid unknown = Guid.NewGuid();
        OffsetFetchRequest.OffsetFetchRequestTopics[] topics =
            [new() { TopicId = topic.Id.Value, PartitionIndexes = [0] }, new() { TopicId = unknown, PartitionIndexes = [3] }];
        OffsetFetchResponse fetched = await client.CallAsync(
            new OffsetFetchRequest { Groups = [new() { GroupId = "g", Topics = [.. topics] }, new() { GroupId = "h", Topics = null }] },
                10);
        Assert.Equal(["g", "h"], fetched.Groups.Select(group => group.GroupId));
        Assert.Equal([topic.Id.Value, unknown], fetched.Groups[0].Topics.Select(one => one.TopicId));
        Assert.Equal((short)KafkaError.UnknownTopicId, fetched.Groups[0].Topics[1].Partitions[0].ErrorCode);

        OffsetCommitRequest commit = new()
        {
            GroupId = "g",
            Topics = [new() { TopicId = topic.Id.Value, Partitions = [new() { PartitionIndex = 1 }, new() { PartitionIndex = 2 }] },
                new() { TopicId = unknown, Partitions = [new()] }],
        };
        OffsetCommitResponse committed = await client.CallAsync(commit, 10);
        Assert.Equal(
            [(topic.Id.Value, KafkaError.UnknownTopicOrPartition), (unknown, KafkaError.UnknownTopicId)],
            committed.Topics.Where(one => one.Partitions.Count > 0).Select(one => (one.TopicId, (KafkaError)one.Partitions[0].ErrorCode)));
        DescribeGroupsResponse described =
            await client.CallAsync(new DescribeGroupsRequest { Groups = ["g", "h"], IncludeAuthorizedOperations = true }, 5);
        Assert.Equal([("g", 328), ("h", 328)], described.Groups.Select(group => (group.GroupId, group.AuthorizedOperations)));
        Assert.Equal(2, (await client.CallAsync(new DeleteGroupsRequest { GroupsNames = ["g", "h", "g"] }, 2)).Results.Count);
        Assert.Equal((short)KafkaError.NotCoordinator, (await client.CallAsync(new HeartbeatRequest { GroupId = "g" }, 4)).ErrorCode);
    }

    [Fact]
    public async Task The_cluster_and_its_disk_are_described()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t", partitions: 2);
        using KafkaClient client = await host.ConnectAsync();
        await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch("x")), 9);
        DescribeClusterResponse cluster =
            await client.CallAsync(new DescribeClusterRequest { IncludeClusterAuthorizedOperations = true }, 2);
        Assert.Equal(("fake-cluster", 7, 8_096), (cluster.ClusterId, cluster.ControllerId, cluster.ClusterAuthorizedOperations));
        Assert.Equal(host.Endpoint.Port, Assert.Single(cluster.Brokers).Port);
        Assert.Equal(
            (short)KafkaError.MismatchedEndpointType,
                (await client.CallAsync(new DescribeClusterRequest { EndpointType = 2 }, 2)).ErrorCode);

        DescribeLogDirsResponse.DescribeLogDirsResult folder =
            Assert.Single((await client.CallAsync(new DescribeLogDirsRequest { Topics = null }, 5)).Results);
        Assert.Equal(("/fake", 1_000, 400), (folder.LogDir, folder.TotalBytes, folder.UsableBytes));
        Assert.Equal([true, false], Assert.Single(folder.Topics).Partitions.Select(partition => partition.PartitionSize > 0));
    }
}
