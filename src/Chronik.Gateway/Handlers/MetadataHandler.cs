using Akka.Actor;
using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>
/// Metadata: the brokers, and the topics with their leaders. Creates topics that are asked for, where both sides allow it.
/// </summary>
/// <remarks>Null topics stand for all, an empty list for none; in version 0 an empty list stands for all.</remarks>
internal sealed class MetadataHandler(GatewayServices services) : ApiHandler<MetadataRequest, MetadataResponse>(services, ApiKey.Metadata)
{
    /// <inheritdoc/>
    protected override ValueTask<MetadataResponse> HandleAsync(MetadataRequest body, Request request)
    {
        MetadataImage image = Services.Node.Metadata;
        if (body.Topics is not null && body.AllowAutoTopicCreation && Missing(body, image) is { Count: > 0 } missing && AutoCreates(image))
            return CreateAndAnswerAsync(body, request, missing);
        return new ValueTask<MetadataResponse>(Answer(body, request, null));
    }

    /// <inheritdoc/>
    protected override MetadataResponse Failure(MetadataRequest body, Request request, KafkaError error)
    {
        MetadataResponse response = Shell(body, request);
        response.ErrorCode = (short)error;
        foreach (MetadataRequest.MetadataRequestTopic topic in body.Topics ?? [])
            response.Topics.Add(Refused(topic.Name ?? "", new TopicId(topic.TopicId), error, request.Version));
        return response;
    }

    private bool AutoCreates(MetadataImage image) =>
        BrokerConfigs.BooleanValue(image, Services.Node.Id, Services.Node.Settings, "auto.create.topics.enable");

    private static List<string> Missing(MetadataRequest body, MetadataImage image)
    {
        var missing = new List<string>();
        foreach (MetadataRequest.MetadataRequestTopic topic in body.Topics!)
        {
            if (topic.Name is { } name && topic.TopicId == Guid.Empty && !image.Topics.ContainsKey(name) && TopicNames.Refusal(name) is null
                && !TopicNames.IsInternal(name) && !missing.Contains(name)) missing.Add(name);
        }

        return missing;
    }

    private async ValueTask<MetadataResponse> CreateAndAnswerAsync(MetadataRequest body, Request request, List<string> missing)
    {
        var command = new CreateTopics([.. missing.Select(name => new NewTopic { Name = name })]);
        var errors = new Dictionary<string, KafkaError>(StringComparer.Ordinal);
        try
        {
            IReadOnlyList<ItemResult> results =
                await Services.Node.SubmitAsync(command, Services.Limits.AdminTimeout).ConfigureAwait(false);
            for (int i = 0; i < missing.Count; i++)
                if (results[i].Error is not (KafkaError.None or KafkaError.TopicAlreadyExists)) errors[missing[i]] = results[i].Error;
        }
        catch (Exception e) when (e is TimeoutException or AskTimeoutException or MetadataAppendException)
        {
            // It may still come true; the client asks again. The other topics are there all the same.
            foreach (string name in missing) errors[name] = KafkaError.LeaderNotAvailable;
        }

        return Answer(body, request, errors);
    }

    private MetadataResponse Answer(MetadataRequest body, Request request, Dictionary<string, KafkaError>? creationErrors)
    {
        MetadataImage image = Services.Node.Metadata;
        MetadataResponse response = Shell(body, request);
        bool operations = body.IncludeTopicAuthorizedOperations;
        if (body.Topics is null || (request.Version == 0 && body.Topics.Count == 0))
        {
            response.Topics = new List<MetadataResponse.MetadataResponseTopic>(image.Topics.Count);
            foreach (TopicImage topic in image.Topics.Values) response.Topics.Add(Describe(topic, operations));
            return response;
        }

        foreach (MetadataRequest.MetadataRequestTopic asked in body.Topics)
            response.Topics.Add(Find(asked, image, operations, creationErrors, request.Version));
        return response;
    }

    private MetadataResponse.MetadataResponseTopic Find(
        MetadataRequest.MetadataRequestTopic asked, MetadataImage image, bool operations, Dictionary<string, KafkaError>? creationErrors,
        short version)
    {
        // An id is what counts where there is one: Java's admin client sends an empty name with it, not a null.
        var id = new TopicId(asked.TopicId);
        if (id != TopicId.None || asked.Name is not { } name)
            return image.TopicsById.TryGetValue(id, out TopicImage? byId)
                ? Describe(byId, operations)
                : Refused(null, id, KafkaError.UnknownTopicId, version);
        if (image.Topics.TryGetValue(name, out TopicImage? topic)) return Describe(topic, operations);
        if (TopicNames.Refusal(name) is not null) return Refused(name, id, KafkaError.InvalidTopicException, version);
        KafkaError error = KafkaError.UnknownTopicOrPartition;
        return Refused(name, id, creationErrors?.GetValueOrDefault(name, error) ?? error, version);
    }

