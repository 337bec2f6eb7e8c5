using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// OffsetForLeaderEpoch: where the largest epoch at or below the one asked for ended, so that a reader finds lost records (KIP-320).
/// </summary>
internal sealed class OffsetForLeaderEpochHandler(GatewayServices services)
    : ApiHandler<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse>(services, ApiKey.OffsetForLeaderEpoch)
{
    /// <inheritdoc/>
    protected override ValueTask<OffsetForLeaderEpochResponse> HandleAsync(OffsetForLeaderEpochRequest body, Request request) =>
        new(Answer(body, Find));

    /// <inheritdoc/>
    protected override OffsetForLeaderEpochResponse Failure(OffsetForLeaderEpochRequest body, Request request, KafkaError error) =>
        Answer(body, (_, asked) => Refused(asked, error));

    private static OffsetForLeaderEpochResponse Answer(
        OffsetForLeaderEpochRequest body,
        Func<string, OffsetForLeaderEpochRequest.OffsetForLeaderPartition, OffsetForLeaderEpochResponse.EpochEndOffset> find)
    {
        var response = new OffsetForLeaderEpochResponse();
        foreach (OffsetForLeaderEpochRequest.OffsetForLeaderTopic topic in body.Topics)
            response.Topics.Add(
                new() { Topic = topic.Topic, Partitions = [.. topic.Partitions.Select(asked => find(topic.Topic, asked))] });
        return response;
    }

    private OffsetForLeaderEpochResponse.EpochEndOffset Find(string topic, OffsetForLeaderEpochRequest.OffsetForLeaderPartition asked)
    {
        (Partition? partition, KafkaError error) = Services.Node.FindHere(topic, asked.Partition);
        if (partition is null) return Refused(asked, error);
        PartitionView view = partition.View;
        error = view.CheckLeader(asked.CurrentLeaderEpoch);
        if (error != KafkaError.None) return Refused(asked, error);
        (LeaderEpoch epoch, KafkaOffset end) = view.Epochs.EndOffsetFor(new LeaderEpoch(asked.LeaderEpoch), view.Epoch, view.LogEndOffset);
        return new() { Partition = asked.Partition, LeaderEpoch = epoch.Value, EndOffset = end.Value };
    }

    private static OffsetForLeaderEpochResponse.EpochEndOffset Refused(
        OffsetForLeaderEpochRequest.OffsetForLeaderPartition asked, KafkaError error) =>
        new() { Partition = asked.Partition, ErrorCode = (short)error };
}
