using System.Collections.Immutable;
using System.Globalization;
using Chronik.Model;

namespace Chronik.Metadata;

/// <content>Configs of topics and brokers.</content>
public static partial class MetadataMachine
{
    private static IEnumerable<ConfigResult> Alter(Draft draft, AlterConfigs alter)
    {
        HashSet<ConfigResource> twice = Repeated(alter.Resources.Select(resource => resource.Resource));
        foreach (ConfigReplacement replacement in alter.Resources)
        {
            List<ConfigChange> changes =
            [
                .. replacement.Configs.Select(config => new ConfigChange(config.Key, ConfigOperation.Set, config.Value)),
            ];
            yield return AlterOne(draft, replacement.Resource, twice, changes, replacesAll: true);
        }
    }

    private static IEnumerable<ConfigResult> Alter(Draft draft, IncrementalAlterConfigs alter)
    {
        HashSet<ConfigResource> twice = Repeated(alter.Resources.Select(resource => resource.Resource));
        foreach (ConfigAlteration alteration in alter.Resources)
            yield return AlterOne(draft, alteration.Resource, twice, alteration.Changes, replacesAll: false);
    }

    private static ConfigResult AlterOne(
        Draft draft, ConfigResource resource, HashSet<ConfigResource> twice, IReadOnlyList<ConfigChange> changes, bool replacesAll)
    {
        ConfigResult Refused(KafkaError error, string message) => new(error, message, resource);

        if (twice.Contains(resource))
            return Refused(KafkaError.InvalidRequest, $"Each resource must appear at most once; {resource} does not.");
        Refusal? refusal = RefuseResource(draft.Image, resource);
        if (refusal is not null) return Refused(refusal.Error, refusal.Message);
        HashSet<string> keysTwice = Repeated(changes.Select(change => change.Key));
        if (keysTwice.Count > 0)
            return Refused(KafkaError.InvalidRequest, $"Error due to duplicate config keys: {string.Join(", ", keysTwice)}");

        ImmutableSortedDictionary<string, string> before = Overrides(draft.Image, resource);
        ImmutableSortedDictionary<string, string> after = replacesAll ? MetadataImage.NoConfigs : before;
        foreach (ConfigChange change in changes)
        {
            refusal = ApplyChange(draft, resource, change, ref after);
            if (refusal is not null) return Refused(refusal.Error, refusal.Message);
        }

        foreach (string key in before.Keys.Except(after.Keys)) draft.Add(new ConfigChanged(resource, key, null));
        foreach ((string key, string value) in after)
            if (before.GetValueOrDefault(key) != value) draft.Add(new ConfigChanged(resource, key, value));
        return new ConfigResult(KafkaError.None, null, resource);
    }

    private static Refusal? ApplyChange(
        Draft draft, ConfigResource resource, ConfigChange change, ref ImmutableSortedDictionary<string, string> configs)
    {
        if (change.Operation == ConfigOperation.Delete)
        {
            configs = configs.Remove(change.Key);
            return null;
        }

        if (!Enum.IsDefined(change.Operation))
            return new(KafkaError.InvalidRequest, $"Unknown operation type {(byte)change.Operation} for configuration {change.Key}.");
        if (change.Value is null) return new(KafkaError.InvalidRequest, $"Null value not supported for : {change.Key}");

        string value = change.Value.Trim();
        if (change.Operation is ConfigOperation.Append or ConfigOperation.Subtract)
        {
            if (FindKey(resource, change.Key) is { Type: not ConfigType.List } key)
            {
                string operation = change.Operation.ToString().ToUpperInvariant();
                string type = key.Type.ToString().ToUpperInvariant();
                return new(ErrorOf(resource), $"Can't {operation} to key {key.Name} because its type is {type}, not LIST.");
            }

            if (FindKey(resource, change.Key) is not null) value = Combine(draft, resource, change, configs);
        }

        if (RefuseValue(resource, change.Key, value) is { } reason) return new(ErrorOf(resource), reason);
        configs = configs.SetItem(change.Key, value);
        return null;
    }

    /// <summary>The list that holds now, with items added to its end or taken off.</summary>
    private static string Combine(
        Draft draft, ConfigResource resource, ConfigChange change, ImmutableSortedDictionary<string, string> configs)
    {
        string current = configs.GetValueOrDefault(change.Key) ?? Inherited(draft, resource, change.Key);
        string[] items = ConfigValues.List(change.Value!);
        string[] now = ConfigValues.List(current);
        return string.Join(',', change.Operation == ConfigOperation.Append ? now.Union(items) : now.Except(items));
    }

    private static string Inherited(Draft draft, ConfigResource resource, string key)
    {
        DecisionContext context = draft.Context;
        if (resource.Kind == ConfigResourceKind.Topic)
            return TopicConfigs.Value(draft.Image, draft.Image.Topics[resource.Name], context.Self, context.Settings, key);
        return BrokerConfigs.Value(draft.Image, context.Self, context.Settings, key);
    }

    private static Refusal? RefuseResource(MetadataImage image, ConfigResource resource)
    {
        switch (resource.Kind)
        {
            case ConfigResourceKind.Topic when resource.Name.Length == 0:
                return new(KafkaError.InvalidRequest, "Default topic resources are not allowed.");
            case ConfigResourceKind.Topic when TopicNames.Refusal(resource.Name) is { } reason:
                return new(KafkaError.InvalidTopicException, reason);
            case ConfigResourceKind.Topic:
                return image.Topics.ContainsKey(resource.Name)
                    ? null
                    : new(KafkaError.UnknownTopicOrPartition, $"The topic '{resource.Name}' does not exist.");
            case ConfigResourceKind.Broker:
                bool known = resource.Name.Length == 0
                    || (int.TryParse(resource.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                        && image.Brokers.ContainsKey(new NodeId(id))
                        && ConfigResource.OfBroker(new NodeId(id)) == resource);
                return known
                    ? null
                    : new(KafkaError.InvalidRequest, $"Expected the id of a broker or the empty string, but received '{resource.Name}'.");
            default:
                return new(KafkaError.InvalidRequest, $"Unsupported resource type {(byte)resource.Kind}: not a topic (2) or broker (4).");
        }
    }

    private static string? RefuseValue(ConfigResource resource, string name, string value)
    {
        if (resource.Kind == ConfigResourceKind.Topic) return TopicConfigs.Refusal(resource.Name, name, value);
        ConfigKey? key = BrokerConfigs.Find(name);
        if (key is null) return $"Unknown broker config name: {name}";
        return key.IsDynamic ? ConfigValues.Refusal(key, value) : $"Cannot update these configs dynamically: {name}";
    }

    private static ConfigKey? FindKey(ConfigResource resource, string name) =>
        resource.Kind == ConfigResourceKind.Topic ? TopicConfigs.Find(name) : BrokerConfigs.Find(name);

    private static ImmutableSortedDictionary<string, string> Overrides(MetadataImage image, ConfigResource resource) =>
        resource.Kind == ConfigResourceKind.Topic
            ? image.Topics[resource.Name].Configs
            : image.BrokerConfigs.GetValueOrDefault(resource.Name, MetadataImage.NoConfigs);

    /// <summary>A wrong config is INVALID_CONFIG for a topic but INVALID_REQUEST for a broker, as Kafka has it (KAFKA-13609).</summary>
    private static KafkaError ErrorOf(ConfigResource resource) =>
        resource.Kind == ConfigResourceKind.Topic ? KafkaError.InvalidConfig : KafkaError.InvalidRequest;
}
