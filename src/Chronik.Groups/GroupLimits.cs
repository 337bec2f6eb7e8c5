namespace Chronik.Groups;

/// <summary>
/// What a coordinator allows. Every refusal that comes from one of these names its key in <see cref="GroupReply.Refusal"/>, so that an
/// operator sees which knob was hit. Fixed for the life of a coordinator.
/// </summary>
public sealed record GroupLimits
{
    /// <summary>
    /// <c>group.min.session.timeout.ms</c>, default 6 s. Shorter sessions are refused with INVALID_SESSION_TIMEOUT: they would take a
    /// garbage collection for a death.
    /// </summary>
    public int SessionTimeoutMinMs { get; init; } = 6_000;

    /// <summary>
    /// <c>group.max.session.timeout.ms</c>, default 30 min. Longer sessions are refused with INVALID_SESSION_TIMEOUT: a dead member would
    /// hold its partitions for as long.
    /// </summary>
    public int SessionTimeoutMaxMs { get; init; } = 1_800_000;

    /// <summary>
    /// The longest rebalance timeout that is honoured, default 24 h. A client that asks for more (some ask for 2^31-1 ms) is not refused,
    /// but is evicted from a rebalance after this time.
    /// </summary>
    public int RebalanceTimeoutMaxMs { get; init; } = 86_400_000;

    /// <summary>
    /// <c>group.initial.rebalance.delay.ms</c>, default 3 s. How long the first rebalance of an empty group waits for more members. Too
    /// small: a group that starts with many members rebalances many times. Too large: consumption starts late. 0: no wait.
    /// </summary>
    public int InitialRebalanceDelayMs { get; init; } = 3_000;

    /// <summary>
    /// How long a member that never finished a join may be parked in one, default 5 min; then it is told UNKNOWN_MEMBER_ID and may come
    /// again. Bounds what clients leave behind that give up and come back under a new id.
    /// </summary>
    public int NewMemberJoinTimeoutMs { get; init; } = 300_000;

    /// <summary><c>group.max.size</c>, default 10,000 members. A group that is full answers GROUP_MAX_SIZE_REACHED to newcomers.</summary>
    public int GroupSizeMax { get; init; } = 10_000;

    /// <summary>
    /// Memory for what members say about themselves and are assigned, shared by all coordinators that have it. A group that would have
    /// more than its part answers GROUP_MAX_SIZE_REACHED to whoever joins, UNKNOWN_SERVER_ERROR to assignments; when the whole is used up,
    /// what needs more is refused with COORDINATOR_NOT_AVAILABLE, which clients retry.
    /// </summary>
    public GroupMemory Memory { get; init; } = new();

    /// <summary>
    /// <c>groups.max-pending-members</c>, default 10,000 per group: member ids handed out (KIP-394) and not used yet. Beyond it newcomers
    /// get COORDINATOR_NOT_AVAILABLE, which clients retry.
    /// </summary>
    public int PendingMembersMax { get; init; } = 10_000;

    /// <summary>
    /// <c>groups.max-groups</c>, default 100,000 per coordinator. Beyond it a new group is refused with COORDINATOR_NOT_AVAILABLE; groups
    /// that exist go on.
    /// </summary>
    public int GroupsMax { get; init; } = 100_000;

    /// <summary>
    /// <c>groups.max-offsets</c>, default 1,000,000 per coordinator. Beyond it an offset for a partition that the group has none for is
    /// refused with COORDINATOR_NOT_AVAILABLE; offsets that exist can be moved.
    /// </summary>
    public int OffsetsMax { get; init; } = 1_000_000;

    /// <summary>
    /// <c>groups.max-writes-in-flight</c>, default 10,000 per coordinator: writes appended and not committed yet. Beyond it offset commits
    /// are refused with COORDINATOR_NOT_AVAILABLE until the log catches up.
    /// </summary>
    public int WritesInFlightMax { get; init; } = 10_000;

    /// <summary>
    /// <c>offset.metadata.max.bytes</c>, default 4096 characters of text beside a committed offset. More is refused with
    /// OFFSET_METADATA_TOO_LARGE, that partition only.
    /// </summary>
    public int OffsetMetadataMax { get; init; } = 4_096;

    /// <summary>
    /// <c>offsets.retention.minutes</c>, default 7 days, here in milliseconds. How long offsets outlive the last member of their group, or,
    /// for a group that only stores offsets, their last commit.
    /// </summary>
    public long OffsetsRetentionMs { get; init; } = 7L * 24 * 60 * 60 * 1000;

    /// <summary><c>offsets.retention.check.interval.ms</c>, default 10 min. How often expired offsets and groups are looked for.</summary>
    public long OffsetsRetentionCheckMs { get; init; } = 600_000;
}
