using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Chronik.Metadata;
using Chronik.Partitions.Forming;
using Chronik.Partitions.Leaderships;
using Chronik.Partitions.Operating;
using Chronik.Partitions.Watching;

namespace Chronik.Partitions.Controller;

/// <summary>
/// What nodes say to each other about the metadata and themselves, as JSON: it is little, it should be readable in a capture, and a node
/// that is newer by one version may say more than the other understands.
/// </summary>
[JsonSerializable(typeof(Submit))]
[JsonSerializable(typeof(CommandDone))]
[JsonSerializable(typeof(CommandRefused))]
[JsonSerializable(typeof(DescribeMetadataQuorum))]
[JsonSerializable(typeof(QuorumDescribed))]
[JsonSerializable(typeof(MoveLeaders))]
[JsonSerializable(typeof(LeadersMoved))]
[JsonSerializable(typeof(NodeStopping))]
[JsonSerializable(typeof(AskNode))]
[JsonSerializable(typeof(NodeAnswered))]
[JsonSerializable(typeof(FormCluster))]
[JsonSerializable(typeof(ChangeLevel))]
[JsonSerializable(typeof(CreateTopics))]
[JsonSerializable(typeof(DeleteTopics))]
[JsonSerializable(typeof(CreatePartitions))]
[JsonSerializable(typeof(AlterConfigs))]
[JsonSerializable(typeof(IncrementalAlterConfigs))]
[JsonSerializable(typeof(AllocateProducerIds))]
[JsonSerializable(typeof(RegisterBroker))]
[JsonSerializable(typeof(ChangeLiveness))]
[JsonSerializable(typeof(DrainBroker))]
[JsonSerializable(typeof(ChangeIsr))]
[JsonSerializable(typeof(AlterReassignments))]
[JsonSerializable(typeof(CompleteReassignment))]
[JsonSerializable(typeof(UnregisterBroker))]
[JsonSerializable(typeof(TopicResult))]
[JsonSerializable(typeof(ConfigResult))]
[JsonSerializable(typeof(ProducerIdsResult))]
[JsonSerializable(typeof(Hello))]
[JsonSerializable(typeof(Welcome))]
[JsonSerializable(typeof(Unwelcome))]
[JsonSerializable(typeof(Propose))]
[JsonSerializable(typeof(Accepted))]
[JsonSerializable(typeof(Withdrawn))]
[JsonSerializable(typeof(Formed))]
[JsonSerializable(typeof(DescribeNode))]
[JsonSerializable(typeof(NodeDescribed))]
[JsonSerializable(typeof(BalancerRequest))]
[JsonSerializable(typeof(BalancerAnswer))]
[JsonSerializable(typeof(LeaveCluster))]
internal sealed partial class RpcJson : JsonSerializerContext
{
    /// <summary>The form of every message; subtypes are told apart by a short name.</summary>
    public static readonly JsonSerializerOptions Wire = new()
    {
        IgnoreReadOnlyProperties = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        TypeInfoResolver = new RpcJson().WithAddedModifier(NameSubtypes),
        Converters = { new ConfigKeyConverter(), new PairConverter() },
    };

    private static void NameSubtypes(JsonTypeInfo info)
    {
        if (info.Type == typeof(MetadataCommand))
        {
            info.PolymorphismOptions = Subtypes(
                (typeof(FormCluster), "form-cluster"), (typeof(CreateTopics), "create-topics"), (typeof(DeleteTopics), "delete-topics"),
                (typeof(CreatePartitions), "create-partitions"), (typeof(AlterConfigs), "alter-configs"),
                (typeof(IncrementalAlterConfigs), "incremental-alter-configs"), (typeof(AllocateProducerIds), "allocate-producer-ids"),
                (typeof(RegisterBroker), "register-broker"), (typeof(ChangeLiveness), "change-liveness"),
                (typeof(ChangeLevel), "change-level"), (typeof(DrainBroker), "drain-broker"), (typeof(ChangeIsr), "change-isr"),
                (typeof(AlterReassignments), "alter-reassignments"), (typeof(CompleteReassignment), "complete-reassignment"),
                (typeof(UnregisterBroker), "unregister-broker"));
        }
        else if (info.Type == typeof(ItemResult))
        {
            info.PolymorphismOptions = Subtypes(
                (typeof(ItemResult), "item"), (typeof(TopicResult), "topic"), (typeof(ConfigResult), "config"),
                (typeof(ProducerIdsResult), "producer-ids"));
        }
    }

    private static JsonPolymorphismOptions Subtypes(params (Type Type, string Name)[] subtypes)
    {
        JsonPolymorphismOptions options = new();
        foreach ((Type type, string name) in subtypes) options.DerivedTypes.Add(new JsonDerivedType(type, name));
        return options;
    }

    /// <summary>A config key travels by its name: both sides know the table.</summary>
    private sealed class ConfigKeyConverter : JsonConverter<ConfigKey>
    {
        public override ConfigKey Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            string name = reader.GetString() ?? "";
            return TopicConfigs.Find(name) ?? BrokerConfigs.Find(name)
                ?? new ConfigKey { Name = name, Type = Metadata.ConfigType.String, Default = "", Doc = "" }; // Of a newer broker.
        }

        public override void Write(Utf8JsonWriter writer, ConfigKey value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.Name);
    }

    /// <summary>A config as [key, value]: what a pair consists of would pass for derived from something, and be left out.</summary>
    private sealed class PairConverter : JsonConverter<KeyValuePair<string, string?>>
    {
        public override KeyValuePair<string, string?> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType != JsonTokenType.StartArray || !reader.Read() || reader.GetString() is not { } key || !reader.Read())
                throw new JsonException("a config is [key, value]");
            string? value = reader.GetString();
            if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray) throw new JsonException("a config is [key, value]");
            return new(key, value);
        }

        public override void Write(Utf8JsonWriter writer, KeyValuePair<string, string?> value, JsonSerializerOptions options)
        {
            writer.WriteStartArray();
            writer.WriteStringValue(value.Key);
            writer.WriteStringValue(value.Value);
            writer.WriteEndArray();
        }
    }
}
