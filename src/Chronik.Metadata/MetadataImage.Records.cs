using Chronik.Model;

namespace Chronik.Metadata;

/// <content>The image as records.</content>
public sealed partial class MetadataImage
{
    /// <summary>
    /// The fewest records that give this image whatever was applied before them: <see cref="MetadataRestated"/>, then what there is, in
    /// the order of ids and names. Only <see cref="Version"/> counts on.
    /// </summary>
    public IReadOnlyList<MetadataRecord> ToRecords()
    {
        List<MetadataRecord> records = [new MetadataRestated()];
        if (Level > FeatureLevel.Oldest) records.Add(new LevelChanged(Level)); // First: what follows may need it.
        if (ClusterId.Length > 0) records.Add(new ClusterFormed(ClusterId));
        foreach (BrokerImage broker in Brokers.Values.OrderBy(broker => broker.Id.Value))
        {
            records.Add(new BrokerRegistered(broker.Id, broker.Endpoints, broker.Rack)
            {
                Directory = broker.Directory,
                Incarnation = broker.Incarnation,
                Protocol = broker.Protocol,
            });
            if (!broker.IsLive) records.Add(new BrokerLivenessChanged(broker.Id, IsLive: false));
            if (broker.IsDraining) records.Add(new BrokerDrainingChanged(broker.Id, IsDraining: true, broker.IsLeaving));
        }

        foreach (NodeId gone in Unregistered.OrderBy(id => id.Value)) records.Add(new BrokerUnregistered(gone));
        foreach (TopicImage topic in Topics.Values.OrderBy(topic => topic.Name, StringComparer.Ordinal))
        {
            records.Add(new TopicCreated(topic.Name, topic.Id, topic.Partitions, topic.Configs));
            for (int i = 0; i < topic.Partitions.Length; i++)
            {
                PartitionImage partition = topic.Partitions[i];
                if (partition.IsMoving) records.Add(partition.ToRecord(topic.Id, i));
                if (partition.IsMoving || partition.IsrEpoch != LeaderEpoch.Unknown)
                    records.Add(new IsrChanged(topic.Id, i, partition.IsrEpoch, partition.Isr));
            }
        }

        foreach (string broker in BrokerConfigs.Keys.Order(StringComparer.Ordinal))
            foreach ((string key, string value) in BrokerConfigs[broker])
                records.Add(new ConfigChanged(new ConfigResource(ConfigResourceKind.Broker, broker), key, value));
        if (NextProducerId > 0) records.Add(new ProducerIdsAllocated(NextProducerId));
        return records;
    }
}
