using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Leaderships;

/// <content>In peace: leadership goes back to the first replica, when that has been in sync and its node there for a while.</content>
internal sealed partial class LeadershipsActor
{
    private readonly Steadiness _steadiness;
    private readonly Dictionary<NodeId, long> _readySince = []; // Since when nothing speaks against a node that should lead something.
    private readonly Queue<(GroupId Group, NodeId To)> _toReturn = [];
    private int _returning;

    private void LookAround()
    {
        _toReturn.Clear();
        if (_stop is not null) return;
        Dictionary<NodeId, List<GroupId>> wanted = WhatOthersShouldLead(out HashSet<NodeId> behind);
        long now = _node.Time.GetTimestamp();
        foreach ((NodeId node, List<GroupId> groups) in wanted)
        {
            if (behind.Contains(node) || !MayLead(node)) continue;
            _steadiness.Meet(node);
            if (!_readySince.TryGetValue(node, out long since)) _readySince[node] = since = now;
            if (_node.Time.GetElapsedTime(since, now) < _setup.InSyncTime || !_steadiness.IsSteady(node)) continue;
            foreach (GroupId group in groups) _toReturn.Enqueue((group, node));
        }

        foreach (NodeId node in _readySince.Keys.ToArray())
            if (!wanted.ContainsKey(node) || behind.Contains(node) || !MayLead(node)) _readySince.Remove(node);
        if (_toReturn.Count == 0) return;
        Timers.StartPeriodicTimer(nameof(Poll), Poll.Instance, _setup.PollInterval);
        GoOn();
    }

    /// <summary>
    /// What this node leads and another one should, by that node; and the nodes that have yet to catch up with something that is led here:
    /// as long as a node does, it is given nothing.
    /// </summary>
    private Dictionary<NodeId, List<GroupId>> WhatOthersShouldLead(out HashSet<NodeId> behind)
    {
        behind = [];
        Dictionary<NodeId, List<GroupId>> wanted = [];
        MetadataImage image = _setup.Published.Image;
        foreach (Partition partition in _setup.Directory.All)
        {
            PartitionView view = partition.Published;
            if (!view.IsLeader || view.Replicas.Count < 2) continue;
            if (view.Isr.Count < view.Replicas.Count)
            {
                foreach (NodeId replica in view.Replicas)
                    if (!view.Isr.Contains(replica)) behind.Add(replica);
            }

            if (!image.TopicsById.TryGetValue(partition.Group.Topic, out TopicImage? topic)
                || partition.Group.Partition >= topic.Partitions.Length) continue;
            NodeId preferred = topic.Partitions[partition.Group.Partition].Replicas[0];
            if (preferred == _node.Self || !view.Replicas.Contains(preferred)) continue;
            if (!wanted.TryGetValue(preferred, out List<GroupId>? groups)) wanted.Add(preferred, groups = []);
            groups.Add(partition.Group);
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
            if (_underWay.ContainsKey(next.Group) || !_readySince.ContainsKey(next.To)) continue;
            _returning++;
            TryMove(new Move(next.Group, next.To, (error, message) =>
            {
                _returning--;
                if (error is KafkaError.None or KafkaError.NotLeaderOrFollower) return;
                _logger.Info("node {0} does not lead {1} yet: {2}", next.To, next.Group, message);
                _readySince.Remove(next.To); // It gets its time once more.
            }));
        }
    }
}
