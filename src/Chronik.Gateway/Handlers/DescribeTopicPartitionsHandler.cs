using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DescribeTopicPartitions: topics in the order of their names, page by page (KIP-966).</summary>
internal sealed class DescribeTopicPartitionsHandler(GatewayServices services)
    : ApiHandler<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse>(services, ApiKey.DescribeTopicPartitions)
{
    /// <inheritdoc/>
    protected override ValueTask<DescribeTopicPartitionsResponse> HandleAsync(DescribeTopicPartitionsRequest body, Request request)
    {
        MetadataImage image = Services.Node.Metadata;
        IEnumerable<string> asked = body.Topics.Count == 0
            ? image.Topics.Keys
            : body.Topics.Select(topic => topic.Name).Distinct(StringComparer.Ordinal);
        string first = body.Cursor?.TopicName ?? "";
        int room = Math.Clamp(body.ResponsePartitionLimit, 1, Services.Limits.DescribePartitions);
        var response = new DescribeTopicPartitionsResponse();
        foreach (string name in asked.Where(name => string.CompareOrdinal(name, first) >= 0).Order(StringComparer.Ordinal))
        {
            if (!image.Topics.TryGetValue(name, out TopicImage? topic))
            {
                response.Topics.Add(Refused(
                    name, TopicNames.Refusal(name) is null ? KafkaError.UnknownTopicOrPartition : KafkaError.InvalidTopicException));
                continue;
            }

            int from = body.Cursor is { } cursor && cursor.TopicName == name ? Math.Max(0, cursor.PartitionIndex) : 0;
            int count = Math.Clamp(topic.Partitions.Length - from, 0, room);
            if (count > 0 || topic.Partitions.Length == 0) response.Topics.Add(Describe(topic, from, count));
            room -= count;
            if (from + count >= topic.Partitions.Length && room > 0) continue;
            response.NextCursor = Next(topic, from + count, asked);
            if (response.NextCursor is not null) break;
        }

        return new(response);
    }

    /// <inheritdoc/>
    protected override DescribeTopicPartitionsResponse Failure(DescribeTopicPartitionsRequest body, Request request, KafkaError error) =>
        new() { Topics = [.. body.Topics.Select(topic => Refused(topic.Name, error))] };

    // Where the next page starts: in this topic, or at the next name; null when this was the end.
    private static DescribeTopicPartitionsResponse.PageCursor? Next(TopicImage topic, int partition, IEnumerable<string> asked)
    {
        if (partition < topic.Partitions.Length) return new() { TopicName = topic.Name, PartitionIndex = partition };
        string? next = asked.Where(name => string.CompareOrdinal(name, topic.Name) > 0).Min(StringComparer.Ordinal);
        return next is null ? null : new() { TopicName = next, PartitionIndex = 0 };
    }

    private DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic Describe(TopicImage topic, int from, int count)
    {
        var described = new DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic
        {
            Name = topic.Name,
            TopicId = topic.Id.Value,
            IsInternal = TopicNames.IsInternal(topic.Name),
            TopicAuthorizedOperations = AuthorizedOperations.Topic,
        };
        for (int i = from; i < from + count; i++)
        {
            PartitionState state = PartitionState.Of(Services, topic, i);
            described.Partitions.Add(new()
            {
                PartitionIndex = i,
                ErrorCode = (short)state.Error,
                LeaderId = state.Leader.Value,
                LeaderEpoch = state.Epoch.Value,
                ReplicaNodes = state.Replicas,
                IsrNodes = state.Isr,
                OfflineReplicas = state.Offline,

                // Java's client takes null for a list it may walk.
                EligibleLeaderReplicas = [],
                LastKnownElr = [],
            });
        }

        return described;
    }

    private static DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic Refused(string name, KafkaError error) =>
        new() { Name = name, ErrorCode = (short)error };
}
