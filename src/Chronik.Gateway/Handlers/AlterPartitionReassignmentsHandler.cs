using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// AlterPartitionReassignments: partitions move to other brokers, or back (KIP-455). Answered when that is decided and recorded; the moves
/// take their time, and <see cref="ListPartitionReassignmentsHandler"/> tells of them.
/// </summary>
internal sealed class AlterPartitionReassignmentsHandler(GatewayServices services)
    : ApiHandler<AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse>(services, ApiKey.AlterPartitionReassignments)
{
    /// <inheritdoc/>
    protected override async ValueTask<AlterPartitionReassignmentsResponse> HandleAsync(
        AlterPartitionReassignmentsRequest body, Request request)
    {
        List<Reassignment> items =
        [
            .. body.Topics.SelectMany(topic => topic.Partitions.Select(
                one => new Reassignment(topic.Name, one.PartitionIndex, one.Replicas?.ConvertAll(id => new NodeId(id))))),
        ];
        if (items.Count == 0) return Answer(body, [], KafkaError.None, null);
        try
        {
            IReadOnlyList<ItemResult> results = await Services.Node
                .SubmitAsync(new AlterReassignments(items, body.AllowReplicationFactorChange), Services.Limits.Bound(body.TimeoutMs))
                .ConfigureAwait(false);
            return Answer(body, results, KafkaError.None, null);
        }
        catch (MetadataAppendException e)
        {
            return Answer(body, [], e.Error, e.Message);
        }
    }

    /// <inheritdoc/>
    protected override AlterPartitionReassignmentsResponse Failure(
        AlterPartitionReassignmentsRequest body, Request request, KafkaError error) => Answer(body, [], error, null);

    /// <summary>Each item as it was decided, or all of them with the error that stands for the whole.</summary>
    private static AlterPartitionReassignmentsResponse Answer(
        AlterPartitionReassignmentsRequest body, IReadOnlyList<ItemResult> results, KafkaError error, string? message)
    {
        int next = 0;
        return new AlterPartitionReassignmentsResponse
        {
            AllowReplicationFactorChange = body.AllowReplicationFactorChange,
            ErrorCode = (short)error,
            ErrorMessage = message,
            Responses =
            [
                .. body.Topics.Select(topic => new AlterPartitionReassignmentsResponse.ReassignableTopicResponse
                {
                    Name = topic.Name,
                    Partitions = topic.Partitions.ConvertAll(one => Describe(one.PartitionIndex)),
                }),
            ],
        };

        AlterPartitionReassignmentsResponse.ReassignablePartitionResponse Describe(int partition)
        {
            ItemResult result = next < results.Count ? results[next++] : new ItemResult(error, message);
            return new() { PartitionIndex = partition, ErrorCode = (short)result.Error, ErrorMessage = result.Message };
        }
    }
}
