namespace Chronik.Model;

/// <summary>What a Raft entry holds.</summary>
public enum EntryKind : byte
{
    /// <summary>Nothing; a new leader's first entry (Raft paper, section 8).</summary>
    NoOp = 0,

    /// <summary>A membership change (thesis, chapter 4).</summary>
    Membership = 1,

    /// <summary>One Kafka record batch whose base offset and leader epoch are stamped.</summary>
    Batch = 2,

    /// <summary>The partition's first offset from now on (8 bytes, little endian): what lies before it was deleted on request.</summary>
    LogStart = 3,
}

/// <summary>One entry of a Raft log.</summary>
/// <param name="Index">Its position; positions are dense.</param>
/// <param name="Term">The term of the leader that appended it.</param>
/// <param name="Kind">What it holds.</param>
/// <param name="NextOffset">
/// The partition's log end offset after this entry: for a batch its last offset plus one, otherwise what it was before. So the last
/// entry of a log tells its log end offset, whatever was truncated.
/// </param>
/// <param name="Payload">
/// The bytes. May be empty for an entry whose bytes were released after it was applied; the WAL can read them again.
/// </param>
public readonly record struct LogEntry(LogIndex Index, Term Term, EntryKind Kind, KafkaOffset NextOffset, BufferSlice Payload);

/// <summary>
/// What a Raft group must not forget (Raft paper, figure 2, "persistent state"). Durable before anything that depends on it leaves.
/// </summary>
/// <param name="Term">The latest term seen.</param>
/// <param name="Vote">Who got this node's vote in that term, or none.</param>
public readonly record struct HardState(Term Term, NodeId Vote);
