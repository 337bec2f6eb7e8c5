namespace Chronik.Groups;

/// <summary>
/// Counts what the members of groups keep in memory: ids, what they say about themselves under each protocol, and what they are assigned.
/// One for all coordinators of a node, whose clients choose which of them to burden. Thread-safe.
/// </summary>
/// <remarks>
/// One group may have a quarter of it, so that no group can lock the others out alone. The last record of a group that is in the log is
/// kept beside it, and is at most about as large again.
/// </remarks>
/// <param name="maxBytes">The most bytes of all groups together, 128 MiB by default.</param>
public sealed class GroupMemory(long maxBytes = 128L << 20)
{
    /// <summary>The HOCON key of <see cref="MaxBytes"/>, for messages.</summary>
    public const string Key = "chronik.groups.max-member-memory";

    private long _bytes;

    /// <summary>The most bytes of all groups together.</summary>
    public long MaxBytes => maxBytes;

    /// <summary>The most bytes of one group.</summary>
    public long MaxBytesPerGroup => maxBytes / 4;

    /// <summary>Bytes of all groups now.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    internal void Add(long bytes) => Interlocked.Add(ref _bytes, bytes);
}
