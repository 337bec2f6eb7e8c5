using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>JoinGroup: enter a group, or come back for its next generation. Answered when the rebalance is done.</summary>
internal sealed class JoinGroupHandler(GatewayServices services)
    : GroupHandler<JoinGroupRequest, JoinGroupResponse>(services, ApiKey.JoinGroup)
{
    /// <inheritdoc/>
    protected override string GroupIdOf(JoinGroupRequest body) => body.GroupId;
}
