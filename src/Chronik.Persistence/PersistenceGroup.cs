using System.Security.Cryptography;
using System.Text;
using Chronik.Model;

namespace Chronik.Persistence;

/// <summary>
/// The storage group of a persistence id: a topic id made of the persistence id, and a partition number that no partition has. Both are
/// part of the storage format and never change.
/// </summary>
public static class PersistenceGroup
{
    /// <summary>The partition number of every event log.</summary>
    public const int EventsPartition = -1;

    /// <summary>The partition number of every set of snapshots.</summary>
    public const int SnapshotsPartition = -2;

    /// <summary>Whether a group that storage recovered belongs to the journal or the snapshot store, and not to a partition.</summary>
    public static bool Contains(GroupId group) => group.Partition is EventsPartition or SnapshotsPartition;

    internal static GroupId Of(string persistenceId, int partition)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(persistenceId), hash);
        return new GroupId(new TopicId(new Guid(hash[..16], bigEndian: true)), partition);
    }
}
