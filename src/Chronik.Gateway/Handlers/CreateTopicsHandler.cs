using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>CreateTopics: each topic on its own; answered once its partitions on this node lead.</summary>
internal sealed class CreateTopicsHandler(GatewayServices services)
    : ApiHandler<CreateTopicsRequest, CreateTopicsResponse>(services, ApiKey.CreateTopics)
{
    /// <inheritdoc/>
    protected override async ValueTask<CreateTopicsResponse> HandleAsync(CreateTopicsRequest body, Request request)
    {
        var command = new CreateTopics([.. body.Topics.Select(Read)], body.ValidateOnly);
        IReadOnlyList<ItemResult> results =
            await Services.Node.SubmitAsync(command, Services.Limits.Bound(body.TimeoutMs)).ConfigureAwait(false);
        var response = new CreateTopicsResponse();
        for (int i = 0; i < results.Count; i++) response.Topics.Add(Describe(body.Topics[i].Name, (TopicResult)results[i]));
        return response;
    }

    /// <inheritdoc/>
    protected override CreateTopicsResponse Failure(CreateTopicsRequest body, Request request, KafkaError error) =>
        new() { Topics = [.. body.Topics.Select(topic => Describe(topic.Name, new TopicResult(error, null, topic.Name, TopicId.None)))] };

    private static NewTopic Read(CreateTopicsRequest.CreatableTopic topic) => new()
    {
        Name = topic.Name,
        PartitionCount = topic.NumPartitions,
        ReplicationFactor = topic.ReplicationFactor,
        Assignments = [.. topic.Assignments.Select(Read)],
        Configs = [.. topic.Configs.Select(config => KeyValuePair.Create(config.Name, config.Value))],
    };

    private static PartitionAssignment Read(CreateTopicsRequest.CreatableReplicaAssignment assignment) =>
        new(assignment.PartitionIndex, [.. assignment.BrokerIds.Select(id => new NodeId(id))]);

    // Java's client walks the configs of every topic, so they are never null, not even in an error.
    private static CreateTopicsResponse.CreatableTopicResult Describe(string name, TopicResult result) => new()
    {
        Name = name,
        TopicId = result.Id.Value,
        ErrorCode = (short)result.Error,
        ErrorMessage = result.Message,
        NumPartitions = result.PartitionCount,
        ReplicationFactor = (short)result.ReplicationFactor,
        Configs =
        [
            .. result.Configs.Select(config => new CreateTopicsResponse.CreatableTopicConfigs
            {
                Name = config.Key.Name,
                Value = config.Value,
                ReadOnly = config.IsReadOnly,
                ConfigSource = (sbyte)config.Source,
            }),
        ],
    };
}
