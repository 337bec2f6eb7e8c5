using Chronik.Gateway.Network;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DescribeGroups: members, state and assignment of each group, asked of its coordinator.</summary>
internal sealed class DescribeGroupsHandler(GatewayServices services)
    : GroupHandler<DescribeGroupsRequest, DescribeGroupsResponse>(services, ApiKey.DescribeGroups)
{
    /// <inheritdoc/>
    protected override async ValueTask<DescribeGroupsResponse> HandleAsync(DescribeGroupsRequest body, Request request)
    {
        var response = new DescribeGroupsResponse();
        foreach (string group in body.Groups)
        {
            var one = new DescribeGroupsRequest { Groups = [group], IncludeAuthorizedOperations = body.IncludeAuthorizedOperations };
            response.Groups.AddRange((await AskAsync(group, one, request).ConfigureAwait(false)).Groups);
        }

        if (body.IncludeAuthorizedOperations)
            foreach (DescribeGroupsResponse.DescribedGroup group in response.Groups)
                group.AuthorizedOperations = AuthorizedOperations.Group;
        return response;
    }
}
