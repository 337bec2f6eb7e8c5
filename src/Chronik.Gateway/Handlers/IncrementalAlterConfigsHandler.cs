using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>IncrementalAlterConfigs: single configs are set, reset, or have items added and taken off (KIP-339).</summary>
internal sealed class IncrementalAlterConfigsHandler(GatewayServices services)
    : ApiHandler<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>(services, ApiKey.IncrementalAlterConfigs)
{
    /// <inheritdoc/>
    protected override async ValueTask<IncrementalAlterConfigsResponse> HandleAsync(IncrementalAlterConfigsRequest body, Request request)
    {
        var command = new IncrementalAlterConfigs([.. body.Resources.Select(Read)], body.ValidateOnly);
        IReadOnlyList<ItemResult> results = await Services.Node.SubmitAsync(command, Services.Limits.AdminTimeout).ConfigureAwait(false);
        var response = new IncrementalAlterConfigsResponse();
        for (int i = 0; i < results.Count; i++) response.Responses.Add(Describe(body.Resources[i], results[i].Error, results[i].Message));
        return response;
    }

    /// <inheritdoc/>
    protected override IncrementalAlterConfigsResponse Failure(IncrementalAlterConfigsRequest body, Request request, KafkaError error) =>
        new() { Responses = [.. body.Resources.Select(resource => Describe(resource, error, null))] };

    private static ConfigAlteration Read(IncrementalAlterConfigsRequest.AlterConfigsResource resource) =>
        new(
            new ConfigResource((ConfigResourceKind)resource.ResourceType, resource.ResourceName),
            [.. resource.Configs.Select(config => new ConfigChange(config.Name, (ConfigOperation)config.ConfigOperation, config.Value))]);

    private static IncrementalAlterConfigsResponse.AlterConfigsResourceResponse Describe(
        IncrementalAlterConfigsRequest.AlterConfigsResource resource, KafkaError error, string? message) =>
        new()
        {
            ErrorCode = (short)error,
            ErrorMessage = message,
            ResourceType = resource.ResourceType,
            ResourceName = resource.ResourceName,
        };
}
