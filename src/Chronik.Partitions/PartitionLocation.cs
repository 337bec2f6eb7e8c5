using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Peers;

namespace Chronik.Partitions;

/// <summary>Where a partition is and who leads it, as far as a node knows. Good enough to send a client somewhere.</summary>
/// <param name="Leader">The leader; none while nobody is known to lead.</param>
/// <param name="Epoch">The leader's epoch, or the latest that is known.</param>
/// <param name="Replicas">The nodes that hold it, the preferred leader first.</param>
/// <param name="Isr">Those in sync, as the leader says; while no leader is known, as the metadata have it from the last one.</param>
/// <param name="Offline">The replicas on brokers that are not live.</param>
public sealed record PartitionLocation(
    NodeId Leader, LeaderEpoch Epoch, IReadOnlyList<NodeId> Replicas, IReadOnlyList<NodeId> Isr, IReadOnlyList<NodeId> Offline);

/// <summary>
/// Finds partitions from what this node's replicas know, and what other leaders announced. The higher epoch wins; in the same epoch the
/// replica that is here.
/// </summary>
internal sealed class PartitionLocator(NodeId self, PartitionDirectory directory, LeaderTable leaders)
{
    /// <summary>Who leads a group: none while nobody is known to.</summary>
    public NodeId LeaderOf(GroupId group) => Lead(group).Leader;

    /// <summary>Where a partition is; null when the metadata does not know it.</summary>
    public PartitionLocation? Locate(MetadataImage image, TopicId topic, int partition)
    {
        GroupId group = new(topic, partition);
        if (image.Find(group) is not { } known) return null;
        IReadOnlyList<NodeId> replicas = known.Replicas;
        (NodeId leader, LeaderEpoch epoch, IReadOnlyList<NodeId>? isr) = Lead(group);
        IReadOnlyList<NodeId> offline = replicas.All(IsLive) ? [] : [.. replicas.Where(replica => !IsLive(replica))];
        return new PartitionLocation(leader, epoch, replicas, isr ?? known.Isr, offline);

        bool IsLive(NodeId node) => image.Brokers.TryGetValue(node, out BrokerImage? broker) && broker.IsLive;
    }

    private (NodeId Leader, LeaderEpoch Epoch, IReadOnlyList<NodeId>? Isr) Lead(GroupId group)
    {
        PartitionView? view = directory.Find(group)?.View;
        LeaderLocation? announced = leaders.Locate(group);
        if (view is { IsLeader: true, Failure: null } && view.Epoch.Value >= (announced?.Epoch.Value ?? -1))
            return (self, view.Epoch, view.Isr);

        // Whatever is said about this node, its own replica knows better.
        if (announced is not null && announced.Leader != self && announced.Epoch.Value >= (view?.Epoch.Value ?? -1))
            return (announced.Leader, announced.Epoch, announced.Isr);
        NodeId leader = view is { Failure: null } && view.Leader != self ? view.Leader : NodeId.None;
        return (leader, view?.Epoch ?? LeaderEpoch.Unknown, null);
    }
}
