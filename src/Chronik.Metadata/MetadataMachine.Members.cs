using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <content>Which nodes hold which partition, and which are there at all.</content>
public static partial class MetadataMachine
{
    private static IEnumerable<ItemResult> Move(Draft draft, AlterReassignments alter)
    {
        Refusal? refusal = draft.Requires(FeatureLevel.Operable, "To move partitions");
        HashSet<(string, int)> twice = Repeated(alter.Items.Select(item => (item.Topic, item.Partition)));
        foreach (Reassignment item in alter.Items)
        {
            if (refusal is not null) yield return refusal.ToResult();
            else if (twice.Contains((item.Topic, item.Partition)))
                yield return new ItemResult(KafkaError.InvalidRequest, $"{item.Topic}-{item.Partition} appears more than once.");
            else yield return MoveOne(draft, item, alter.AllowFactorChange);
        }
    }

    private static ItemResult MoveOne(Draft draft, Reassignment item, bool allowFactorChange)
    {
        if (item.Topic == TopicNames.ClusterMetadata)
        {
            string message = $"The replicas of {item.Topic} cannot be assigned: the controller chooses them among the brokers.";
            return new ItemResult(KafkaError.InvalidRequest, message);
        }

        if (!draft.Image.Topics.TryGetValue(item.Topic, out TopicImage? topic))
            return new ItemResult(KafkaError.UnknownTopicOrPartition, $"Topic '{item.Topic}' does not exist.");
        if ((uint)item.Partition >= (uint)topic.Partitions.Length)
        {
            string message = $"Topic '{item.Topic}' has the partitions 0 to {topic.Partitions.Length - 1}, not {item.Partition}.";
            return new ItemResult(KafkaError.UnknownTopicOrPartition, message);
        }

        PartitionImage now = topic.Partitions[item.Partition];
        if (item.Target is null && !now.IsMoving)
            return new ItemResult(KafkaError.NoReassignmentInProgress, $"{item.Topic}-{item.Partition} is not being moved.");
        ImmutableArray<NodeId> target = item.Target is null ? now.Origin : [.. item.Target];
        Refusal? refusal = null;
        if (item.Target is not null) // Where it was it may always go back to: what it would lose there it has lost.
        {
            refusal = RefuseTarget(draft, now, target, allowFactorChange) ?? RefuseLoss(draft, target);
            if (!now.IsMoving) refusal ??= RefuseLoss(draft, now.Replicas); // They have to agree to the move.
        }

        if (refusal is not null) return refusal.ToResult();

        PartitionImage next = Towards(draft.Image, now, target);
        if (now.IsMoving && !next.IsMoving)
        {
            // The leader would see no move, and nobody would bring back those that have left the group already.
            string removing = string.Join(", ", now.Removing);
            string message = $"{item.Topic}-{item.Partition} gives up its replicas on {removing}, and some of them may be gone: " +
                             "wait until it has, or move it to other brokers.";
            return new ItemResult(KafkaError.InvalidRequest, message);
        }

        if (!IsSame(now, next)) draft.Add(next.ToRecord(topic.Id, item.Partition));
        return new ItemResult(KafkaError.None, null);
    }

    /// <summary>
    /// On its way to other nodes. Where it was before any move counts as such until a move is complete, so that one that replaces another
    /// can still be taken back as a whole. A node that an earlier move was adding may be in use already, so it goes the way of all that go.
    /// </summary>
    private static PartitionImage Towards(MetadataImage image, PartitionImage now, ImmutableArray<NodeId> target)
    {
        ImmutableArray<NodeId> replicas = [.. target.Union(now.Replicas)];
        return now with
        {
            Replicas = replicas,
            Directories = [.. replicas.Select(DirectoryOf)],
            Adding = replicas.RemoveRange(now.Origin),
            Removing = replicas.RemoveRange(target),
        };

        Guid DirectoryOf(NodeId replica)
        {
            int at = now.Replicas.IndexOf(replica);
            return at >= 0 ? now.Directories[at] : image.Brokers[replica].Directory;
        }
    }

    private static bool IsSame(PartitionImage a, PartitionImage b) =>
        a.Replicas.SequenceEqual(b.Replicas) && a.Adding.SequenceEqual(b.Adding) && a.Removing.SequenceEqual(b.Removing);

