using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>SyncGroup: the leader hands in the assignment, everybody takes theirs.</summary>
internal sealed class SyncGroupHandler(GatewayServices services)
    : GroupHandler<SyncGroupRequest, SyncGroupResponse>(services, ApiKey.SyncGroup)
{
    /// <inheritdoc/>
    protected override string GroupIdOf(SyncGroupRequest body) => body.GroupId;
}
