using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata;

/// <content>How a record changes the image.</content>
public sealed partial class MetadataImage
{
    /// <summary>The image after one more record that is not in the log, or not yet.</summary>
    public MetadataImage Apply(MetadataRecord record) => Apply(record, KafkaOffset.Unknown);

    /// <summary>
    /// The image after one more record of the metadata log. Records were checked when they were decided, so one that does not fit is a
    /// damaged log: <see cref="InvariantViolationException"/>.
    /// </summary>
    /// <param name="record">The record.</param>
    /// <param name="at">Its offset in the log, which names what it begins (<see cref="PartitionImage.Move"/>).</param>
    public MetadataImage Apply(MetadataRecord record, KafkaOffset at) => record switch
    {
        ClusterFormed formed => new MetadataImage(this) { ClusterId = formed.ClusterId },
        LevelChanged changed => ChangeLevel(changed),
        TopicCreated created => Create(created),
        TopicDeleted deleted => Delete(deleted),
        PartitionsAdded added => AddPartitions(added),
        IsrChanged changed => ChangeIsr(changed),
        ConfigChanged changed => ChangeConfig(changed),
        ProducerIdsAllocated allocated => AllocateProducerIds(allocated),
        BrokerRegistered registered => new MetadataImage(this)
        {
            Brokers = Brokers.SetItem(registered.Id, new BrokerImage(registered.Id, registered.Endpoints, registered.Rack)
            {
                Directory = registered.Directory,
                Incarnation = registered.Incarnation,
                Protocol = registered.Protocol,
                IsDraining = Brokers.GetValueOrDefault(registered.Id)?.IsDraining ?? false,
                IsLeaving = Brokers.GetValueOrDefault(registered.Id)?.IsLeaving ?? false,
            }),
            Unregistered = Unregistered.Remove(registered.Id),
        },
        BrokerUnregistered unregistered => new MetadataImage(this)
        {
            Brokers = Brokers.Remove(unregistered.Id),
            Unregistered = Unregistered.Add(unregistered.Id),
        },
        ReassignmentChanged changed => ChangeReplicas(changed, at),
        BrokerLivenessChanged changed => ChangeLiveness(changed),
        BrokerDrainingChanged changed => ChangeDraining(changed),
        MetadataRestated => new MetadataImage { Version = Version + 1 },
        _ => throw new ArgumentException($"no rule for {record.GetType().Name}", nameof(record)),
    };

    /// <summary>The name of a topic with every '.' made '_', or null when it has neither.</summary>
    internal static string? ShapeOf(string name) => name.AsSpan().ContainsAny('.', '_') ? name.Replace('.', '_') : null;

    private MetadataImage ChangeLevel(LevelChanged changed)
    {
        Invariant.Require(changed.Level > Level);
        return new MetadataImage(this) { Level = changed.Level };
    }

    private MetadataImage Create(TopicCreated created)
    {
        Invariant.Require(!Topics.ContainsKey(created.Name) && !TopicsById.ContainsKey(created.Id));
        TopicImage topic = new()
        {
            Name = created.Name,
            Id = created.Id,
            Partitions = created.Partitions,
            Configs = created.Configs,
        };
        return new MetadataImage(this)
        {
            Topics = Topics.Add(topic.Name, topic),
            TopicsById = TopicsById.Add(topic.Id, topic),
            ReplicaCounts = Count(topic.Partitions, 1),
            PreferredCounts = CountPreferred(topic.Partitions, 1),
            NamesByShape = ShapeOf(topic.Name) is { } shape ? NamesByShape.Add(shape, topic.Name) : NamesByShape,
        };
    }

    private MetadataImage Delete(TopicDeleted deleted)
    {
        TopicImage topic = TopicOf(deleted.Id);
        return new MetadataImage(this)
        {
            Topics = Topics.Remove(topic.Name),
            TopicsById = TopicsById.Remove(topic.Id),
            ReplicaCounts = Count(topic.Partitions, -1),
            PreferredCounts = CountPreferred(topic.Partitions, -1),
            NamesByShape = ShapeOf(topic.Name) is { } shape ? NamesByShape.Remove(shape) : NamesByShape,
        };
    }

    private MetadataImage AddPartitions(PartitionsAdded added)
    {
        TopicImage topic = TopicOf(added.Id);
        Invariant.Require(added.First == topic.Partitions.Length);
        topic = topic with { Partitions = topic.Partitions.AddRange(added.Partitions) };
        return new MetadataImage(this)
        {
            Topics = Topics.SetItem(topic.Name, topic),
            TopicsById = TopicsById.SetItem(topic.Id, topic),
            ReplicaCounts = Count(added.Partitions, 1),
            PreferredCounts = CountPreferred(added.Partitions, 1),
        };
    }