    /// <summary>Why nobody may ask for these nodes.</summary>
    private static Refusal? RefuseTarget(Draft draft, PartitionImage now, ImmutableArray<NodeId> target, bool allowFactorChange)
    {
        if (target.IsEmpty) return Invalid("The list of replicas is empty.");
        foreach (NodeId node in target)
        {
            if (!node.IsSome) return Invalid($"{node} is not a broker id.");
            if (!draft.Image.Brokers.ContainsKey(node)) return Invalid($"Broker {node} is not registered.");
        }

        HashSet<NodeId> twice = Repeated(target);
        if (twice.Count > 0) return Invalid($"Broker {twice.First()} is named more than once.");
        if (!allowFactorChange && target.Length != now.Target.Length)
        {
            string message = $"The partition has {now.Target.Length} replica(s); {target.Length} would change its replication factor, " +
                             "which this request does not allow.";
            return new(KafkaError.InvalidReplicationFactor, message);
        }

        int limit = draft.Context.Settings.MaxPartitionsPerBroker;
        foreach (NodeId node in target)
        {
            int load = draft.Image.ReplicaCounts.GetValueOrDefault(node) + 1;
            if (now.Replicas.Contains(node) || load <= limit) continue;
            string message = $"Broker {node} would hold {load} partitions; the limit is {limit} " +
                             $"({BrokerSettings.MaxPartitionsPerBrokerKey}).";
            return new(KafkaError.PolicyViolation, message);
        }

        return null;
    }

    /// <summary>
    /// Why the partition would not survive there. Nodes that are added are filled before any is let go, so what can be lost is the
    /// majority, and the last replica that has everything.
    /// </summary>
    private static Refusal? RefuseLoss(Draft draft, ImmutableArray<NodeId> target)
    {
        int live = target.Count(node => draft.Image.Brokers.TryGetValue(node, out BrokerImage? broker) && broker.IsLive);
        int needed = (target.Length / 2) + 1;
        if (live >= needed) return null;
        return Invalid(
            $"Of the brokers {string.Join(", ", target)} only {live} are live; "
            + $"the partition needs {needed} of them, a majority, to go on.");
    }

    private static Refusal Invalid(string message) => new(KafkaError.InvalidReplicaAssignment, message);

    private static ItemResult Complete(Draft draft, CompleteReassignment complete)
    {
        if (!draft.Image.TopicsById.TryGetValue(complete.Topic, out TopicImage? topic)
            || (uint)complete.Partition >= (uint)topic.Partitions.Length)
            return new ItemResult(KafkaError.UnknownTopicOrPartition, $"No partition is {complete.Topic}-{complete.Partition}.");
        PartitionImage now = topic.Partitions[complete.Partition];
        if (!now.IsMoving) return new ItemResult(KafkaError.None, null); // It was said before.
        if (complete.Epoch.Value < now.IsrEpoch.Value)
        {
            string message = $"{topic.Name}-{complete.Partition}: epoch {complete.Epoch} is over, {now.IsrEpoch} has begun.";
            return new ItemResult(KafkaError.FencedLeaderEpoch, message);
        }

        // A report may be late, and the partition on its way to the same nodes once more: they are not its voters yet.
        if (complete.Move is { } move && move != now.Move)
        {
            string message = $"{topic.Name}-{complete.Partition}: the move {move} is over, {now.Move} has begun.";
            return new ItemResult(KafkaError.InvalidRequest, message);
        }

        ImmutableArray<NodeId> target = now.Target;
        if (target.Length != complete.Voters.Count || !target.All(complete.Voters.Contains))
        {
            string message = $"{topic.Name}-{complete.Partition} is to be on {string.Join(", ", target)}, " +
                             $"not on {string.Join(", ", complete.Voters)}.";
            return new ItemResult(KafkaError.InvalidRequest, message);
        }

        PartitionImage there = now with
        {
            Replicas = target,
            Directories = [.. target.Select(node => now.Directories[now.Replicas.IndexOf(node)])],
            Adding = [],
            Removing = [],
        };
        draft.Add(there.ToRecord(topic.Id, complete.Partition));
        return new ItemResult(KafkaError.None, null);
    }

    private static ItemResult Unregister(Draft draft, UnregisterBroker unregister)
    {
        if (draft.Requires(FeatureLevel.Operable, "To forget a broker") is { } refusal) return refusal.ToResult();
        if (!draft.Image.Brokers.TryGetValue(unregister.Id, out BrokerImage? broker))
            return new ItemResult(KafkaError.BrokerIdNotRegistered, $"No broker has the id {unregister.Id}.");
        if (broker.IsLive)
        {
            string message = $"Broker {unregister.Id} is live and would register again at once: stop it first.";
            return new ItemResult(KafkaError.InvalidRequest, message);
        }

        int replicas = draft.Image.ReplicaCounts.GetValueOrDefault(unregister.Id);
        if (replicas > 0)
        {
            string message = $"Broker {unregister.Id} holds {replicas} replica(s): move them to other brokers first, " +
                             "with kafka-reassign-partitions or chronik cluster remove.";
            return new ItemResult(KafkaError.InvalidRequest, message);
        }

        draft.Add(new BrokerUnregistered(unregister.Id));
        return new ItemResult(KafkaError.None, null);
    }
}
