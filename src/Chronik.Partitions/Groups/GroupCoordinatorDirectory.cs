using Akka.Actor;

namespace Chronik.Partitions.Groups;

/// <summary>The coordinators of this node, by the partition of __consumer_offsets they serve. Thread-safe.</summary>
internal sealed class GroupCoordinatorDirectory
{
    private readonly object _gate = new();
    private readonly Dictionary<int, IActorRef> _coordinators = [];
    private readonly Dictionary<int, TaskCompletionSource> _awaited = [];

    public IReadOnlyList<KeyValuePair<int, IActorRef>> All
    {
        get
        {
            lock (_gate) return [.. _coordinators];
        }
    }

    public IActorRef? Find(int partition)
    {
        lock (_gate) return _coordinators.GetValueOrDefault(partition);
    }

    /// <summary>
    /// Completes once the partition has a coordinator: a partition leads a moment before /groups hears of it. False after
    /// <paramref name="timeout"/>.
    /// </summary>
    public async Task<bool> WaitForAsync(int partition, TimeSpan timeout)
    {
        Task added;
        lock (_gate)
        {
            if (_coordinators.ContainsKey(partition)) return true;
            if (!_awaited.TryGetValue(partition, out TaskCompletionSource? awaited))
                _awaited.Add(partition, awaited = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            added = awaited.Task;
        }

        await Task.WhenAny(added, Task.Delay(timeout)).ConfigureAwait(false);
        return added.IsCompleted;
    }

    public void Set(int partition, IActorRef coordinator)
    {
        TaskCompletionSource? awaited;
        lock (_gate)
        {
            _coordinators[partition] = coordinator;
            _awaited.Remove(partition, out awaited);
        }

        awaited?.SetResult();
    }

    public void Remove(int partition)
    {
        lock (_gate) _coordinators.Remove(partition);
    }
}
