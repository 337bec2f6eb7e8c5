using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

public sealed class UpdateFeaturesTests
{
    private const sbyte Upgrade = 1;
    private const sbyte SafeDowngrade = 2;
    private const sbyte UnsafeDowngrade = 3;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task An_operator_raises_the_level(short version)
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        if (version >= 1)
        {
            Assert.Equal((KafkaError.None, null), await UpdateAsync(client, version, 2, validateOnly: true));
            Assert.Equal(1, host.Node.Metadata.Level);
        }

        Assert.Equal((KafkaError.None, null), await UpdateAsync(client, version, 2));
        Assert.Equal(2, host.Node.Metadata.Level);
        Assert.Equal((KafkaError.None, null), await UpdateAsync(client, version, 2)); // It is there already.
        (KafkaError error, string? message) = await UpdateAsync(client, version, 1, type: SafeDowngrade);
        Assert.Equal(KafkaError.InvalidUpdateVersion, error);
        Assert.Contains("The cluster is at 2", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FeatureLevel.Name, 2, 0, "does not support the given upgrade type")]
    [InlineData(FeatureLevel.Name, 2, 4, "does not support the given upgrade type")]
    [InlineData(FeatureLevel.Name, 2, SafeDowngrade, "Can't downgrade to a newer version")]
    [InlineData(FeatureLevel.Name, 2, UnsafeDowngrade, "Can't downgrade to a newer version")]
    [InlineData(FeatureLevel.Name, 0, UnsafeDowngrade, "The controller speaks 1 to 2")]
    [InlineData(FeatureLevel.Name, 3, Upgrade, "The controller speaks 1 to 2")]
    [InlineData("metadata.version", 2, Upgrade, "no such feature; there is chronik.level")]
    public async Task What_cannot_be_is_refused_with_the_reason(string feature, short level, sbyte type, string reason)
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        foreach (short version in (short[])[1, 2])
        {
            (KafkaError error, string? message) = await UpdateAsync(client, version, level, type, feature: feature);
            Assert.Equal(KafkaError.InvalidUpdateVersion, error);
            Assert.Contains($"Invalid update version {level} for feature {feature}.", message, StringComparison.Ordinal);
            Assert.Contains(reason, message, StringComparison.Ordinal);
        }

        Assert.Equal(1, host.Node.Metadata.Level);
    }

    [Fact]
    public async Task The_level_does_not_rise_above_what_a_registered_broker_speaks()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.Apply(new BrokerRegistered(new NodeId(8), [new BrokerEndpoint("PLAINTEXT", "old", 1)], null));
        using KafkaClient client = await host.ConnectAsync();
        (KafkaError error, string? message) = await UpdateAsync(client, 2, 2);
        Assert.Equal(KafkaError.InvalidUpdateVersion, error);
        Assert.Contains("broker 8 speaks 1", message, StringComparison.Ordinal);
        Assert.Equal(1, host.Node.Metadata.Level);
    }

    private static async Task<(KafkaError Error, string? Message)> UpdateAsync(
        KafkaClient client, short version, short level, sbyte type = Upgrade, bool validateOnly = false, string feature = FeatureLevel.Name)
    {
        UpdateFeaturesRequest request = new()
        {
            TimeoutMs = 10_000,
            FeatureUpdates = [new() { Feature = feature, MaxVersionLevel = level, UpgradeType = type }],
            ValidateOnly = validateOnly,
        };
        UpdateFeaturesResponse response = await client.CallAsync(request, version);
        if (version >= 2)
        {
            Assert.Empty(response.Results);
            return ((KafkaError)response.ErrorCode, response.ErrorMessage);
        }

        Assert.Equal(0, response.ErrorCode);
        UpdateFeaturesResponse.UpdatableFeatureResult result = Assert.Single(response.Results);
        Assert.Equal(feature, result.Feature);
        return ((KafkaError)result.ErrorCode, result.ErrorMessage);
    }
}
