using static Chronik.Metadata.ConfigValues;

namespace Chronik.Metadata;

/// <content>
/// The table: the defaults of topics, which can be changed while the broker runs, and what belongs to the broker, which cannot.
/// </content>
public static partial class BrokerConfigs
{
    private static ConfigKey[] BuildTable() => [.. DefaultsOfTopics().Concat([
        Own("advertised.listeners", ConfigType.String, "", null, "Where clients are told to connect; empty: where the broker listens."),
        Own("auto.create.topics.enable", ConfigType.Boolean, "true", null, "Whether a Metadata request that allows it creates topics."),
        Own("broker.id", ConfigType.Int, "0", Range(0), "This broker's id."),
        Own("broker.rack", ConfigType.String, "", null, "The rack this broker stands in; empty: none."),
        Own("connections.max.idle.ms", ConfigType.Long, "600000", Range(1), "A connection that is idle for longer is closed."),
        Own("default.replication.factor", ConfigType.Int, "1", Range(1), "Replicas of a topic that is created without a number."),
        Own("delete.topic.enable", ConfigType.Boolean, "true", null, "Whether topics can be deleted."),
        Own("fetch.max.bytes", ConfigType.Int, "57671680", Range(1024), "The most that one Fetch request gets, in bytes."),
        Own("group.initial.rebalance.delay.ms", ConfigType.Int, "3000", Range(0), "How long a new group waits for more members to join."),
        Own("group.max.session.timeout.ms", ConfigType.Int, "1800000", Range(1), "The longest session timeout that a member may ask for."),
        Own("group.max.size", ConfigType.Int, "2147483647", Range(1), "How many members a group may have."),
        Own("group.min.session.timeout.ms", ConfigType.Int, "6000", Range(1), "The shortest session timeout that a member may ask for."),
        Own("listeners", ConfigType.String, "PLAINTEXT://127.0.0.1:9092", null, "Where the broker listens for clients."),
        Own("log.dirs", ConfigType.String, "data", null, "Where the data is."),
        Own("max.incremental.fetch.session.cache.slots", ConfigType.Int, "1000", Range(0), "How many fetch sessions are kept."),
        Own("node.id", ConfigType.Int, "0", Range(0), "This broker's id."),
        Own("num.partitions", ConfigType.Int, "1", Range(1), "Partitions of a topic that is created without a number."),
        Own("offset.metadata.max.bytes", ConfigType.Int, "4096", Range(0), "How much metadata may come with a committed offset, in bytes."),
        Own("offsets.retention.minutes", ConfigType.Int, "10080", Range(1), "How long an empty group's offsets are kept."),
        Own("offsets.topic.num.partitions", ConfigType.Int, "50", Range(1), "Partitions of __consumer_offsets when it is created."),
        Own(
            "offsets.topic.replication.factor", ConfigType.Int, "3", Range(1),
            "Replicas of __consumer_offsets when it is created; unless it is set, no more than the cluster was meant to have brokers."),
        Own("producer.id.expiration.ms", ConfigType.Int, "86400000", Range(1), "How long an idle producer's state is kept."),
        Own(
            ReplicaLagTimeMaxMs, ConfigType.Long, "10000", Range(1),
            "A replica that has not had its leader's whole log for this long is in sync no more, in milliseconds."),
        Own("socket.request.max.bytes", ConfigType.Int, "104857600", Range(1), "The largest request, in bytes."),
    ]).OrderBy(key => key.Name, StringComparer.Ordinal)];

    private static IEnumerable<ConfigKey> DefaultsOfTopics() =>
        from key in TopicConfigs.Keys
        where key.BrokerKey is not null
        select key with
        {
            Name = key.BrokerKey!,
            BrokerKey = null,
            IsDynamic = true,
            Check = key.Name == TopicConfigs.CleanupPolicy ? OneOf("delete") : key.Check,
            Doc = $"Of topics that do not set {key.Name}: {key.Doc}",
        };

    private static ConfigKey Own(string name, ConfigType type, string value, Func<string, string?>? check, string doc) =>
        new() { Name = name, Type = type, Default = value, Check = check ?? (_ => null), Doc = doc };
}
