using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Leaderships;

/// <content>
/// In peace: leadership goes back to the first replica, when that has been in sync and its node there for a while. What else the node has
/// still to catch up with holds nothing up: one replica that cannot be filled would keep all others from home.
/// </content>
internal sealed partial class LeadershipsActor
{
    private readonly Steadiness _steadiness;
    private readonly Dictionary<GroupId, (NodeId To, long At)> _readySince = []; // What this node leads, and since when another one could.
    private readonly Queue<(GroupId Group, NodeId To)> _toReturn = [];
    private int _returning;

    private void LookAround()
    {
        _toReturn.Clear();
        if (_stop is not null) return;
        Dictionary<GroupId, NodeId> wanted = WhatOthersShouldLead();
        long now = _node.Time.GetTimestamp();
        foreach (GroupId group in _readySince.Keys.ToArray())
            if (!wanted.TryGetValue(group, out NodeId to) || to != _readySince[group].To) _readySince.Remove(group);
        foreach ((GroupId group, NodeId to) in wanted)
        {
            _steadiness.Meet(to);
            _readySince.TryAdd(group, (to, now));
            if (_node.Time.GetElapsedTime(_readySince[group].At, now) < _setup.InSyncTime || !_steadiness.IsSteady(to)) continue;
            _toReturn.Enqueue((group, to));
        }

        if (_toReturn.Count == 0) return;
        Timers.StartPeriodicTimer(nameof(Poll), Poll.Instance, _setup.PollInterval);
        GoOn();
    }

    /// <summary>What this node leads and another one should, and could: its replica is in sync at this moment.</summary>
    private Dictionary<GroupId, NodeId> WhatOthersShouldLead()
    {
        Dictionary<GroupId, NodeId> wanted = [];
        MetadataImage image = _setup.Published.Image;
        foreach (Partition partition in _setup.Directory.All)
        {
            PartitionView view = partition.Published;
            if (!view.IsLeader || view.Replicas.Count < 2) continue;
            if (image.Find(partition.Group) is not { } known) continue;
            NodeId preferred = known.Replicas[0];
            if (preferred == _node.Self || !view.Replicas.Contains(preferred) || !view.Isr.Contains(preferred)) continue;
            if (partition.EndOf(preferred) == KafkaOffset.Unknown) continue; // Damaged, or has said nothing yet.
            if (MayLead(preferred)) wanted.Add(partition.Group, preferred);
        }

        return wanted;
    }

    private bool MayLead(NodeId node) =>
        _node.Peers.IsAlive(node) && !_node.Peers.IsStopping(node)
        && !(_setup.Published.Image.Brokers.TryGetValue(node, out BrokerImage? broker) && broker.IsDraining);

    private void GoOnReturning()
    {
        while (_returning < _setup.ReturningAtOnce && _stop is null && _toReturn.TryDequeue(out (GroupId Group, NodeId To) next))
        {
            if (_underWay.ContainsKey(next.Group) || !_readySince.ContainsKey(next.Group)) continue;
            _returning++;
            TryMove(new Move(next.Group, next.To, (error, message) =>
            {
                _returning--;
                if (error is KafkaError.None or KafkaError.NotLeaderOrFollower) return;
                _logger.Info("node {0} does not lead {1} yet: {2}", next.To, next.Group, message);
                foreach ((GroupId group, (NodeId to, _)) in _readySince)
                    if (to == next.To) _readySince.Remove(group); // The node gets its time once more.
            }));
        }
    }
}