    private MetadataImage ChangeIsr(IsrChanged changed)
    {
        TopicImage topic = TopicOf(changed.Id);
        Invariant.Require((uint)changed.Partition < (uint)topic.Partitions.Length);
        PartitionImage partition = topic.Partitions[changed.Partition] with { Isr = changed.Isr, IsrEpoch = changed.Epoch };
        return With(topic with { Partitions = topic.Partitions.SetItem(changed.Partition, partition) });
    }

    private MetadataImage ChangeReplicas(ReassignmentChanged changed, KafkaOffset at)
    {
        TopicImage topic = TopicOf(changed.Id);
        Invariant.Require((uint)changed.Partition < (uint)topic.Partitions.Length && changed.Replicas.Length > 0);
        PartitionImage before = topic.Partitions[changed.Partition];
        ImmutableArray<NodeId> inSync = [.. changed.Replicas.Where(before.Isr.Contains)]; // Who is added is in sync when a leader says so.
        PartitionImage after = before with
        {
            Replicas = changed.Replicas,
            Directories = changed.Directories,
            Adding = changed.Adding,
            Removing = changed.Removing,
            Isr = inSync.IsEmpty ? changed.Replicas : inSync,
            Move = changed.Adding.IsEmpty && changed.Removing.IsEmpty ? KafkaOffset.Unknown : at,
        };
        MetadataImage without = new(this) { ReplicaCounts = Count([before], -1), PreferredCounts = CountPreferred([before], -1) };
        return new MetadataImage(With(topic with { Partitions = topic.Partitions.SetItem(changed.Partition, after) }))
        {
            Version = Version + 1,
            ReplicaCounts = without.Count([after], 1),
            PreferredCounts = without.CountPreferred([after], 1),
        };
    }

    private MetadataImage ChangeConfig(ConfigChanged changed)
    {
        if (changed.Resource.Kind == ConfigResourceKind.Topic)
        {
            Invariant.Require(Topics.TryGetValue(changed.Resource.Name, out TopicImage? topic));
            return With(topic with { Configs = Change(topic.Configs, changed) });
        }

        ImmutableSortedDictionary<string, string> configs =
            Change(BrokerConfigs.GetValueOrDefault(changed.Resource.Name, NoConfigs), changed);
        return new MetadataImage(this)
        {
            BrokerConfigs = configs.IsEmpty
                ? BrokerConfigs.Remove(changed.Resource.Name)
                : BrokerConfigs.SetItem(changed.Resource.Name, configs),
        };
    }

    private MetadataImage AllocateProducerIds(ProducerIdsAllocated allocated)
    {
        Invariant.Require(allocated.NextProducerId >= NextProducerId);
        return new MetadataImage(this) { NextProducerId = allocated.NextProducerId };
    }

    private MetadataImage ChangeLiveness(BrokerLivenessChanged changed)
    {
        Invariant.Require(Brokers.TryGetValue(changed.Id, out BrokerImage? broker));
        return new MetadataImage(this) { Brokers = Brokers.SetItem(changed.Id, broker with { IsLive = changed.IsLive }) };
    }

    private MetadataImage ChangeDraining(BrokerDrainingChanged changed)
    {
        Invariant.Require(Brokers.TryGetValue(changed.Id, out BrokerImage? broker));
        return new MetadataImage(this)
        {
            Brokers = Brokers.SetItem(changed.Id, broker with { IsDraining = changed.IsDraining, IsLeaving = changed.IsLeaving }),
        };
    }

    private MetadataImage With(TopicImage topic) => new(this)
    {
        Topics = Topics.SetItem(topic.Name, topic),
        TopicsById = TopicsById.SetItem(topic.Id, topic),
    };

    private TopicImage TopicOf(TopicId id)
    {
        Invariant.Require(TopicsById.TryGetValue(id, out TopicImage? topic));
        return topic;
    }

    private static ImmutableSortedDictionary<string, string> Change(
        ImmutableSortedDictionary<string, string> configs, ConfigChanged changed) =>
        changed.Value is null ? configs.Remove(changed.Key) : configs.SetItem(changed.Key, changed.Value);

    private ImmutableDictionary<NodeId, int> Count(ImmutableArray<PartitionImage> partitions, int by)
    {
        ImmutableDictionary<NodeId, int>.Builder counts = ReplicaCounts.ToBuilder();
        foreach (PartitionImage partition in partitions)
            foreach (NodeId replica in partition.Replicas)
                counts[replica] = counts.GetValueOrDefault(replica) + by;
        return counts.ToImmutable();
    }

    private ImmutableDictionary<NodeId, int> CountPreferred(ImmutableArray<PartitionImage> partitions, int by)
    {
        ImmutableDictionary<NodeId, int>.Builder counts = PreferredCounts.ToBuilder();
        foreach (PartitionImage partition in partitions)
            counts[partition.Replicas[0]] = counts.GetValueOrDefault(partition.Replicas[0]) + by;
        return counts.ToImmutable();
    }
}
