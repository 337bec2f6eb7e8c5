using static Chronik.Metadata.ConfigValues;

namespace Chronik.Metadata;

/// <content>The table.</content>
public static partial class TopicConfigs
{
    private const string MaxLong = "9223372036854775807";
    private const string CompactionOnly = "Has an effect on compacted topics only, which clients cannot create yet.";

    private const string TieredOnly = "Has an effect on tiered storage only, which there is none of.";
    private const string Throttled = "Replicas that lag catch up under one limit for each node.";

    private static ConfigKey[] BuildTable() => [.. new[]
    {
        new ConfigKey
        {
            Name = CleanupPolicy,
            Type = ConfigType.List,
            Default = "delete",
            BrokerKey = "log.cleanup.policy",
            Check = CheckCleanupPolicy,
            Doc = "What becomes of old segments. Only 'delete' can be set; 'compact' is for the broker's own topics.",
        },
        new ConfigKey
        {
            Name = CompressionType,
            Type = ConfigType.String,
            Default = "producer",
            BrokerKey = "compression.type",
            Check = OneOf("producer"),
            Doc = "Batches are kept as the producer compressed them; nothing but 'producer' is accepted.",
        },
        new ConfigKey
        {
            Name = Durability,
            Type = ConfigType.String,
            Default = "fsync",
            BrokerKey = "durability",
            Check = OneOf("fsync", "relaxed"),
            Doc = "When a record is acknowledged: once a majority has synced it to disk (fsync), or once a majority has it in the page " +
                  "cache (relaxed), where it survives a crash of the process but not of the machine.",
        },
        new ConfigKey
        {
            Name = MaxMessageBytes,
            Type = ConfigType.Int,
            Default = "1048588",
            BrokerKey = "message.max.bytes",
            Check = Range(0),
            Doc = "The largest record batch that is accepted, in bytes as it arrives.",
        },
        new ConfigKey
        {
            Name = MessageTimestampAfterMaxMs,
            Type = ConfigType.Long,
            Default = "3600000",
            BrokerKey = "log.message.timestamp.after.max.ms",
            Check = Range(0),
            Doc = "How far a producer's timestamp may lie ahead of the broker's clock, in milliseconds. Not with LogAppendTime.",
        },
        new ConfigKey
        {
            Name = MessageTimestampBeforeMaxMs,
            Type = ConfigType.Long,
            Default = MaxLong,
            BrokerKey = "log.message.timestamp.before.max.ms",
            Check = Range(0),
            Doc = "How far a producer's timestamp may lie behind the broker's clock, in milliseconds. Not with LogAppendTime.",
        },
        new ConfigKey
        {
            Name = MessageTimestampType,
            Type = ConfigType.String,
            Default = "CreateTime",
            BrokerKey = "log.message.timestamp.type",
            Check = OneOf("CreateTime", "LogAppendTime"),
            Doc = "Whether a record keeps the producer's timestamp or gets the time at which it was appended.",
        },
        new ConfigKey
        {
            Name = MinInsyncReplicas,
            Type = ConfigType.Int,
            Default = "1",
            BrokerKey = "min.insync.replicas",
            Check = Range(1),
            Doc = "With acks=all, how many replicas must have a record. A majority of the replicas always must, and never " +
                  "more than there are, whatever this says.",
        },
        new ConfigKey
        {
            Name = RetentionBytes,
            Type = ConfigType.Long,
            Default = "-1",
            BrokerKey = "log.retention.bytes",
            Check = Range(-1),
            Doc = "The oldest segments of a partition are deleted while it is larger than this. -1: no limit.",
        },
        new ConfigKey
        {
            Name = RetentionMs,
            Type = ConfigType.Long,
            Default = "604800000",
            BrokerKey = "log.retention.ms",
            Check = Range(-1),
            Doc = "A segment is deleted once its newest record is older than this, in milliseconds. -1: never.",
        },
        new ConfigKey
        {
            Name = SegmentBytes,
            Type = ConfigType.Int,
            Default = "1073741824",
            BrokerKey = "log.segment.bytes",
            Check = Range(1 << 20),
            Doc = "A segment is closed once it is this large. Only closed segments are deleted.",
        },
        new ConfigKey
        {
            Name = SegmentMs,
            Type = ConfigType.Long,
            Default = "604800000",
            BrokerKey = "log.roll.ms",
            Check = Range(1),
            Doc = "A segment is closed once it is this old, in milliseconds, so that it can be deleted.",
        },
        Ignored("compression.gzip.level", ConfigType.Int, "-1", CheckGzipLevel, "Batches are never compressed anew."),
        Ignored("compression.lz4.level", ConfigType.Int, "9", Range(1, 17), "Batches are never compressed anew."),
        Ignored("compression.zstd.level", ConfigType.Int, "3", Range(-131072, 22), "Batches are never compressed anew."),
        Ignored("delete.retention.ms", ConfigType.Long, "86400000", Range(0), CompactionOnly),
        Ignored("file.delete.delay.ms", ConfigType.Long, "60000", Range(0), "Deleted segments are not needed by anybody and go at once."),
        Ignored("follower.replication.throttled.replicas", ConfigType.List, "", CheckThrottled, Throttled),
        Ignored("flush.messages", ConfigType.Long, MaxLong, Range(1), "Records are on disk when they are acknowledged; see durability."),
        Ignored("flush.ms", ConfigType.Long, MaxLong, Range(0), "Records are on disk when they are acknowledged; see durability."),
        Ignored("index.interval.bytes", ConfigType.Int, "4096", Range(0), "The index's density is fixed."),
        Ignored("leader.replication.throttled.replicas", ConfigType.List, "", CheckThrottled, Throttled),
        Ignored("local.retention.bytes", ConfigType.Long, "-2", Range(-2), TieredOnly),
        Ignored("local.retention.ms", ConfigType.Long, "-2", Range(-2), TieredOnly),
        Ignored("max.compaction.lag.ms", ConfigType.Long, MaxLong, Range(1), CompactionOnly),
        Ignored("min.cleanable.dirty.ratio", ConfigType.Double, "0.5", CheckRatio, CompactionOnly),
        Ignored("min.compaction.lag.ms", ConfigType.Long, "0", Range(0), CompactionOnly),
        Ignored("preallocate", ConfigType.Boolean, "false", null, "The write-ahead log is always preallocated, segments never are."),
        Ignored("segment.index.bytes", ConfigType.Int, "10485760", Range(4), "An index grows with its segment."),
        Ignored("segment.jitter.ms", ConfigType.Long, "0", Range(0), "Closing a segment costs nothing that would have to be spread."),
        Ignored("remote.log.copy.disable", ConfigType.Boolean, "false", null, TieredOnly),
        Ignored("remote.log.delete.on.disable", ConfigType.Boolean, "false", null, TieredOnly),
        Ignored("remote.storage.enable", ConfigType.Boolean, "false", OneOf("false"), "There is no tiered storage; only 'false' fits."),
        Ignored(
            "unclean.leader.election.enable",
            ConfigType.Boolean,
            "false",
            OneOf("false"),
            "A replica without every committed record never leads; only 'false' is accepted."),
    }.OrderBy(key => key.Name, StringComparer.Ordinal)];

    private static ConfigKey Ignored(string name, ConfigType type, string value, Func<string, string?>? check, string why) => new()
    {
        Name = name,
        Type = type,
        Default = value,
        Check = check ?? (_ => null),
        Effect = ConfigEffect.None,
        Doc = $"No effect. {why}",
    };

    private static string? CheckCleanupPolicy(string value)
    {
        string[] policies = List(value);
        bool known = policies.All(policy => policy is "delete" or "compact");
        return known && policies.Length > 0 && policies.Distinct().Count() == policies.Length ? null : "must be delete";
    }

    private static string? CheckGzipLevel(string value) => Int(value) is -1 or (>= 1 and <= 9) ? null : "must be between 1 and 9, or -1";

    private static string? CheckThrottled(string value)
    {
        bool fits = value == "*" || List(value).All(item =>
            item.Split(':') is [var partition, var broker] && int.TryParse(partition, out _) && int.TryParse(broker, out _));
        return fits ? null : "must be * or a list of partition:broker";
    }

    private static string? CheckRatio(string value) => Double(value) is >= 0 and <= 1 ? null : "must be between 0 and 1";
}
