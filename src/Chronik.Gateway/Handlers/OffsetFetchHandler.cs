using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>OffsetFetch: the offsets of one group, or from version 8 on of several (KIP-709), each asked of its coordinator.</summary>
/// <remarks>From version 10 on topics have only their id; the coordinator knows names, so this translates both ways.</remarks>
internal sealed class OffsetFetchHandler(GatewayServices services)
    : GroupHandler<OffsetFetchRequest, OffsetFetchResponse>(services, ApiKey.OffsetFetch)
{
    private const short FirstVersionWithGroups = 8;
    private const short FirstVersionWithTopicIds = 10;

    /// <inheritdoc/>
    protected override async ValueTask<OffsetFetchResponse> HandleAsync(OffsetFetchRequest body, Request request)
    {
        if (request.Version < FirstVersionWithGroups) return await AskAsync(body.GroupId, body, request).ConfigureAwait(false);
        var response = new OffsetFetchResponse();
        foreach (OffsetFetchRequest.OffsetFetchRequestGroup group in body.Groups)
        {
            List<OffsetFetchResponse.OffsetFetchResponseTopics> unknown = request.Version >= FirstVersionWithTopicIds
                ? TakeUnknown(group)
                : [];
            var one = new OffsetFetchRequest { Groups = [group], RequireStable = body.RequireStable };
            OffsetFetchResponse answer = await AskAsync(group.GroupId, one, request).ConfigureAwait(false);
            foreach (OffsetFetchResponse.OffsetFetchResponseGroup part in answer.Groups)
            {
                if (request.Version >= FirstVersionWithTopicIds) FillIds(part);
                part.Topics.AddRange(unknown);
                response.Groups.Add(part);
            }
        }

        return response;
    }

    // Names what is known and takes out what is not.
    private List<OffsetFetchResponse.OffsetFetchResponseTopics> TakeUnknown(OffsetFetchRequest.OffsetFetchRequestGroup group)
    {
        MetadataImage image = Services.Node.Metadata;
        var unknown = new List<OffsetFetchResponse.OffsetFetchResponseTopics>();
        foreach (OffsetFetchRequest.OffsetFetchRequestTopics topic in group.Topics ?? [])
        {
            if (image.TopicsById.TryGetValue(new TopicId(topic.TopicId), out TopicImage? known)) topic.Name = known.Name;
            else unknown.Add(Refused(topic));
        }

        group.Topics?.RemoveAll(topic => unknown.Exists(refused => refused.TopicId == topic.TopicId));
        return unknown;
    }

    // Offsets of topics that are gone have no id, and so no place in such a response.
    private void FillIds(OffsetFetchResponse.OffsetFetchResponseGroup group)
    {
        MetadataImage image = Services.Node.Metadata;
        group.Topics.RemoveAll(topic =>
        {
            if (!image.Topics.TryGetValue(topic.Name, out TopicImage? known)) return true;
            topic.TopicId = known.Id.Value;
            return false;
        });
    }

    private static OffsetFetchResponse.OffsetFetchResponseTopics Refused(OffsetFetchRequest.OffsetFetchRequestTopics topic) => new()
    {
        TopicId = topic.TopicId,
        Partitions =
        [
            .. topic.PartitionIndexes.Select(partition => new OffsetFetchResponse.OffsetFetchResponsePartitions
            {
                PartitionIndex = partition,
                CommittedOffset = KafkaOffset.Unknown.Value,
                Metadata = "",
                ErrorCode = (short)KafkaError.UnknownTopicId,
            }),
        ],
    };
}
