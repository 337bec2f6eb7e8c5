using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>UnregisterBroker: a broker that does not come back is forgotten (KIP-631).</summary>
/// <remarks>
/// Kafka forgets any broker that it is told to. Here one that runs would register again a second later, and what a broker holds would be
/// missing for good: both are refused with INVALID_REQUEST and what is to be done first.
/// </remarks>
internal sealed class UnregisterBrokerHandler(GatewayServices services)
    : ApiHandler<UnregisterBrokerRequest, UnregisterBrokerResponse>(services, ApiKey.UnregisterBroker)
{
    private const int TimeoutMs = 30_000; // The request has none of its own.

    /// <inheritdoc/>
    protected override async ValueTask<UnregisterBrokerResponse> HandleAsync(UnregisterBrokerRequest body, Request request)
    {
        try
        {
            IReadOnlyList<ItemResult> results = await Services.Node
                .SubmitAsync(new UnregisterBroker(new NodeId(body.BrokerId)), Services.Limits.Bound(TimeoutMs)).ConfigureAwait(false);
            return Answer(results[0].Error, results[0].Message);
        }
        catch (MetadataAppendException e)
        {
            return Answer(e.Error, e.Message);
        }
    }

    /// <inheritdoc/>
    protected override UnregisterBrokerResponse Failure(UnregisterBrokerRequest body, Request request, KafkaError error) =>
        Answer(error, null);

    private static UnregisterBrokerResponse Answer(KafkaError error, string? message) =>
        new() { ErrorCode = (short)error, ErrorMessage = message };
}
