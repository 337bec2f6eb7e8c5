using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <content>Topics and their partitions.</content>
public static partial class MetadataMachine
{
    private static IEnumerable<TopicResult> Create(Draft draft, CreateTopics create)
    {
        HashSet<string> twice = Repeated(create.Topics.Select(topic => topic.Name));
        foreach (NewTopic topic in create.Topics)
        {
            yield return twice.Contains(topic.Name)
                ? Refused(topic.Name, KafkaError.InvalidRequest, $"Duplicate topic name: '{topic.Name}' appears more than once.")
                : CreateOne(draft, topic);
        }
    }

    private static TopicResult CreateOne(Draft draft, NewTopic topic)
    {
        Refusal? refusal = RefuseName(draft.Image, topic.Name);
        if (refusal is not null) return Refused(topic.Name, refusal.Error, refusal.Message);

        ImmutableSortedDictionary<string, string>.Builder configs = MetadataImage.NoConfigs.ToBuilder();
        foreach ((string key, string? value) in topic.Configs)
        {
            string? reason = value is null
                ? $"Null value not supported for topic configs: {key}"
                : TopicConfigs.Refusal(topic.Name, key, value);
            if (reason is null && configs.ContainsKey(key)) reason = $"Config {key} appears more than once.";
            if (reason is not null) return Refused(topic.Name, KafkaError.InvalidConfig, reason);
            configs[key] = value!.Trim();
        }

        ImmutableArray<PartitionImage> partitions = [];
        refusal = topic.Assignments.Count > 0
            ? TakeAssignments(draft, topic, out partitions)
            : ChoosePartitions(draft, topic, out partitions);
        if (refusal is null) refusal = RefuseLoad(draft, partitions);
        if (refusal is not null) return Refused(topic.Name, refusal.Error, refusal.Message);

        TopicId id = draft.Context.NewTopicId();
        draft.Add(new TopicCreated(topic.Name, id, partitions, configs.ToImmutable()));
        TopicImage created = draft.Image.TopicsById[id];
        return new TopicResult(KafkaError.None, null, topic.Name, id)
        {
            PartitionCount = created.Partitions.Length,
            ReplicationFactor = created.ReplicationFactor,
            Configs = TopicConfigs.Describe(draft.Image, created, draft.Context.Self, draft.Context.Settings),
        };
    }

    private static Refusal? RefuseName(MetadataImage image, string name)
    {
        if (TopicNames.Refusal(name) is { } reason) return new(KafkaError.InvalidTopicException, reason);
        if (name == TopicNames.ClusterMetadata) return new(KafkaError.InvalidRequest, $"Creation of internal topic {name} is prohibited.");
        if (image.Topics.ContainsKey(name)) return new(KafkaError.TopicAlreadyExists, $"Topic '{name}' already exists.");
        if (MetadataImage.ShapeOf(name) is { } shape && image.NamesByShape.TryGetValue(shape, out string? other))
        {
            string message = $"Topic '{name}' collides with existing topic '{other}': '.' and '_' count as the same character.";
            return new(KafkaError.InvalidTopicException, message);
        }

        return null;
    }

    private static Refusal? ChoosePartitions(Draft draft, NewTopic topic, out ImmutableArray<PartitionImage> partitions)
    {
        partitions = [];
        if (topic.PartitionCount is 0 or < -1)
        {
            string message = $"Number of partitions must be larger than 0, or -1 for num.partitions; it is {topic.PartitionCount}.";
            return new(KafkaError.InvalidPartitions, message);
        }

        if (topic.ReplicationFactor is 0 or < -1)
        {
            string message = "Replication factor must be larger than 0, or -1 for default.replication.factor; " +
                             $"it is {topic.ReplicationFactor}.";
            return new(KafkaError.InvalidReplicationFactor, message);
        }

        int count = topic.PartitionCount > 0 ? topic.PartitionCount : Default(draft, "num.partitions");
        int factor = topic.ReplicationFactor > 0 ? topic.ReplicationFactor : Default(draft, "default.replication.factor");
        return Choose(draft, count, factor, out partitions);
    }

    private static Refusal? TakeAssignments(Draft draft, NewTopic topic, out ImmutableArray<PartitionImage> partitions)
    {
        partitions = [];
        if (topic.PartitionCount != -1 || topic.ReplicationFactor != -1)
        {
            string message = "Number of partitions and replication factor must be -1 when partitions are assigned; " +
                             $"they are {topic.PartitionCount} and {topic.ReplicationFactor}.";
            return new(KafkaError.InvalidRequest, message);
        }

        PartitionAssignment[] assignments = [.. topic.Assignments.OrderBy(assignment => assignment.Partition)];
        for (int i = 0; i < assignments.Length; i++)
        {
            if (assignments[i].Partition == i) continue;
            return new(KafkaError.InvalidReplicaAssignment, $"Assigned partitions must be 0 to {assignments.Length - 1}, each once.");
        }

        int factor = assignments[0].Replicas.Count;
        foreach (PartitionAssignment assignment in assignments)
        {
            if (RefuseReplicas(draft, assignment.Replicas, factor) is { } reason)
                return new(KafkaError.InvalidReplicaAssignment, $"Partition {assignment.Partition}: {reason}");
        }

        partitions = [.. assignments.Select(assignment => Placement.On(draft.Image, [.. assignment.Replicas]))];
        return null;
    }

