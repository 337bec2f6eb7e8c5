using System.Buffers.Text;
using Chronik.Model;

namespace Chronik.Storage;

/// <summary>Storage cannot do what it was asked. The message is one line that names the file or setting and its value.</summary>
public sealed class StorageException : IOException
{
    /// <summary>Makes one.</summary>
    public StorageException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>
    /// Whether bytes or files that were durable are not what they were: trying again will not help, whoever has them elsewhere will.
    /// </summary>
    public bool IsDamage { get; init; }
}

/// <summary>
/// Whose data directory it is. Written to chronik.properties when the directory is new, once more when its cluster is formed, and whenever
/// that cluster's level is raised.
/// </summary>
/// <param name="ClusterId">The cluster's id, as clients see it; empty until the cluster is formed.</param>
/// <param name="NodeId">The node's id.</param>
/// <param name="DirectoryId">
/// The directory's own id, made with it: a node whose directory was wiped has another one, and is known by that.
/// </param>
/// <param name="MetadataVoters">The first voters of __cluster_metadata, by which the cluster was formed; empty until it is.</param>
public sealed record NodeIdentity(string ClusterId, NodeId NodeId, Guid DirectoryId, IReadOnlyList<MetadataVoter> MetadataVoters)
{
    /// <summary>
    /// The level that the cluster was at when this node heard of it last: what it writes, and at least what a program must speak to read
    /// the directory.
    /// </summary>
    public int Level { get; init; } = FeatureLevel.Oldest;

    /// <summary>The foundings that the node agreed to and that may have come to be; none once the directory belongs to a cluster.</summary>
    public IReadOnlyList<FoundingPromise> Promises { get; init; } = [];

    /// <summary>Whether the directory belongs to a cluster.</summary>
    public bool IsFormed => ClusterId.Length > 0;

    /// <summary>A cluster id that nobody else has, in the form of Kafka's.</summary>
    public static string NewClusterId() => Base64Url.EncodeToString(Guid.NewGuid().ToByteArray());
}

/// <summary>A voter of __cluster_metadata when the cluster was formed.</summary>
/// <param name="Id">The node.</param>
/// <param name="Directory">The data directory that it had.</param>
public readonly record struct MetadataVoter(NodeId Id, Guid Directory);

/// <summary>That a node agreed to a founding: it takes part in none that was proposed before it any more.</summary>
/// <param name="Round">Which founding came first; of two with the same round the one with the lower cluster id did.</param>
/// <param name="ClusterId">The cluster's id.</param>
/// <param name="Proposer">The data directory of the node that proposed it.</param>
/// <param name="Voters">The nodes that are to found it.</param>
public sealed record FoundingPromise(long Round, string ClusterId, Guid Proposer, IReadOnlyList<MetadataVoter> Voters)
{
    /// <summary>Whether this founding was proposed before another one.</summary>
    public bool IsBefore(FoundingPromise other) =>
        Round != other.Round ? Round < other.Round : string.CompareOrdinal(ClusterId, other.ClusterId) < 0;

    /// <summary>
    /// Whether this cluster can never have a leader, wherever it may be written, once all of <paramref name="others"/> take part in
    /// another one: those of its voters that are left are no majority.
    /// </summary>
    public bool EndsWith(IReadOnlyList<MetadataVoter> others) =>
        Voters.Count(voter => !others.Contains(voter)) < (Voters.Count / 2) + 1;
}

/// <summary>How far recovery has come.</summary>
/// <param name="BytesRead">Bytes of the WAL read so far.</param>
/// <param name="BytesTotal">Bytes of the WAL to read.</param>
public readonly record struct RecoveryProgress(long BytesRead, long BytesTotal);

/// <summary>
/// What a group's owner says of its state up to an index, so that the WAL need not be kept up to there. Survives a restart as a whole or
/// not at all.
/// </summary>
/// <param name="Index">The last entry that it covers.</param>
/// <param name="Term">That entry's term.</param>
/// <param name="NextOffset">The log end offset after that entry.</param>
/// <param name="LogStartOffset">The partition's first offset.</param>
/// <param name="HardState">The group's hard state at that moment.</param>
/// <param name="State">What else the owner wants to find again; opaque to storage.</param>
public sealed record Checkpoint(
    LogIndex Index, Term Term, KafkaOffset NextOffset, KafkaOffset LogStartOffset, HardState HardState, ReadOnlyMemory<byte> State)
{
    /// <summary>
    /// Where the group's log ends: behind <see cref="NextOffset"/> when it holds batches, committed ones, of entries that the group has
    /// yet to get. Anything else than <see cref="NextOffset"/> is written by nodes of <see cref="FeatureLevel.Operable"/> only.
    /// </summary>
    public KafkaOffset LogEndOffset { get; init; } = NextOffset;
}

/// <summary>What checkpoint and WAL say of a group after a start.</summary>
/// <param name="HardState">The latest hard state; term 0 and no vote when none was ever written.</param>
/// <param name="Checkpoint">The last checkpoint, or null.</param>
/// <param name="Entries">The entries behind the checkpoint, dense, with empty payloads: <see cref="Wal.Read"/> reads those.</param>
public sealed record RecoveredGroup(HardState HardState, Checkpoint? Checkpoint, IReadOnlyList<LogEntry> Entries);

/// <summary>A record found by its timestamp.</summary>
/// <param name="Offset">The record's offset.</param>
/// <param name="TimestampMs">Its timestamp, in milliseconds since 1970.</param>
/// <param name="Epoch">The leader epoch of its batch.</param>
public readonly record struct TimestampedOffset(KafkaOffset Offset, long TimestampMs, LeaderEpoch Epoch);

/// <summary>
/// One request to the WAL: hard state, truncation and entries of one group, in that order. It is recovered as a whole or not at all. The
/// caller leaves it alone until it completes, and may then use it again.
/// </summary>
public sealed class WalWrite
{
    /// <summary>The group.</summary>
    public GroupId Group { get; set; }

    /// <summary>A new hard state, or null.</summary>
    public HardState? HardState { get; set; }

    /// <summary>
    /// The first entry that no longer holds, or null. Entries from there on are forgotten before <see cref="Entries"/> are added.
    /// </summary>
    public LogIndex? TruncateFrom { get; set; }

    /// <summary>Entries that follow the group's last one. The WAL retains their payloads until they are written.</summary>
    public IReadOnlyList<LogEntry> Entries { get; set; } = [];

    /// <summary>Whether completion means durable (fsync), or merely written (relaxed).</summary>
    public bool Sync { get; set; } = true;

    /// <summary>Who is told; null when nobody wants to know.</summary>
    public IWalCompletion? Completion { get; set; }

    internal long QueuedBytes { get; set; }

    /// <summary>Of entries that are written once more: how often their group had been written to when they were read.</summary>
    internal long? CarriedAt { get; init; }

    /// <summary>Whether it counts against the bytes that may wait; what is moved about within the WAL shall hold nobody up.</summary>
    internal bool CountsAsQueued => CarriedAt is null;

    internal bool DeletesGroup { get; init; }
}

/// <summary>Is told when a write is done.</summary>
public interface IWalCompletion
{
    /// <summary>
    /// Called once per <see cref="Wal.Append"/>, on the WAL's thread, in the order of the appends; must only hand over.
    /// </summary>
    /// <param name="write">The write, free for use again.</param>
    /// <param name="failure">Null when written, and durable if that was asked for; otherwise why nobody knows whether it is.</param>
    void Completed(WalWrite write, Exception? failure);
}
