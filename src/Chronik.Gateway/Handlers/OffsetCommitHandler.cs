using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>OffsetCommit: offsets of partitions that do not exist are refused here, the rest goes to the group's coordinator.</summary>
internal sealed class OffsetCommitHandler(GatewayServices services)
    : GroupHandler<OffsetCommitRequest, OffsetCommitResponse>(services, ApiKey.OffsetCommit)
{
    private const short FirstVersionWithTopicIds = 10;

    /// <inheritdoc/>
    protected override async ValueTask<OffsetCommitResponse> HandleAsync(OffsetCommitRequest body, Request request)
    {
        MetadataImage image = Services.Node.Metadata;
        var refused = new List<OffsetCommitResponse.OffsetCommitResponseTopic>();
        var accepted = new List<OffsetCommitRequest.OffsetCommitRequestTopic>(body.Topics.Count);
        foreach (OffsetCommitRequest.OffsetCommitRequestTopic topic in body.Topics)
            if (Sort(topic, Find(topic, image, request.Version), request.Version, refused) is { } known) accepted.Add(known);
        body.Topics = accepted;
        if (accepted.Count == 0 && refused.Count > 0) return new OffsetCommitResponse { Topics = refused };
        OffsetCommitResponse response = await AskAsync(body.GroupId, body, request).ConfigureAwait(false);
        response.Topics.AddRange(refused);
        return response;
    }

    private static TopicImage? Find(OffsetCommitRequest.OffsetCommitRequestTopic topic, MetadataImage image, short version) =>
        version >= FirstVersionWithTopicIds
            ? image.TopicsById.GetValueOrDefault(new TopicId(topic.TopicId))
            : image.Topics.GetValueOrDefault(topic.Name);

    // Takes out what does not exist; null when nothing is left.
    private static OffsetCommitRequest.OffsetCommitRequestTopic? Sort(
        OffsetCommitRequest.OffsetCommitRequestTopic topic, TopicImage? image, short version,
        List<OffsetCommitResponse.OffsetCommitResponseTopic> refused)
    {
        List<OffsetCommitRequest.OffsetCommitRequestPartition> unknown =
            topic.Partitions.FindAll(partition => image is null || (uint)partition.PartitionIndex >= (uint)image.Partitions.Length);
        if (unknown.Count > 0)
        {
            KafkaError error = image is null && version >= FirstVersionWithTopicIds
                ? KafkaError.UnknownTopicId
                : KafkaError.UnknownTopicOrPartition;
            refused.Add(new()
            {
                Name = topic.Name,
                TopicId = topic.TopicId,
                Partitions = unknown.ConvertAll(partition => Refused(partition.PartitionIndex, error)),
            });
        }

        if (image is null || unknown.Count == topic.Partitions.Count) return null;
        topic.Name = image.Name;
        topic.TopicId = image.Id.Value;
        topic.Partitions.RemoveAll(unknown.Contains);
        return topic;
    }

    private static OffsetCommitResponse.OffsetCommitResponsePartition Refused(int partition, KafkaError error) =>
        new() { PartitionIndex = partition, ErrorCode = (short)error };
}