    private static IEnumerable<TopicResult> Delete(Draft draft, DeleteTopics delete)
    {
        HashSet<string> namedTwice = Repeated(delete.Topics.Where(topic => topic.Name is not null).Select(topic => topic.Name!));
        HashSet<TopicId> idTwice = Repeated(delete.Topics.Where(topic => topic.Id != TopicId.None).Select(topic => topic.Id));
        bool enabled = BrokerConfigs.BooleanValue(draft.Image, draft.Context.Self, draft.Context.Settings, "delete.topic.enable");
        foreach (TopicReference topic in delete.Topics)
        {
            string? name = topic.Name;
            bool hasId = topic.Id != TopicId.None;
            if (name is not null && hasId)
                yield return Refused(name, KafkaError.InvalidRequest, "You may not specify both topic name and topic id.", topic.Id);
            else if (name is null && !hasId)
                yield return Refused(name, KafkaError.InvalidRequest, "Neither topic name nor id were specified.");
            else if (name is not null && namedTwice.Contains(name))
                yield return Refused(name, KafkaError.InvalidRequest, $"Duplicate topic name: '{name}' appears more than once.");
            else if (hasId && idTwice.Contains(topic.Id))
                yield return Refused(name, KafkaError.InvalidRequest, $"Duplicate topic id: {topic.Id} appears more than once.", topic.Id);
            else if (!enabled)
                yield return Refused(name, KafkaError.TopicDeletionDisabled, "Deletion is disabled: delete.topic.enable=false.", topic.Id);
            else
                yield return DeleteOne(draft, topic);
        }
    }

    private static TopicResult DeleteOne(Draft draft, TopicReference reference)
    {
        TopicImage? topic = reference.Name is not null
            ? draft.Image.Topics.GetValueOrDefault(reference.Name)
            : draft.Image.TopicsById.GetValueOrDefault(reference.Id);
        if (topic is null)
        {
            return reference.Name is not null
                ? Refused(reference.Name, KafkaError.UnknownTopicOrPartition, $"Topic '{reference.Name}' does not exist.")
                : Refused(null, KafkaError.UnknownTopicId, $"No topic has the id {reference.Id}.", reference.Id);
        }

        draft.Add(new TopicDeleted(topic.Id));
        return new TopicResult(KafkaError.None, null, topic.Name, topic.Id);
    }

    private static IEnumerable<TopicResult> Extend(Draft draft, CreatePartitions extend)
    {
        HashSet<string> twice = Repeated(extend.Topics.Select(topic => topic.Name));
        foreach (MorePartitions topic in extend.Topics)
        {
            yield return twice.Contains(topic.Name)
                ? Refused(topic.Name, KafkaError.InvalidRequest, $"Duplicate topic name: '{topic.Name}' appears more than once.")
                : ExtendOne(draft, topic);
        }
    }

    private static TopicResult ExtendOne(Draft draft, MorePartitions more)
    {
        if (!draft.Image.Topics.TryGetValue(more.Name, out TopicImage? topic))
            return Refused(more.Name, KafkaError.UnknownTopicOrPartition, $"Topic '{more.Name}' does not exist.");
        if (TopicNames.IsInternal(topic.Name))
        {
            string message = $"The number of partitions of {topic.Name} is fixed: it says which partition holds which group.";
            return Refused(topic.Name, KafkaError.InvalidRequest, message, topic.Id);
        }

        int current = topic.Partitions.Length;
        if (more.TotalCount <= current)
        {
            string message = more.TotalCount == current
                ? $"Topic already has {current} partition(s)."
                : $"The topic {topic.Name} currently has {current} partition(s); {more.TotalCount} would not be an increase.";
            return Refused(topic.Name, KafkaError.InvalidPartitions, message, topic.Id);
        }

        int count = more.TotalCount - current;
        ImmutableArray<PartitionImage> partitions = [];
        Refusal? refusal = more.Assignments is null
            ? Choose(draft, count, topic.ReplicationFactor, out partitions)
            : TakeMore(draft, topic, count, more.Assignments, out partitions);
        if (refusal is null) refusal = RefuseLoad(draft, partitions);
        if (refusal is not null) return Refused(topic.Name, refusal.Error, refusal.Message, topic.Id);
        draft.Add(new PartitionsAdded(topic.Id, current, partitions));
        return new TopicResult(KafkaError.None, null, topic.Name, topic.Id)
        {
            PartitionCount = more.TotalCount,
            ReplicationFactor = topic.ReplicationFactor,
        };
    }

