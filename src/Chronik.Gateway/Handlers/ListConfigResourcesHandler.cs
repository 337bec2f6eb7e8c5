using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// ListConfigResources: what has configs (KIP-1142). Version 0 asks for client metrics subscriptions only, of which there are none.
/// </summary>
internal sealed class ListConfigResourcesHandler(GatewayServices services)
    : ApiHandler<ListConfigResourcesRequest, ListConfigResourcesResponse>(services, ApiKey.ListConfigResources)
{
    private const sbyte BrokerLogger = 8;
    private const sbyte ClientMetrics = 16;
    private const sbyte Group = 32;

    private static readonly sbyte[] Known =
        [(sbyte)ConfigResourceKind.Topic, (sbyte)ConfigResourceKind.Broker, BrokerLogger, ClientMetrics, Group];

    /// <inheritdoc/>
    protected override ValueTask<ListConfigResourcesResponse> HandleAsync(ListConfigResourcesRequest body, Request request)
    {
        var response = new ListConfigResourcesResponse();
        if (request.Version == 0) return new(response);
        if (body.ResourceTypes.Exists(type => !Known.Contains(type))) return new(Failure(body, request, KafkaError.UnsupportedVersion));
        bool Wanted(ConfigResourceKind kind) => body.ResourceTypes.Count == 0 || body.ResourceTypes.Contains((sbyte)kind);
        if (Wanted(ConfigResourceKind.Topic))
            foreach (string topic in Services.Node.Metadata.Topics.Keys) Add(response, ConfigResourceKind.Topic, topic);
        if (Wanted(ConfigResourceKind.Broker))
            foreach (BrokerAddress broker in Services.BrokersFor(request.Connection))
                Add(response, ConfigResourceKind.Broker, broker.Id.ToString());
        return new(response);
    }

    /// <inheritdoc/>
    protected override ListConfigResourcesResponse Failure(ListConfigResourcesRequest body, Request request, KafkaError error) =>
        new() { ErrorCode = (short)error };

    private static void Add(ListConfigResourcesResponse response, ConfigResourceKind kind, string name) =>
        response.ConfigResources.Add(new() { ResourceName = name, ResourceType = (sbyte)kind });
}
