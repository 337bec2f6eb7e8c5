using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DeleteRecords: everything before an offset becomes unreadable for good (KIP-107); -1 stands for the high watermark.</summary>
internal sealed class DeleteRecordsHandler(GatewayServices services)
    : ApiHandler<DeleteRecordsRequest, DeleteRecordsResponse>(services, ApiKey.DeleteRecords)
{
    /// <inheritdoc/>
    protected override async ValueTask<DeleteRecordsResponse> HandleAsync(DeleteRecordsRequest body, Request request)
    {
        var response = new DeleteRecordsResponse();
        foreach (DeleteRecordsRequest.DeleteRecordsTopic topic in body.Topics)
        {
            IEnumerable<Task<DeleteRecordsResponse.DeleteRecordsPartitionResult>> work =
                topic.Partitions.Select(one => DeleteAsync(topic.Name, one));
            response.Topics.Add(new() { Name = topic.Name, Partitions = [.. await Task.WhenAll(work).ConfigureAwait(false)] });
        }

        return response;
    }

    /// <inheritdoc/>
    protected override DeleteRecordsResponse Failure(DeleteRecordsRequest body, Request request, KafkaError error)
    {
        var response = new DeleteRecordsResponse();
        foreach (DeleteRecordsRequest.DeleteRecordsTopic topic in body.Topics)
            response.Topics.Add(
                new() { Name = topic.Name, Partitions = [.. topic.Partitions.Select(one => Describe(one, error, KafkaOffset.Unknown))] });
        return response;
    }

    private async Task<DeleteRecordsResponse.DeleteRecordsPartitionResult> DeleteAsync(
        string topic, DeleteRecordsRequest.DeleteRecordsPartition asked)
    {
        if (TopicNames.IsInternal(topic)) return Describe(asked, KafkaError.InvalidTopicException, KafkaOffset.Unknown);
        (Partition? partition, KafkaError error) = Services.Node.FindHere(topic, asked.PartitionIndex);
        if (partition is null) return Describe(asked, error, KafkaOffset.Unknown);
        if (!partition.View.IsLeader) return Describe(asked, KafkaError.NotLeaderOrFollower, KafkaOffset.Unknown);
        if (asked.Offset < KafkaOffset.Unknown.Value) return Describe(asked, KafkaError.OffsetOutOfRange, KafkaOffset.Unknown);
        DeleteRecordsResult result = await partition.DeleteRecordsAsync(new KafkaOffset(asked.Offset)).ConfigureAwait(false);
        return Describe(asked, result.Error, result.LowWatermark);
    }

    private static DeleteRecordsResponse.DeleteRecordsPartitionResult Describe(
        DeleteRecordsRequest.DeleteRecordsPartition asked, KafkaError error, KafkaOffset lowWatermark) =>
        new() { PartitionIndex = asked.PartitionIndex, ErrorCode = (short)error, LowWatermark = lowWatermark.Value };
}
