using System.Collections.Concurrent;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>The replicas that this node hosts, by identity. Thread-safe.</summary>
internal sealed class PartitionDirectory
{
    private readonly ConcurrentDictionary<GroupId, Partition> _partitions = new();
    private readonly ConcurrentDictionary<GroupId, bool> _failed = new();

    public ICollection<Partition> All => _partitions.Values;

    public Partition? Find(GroupId group) => _partitions.GetValueOrDefault(group);

    /// <summary>Raised on the replica's thread when a replica has begun to live here.</summary>
    public event Action<Partition>? Added;

    public void Add(Partition partition)
    {
        _partitions[partition.Group] = partition;
        Added?.Invoke(partition);
    }

    /// <summary>Whether the replica stopped although it should be here; a replica that failed before it had a handle has none.</summary>
    public bool HasFailed(GroupId group) => _failed.ContainsKey(group);

    public int FailedCount => _failed.Count;

    public void AddFailed(GroupId group) => _failed[group] = true;

    public void Remove(GroupId group)
    {
        _partitions.TryRemove(group, out _);
        _failed.TryRemove(group, out _);
    }
}
