using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>Heartbeat: a member is alive, and learns of a rebalance.</summary>
internal sealed class HeartbeatHandler(GatewayServices services)
    : GroupHandler<HeartbeatRequest, HeartbeatResponse>(services, ApiKey.Heartbeat)
{
    /// <inheritdoc/>
    protected override string GroupIdOf(HeartbeatRequest body) => body.GroupId;
}
