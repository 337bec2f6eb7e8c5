using Chronik.Gateway.Handlers;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

public sealed class ApiVersionsTests
{
    private static readonly ApiVersionsRequest Ask = new() { ClientSoftwareName = "test", ClientSoftwareVersion = "1" };

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Every_version_lists_what_is_served_and_nothing_else(short version)
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        ApiVersionsResponse response = await client.CallAsync(Ask, version);
        Assert.Equal(0, response.ErrorCode);
        Assert.Equal(
            host.Services.Apis.All.Select(api => ((short)api.Key, api.MinAdvertisedVersion, api.MaxVersion)),
            response.ApiKeys.Select(api => (api.ApiKey, api.MinVersion, api.MaxVersion)));
        Assert.DoesNotContain(response.ApiKeys, api => api.ApiKey is (short)ApiKey.SaslHandshake or (short)ApiKey.EndTxn);
        Assert.Equal((0, 13), Range(response, ApiKey.Produce));
        Assert.Equal((4, 18), Range(response, ApiKey.Fetch));
        Assert.Equal((0, 13), Range(response, ApiKey.Metadata));
        Assert.Equal((0, 9), Range(response, ApiKey.JoinGroup));
    }

    [Fact]
    public async Task The_level_of_the_cluster_is_the_only_feature()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        Assert.Equal((1, 1), Finalized(await client.CallAsync(Ask, 3)));
        host.Node.Apply(new LevelChanged(2));
        ApiVersionsResponse response = await client.CallAsync(Ask, 4);
        Assert.Equal((2, 2), Finalized(response));
        ApiVersionsResponse.SupportedFeatureKey supported = Assert.Single(response.SupportedFeatures);
        Assert.Equal(("chronik.level", 1, 2), (supported.Name, supported.MinVersion, supported.MaxVersion));
        Assert.Equal(2, response.FinalizedFeaturesEpoch);

        static (int, int) Finalized(ApiVersionsResponse response)
        {
            ApiVersionsResponse.FinalizedFeatureKey feature = Assert.Single(response.FinalizedFeatures);
            Assert.Equal("chronik.level", feature.Name);
            return (feature.MinVersionLevel, feature.MaxVersionLevel);
        }
    }

    [Fact]
    public async Task A_version_that_is_too_new_is_answered_in_the_oldest_and_may_be_asked_again()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        await client.SendRawAsync(KafkaClient.Frame((short)ApiKey.ApiVersions, 99, 4711, writer => writer.WriteInt64(0), headerVersion: 2));
        byte[] frame = (await client.ReceiveFrameAsync())!;
        var reader = new KafkaReader(frame);
        Assert.Equal(4711, reader.ReadInt32());
        ApiVersionsResponse response = ApiVersionsResponse.Read(ref reader, 0);
        reader.RequireEnd();
        Assert.Equal((short)KafkaError.UnsupportedVersion, response.ErrorCode);
        Assert.Equal(
            ((short)ApiKey.ApiVersions, 0, 4), Assert.Single(response.ApiKeys.Select(api => (api.ApiKey, api.MinVersion, api.MaxVersion))));
        Assert.Equal(0, (await client.CallAsync(Ask, 4)).ErrorCode);
    }

    [Fact]
    public async Task Every_served_API_answers_an_empty_request_in_every_version()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        foreach (ApiHandler api in host.Services.Apis.All)
        {
            for (short version = api.MinVersion; version <= api.MaxVersion; version++)
            {
                using KafkaClient client = await host.ConnectAsync();
                await client.SendAsync(Empty(api.Key), version);
                IResponseMessage response = await client.ReceiveAsync<IResponseMessage>();
                Assert.Equal(api.Key, response.ApiKey);
            }
        }

        await host.UntilMemoryIsFree();
    }

    /// <summary>A request with nothing in it.</summary>
    internal static IRequestMessage Empty(ApiKey key)
    {
        Type type = typeof(ApiVersionsRequest).Assembly.GetType($"Chronik.Protocol.Messages.{key}Request")!;
        var request = (IRequestMessage)Activator.CreateInstance(type)!;
        if (request is ProduceRequest produce) produce.Acks = -1;
        return request;
    }

    private static (int, int) Range(ApiVersionsResponse response, ApiKey key)
    {
        ApiVersionsResponse.ApiVersion range = response.ApiKeys.Single(api => api.ApiKey == (short)key);
        return (range.MinVersion, range.MaxVersion);
    }
}
