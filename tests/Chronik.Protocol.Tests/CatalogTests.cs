using Chronik.Protocol.Messages;

namespace Chronik.Protocol.Tests;

public class CatalogTests
{
    [Fact]
    public void Every_api_has_a_request_and_a_response_of_its_own()
    {
        foreach (ApiInfo api in ApiCatalog.All)
        {
            var request = (IRequestMessage)MessageType.Named(api.Name + "Request").New();
            var response = (IResponseMessage)MessageType.Named(api.Name + "Response").New();
            Assert.Equal(api.Key, request.ApiKey);
            Assert.Equal(api.Key, response.ApiKey);
            Assert.Same(api, ApiCatalog.Find((short)api.Key));
        }
    }

    [Theory]
    [InlineData(ApiKey.Produce, 0, 3, 13, 9)]
    [InlineData(ApiKey.Fetch, 0, 4, 18, 12)]
    [InlineData(ApiKey.ListOffsets, 0, 1, 11, 6)]
    [InlineData(ApiKey.Metadata, 0, 0, 13, 9)]
    [InlineData(ApiKey.SaslHandshake, 0, 0, 1, ApiInfo.NeverFlexible)]
    [InlineData(ApiKey.InitProducerId, 0, 0, 5, 2)]
    [InlineData(ApiKey.ShareFetch, 1, 1, 2, 0)]
    public void Versions_are_those_of_the_protocol(ApiKey key, short min, short served, short max, short flexible)
    {
        ApiInfo api = ApiCatalog.Get(key);
        Assert.Equal((min, served, max, flexible), (api.MinVersion, api.MinServedVersion, api.MaxVersion, api.FirstFlexibleVersion));
        Assert.True(api.Knows(max));
        Assert.False(api.Knows((short)(max + 1)));
    }

    [Theory]
    [InlineData(ApiKey.Metadata, 8, 1, 0)]
    [InlineData(ApiKey.Metadata, 9, 2, 1)]
    [InlineData(ApiKey.ApiVersions, 2, 1, 0)]
    [InlineData(ApiKey.ApiVersions, 3, 2, 0)]
    [InlineData(ApiKey.ApiVersions, 99, 2, 0)]
    [InlineData(ApiKey.OffsetDelete, 0, 1, 0)]
    public void Header_versions_follow_from_the_version(ApiKey key, short version, short request, short response)
    {
        Assert.Equal(request, ApiCatalog.Get(key).RequestHeaderVersion(version));
        Assert.Equal(response, ApiCatalog.Get(key).ResponseHeaderVersion(version));
    }

    [Fact]
    public void A_request_is_decoded_by_its_header()
    {
        using var writer = new KafkaWriter();
        new RequestHeader { RequestApiKey = 3, RequestApiVersion = 12, CorrelationId = 7, ClientId = "me" }.Write(writer, 2);
        new MetadataRequest { Topics = null, AllowAutoTopicCreation = false }.Write(writer, 12);

        var reader = new KafkaReader(writer.ToArray());
        RequestHeader header = RequestDecoder.ReadHeader(ref reader);
        IRequestMessage request = RequestDecoder.Decode((ApiKey)header.RequestApiKey, header.RequestApiVersion, ref reader);

        Assert.Equal((7, "me"), (header.CorrelationId, header.ClientId));
        var metadata = Assert.IsType<MetadataRequest>(request);
        Assert.Null(metadata.Topics);
        Assert.False(metadata.AllowAutoTopicCreation);
    }

    [Fact]
    public void What_follows_a_request_is_refused()
    {
        Assert.Throws<ProtocolException>(() =>
        {
            var reader = new KafkaReader(new byte[] { 0, 0, 0, 0, 99 });
            RequestDecoder.Decode(ApiKey.Metadata, 0, ref reader);
        });
    }

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    [InlineData(93)]
    [InlineData(short.MaxValue)]
    [InlineData(short.MinValue)]
    public void An_unknown_api_is_refused(short key)
    {
        Assert.Null(ApiCatalog.Find(key));
        byte[] frame = [(byte)(key >> 8), (byte)key, 0, 0, 0, 0, 0, 1, 0, 0];
        Assert.Throws<ProtocolException>(() =>
        {
            var reader = new KafkaReader(frame);
            RequestDecoder.ReadHeader(ref reader);
        });
    }
}
