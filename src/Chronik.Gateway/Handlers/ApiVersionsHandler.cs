using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>ApiVersions: what this broker serves (KIP-35, KIP-511).</summary>
/// <remarks>
/// Produce is advertised from version 0 although 0 to 2 are refused, as Kafka does: older librdkafka takes a higher minimum for a
/// broker that it cannot talk to. The only feature is the cluster's level, which no client knows and so all of them pass over: group
/// protocol and transaction versions beyond the first are not served. What is finalised changes only when the level does, so the level is
/// its epoch.
/// </remarks>
internal sealed class ApiVersionsHandler(GatewayServices services, ApiTable table)
    : ApiHandler<ApiVersionsRequest, ApiVersionsResponse>(services, ApiKey.ApiVersions)
{
    private const short OldestVersion = 0;

    /// <summary>
    /// Answers a version that is too new: error 35 in the oldest version, with this API's own range, so that the client can ask again.
    /// </summary>
    public void AnswerUnknownVersion(Request request)
    {
        request.ResponseVersion = OldestVersion;
        request.Complete(new ApiVersionsResponse { ErrorCode = (short)KafkaError.UnsupportedVersion, ApiKeys = [Describe(this)] });
    }

    /// <inheritdoc/>
    protected override ValueTask<ApiVersionsResponse> HandleAsync(ApiVersionsRequest body, Request request)
    {
        var response = new ApiVersionsResponse { ApiKeys = new List<ApiVersionsResponse.ApiVersion>(table.All.Count) };
        foreach (ApiHandler handler in table.All) response.ApiKeys.Add(Describe(handler));
        MetadataImage metadata = Services.Node.Metadata;
        ProtocolVersions spoken =
            metadata.Brokers.TryGetValue(Services.Node.Id, out BrokerImage? self) ? self.Protocol : ProtocolVersions.Current;
        response.SupportedFeatures =
            [new() { Name = FeatureLevel.Name, MinVersion = (short)spoken.Min, MaxVersion = (short)spoken.Max }];
        response.FinalizedFeatures =
            [new() { Name = FeatureLevel.Name, MinVersionLevel = (short)metadata.Level, MaxVersionLevel = (short)metadata.Level }];
        response.FinalizedFeaturesEpoch = metadata.Level;
        return new ValueTask<ApiVersionsResponse>(response);
    }

    /// <inheritdoc/>
    protected override ApiVersionsResponse Failure(ApiVersionsRequest body, Request request, KafkaError error) =>
        new() { ErrorCode = (short)error };

    private static ApiVersionsResponse.ApiVersion Describe(ApiHandler handler) =>
        new() { ApiKey = (short)handler.Key, MinVersion = handler.MinAdvertisedVersion, MaxVersion = handler.MaxVersion };
}
