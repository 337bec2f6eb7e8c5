using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>FindCoordinator: who coordinates groups, one or from version 4 on several (KIP-699).</summary>
/// <remarks>
/// Transactions and share groups are not served. That is no error that goes away, so a client that asks for their coordinator is told
/// INVALID_REQUEST with the reason and fails at once, instead of asking again until its time is over. librdkafka, which knows no batches,
/// gives up on refused authorisation only.
/// </remarks>
internal sealed class FindCoordinatorHandler(GatewayServices services)
    : ApiHandler<FindCoordinatorRequest, FindCoordinatorResponse>(services, ApiKey.FindCoordinator)
{
    private const sbyte Group = 0;
    private const sbyte Transaction = 1;
    private const sbyte Share = 2;
    private const short FirstVersionWithBatches = 4;

    /// <inheritdoc/>
    protected override async ValueTask<FindCoordinatorResponse> HandleAsync(FindCoordinatorRequest body, Request request)
    {
        if (request.Version >= FirstVersionWithBatches)
        {
            var response = new FindCoordinatorResponse();
            foreach (string key in body.CoordinatorKeys)
                response.Coordinators.Add(await FindAsync(key, body.KeyType, request).ConfigureAwait(false));
            return response;
        }

        FindCoordinatorResponse.Coordinator one = await FindAsync(body.Key, body.KeyType, request).ConfigureAwait(false);
        return new FindCoordinatorResponse
        {
            ErrorCode = one.ErrorCode,
            ErrorMessage = one.ErrorMessage,
            NodeId = one.NodeId,
            Host = one.Host,
            Port = one.Port,
        };
    }

    /// <inheritdoc/>
    protected override FindCoordinatorResponse Failure(FindCoordinatorRequest body, Request request, KafkaError error)
    {
        if (request.Version < FirstVersionWithBatches) return new() { ErrorCode = (short)error, NodeId = NodeId.None.Value, Port = -1 };
        return new() { Coordinators = [.. body.CoordinatorKeys.Select(key => Refused(key, error, null))] };
    }

    private async ValueTask<FindCoordinatorResponse.Coordinator> FindAsync(string key, sbyte type, Request request)
    {
        switch (type)
        {
            case Transaction:
                KafkaError fatal = request.Version >= FirstVersionWithBatches
                    ? KafkaError.InvalidRequest
                    : KafkaError.TransactionalIdAuthorizationFailed;
                return Refused(key, fatal, "transactions are not served");
            case Share:
                return Refused(key, KafkaError.InvalidRequest, "share groups are not served");
            case not Group:
                return Refused(key, KafkaError.InvalidRequest, $"there is no coordinator of type {type}");
        }

        (KafkaError error, NodeId node) = await Services.Node.FindGroupCoordinatorAsync(key).ConfigureAwait(false);
        if (error != KafkaError.None) return Refused(key, error, null);
        if (Services.Find(node, request.Connection) is not { } broker) return Refused(key, KafkaError.CoordinatorNotAvailable, null);
        return new() { Key = key, NodeId = node.Value, Host = broker.Host, Port = broker.Port };
    }

    private static FindCoordinatorResponse.Coordinator Refused(string key, KafkaError error, string? message) =>
        new() { Key = key, ErrorCode = (short)error, ErrorMessage = message, NodeId = NodeId.None.Value, Port = -1 };
}