    /// <summary>Places new partitions on the brokers that are live, if there are enough.</summary>
    private static Refusal? Choose(Draft draft, int count, int factor, out ImmutableArray<PartitionImage> partitions)
    {
        partitions = [];
        int open = draft.Image.OpenCount;
        if (factor > open)
        {
            int draining = draft.Image.Brokers.Values.Count(broker => broker is { IsLive: true, IsDraining: true });
            string message = $"Unable to replicate the partition {factor} time(s): the replication factor of {factor} cannot be reached " +
                             $"because only {open} broker(s) are live" +
                             (draining > 0 ? $" and do not drain (draining: {draining})" : "") +
                             (open < draft.Image.Brokers.Count ? $" of {draft.Image.Brokers.Count} that are registered." : ".");
            return new(KafkaError.InvalidReplicationFactor, message);
        }

        Refusal? refusal = RefuseCount(draft, count, factor);
        if (refusal is null) partitions = Placement.Choose(draft.Image, count, factor);
        return refusal;
    }

    private static Refusal? TakeMore(
        Draft draft,
        TopicImage topic,
        int count,
        IReadOnlyList<IReadOnlyList<NodeId>> assignments,
        out ImmutableArray<PartitionImage> partitions)
    {
        partitions = [];
        if (assignments.Count != count)
            return new(KafkaError.InvalidReplicaAssignment, $"{count} partition(s) are added, but {assignments.Count} are assigned.");
        for (int i = 0; i < count; i++)
        {
            if (RefuseReplicas(draft, assignments[i], topic.ReplicationFactor) is { } reason)
                return new(KafkaError.InvalidReplicaAssignment, $"Partition {topic.Partitions.Length + i}: {reason}");
        }

        partitions = [.. assignments.Select(replicas => Placement.On(draft.Image, [.. replicas]))];
        return null;
    }

    /// <summary>Why these nodes cannot hold a partition; null when they can.</summary>
    private static string? RefuseReplicas(Draft draft, IReadOnlyList<NodeId> replicas, int factor)
    {
        if (replicas.Count == 0) return "the assignment has no replicas.";
        if (replicas.Count != factor) return $"the assignment has {replicas.Count} replica(s), the topic's other partitions have {factor}.";
        if (replicas.Distinct().Count() != replicas.Count) return "the assignment names a broker twice.";
        foreach (NodeId replica in replicas)
            if (!draft.Image.Brokers.ContainsKey(replica)) return $"the assignment names broker {replica}, which is not registered.";
        return replicas.Any(replica => draft.Image.Brokers[replica].IsLive) ? null : "none of the assignment's brokers is live.";
    }

    /// <summary>Refuses, before anything is placed, what could not be held even if it were spread evenly.</summary>
    private static Refusal? RefuseCount(Draft draft, int count, int factor)
    {
        long limit = draft.Context.Settings.MaxPartitionsPerBroker;
        int live = draft.Image.OpenCount;
        if ((long)count * factor <= limit * live) return null;
        string message = $"{count} partition(s) with {factor} replica(s) each are more than {live} broker(s) may hold: " +
                         $"the limit is {limit} for each ({BrokerSettings.MaxPartitionsPerBrokerKey}).";
        return new(KafkaError.PolicyViolation, message);
    }

    private static Refusal? RefuseLoad(Draft draft, ImmutableArray<PartitionImage> partitions)
    {
        int limit = draft.Context.Settings.MaxPartitionsPerBroker;
        foreach (IGrouping<NodeId, NodeId> added in partitions.SelectMany(partition => partition.Replicas).GroupBy(replica => replica))
        {
            int load = draft.Image.ReplicaCounts.GetValueOrDefault(added.Key) + added.Count();
            if (load <= limit) continue;
            string message = $"Broker {added.Key} would hold {load} partitions; " +
                             $"the limit is {limit} ({BrokerSettings.MaxPartitionsPerBrokerKey}).";
            return new(KafkaError.PolicyViolation, message);
        }

        return null;
    }

    private static int Default(Draft draft, string key) =>
        BrokerConfigs.IntValue(draft.Image, draft.Context.Self, draft.Context.Settings, key);

    private static TopicResult Refused(string? name, KafkaError error, string? message, TopicId id = default) =>
        new(error, message, name, id);

    private static HashSet<T> Repeated<T>(IEnumerable<T> items)
    {
        HashSet<T> seen = [];
        HashSet<T> repeated = [];
        foreach (T item in items)
            if (!seen.Add(item)) repeated.Add(item);
        return repeated;
    }
}
