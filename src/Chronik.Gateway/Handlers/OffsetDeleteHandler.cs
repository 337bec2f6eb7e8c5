using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>OffsetDelete: forget offsets of topics that nobody in the group reads (KIP-496).</summary>
internal sealed class OffsetDeleteHandler(GatewayServices services)
    : GroupHandler<OffsetDeleteRequest, OffsetDeleteResponse>(services, ApiKey.OffsetDelete)
{
    /// <inheritdoc/>
    protected override string GroupIdOf(OffsetDeleteRequest body) => body.GroupId;
}
