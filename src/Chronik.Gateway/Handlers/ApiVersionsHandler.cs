using Chronik.Gateway.Network;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>ApiVersions: what this broker serves (KIP-35, KIP-511).</summary>
/// <remarks>
/// Produce is advertised from version 0 although 0 to 2 are refused, as Kafka does: older librdkafka takes a higher minimum for a
/// broker that it cannot talk to. No features are finalised: group protocol and transaction versions beyond the first are not served.
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
        return new ValueTask<ApiVersionsResponse>(response);
    }

    /// <inheritdoc/>
    protected override ApiVersionsResponse Failure(ApiVersionsRequest body, Request request, KafkaError error) =>
        new() { ErrorCode = (short)error };

    private static ApiVersionsResponse.ApiVersion Describe(ApiHandler handler) =>
        new() { ApiKey = (short)handler.Key, MinVersion = handler.MinAdvertisedVersion, MaxVersion = handler.MaxVersion };
}