    private MetadataResponse Shell(MetadataRequest body, Request request)
    {
        var response = new MetadataResponse
        {
            ClusterId = Services.Node.ClusterId,
            ControllerId = Services.Node.Controller.Value,
            ClusterAuthorizedOperations = body.IncludeClusterAuthorizedOperations
                ? AuthorizedOperations.Cluster
                : AuthorizedOperations.NotAsked,
        };
        foreach (BrokerAddress broker in Services.BrokersFor(request.Connection))
            response.Brokers.Add(new() { NodeId = broker.Id.Value, Host = broker.Host, Port = broker.Port, Rack = broker.Rack });
        return response;
    }

    private MetadataResponse.MetadataResponseTopic Describe(TopicImage topic, bool operations)
    {
        var described = new MetadataResponse.MetadataResponseTopic
        {
            Name = topic.Name,
            TopicId = topic.Id.Value,
            IsInternal = TopicNames.IsInternal(topic.Name),
            TopicAuthorizedOperations = operations ? AuthorizedOperations.Topic : AuthorizedOperations.NotAsked,
            Partitions = new List<MetadataResponse.MetadataResponsePartition>(topic.Partitions.Length),
        };
        for (int i = 0; i < topic.Partitions.Length; i++)
        {
            PartitionState state = PartitionState.Of(Services, topic, i);
            described.Partitions.Add(new()
            {
                PartitionIndex = i,
                ErrorCode = (short)state.Error,
                LeaderId = state.Leader.Value,
                LeaderEpoch = state.Epoch.Value,
                ReplicaNodes = state.Replicas,
                IsrNodes = state.Isr,
                OfflineReplicas = state.Offline,
            });
        }

        return described;
    }

    // Only version 12 and later may leave the name out.
    private static MetadataResponse.MetadataResponseTopic Refused(string? name, TopicId id, KafkaError error, short version) =>
        new() { Name = name ?? (version >= 12 ? null : ""), TopicId = id.Value, ErrorCode = (short)error };
}

/// <summary>A partition as Metadata and DescribeTopicPartitions show it.</summary>
/// <param name="Error">LEADER_NOT_AVAILABLE while there is no leader.</param>
/// <param name="Leader">The leader, or none.</param>
/// <param name="Epoch">The leader's epoch, or unknown.</param>
/// <param name="Replicas">The nodes that hold it.</param>
/// <param name="Isr">Those that are in sync.</param>
/// <param name="Offline">Those whose broker is not live.</param>
internal readonly record struct PartitionState(
    KafkaError Error, NodeId Leader, LeaderEpoch Epoch, List<int> Replicas, List<int> Isr, List<int> Offline)
{
    /// <summary>What this node knows of a partition.</summary>
    public static PartitionState Of(GatewayServices services, TopicImage topic, int index)
    {
        if (services.Node.Locate(topic.Id, index) is not { } location)
            return new(
                KafkaError.LeaderNotAvailable, NodeId.None, LeaderEpoch.Unknown, Values(topic.Partitions[index].Replicas), [], []);

        // A client that was sent to a broker which it is not told of could not go there.
        bool isLed = location.Leader.IsSome && services.IsServing(location.Leader);
        return new(
            isLed ? KafkaError.None : KafkaError.LeaderNotAvailable, isLed ? location.Leader : NodeId.None, location.Epoch,
            Values(location.Replicas), Values(location.Isr), Values(location.Offline));
    }

    private static List<int> Values(IReadOnlyList<NodeId> nodes)
    {
        var values = new List<int>(nodes.Count);
        foreach (NodeId node in nodes) values.Add(node.Value);
        return values;
    }
}

/// <summary>The bit fields of KIP-430 as a broker without an authoriser fills them in: everything that the resource knows.</summary>
internal static class AuthorizedOperations
{
    /// <summary>The client did not ask.</summary>
    public const int NotAsked = int.MinValue;

    /// <summary>Create, cluster action, describe and alter configs, idempotent write, alter and describe.</summary>
    public const int Cluster = (1 << 5) | (1 << 7) | (1 << 8) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 12);

    /// <summary>Read, write, create, delete, alter, describe, and describe and alter configs.</summary>
    public const int Topic = (1 << 3) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 7) | (1 << 8) | (1 << 10) | (1 << 11);

    /// <summary>Read, delete and describe.</summary>
    public const int Group = (1 << 3) | (1 << 6) | (1 << 8);
}
