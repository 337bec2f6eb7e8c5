using Chronik.Gateway.Network;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DeleteGroups: each by its coordinator.</summary>
internal sealed class DeleteGroupsHandler(GatewayServices services)
    : GroupHandler<DeleteGroupsRequest, DeleteGroupsResponse>(services, ApiKey.DeleteGroups)
{
    /// <inheritdoc/>
    protected override async ValueTask<DeleteGroupsResponse> HandleAsync(DeleteGroupsRequest body, Request request)
    {
        var response = new DeleteGroupsResponse();
        foreach (string group in body.GroupsNames.Distinct(StringComparer.Ordinal))
        {
            var one = new DeleteGroupsRequest { GroupsNames = [group] };
            response.Results.AddRange((await AskAsync(group, one, request).ConfigureAwait(false)).Results);
        }

        return response;
    }
}
