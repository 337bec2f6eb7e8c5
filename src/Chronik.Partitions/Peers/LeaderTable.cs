using System.Collections.Concurrent;
using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Partitions.Peers;

/// <summary>Who leads a group, as the leader itself announced it.</summary>
/// <param name="Leader">The leader.</param>
/// <param name="Epoch">Its epoch.</param>
/// <param name="Isr">The replicas that it holds to be in sync, itself included.</param>
internal sealed record LeaderLocation(NodeId Leader, LeaderEpoch Epoch, ImmutableArray<NodeId> Isr);

/// <summary>
/// Which node leads which group, as far as the leaders said so. Soft state: good enough to send a client somewhere, never to decide
/// anything. A higher epoch wins; what a node announced is forgotten while it is silent. Thread-safe.
/// </summary>
internal sealed class LeaderTable
{
    private readonly ConcurrentDictionary<GroupId, LeaderLocation> _leaders = new();

    /// <summary>Raised on whatever thread heard of it when the leader, epoch or in-sync set of a group became another one.</summary>
    public event Action<GroupId>? Changed;

    /// <summary>Who leads a group, or null while nobody is known to.</summary>
    public LeaderLocation? Locate(GroupId group) => _leaders.GetValueOrDefault(group);

    /// <summary>A node says that it leads a group.</summary>
    public void Set(GroupId group, LeaderLocation location)
    {
        while (true)
        {
            if (!_leaders.TryGetValue(group, out LeaderLocation? known))
            {
                if (_leaders.TryAdd(group, location)) break;
                continue;
            }

            if (known.Epoch.Value > location.Epoch.Value || Same(known, location)) return;
            if (_leaders.TryUpdate(group, location, known)) break;
        }

        Changed?.Invoke(group);
    }

    /// <summary>A node says that it leads a group no longer; nothing happens when somebody else does by now.</summary>
    public void Remove(GroupId group, NodeId leader)
    {
        while (_leaders.TryGetValue(group, out LeaderLocation? known) && known.Leader == leader)
        {
            if (!_leaders.TryRemove(KeyValuePair.Create(group, known))) continue;
            Changed?.Invoke(group);
            return;
        }
    }

    /// <summary>A node is silent: it is not known to lead anything until it says so again.</summary>
    public void RemoveAll(NodeId leader)
    {
        foreach ((GroupId group, LeaderLocation known) in _leaders)
            if (known.Leader == leader)
                Remove(group, leader);
    }

    private static bool Same(LeaderLocation a, LeaderLocation b) =>
        a.Leader == b.Leader && a.Epoch == b.Epoch && a.Isr.AsSpan().SequenceEqual(b.Isr.AsSpan());
}
