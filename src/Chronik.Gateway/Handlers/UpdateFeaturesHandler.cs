using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>UpdateFeatures: an operator raises the cluster's level once every broker speaks it (KIP-584, KIP-778).</summary>
/// <remarks>
/// There is one feature, and its level never sinks, safely or not: what was written at a level only brokers of that level read. All updates
/// are made or none; from version 2 on the first error stands for all of them, before that it stands beside each feature.
/// </remarks>
internal sealed class UpdateFeaturesHandler(GatewayServices services)
    : ApiHandler<UpdateFeaturesRequest, UpdateFeaturesResponse>(services, ApiKey.UpdateFeatures)
{
    private const sbyte Upgrade = 1;
    private const sbyte UnsafeDowngrade = 3; // 2 is a safe one.

    /// <inheritdoc/>
    protected override async ValueTask<UpdateFeaturesResponse> HandleAsync(UpdateFeaturesRequest body, Request request)
    {
        foreach (UpdateFeaturesRequest.FeatureUpdateKey update in body.FeatureUpdates)
            if (WhyNot(update) is { } reason)
            {
                string message = $"Invalid update version {update.MaxVersionLevel} for feature {update.Feature}. {reason}";
                return Answer(body, request, KafkaError.InvalidUpdateVersion, message);
            }

        // The same feature twice is one update with two wishes: the last one holds, as in a map.
        if (body.FeatureUpdates.Count == 0) return Answer(body, request, KafkaError.None, null);
        var command = new ChangeLevel(body.FeatureUpdates[^1].MaxVersionLevel, body.ValidateOnly);
        try
        {
            IReadOnlyList<ItemResult> results =
                await Services.Node.SubmitAsync(command, Services.Limits.Bound(body.TimeoutMs)).ConfigureAwait(false);
            return Answer(body, request, results[0].Error, results[0].Message);
        }
        catch (MetadataAppendException e) when (e.Error == KafkaError.UnsupportedVersion)
        {
            return Answer(body, request, KafkaError.FeatureUpdateFailed, e.Message);
        }
    }

    /// <inheritdoc/>
    protected override UpdateFeaturesResponse Failure(UpdateFeaturesRequest body, Request request, KafkaError error) =>
        Answer(body, request, error, null);

    /// <summary>What can be refused without the controller.</summary>
    private string? WhyNot(UpdateFeaturesRequest.FeatureUpdateKey update)
    {
        if (update.UpgradeType is < Upgrade or > UnsafeDowngrade) return "The controller does not support the given upgrade type.";
        if (update.Feature != FeatureLevel.Name) return $"There is no such feature; there is {FeatureLevel.Name}.";
        return update.UpgradeType != Upgrade && update.MaxVersionLevel > Services.Node.Metadata.Level
            ? "Can't downgrade to a newer version."
            : null;
    }

    private static UpdateFeaturesResponse Answer(UpdateFeaturesRequest body, Request request, KafkaError error, string? message)
    {
        if (request.Version >= 2)
            return new UpdateFeaturesResponse
            {
                ErrorCode = (short)error,
                ErrorMessage = error == KafkaError.None
                    ? null
                    : $"The update failed for all features since the following feature had an error: {message}",
            };
        return new UpdateFeaturesResponse
        {
            Results =
            [
                .. body.FeatureUpdates.Select(update => new UpdateFeaturesResponse.UpdatableFeatureResult
                {
                    Feature = update.Feature,
                    ErrorCode = (short)error,
                    ErrorMessage = message,
                }),
            ],
        };
    }
}
