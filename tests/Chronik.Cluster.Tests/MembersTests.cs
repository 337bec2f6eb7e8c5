using Chronik.Cluster.Tests.Processes;
using Chronik.Cluster.Tests.Wire;
using Chronik.Cluster.Tests.Work;
using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit.Abstractions;

namespace Chronik.Cluster.Tests;

/// <summary>Nodes that come, and nodes that are gone for good.</summary>
public sealed class MembersTests(ITestOutputHelper output)
{
    [Fact]
    public Task Partitions_move_to_a_fourth_node_and_a_dead_founder_is_replaced() => Scenario.RunAsync(output, async scenario =>
    {
        ClusterClient client = scenario.Cluster.Client;
        NodeProcess fourth = scenario.Cluster.Add(4);
        fourth.Start();
        await fourth.ReadyAsync();
        await Wait.UntilAsync(
            async () => (await client.MetadataAsync()).Brokers.Exists(broker => broker.NodeId == 4), "the fourth node is registered");
        await AlterAsync(client, await PlanAsync(client, topic => topic == Workload.Topic, replicas => [4, .. replicas.Skip(1)]));
        await Wait.UntilAsync(async () =>
        {
            MetadataResponse shown = await client.MetadataAsync(Workload.Topic);
            return (await MovingAsync(client)).Topics.Count == 0
                && shown.Topics[0].Partitions.TrueForAll(one => one.ReplicaNodes is [4, ..] && one.IsrNodes.Contains(4));
        }, "the fourth node is in every in-sync set");
        await scenario.ProgressAsync();

        NodeProcess dead = scenario.Cluster.Nodes[2];
        dead.Kill();
        await scenario.ProgressAsync();
        await Wait.UntilAsync(async () =>
        {
            // Topics are being made all the time, on this node too until it has been missed for long enough.
            await AlterAsync(client, await PlanAsync(
                client, _ => true,
                replicas => replicas.Contains(3) ? [.. replicas.Union([1, 2, 4]).Where(id => id != 3).Take(3)] : replicas));
            UnregisterBrokerResponse answer = await client.AskAnyAsync(new UnregisterBrokerRequest { BrokerId = 3 }, 0);
            return answer.ErrorCode == 0;
        }, "the dead node is forgotten");
        await Wait.UntilAsync(async () =>
        {
            DescribeQuorumRequest request = new()
            {
                Topics = [new() { TopicName = "__cluster_metadata", Partitions = [new() { PartitionIndex = 0 }] }],
            };
            DescribeQuorumResponse quorum = await client.AskAnyAsync(request, 0);
            return quorum.Topics is [{ Partitions: [{ ErrorCode: 0 } group] }]
                && group.CurrentVoters.Select(voter => voter.ReplicaId).Order().SequenceEqual([1, 2, 4]);
        }, "the fourth node votes on the metadata");
        await scenario.ProgressAsync();

        // What is left is a cluster of three like any other.
        NodeId other = scenario.Cluster.Nodes[1].Id;
        scenario.Cluster[other].Kill();
        await scenario.ProgressAsync();
        await scenario.BringBackAsync(other);
    });

    /// <summary>The partitions that shall have other replicas than they have, or are on their way to.</summary>
    private static async Task<List<AlterPartitionReassignmentsRequest.ReassignableTopic>> PlanAsync(
        ClusterClient client, Func<string, bool> includes, Func<List<int>, List<int>> target)
    {
        MetadataResponse all = await client.AskAnyAsync(new MetadataRequest { Topics = null }, 12);
        ILookup<(string, int), int> removing = (await MovingAsync(client)).Topics
            .SelectMany(topic => topic.Partitions.SelectMany(
                one => one.RemovingReplicas.Select(id => (topic.Name, one.PartitionIndex, Id: id))))
            .ToLookup(one => (one.Name, one.PartitionIndex), one => one.Id);
        List<AlterPartitionReassignmentsRequest.ReassignableTopic> plan = [];
        foreach (MetadataResponse.MetadataResponseTopic topic in all.Topics.Where(topic => topic.ErrorCode == 0 && includes(topic.Name!)))
        {
            List<AlterPartitionReassignmentsRequest.ReassignablePartition> partitions = [];
            foreach (MetadataResponse.MetadataResponsePartition one in topic.Partitions)
            {
                List<int> now = [.. one.ReplicaNodes.Except(removing[(topic.Name!, one.PartitionIndex)])];
                List<int> wanted = target(now);
                if (!wanted.SequenceEqual(now)) partitions.Add(new() { PartitionIndex = one.PartitionIndex, Replicas = wanted });
            }

            if (partitions.Count > 0) plan.Add(new() { Name = topic.Name!, Partitions = partitions });
        }

        return plan;
    }

    private static async Task AlterAsync(ClusterClient client, List<AlterPartitionReassignmentsRequest.ReassignableTopic> plan)
    {
        if (plan.Count == 0) return;
        AlterPartitionReassignmentsResponse answer = await client.AskAnyAsync(
            new AlterPartitionReassignmentsRequest { TimeoutMs = 5_000, Topics = plan }, 1, TimeSpan.FromSeconds(8));
        KafkaError error = (KafkaError)answer.ErrorCode;
        if (Errors.IsRetriable(error)) throw new RetryException($"{error} {answer.ErrorMessage}");
        Assert.Equal(0, answer.ErrorCode);
        Assert.All(
            answer.Responses.SelectMany(topic => topic.Partitions),
            one => Assert.True((KafkaError)one.ErrorCode is KafkaError.None or KafkaError.UnknownTopicOrPartition, one.ErrorMessage));
    }

    private static async Task<ListPartitionReassignmentsResponse> MovingAsync(ClusterClient client) =>
        await client.AskAnyAsync(new ListPartitionReassignmentsRequest { TimeoutMs = 5_000, Topics = null }, 0);
}
