using System.Collections.Concurrent;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>The replicas that this node hosts, by identity. Thread-safe.</summary>
internal sealed class PartitionDirectory
{
    private readonly ConcurrentDictionary<GroupId, Partition> _partitions = new();

    public ICollection<Partition> All => _partitions.Values;

    public Partition? Find(GroupId group) => _partitions.GetValueOrDefault(group);

    public void Add(Partition partition) => _partitions[partition.Group] = partition;

    public void Remove(GroupId group) => _partitions.TryRemove(group, out _);
}
