using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DescribeProducers: the idempotent producers that a partition remembers (KIP-664).</summary>
internal sealed class DescribeProducersHandler(GatewayServices services)
    : ApiHandler<DescribeProducersRequest, DescribeProducersResponse>(services, ApiKey.DescribeProducers)
{
    // No transactions: no coordinator has written here, and none is open.
    private const int NoCoordinator = -1;

    /// <inheritdoc/>
    protected override async ValueTask<DescribeProducersResponse> HandleAsync(DescribeProducersRequest body, Request request)
    {
        var response = new DescribeProducersResponse();
        foreach (DescribeProducersRequest.TopicRequest topic in body.Topics)
        {
            IEnumerable<Task<DescribeProducersResponse.PartitionResponse>> work =
                topic.PartitionIndexes.Select(index => DescribeAsync(topic.Name, index));
            response.Topics.Add(new() { Name = topic.Name, Partitions = [.. await Task.WhenAll(work).ConfigureAwait(false)] });
        }

        return response;
    }

    /// <inheritdoc/>
    protected override DescribeProducersResponse Failure(DescribeProducersRequest body, Request request, KafkaError error)
    {
        var response = new DescribeProducersResponse();
        foreach (DescribeProducersRequest.TopicRequest topic in body.Topics)
            response.Topics.Add(
                new() { Name = topic.Name, Partitions = [.. topic.PartitionIndexes.Select(index => Refused(index, error))] });
        return response;
    }

    private async Task<DescribeProducersResponse.PartitionResponse> DescribeAsync(string topic, int index)
    {
        (Partition? partition, KafkaError error) = Services.Node.FindHere(topic, index);
        if (partition is null) return Refused(index, error);
        if (!partition.View.IsLeader) return Refused(index, KafkaError.NotLeaderOrFollower);
        IReadOnlyList<ProducerSummary> producers = await partition.DescribeProducersAsync().ConfigureAwait(false);
        return new()
        {
            PartitionIndex = index,
            ActiveProducers =
            [
                .. producers.Select(producer => new DescribeProducersResponse.ProducerState
                {
                    ProducerId = producer.ProducerId,
                    ProducerEpoch = producer.ProducerEpoch,
                    LastSequence = producer.LastSequence,
                    LastTimestamp = producer.LastTimestampMs,
                    CoordinatorEpoch = NoCoordinator,
                }),
            ],
        };
    }

    private static DescribeProducersResponse.PartitionResponse Refused(int index, KafkaError error) =>
        new() { PartitionIndex = index, ErrorCode = (short)error };
}
