using Chronik.Protocol;

namespace Chronik.Groups;

/// <summary>The answer to a request.</summary>
/// <param name="Token">The token that came with the request.</param>
/// <param name="Response">The answer.</param>
/// <param name="Refusal">Null, or which limit refused the request and under which key it can be changed. For the log.</param>
public readonly record struct GroupReply(object Token, IResponseMessage Response, string? Refusal = null);

/// <summary>One record for the log, in Kafka's own format: two bytes of type or version, then the body.</summary>
/// <param name="Key">The record's key.</param>
/// <param name="Value">The record's value; null is a tombstone.</param>
public readonly record struct GroupRecord(byte[] Key, byte[]? Value)
{
    /// <summary>How many bytes of key and value.</summary>
    public int Length => Key.Length + (Value?.Length ?? 0);
}

/// <summary>Records that must reach the log together and in the order of their ids.</summary>
/// <param name="Id">The write's number, to be reported back as committed or failed.</param>
/// <param name="Records">The records; at least one.</param>
public readonly record struct GroupWrite(GroupWriteId Id, IReadOnlyList<GroupRecord> Records);

/// <summary>What a step asks for. Reused by the caller, who clears it.</summary>
public sealed class GroupEffects
{
    /// <summary>Answers that may leave now: whatever they say is already in the log, or does not need to be.</summary>
    public List<GroupReply> Replies { get; } = [];

    /// <summary>Writes to append, in this order.</summary>
    public List<GroupWrite> Writes { get; } = [];

    /// <summary>
    /// When the coordinator wants its next <see cref="GroupInputKind.Tick"/>, in milliseconds since 1970; null: only when something else
    /// happens. It replaces what the step before it said. An early tick does no harm.
    /// </summary>
    public long? WakeAtMs { get; internal set; }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Replies.Clear();
        Writes.Clear();
        WakeAtMs = null;
    }
}
