using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>OffsetDelete: forget offsets of topics that nobody in the group reads (KIP-496). What does not exist is refused here.</summary>
internal sealed class OffsetDeleteHandler(GatewayServices services)
    : GroupHandler<OffsetDeleteRequest, OffsetDeleteResponse>(services, ApiKey.OffsetDelete)
{
    /// <inheritdoc/>
    protected override async ValueTask<OffsetDeleteResponse> HandleAsync(OffsetDeleteRequest body, Request request)
    {
        MetadataImage image = Services.Node.Metadata;
        var refused = new List<OffsetDeleteResponse.OffsetDeleteResponseTopic>();
        foreach (OffsetDeleteRequest.OffsetDeleteRequestTopic topic in body.Topics)
        {
            int count = image.Topics.TryGetValue(topic.Name, out TopicImage? known) ? known.Partitions.Length : 0;
            List<OffsetDeleteRequest.OffsetDeleteRequestPartition> unknown =
                topic.Partitions.FindAll(partition => (uint)partition.PartitionIndex >= (uint)count);
            if (unknown.Count > 0) refused.Add(new() { Name = topic.Name, Partitions = unknown.ConvertAll(Refused) });
            topic.Partitions.RemoveAll(unknown.Contains);
        }

        body.Topics.RemoveAll(topic => topic.Partitions.Count == 0);
        if (body.Topics.Count == 0 && refused.Count > 0) return new OffsetDeleteResponse { Topics = refused };
        OffsetDeleteResponse response = await AskAsync(body.GroupId, body, request).ConfigureAwait(false);
        if (response.ErrorCode == (short)KafkaError.None) response.Topics.AddRange(refused);
        return response;
    }

    private static OffsetDeleteResponse.OffsetDeleteResponsePartition Refused(OffsetDeleteRequest.OffsetDeleteRequestPartition partition) =>
        new() { PartitionIndex = partition.PartitionIndex, ErrorCode = (short)KafkaError.UnknownTopicOrPartition };
}
