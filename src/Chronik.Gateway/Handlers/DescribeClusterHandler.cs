using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DescribeCluster: the brokers and who is the controller (KIP-700, KIP-919).</summary>
internal sealed class DescribeClusterHandler(GatewayServices services)
    : ApiHandler<DescribeClusterRequest, DescribeClusterResponse>(services, ApiKey.DescribeCluster)
{
    private const sbyte Brokers = 1;
    private const sbyte Controllers = 2;

    /// <inheritdoc/>
    protected override ValueTask<DescribeClusterResponse> HandleAsync(DescribeClusterRequest body, Request request)
    {
        if (body.EndpointType != Brokers)
        {
            // Brokers and controllers are one here, but whoever wants controllers wants their own protocol.
            KafkaError error = body.EndpointType == Controllers ? KafkaError.MismatchedEndpointType : KafkaError.UnsupportedEndpointType;
            const string Message = "this endpoint is a broker's";
            return new(new DescribeClusterResponse { ErrorCode = (short)error, ErrorMessage = Message, EndpointType = Brokers });
        }

        var response = new DescribeClusterResponse
        {
            ClusterId = Services.Node.ClusterId,
            ControllerId = Services.Node.Controller.Value,
            EndpointType = Brokers,
            ClusterAuthorizedOperations = body.IncludeClusterAuthorizedOperations
                ? AuthorizedOperations.Cluster
                : AuthorizedOperations.NotAsked,
        };
        foreach (BrokerAddress broker in Services.BrokersFor(request.Connection, body.IncludeFencedBrokers))
        {
            response.Brokers.Add(new()
            {
                BrokerId = broker.Id.Value,
                Host = broker.Host,
                Port = broker.Port,
                Rack = broker.Rack,
                IsFenced = broker.IsFenced,
            });
        }

        return new(response);
    }

    /// <inheritdoc/>
    protected override DescribeClusterResponse Failure(DescribeClusterRequest body, Request request, KafkaError error) =>
        new() { ErrorCode = (short)error };
}
