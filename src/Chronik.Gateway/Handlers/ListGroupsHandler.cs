using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>ListGroups: the groups of every coordinator on this node; clients ask all brokers.</summary>
internal sealed class ListGroupsHandler(GatewayServices services)
    : GroupHandler<ListGroupsRequest, ListGroupsResponse>(services, ApiKey.ListGroups)
{
    /// <inheritdoc/>
    protected override async ValueTask<ListGroupsResponse> HandleAsync(ListGroupsRequest body, Request request)
    {
        var response = new ListGroupsResponse();
        foreach (IResponseMessage answer in await Services.Node.AskAllGroupCoordinatorsAsync(
            body, request.Version, OriginOf(request)).ConfigureAwait(false))
        {
            var part = (ListGroupsResponse)answer;
            response.Groups.AddRange(part.Groups);
            if (part.ErrorCode != (short)KafkaError.None) response.ErrorCode = part.ErrorCode;
        }

        return response;
    }
}
