using Chronik.Model;
using Chronik.Protocol;

namespace Chronik.Groups;

/// <summary>Who sent a request, as DescribeGroups shows it.</summary>
/// <param name="ClientId">The client id of the request header; empty when the client gave none.</param>
/// <param name="ClientHost">The client's address in Kafka's form, for example <c>/127.0.0.1</c>.</param>
public readonly record struct RequestOrigin(string ClientId, string ClientHost);

/// <summary>Numbers the writes of one coordinator in the order in which they must reach the log. Starts at 1 at every load.</summary>
/// <param name="Value">The number; 0 stands before the first write.</param>
public readonly record struct GroupWriteId(long Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>What can happen to a coordinator.</summary>
public enum GroupInputKind
{
    /// <summary>Time has passed; whatever is due is done.</summary>
    Tick,

    /// <summary>A client's request.</summary>
    Request,

    /// <summary>Every write up to an id is committed in the log.</summary>
    Committed,

    /// <summary>Every write up to an id that was not reported yet has failed.</summary>
    Failed,

    /// <summary>This node leads the partition now; its log follows as <see cref="Load"/>.</summary>
    StartLoading,

    /// <summary>One record of the log, in log order.</summary>
    Load,

    /// <summary>The log has been read to its committed end.</summary>
    Loaded,

    /// <summary>This node leads the partition no longer.</summary>
    Unload,

    /// <summary>A topic was deleted.</summary>
    TopicDeleted,
}

/// <summary>One thing that happened, and when. Made by the factory methods.</summary>
public readonly struct GroupInput
{
    private GroupInput(GroupInputKind kind, long nowMs)
    {
        Kind = kind;
        NowMs = nowMs;
    }

    /// <summary>What happened.</summary>
    public GroupInputKind Kind { get; }

    /// <summary>When, in milliseconds since 1970 (UTC). The coordinator never goes back in time, whatever this says.</summary>
    public long NowMs { get; }

    internal object? Token { get; private init; }

    internal IRequestMessage? Message { get; private init; }

    internal short Version { get; private init; }

    internal RequestOrigin Origin { get; private init; }

    internal GroupWriteId Through { get; private init; }

    internal KafkaError Error { get; private init; }

    internal ReadOnlyMemory<byte> Key { get; private init; }

    internal ReadOnlyMemory<byte>? Value { get; private init; }

    internal string? Topic { get; private init; }

    internal TopicId TopicId { get; private init; }

    /// <summary>Time has passed.</summary>
    public static GroupInput Tick(long nowMs) => new(GroupInputKind.Tick, nowMs);

    /// <summary>
    /// A request of one of the served APIs. It is answered exactly once, now or later, with a <see cref="GroupReply"/> that carries
    /// <paramref name="token"/>. Nothing of <paramref name="message"/> is kept past the step; what is needed longer is copied.
    /// </summary>
    /// <param name="token">Whatever lets the caller find the client again.</param>
    /// <param name="message">
    /// The request. Where a topic is named by id only (OffsetCommit and OffsetFetch v10) the caller has filled in its name.
    /// </param>
    /// <param name="version">The version the client used.</param>
    /// <param name="origin">Who sent it.</param>
    /// <param name="nowMs">When.</param>
    public static GroupInput Request(object token, IRequestMessage message, short version, RequestOrigin origin, long nowMs) =>
        new(GroupInputKind.Request, nowMs) { Token = token, Message = message, Version = version, Origin = origin };

    /// <summary>Every write up to <paramref name="through"/> that was not reported yet is committed.</summary>
    public static GroupInput Committed(GroupWriteId through, long nowMs) => new(GroupInputKind.Committed, nowMs) { Through = through };

    /// <summary>Every write up to <paramref name="through"/> that was not reported yet has failed and will never be in the log.</summary>
    public static GroupInput Failed(GroupWriteId through, KafkaError error, long nowMs) =>
        new(GroupInputKind.Failed, nowMs) { Through = through, Error = error };

    /// <summary>This node leads the partition now. Until <see cref="Loaded"/> clients are told COORDINATOR_LOAD_IN_PROGRESS.</summary>
    public static GroupInput StartLoading(long nowMs) => new(GroupInputKind.StartLoading, nowMs);

    /// <summary>
    /// One record of the log. The bytes are not kept past the step. A value that is null or empty is a tombstone: no value is shorter than
    /// its version, and a null array turns into an empty slice all too easily.
    /// </summary>
    public static GroupInput Load(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? value, long nowMs) =>
        new(GroupInputKind.Load, nowMs) { Key = key, Value = value is { Length: > 0 } ? value : null };

    /// <summary>The whole committed log has been loaded. Members are there again, their session timers start now.</summary>
    public static GroupInput Loaded(long nowMs) => new(GroupInputKind.Loaded, nowMs);

    /// <summary>This node leads the partition no longer. Everyone who waits is told NOT_COORDINATOR, and all state is dropped.</summary>
    public static GroupInput Unload(long nowMs) => new(GroupInputKind.Unload, nowMs);

    /// <summary>A topic was deleted: the offsets that groups keep for it are deleted.</summary>
    /// <param name="topic">Its name.</param>
    /// <param name="topicId">Its id. An offset that is known to belong to another topic of that name stays.</param>
    /// <param name="nowMs">When.</param>
    public static GroupInput TopicDeleted(string topic, TopicId topicId, long nowMs) =>
        new(GroupInputKind.TopicDeleted, nowMs) { Topic = topic, TopicId = topicId };
}
