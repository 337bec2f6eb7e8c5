using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>LeaveGroup: members go.</summary>
internal sealed class LeaveGroupHandler(GatewayServices services)
    : GroupHandler<LeaveGroupRequest, LeaveGroupResponse>(services, ApiKey.LeaveGroup)
{
    /// <inheritdoc/>
    protected override string GroupIdOf(LeaveGroupRequest body) => body.GroupId;
}
