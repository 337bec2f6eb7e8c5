using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DescribeConfigs: every config of a topic or broker, with where its value comes from (KIP-133, KIP-226, KIP-569).</summary>
internal sealed class DescribeConfigsHandler(GatewayServices services)
    : ApiHandler<DescribeConfigsRequest, DescribeConfigsResponse>(services, ApiKey.DescribeConfigs)
{
    /// <inheritdoc/>
    protected override ValueTask<DescribeConfigsResponse> HandleAsync(DescribeConfigsRequest body, Request request)
    {
        var response = new DescribeConfigsResponse();
        foreach (DescribeConfigsRequest.DescribeConfigsResource asked in body.Resources)
        {
            DescribeConfigsResponse.DescribeConfigsResult result = Refused(asked, KafkaError.None, null);
            (IReadOnlyList<ConfigDescription> configs, KafkaError error, string? message) = Find(asked);
            result.ErrorCode = (short)error;
            result.ErrorMessage = message;
            foreach (ConfigDescription config in configs)
                if (asked.ConfigurationKeys is null || asked.ConfigurationKeys.Count == 0
                    || asked.ConfigurationKeys.Contains(config.Key.Name))
                    result.Configs.Add(Describe(config, body));
            response.Results.Add(result);
        }

        return new(response);
    }

    /// <inheritdoc/>
    protected override DescribeConfigsResponse Failure(DescribeConfigsRequest body, Request request, KafkaError error) =>
        new() { Results = [.. body.Resources.Select(asked => Refused(asked, error, null))] };

    private (IReadOnlyList<ConfigDescription> Configs, KafkaError Error, string? Message) Find(
        DescribeConfigsRequest.DescribeConfigsResource asked)
    {
        MetadataImage image = Services.Node.Metadata;
        switch ((ConfigResourceKind)asked.ResourceType)
        {
            case ConfigResourceKind.Topic:
                if (TopicNames.Refusal(asked.ResourceName) is { } refusal) return ([], KafkaError.InvalidTopicException, refusal);
                return image.Topics.TryGetValue(asked.ResourceName, out TopicImage? topic)
                    ? (TopicConfigs.Describe(image, topic, Services.Node.Id, Services.Node.Settings), KafkaError.None, null)
                    : ([], KafkaError.UnknownTopicOrPartition, null);
            case ConfigResourceKind.Broker when asked.ResourceName.Length == 0:
                return (BrokerConfigs.DescribeAllBrokers(image), KafkaError.None, null);
            case ConfigResourceKind.Broker:
                return asked.ResourceName == Services.Node.Id.ToString()
                    ? (BrokerConfigs.Describe(image, Services.Node.Id, Services.Node.Settings), KafkaError.None, null)
                    : ([], KafkaError.InvalidRequest, $"this is broker {Services.Node.Id}, not {asked.ResourceName}");
            default:
                return ([], KafkaError.InvalidRequest, $"resource type {asked.ResourceType} is not served");
        }
    }

    private static DescribeConfigsResponse.DescribeConfigsResourceResult Describe(ConfigDescription config, DescribeConfigsRequest body) =>
        new()
        {
            Name = config.Key.Name,
            Value = config.Value,
            ReadOnly = config.IsReadOnly,
            ConfigSource = (sbyte)config.Source,
            ConfigType = (sbyte)config.Key.Type,
            Documentation = body.IncludeDocumentation ? config.Key.Doc : null,
            Synonyms = body.IncludeSynonyms ? [.. config.Synonyms.Select(Describe)] : [],
        };

    private static DescribeConfigsResponse.DescribeConfigsSynonym Describe(ConfigSynonym synonym) =>
        new() { Name = synonym.Name, Value = synonym.Value, Source = (sbyte)synonym.Source };

    private static DescribeConfigsResponse.DescribeConfigsResult Refused(
        DescribeConfigsRequest.DescribeConfigsResource asked, KafkaError error, string? message) =>
        new() { ErrorCode = (short)error, ErrorMessage = message, ResourceType = asked.ResourceType, ResourceName = asked.ResourceName };
}
