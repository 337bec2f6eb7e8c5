using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>AlterConfigs: all configs of a resource are replaced; what is not named goes back to its default.</summary>
internal sealed class AlterConfigsHandler(GatewayServices services)
    : ApiHandler<AlterConfigsRequest, AlterConfigsResponse>(services, ApiKey.AlterConfigs)
{
    /// <inheritdoc/>
    protected override async ValueTask<AlterConfigsResponse> HandleAsync(AlterConfigsRequest body, Request request)
    {
        var command = new AlterConfigs([.. body.Resources.Select(Read)], body.ValidateOnly);
        IReadOnlyList<ItemResult> results = await Services.Node.SubmitAsync(command, Services.Limits.AdminTimeout).ConfigureAwait(false);
        var response = new AlterConfigsResponse();
        for (int i = 0; i < results.Count; i++) response.Responses.Add(Describe(body.Resources[i], results[i].Error, results[i].Message));
        return response;
    }

    /// <inheritdoc/>
    protected override AlterConfigsResponse Failure(AlterConfigsRequest body, Request request, KafkaError error) =>
        new() { Responses = [.. body.Resources.Select(resource => Describe(resource, error, null))] };

    private static ConfigReplacement Read(AlterConfigsRequest.AlterConfigsResource resource) =>
        new(
            new ConfigResource((ConfigResourceKind)resource.ResourceType, resource.ResourceName),
            [.. resource.Configs.Select(config => KeyValuePair.Create(config.Name, config.Value))]);

    private static AlterConfigsResponse.AlterConfigsResourceResponse Describe(
        AlterConfigsRequest.AlterConfigsResource resource, KafkaError error, string? message) =>
        new()
        {
            ErrorCode = (short)error,
            ErrorMessage = message,
            ResourceType = resource.ResourceType,
            ResourceName = resource.ResourceName,
        };
}
