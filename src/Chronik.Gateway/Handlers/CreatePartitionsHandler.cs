using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>CreatePartitions: more partitions for topics that exist (KIP-195).</summary>
internal sealed class CreatePartitionsHandler(GatewayServices services)
    : ApiHandler<CreatePartitionsRequest, CreatePartitionsResponse>(services, ApiKey.CreatePartitions)
{
    /// <inheritdoc/>
    protected override async ValueTask<CreatePartitionsResponse> HandleAsync(CreatePartitionsRequest body, Request request)
    {
        var command = new CreatePartitions([.. body.Topics.Select(Read)], body.ValidateOnly);
        IReadOnlyList<ItemResult> results =
            await Services.Node.SubmitAsync(command, Services.Limits.Bound(body.TimeoutMs)).ConfigureAwait(false);
        var response = new CreatePartitionsResponse();
        for (int i = 0; i < results.Count; i++) response.Results.Add(Describe(body.Topics[i], results[i].Error, results[i].Message));
        return response;
    }

    /// <inheritdoc/>
    protected override CreatePartitionsResponse Failure(CreatePartitionsRequest body, Request request, KafkaError error) =>
        new() { Results = [.. body.Topics.Select(topic => Describe(topic, error, null))] };

    private static MorePartitions Read(CreatePartitionsRequest.CreatePartitionsTopic topic) =>
        new(
            topic.Name,
            topic.Count,
            topic.Assignments?.ConvertAll<IReadOnlyList<NodeId>>(one => [.. one.BrokerIds.Select(id => new NodeId(id))]));

    private static CreatePartitionsResponse.CreatePartitionsTopicResult Describe(
        CreatePartitionsRequest.CreatePartitionsTopic topic, KafkaError error, string? message) =>
        new() { Name = topic.Name, ErrorCode = (short)error, ErrorMessage = message };
}
