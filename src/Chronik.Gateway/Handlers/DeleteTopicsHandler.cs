using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DeleteTopics: by name, from version 6 on also by id.</summary>
internal sealed class DeleteTopicsHandler(GatewayServices services)
    : ApiHandler<DeleteTopicsRequest, DeleteTopicsResponse>(services, ApiKey.DeleteTopics)
{
    private const short FirstVersionWithTopicIds = 6;

    /// <inheritdoc/>
    protected override async ValueTask<DeleteTopicsResponse> HandleAsync(DeleteTopicsRequest body, Request request)
    {
        TopicReference[] topics = References(body, request.Version);
        IReadOnlyList<ItemResult> results =
            await Services.Node.SubmitAsync(new DeleteTopics(topics), Services.Limits.Bound(body.TimeoutMs)).ConfigureAwait(false);
        var response = new DeleteTopicsResponse();
        for (int i = 0; i < topics.Length; i++)
        {
            var result = (TopicResult)results[i];
            TopicId id = result.Id == TopicId.None ? topics[i].Id : result.Id;
            response.Responses.Add(Describe(result.Name ?? topics[i].Name, id, result.Error, result.Message, request.Version));
        }

        return response;
    }

    /// <inheritdoc/>
    protected override DeleteTopicsResponse Failure(DeleteTopicsRequest body, Request request, KafkaError error) =>
        new() { Responses = [.. References(body, request.Version).Select(t => Describe(t.Name, t.Id, error, null, request.Version))] };

    private static TopicReference[] References(DeleteTopicsRequest body, short version) => version >= FirstVersionWithTopicIds
        ? [.. body.Topics.Select(topic => new TopicReference(topic.Name, new TopicId(topic.TopicId)))]
        : [.. body.TopicNames.Select(TopicReference.ByName)];

    private static DeleteTopicsResponse.DeletableTopicResult Describe(
        string? name, TopicId id, KafkaError error, string? message, short version) => new()
        {
            Name = name ?? (version >= FirstVersionWithTopicIds ? null : ""),
            TopicId = id.Value,
            ErrorCode = (short)error,
            ErrorMessage = message,
        };
}
