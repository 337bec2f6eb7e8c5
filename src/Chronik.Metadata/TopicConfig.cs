using Chronik.Model;

namespace Chronik.Metadata;

/// <summary>When an acknowledged record is safe.</summary>
public enum Durability
{
    /// <summary>A majority has it on disk, synced.</summary>
    Fsync,

    /// <summary>A majority has it in the page cache: it survives the process, not the machine.</summary>
    Relaxed,
}

/// <summary>Who gives a record its timestamp.</summary>
public enum TimestampType
{
    /// <summary>The producer.</summary>
    CreateTime,

    /// <summary>The leader, when it appends.</summary>
    LogAppendTime,
}

/// <summary>What a topic's configs come to: every value that the broker acts on, parsed.</summary>
public sealed record TopicConfig
{
    /// <summary>cleanup.policy contains compact; true for internal topics only.</summary>
    public required bool IsCompacted { get; init; }

    /// <summary>cleanup.policy contains delete: retention applies.</summary>
    public required bool IsDeleted { get; init; }

    /// <summary>retention.ms: a segment whose newest record is older is deleted; -1 for never.</summary>
    public required long RetentionMs { get; init; }

    /// <summary>retention.bytes: oldest segments go while a partition is larger; -1 for no limit.</summary>
    public required long RetentionBytes { get; init; }

    /// <summary>segment.bytes: a segment is closed at this size.</summary>
    public required int SegmentBytes { get; init; }

    /// <summary>segment.ms: a segment is closed at this age.</summary>
    public required long SegmentMs { get; init; }

    /// <summary>max.message.bytes: the largest record batch, as it arrives.</summary>
    public required int MaxMessageBytes { get; init; }

    /// <summary>message.timestamp.type.</summary>
    public required TimestampType TimestampType { get; init; }

    /// <summary>message.timestamp.before.max.ms: how far a producer's timestamp may lie in the past.</summary>
    public required long TimestampBeforeMaxMs { get; init; }

    /// <summary>message.timestamp.after.max.ms: how far a producer's timestamp may lie in the future.</summary>
    public required long TimestampAfterMaxMs { get; init; }

    /// <summary>min.insync.replicas: how many replicas must have a record for acks=all.</summary>
    public required int MinInsyncReplicas { get; init; }

    /// <summary>durability.</summary>
    public required Durability Durability { get; init; }

    /// <summary>The configs of a topic on a broker.</summary>
    /// <param name="image">Where the overrides of brokers are.</param>
    /// <param name="topic">The topic with its own overrides.</param>
    /// <param name="node">The broker.</param>
    /// <param name="settings">The broker's own configuration.</param>
    public static TopicConfig From(MetadataImage image, TopicImage topic, NodeId node, BrokerSettings settings)
    {
        string Value(string key) => TopicConfigs.Value(image, topic, node, settings, key);
        string[] policies = ConfigValues.List(Value(TopicConfigs.CleanupPolicy));
        return new TopicConfig
        {
            IsCompacted = policies.Contains("compact"),
            IsDeleted = policies.Contains("delete"),
            RetentionMs = ConfigValues.Long(Value(TopicConfigs.RetentionMs)),
            RetentionBytes = ConfigValues.Long(Value(TopicConfigs.RetentionBytes)),
            SegmentBytes = ConfigValues.Int(Value(TopicConfigs.SegmentBytes)),
            SegmentMs = ConfigValues.Long(Value(TopicConfigs.SegmentMs)),
            MaxMessageBytes = ConfigValues.Int(Value(TopicConfigs.MaxMessageBytes)),
            TimestampType = Enum.Parse<TimestampType>(Value(TopicConfigs.MessageTimestampType)),
            TimestampBeforeMaxMs = ConfigValues.Long(Value(TopicConfigs.MessageTimestampBeforeMaxMs)),
            TimestampAfterMaxMs = ConfigValues.Long(Value(TopicConfigs.MessageTimestampAfterMaxMs)),
            MinInsyncReplicas = ConfigValues.Int(Value(TopicConfigs.MinInsyncReplicas)),
            Durability = Value(TopicConfigs.Durability) == "relaxed" ? Durability.Relaxed : Durability.Fsync,
        };
    }
}
