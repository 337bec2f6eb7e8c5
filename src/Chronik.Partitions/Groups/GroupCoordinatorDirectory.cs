using System.Collections.Concurrent;
using Akka.Actor;

namespace Chronik.Partitions.Groups;

/// <summary>The coordinators of this node, by the partition of __consumer_offsets they serve. Thread-safe.</summary>
internal sealed class GroupCoordinatorDirectory
{
    private readonly ConcurrentDictionary<int, IActorRef> _coordinators = new();

    public ICollection<IActorRef> All => _coordinators.Values;

    public IActorRef? Find(int partition) => _coordinators.GetValueOrDefault(partition);

    public void Set(int partition, IActorRef coordinator) => _coordinators[partition] = coordinator;

    public void Remove(int partition) => _coordinators.TryRemove(partition, out _);
}
