using Chronik.Gateway.Network;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>Produce: hands each partition its batch; see <see cref="ProduceOperation"/>.</summary>
/// <remarks>Versions 0 to 2 carry message formats that are not served, but are advertised, as Kafka does (KAFKA-18659).</remarks>
internal sealed class ProduceHandler(GatewayServices services) : ApiHandler(services, ApiKey.Produce)
{
    /// <inheritdoc/>
    public override short MinAdvertisedVersion => 0;

    /// <inheritdoc/>
    public override void Handle(Request request) => new ProduceOperation(Services, request.Decode<ProduceRequest>(), request).Start();
}
