using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// ListPartitionReassignments: which partitions are being moved (KIP-455), of those that are asked for or of all. What is not being moved
/// is left out, whether it exists or not.
/// </summary>
internal sealed class ListPartitionReassignmentsHandler(GatewayServices services)
    : ApiHandler<ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse>(services, ApiKey.ListPartitionReassignments)
{
    /// <inheritdoc/>
    protected override ValueTask<ListPartitionReassignmentsResponse> HandleAsync(ListPartitionReassignmentsRequest body, Request request)
    {
        MetadataImage image = Services.Node.Metadata;
        var response = new ListPartitionReassignmentsResponse();
        IEnumerable<(TopicImage Topic, IEnumerable<int> Partitions)> asked = body.Topics is null
            ? image.Topics.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal)
                .Select(topic => (topic, Enumerable.Range(0, topic.Partitions.Length)))
            : body.Topics.Where(topic => image.Topics.ContainsKey(topic.Name))
                .Select(topic => (image.Topics[topic.Name], topic.PartitionIndexes.Distinct()));
        foreach ((TopicImage topic, IEnumerable<int> partitions) in asked)
        {
            List<ListPartitionReassignmentsResponse.OngoingPartitionReassignment> moving =
            [
                .. partitions.Where(i => (uint)i < (uint)topic.Partitions.Length && topic.Partitions[i].IsMoving)
                    .Select(i => Describe(i, topic.Partitions[i])),
            ];
            if (moving.Count > 0) response.Topics.Add(new() { Name = topic.Name, Partitions = moving });
        }

        return ValueTask.FromResult(response);
    }

    /// <inheritdoc/>
    protected override ListPartitionReassignmentsResponse Failure(
        ListPartitionReassignmentsRequest body, Request request, KafkaError error) => new() { ErrorCode = (short)error };

    private static ListPartitionReassignmentsResponse.OngoingPartitionReassignment Describe(int number, PartitionImage partition) => new()
    {
        PartitionIndex = number,
        Replicas = Ids(partition.Replicas),
        AddingReplicas = Ids(partition.Adding),
        RemovingReplicas = Ids(partition.Removing),
    };

    private static List<int> Ids(IEnumerable<NodeId> nodes) => [.. nodes.Select(node => node.Value)];
}
