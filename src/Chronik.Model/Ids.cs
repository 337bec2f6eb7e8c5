namespace Chronik.Model;

/// <summary>A broker of the cluster: Kafka's broker id. Fixed for the life of a data directory.</summary>
/// <param name="Value">0 or more; -1 stands for "none".</param>
public readonly record struct NodeId(int Value)
{
    /// <summary>No node: no leader, no vote.</summary>
    public static readonly NodeId None = new(-1);

    /// <summary>Whether this names a node.</summary>
    public bool IsSome => Value >= 0;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>A Raft term (Raft paper, section 5.1). Starts at 0, only ever grows.</summary>
/// <param name="Value">The term's number.</param>
public readonly record struct Term(long Value) : IComparable<Term>
{
    /// <summary>Before any election.</summary>
    public static readonly Term Zero = new(0);

    /// <summary>The term after this one.</summary>
    public Term Next => new(Value + 1);

    /// <summary>The Kafka leader epoch of the leader elected in this term; fails loudly rather than wrap.</summary>
    public LeaderEpoch ToLeaderEpoch() => new(checked((int)Value));

    /// <inheritdoc/>
    public int CompareTo(Term other) => Value.CompareTo(other.Value);

    /// <summary>Orders terms.</summary>
    public static bool operator <(Term a, Term b) => a.Value < b.Value;

    /// <summary>Orders terms.</summary>
    public static bool operator >(Term a, Term b) => a.Value > b.Value;

    /// <summary>Orders terms.</summary>
    public static bool operator <=(Term a, Term b) => a.Value <= b.Value;

    /// <summary>Orders terms.</summary>
    public static bool operator >=(Term a, Term b) => a.Value >= b.Value;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>A position in a group's Raft log. The first entry has index 1; 0 is the position before it. Not a Kafka offset.</summary>
/// <param name="Value">The index.</param>
public readonly record struct LogIndex(long Value) : IComparable<LogIndex>
{
    /// <summary>Before the first entry.</summary>
    public static readonly LogIndex Zero = new(0);

    /// <summary>The position after this one.</summary>
    public LogIndex Next => new(Value + 1);

    /// <summary>The position before this one.</summary>
    public LogIndex Previous => new(Value - 1);

    /// <inheritdoc/>
    public int CompareTo(LogIndex other) => Value.CompareTo(other.Value);

    /// <summary>Orders positions.</summary>
    public static bool operator <(LogIndex a, LogIndex b) => a.Value < b.Value;

    /// <summary>Orders positions.</summary>
    public static bool operator >(LogIndex a, LogIndex b) => a.Value > b.Value;

    /// <summary>Orders positions.</summary>
    public static bool operator <=(LogIndex a, LogIndex b) => a.Value <= b.Value;

    /// <summary>Orders positions.</summary>
    public static bool operator >=(LogIndex a, LogIndex b) => a.Value >= b.Value;

    /// <summary>The position <paramref name="count"/> further on.</summary>
    public static LogIndex operator +(LogIndex a, long count) => new(a.Value + count);

    /// <summary>How far <paramref name="a"/> lies behind <paramref name="b"/>.</summary>
    public static long operator -(LogIndex a, LogIndex b) => a.Value - b.Value;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>
/// The offset of a record in a partition, as Kafka clients see it. Dense: the first record has offset 0. Not a Raft index.
/// </summary>
/// <param name="Value">The offset; -1 stands for "unknown".</param>
public readonly record struct KafkaOffset(long Value) : IComparable<KafkaOffset>
{
    /// <summary>The offset of the first record of every partition.</summary>
    public static readonly KafkaOffset Zero = new(0);

    /// <summary>Not known; what Kafka writes as -1.</summary>
    public static readonly KafkaOffset Unknown = new(-1);

    /// <inheritdoc/>
    public int CompareTo(KafkaOffset other) => Value.CompareTo(other.Value);

    /// <summary>Orders offsets.</summary>
    public static bool operator <(KafkaOffset a, KafkaOffset b) => a.Value < b.Value;

    /// <summary>Orders offsets.</summary>
    public static bool operator >(KafkaOffset a, KafkaOffset b) => a.Value > b.Value;

    /// <summary>Orders offsets.</summary>
    public static bool operator <=(KafkaOffset a, KafkaOffset b) => a.Value <= b.Value;

    /// <summary>Orders offsets.</summary>
    public static bool operator >=(KafkaOffset a, KafkaOffset b) => a.Value >= b.Value;

    /// <summary>The offset <paramref name="count"/> records further on.</summary>
    public static KafkaOffset operator +(KafkaOffset a, long count) => new(a.Value + count);

    /// <summary>How many records lie between the two.</summary>
    public static long operator -(KafkaOffset a, KafkaOffset b) => a.Value - b.Value;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>Kafka's leader epoch: the 32-bit form of the Raft term of the leader that appended a batch.</summary>
/// <param name="Value">The epoch; -1 stands for "unknown".</param>
public readonly record struct LeaderEpoch(int Value)
{
    /// <summary>Not known; what Kafka writes as -1.</summary>
    public static readonly LeaderEpoch Unknown = new(-1);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>A topic's identity (KIP-516). A topic deleted and created anew under the same name has another id.</summary>
/// <param name="Value">The uuid; never zero for a topic that exists.</param>
public readonly record struct TopicId(Guid Value)
{
    /// <summary>No topic.</summary>
    public static readonly TopicId None = new(Guid.Empty);

    /// <summary>The id that Kafka reserves for __cluster_metadata.</summary>
    public static readonly TopicId ClusterMetadata = new(new Guid("00000000-0000-0000-0000-000000000001"));

    /// <inheritdoc/>
    public override string ToString() => Value.ToString("N");
}

/// <summary>A Raft group: one partition of one topic, named by what never changes.</summary>
/// <param name="Topic">The topic's id.</param>
/// <param name="Partition">The partition's number.</param>
public readonly record struct GroupId(TopicId Topic, int Partition)
{
    /// <summary>The group that replicates the cluster's metadata.</summary>
    public static readonly GroupId Metadata = new(TopicId.ClusterMetadata, 0);

    /// <inheritdoc/>
    public override string ToString() => $"{Topic}-{Partition}";
}

/// <summary>A partition by the name that clients use.</summary>
/// <param name="Topic">The topic's name.</param>
/// <param name="Partition">The partition's number.</param>
public readonly record struct TopicPartition(string Topic, int Partition)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Topic}-{Partition}";
}
