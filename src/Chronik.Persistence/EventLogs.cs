using System.Collections.Concurrent;
using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Persistence;

/// <summary>The event logs of a node, one per persistence id. Thread-safe.</summary>
internal sealed class EventLogs
{
    private readonly NodeStorage _storage;
    private readonly BufferPool _pool;
    private readonly ConcurrentDictionary<GroupId, EventLog> _logs = new();

    /// <summary>Takes every event log that storage recovered, so that none pins the WAL because its actor never starts again.</summary>
    public EventLogs(NodeStorage storage, BufferPool pool)
    {
        _storage = storage;
        _pool = pool;
        foreach (GroupId group in storage.Recovered.Keys.Where(group => group.Partition == PersistenceGroup.EventsPartition))
            _logs[group] = new EventLog(storage, pool, group, storage.TakeRecovered(group));
    }

    public EventLog Of(string persistenceId) => _logs.GetOrAdd(
        PersistenceGroup.Of(persistenceId, PersistenceGroup.EventsPartition),
        static (group, logs) => new EventLog(logs._storage, logs._pool, group, null),
        this);

    /// <summary>Storage wants a group's entries out of the WAL. Only hands over.</summary>
    public void CheckpointSoon(GroupId group)
    {
        if (_logs.TryGetValue(group, out EventLog? log)) _ = Task.Run(log.CheckpointAsync);
    }
}
