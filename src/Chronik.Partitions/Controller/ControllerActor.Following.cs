using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Groups;
using Chronik.Partitions.Replicas;

namespace Chronik.Partitions.Controller;

/// <content>Every node: from the log to the image, and from the image to what lives here.</content>
internal sealed partial class ControllerActor
{
    private void Apply(PartitionView view)
    {
        MetadataImage before = _image;
        List<(KafkaOffset Offset, MetadataRecord Record)> records = _next < view.HighWatermark ? MetadataLog.Read(view, _next) : [];
        KafkaOffset? restatedAt = null;
        MetadataSaysIsr? saysIsr;
        foreach ((KafkaOffset offset, MetadataRecord record) in records)
        {
            _image = _image.Apply(record, offset);
            if (record is MetadataRestated) restatedAt = offset;
        }

        if (view.HighWatermark > _next) _next = view.HighWatermark;
        Rise();
        if (!_isLoaded)
        {
            // What leads has everything that was ever committed; so has who sees what it did itself.
            _isLoaded = view.IsLeader || (_image.Brokers.TryGetValue(_setup.Node.Self, out BrokerImage? self) && IsOwn(self));
            if (!_isLoaded) return;
            _logger.Info("metadata loaded: {0} topics from {1} records", _image.Topics.Count, _image.Version);
            _partitions.Tell(AllReplicas());
            saysIsr = MetadataSaysIsr.Anything;
        }
        else if (records.Count == 0)
        {
            return;
        }
        else if (restatedAt is not null)
        {
            FollowAll(before);
            saysIsr = MetadataSaysIsr.Anything;
        }
        else
        {
            Follow(before, records);
            saysIsr = before.Level < _image.Level ? MetadataSaysIsr.Anything : new MetadataSaysIsr([.. records.SelectMany(IsrOf)]);
        }

        _partitions.Tell(new MetadataFollowed(_next));
        _setup.Published.Set(_image, _next);
        if (saysIsr is { Groups: { IsDefault: true } or { Length: > 0 } }) Context.System.EventStream.Publish(saysIsr);
        if (restatedAt is { } start) _log!.Replica.Tell(new DeleteRecords(start), ActorRefs.Nobody);
    }

    /// <summary>
    /// The directory notes the cluster's level before anything of that level is written to it, so that no older program opens it.
    /// </summary>
    private void Rise()
    {
        if (_image.Level <= _setup.Node.Level) return;
        if (!_setup.Registration.Protocol.Includes(_image.Level))
        {
            string reason =
                $"the cluster is at {FeatureLevel.Name} {_image.Level}, this node speaks {_setup.Registration.Protocol}: "
                + "it needs a newer version";
            _setup.Refused(reason);
            throw new InvalidOperationException(reason);
        }

        _setup.Node.Storage.Raise(_image.Level);
        _logger.Info("the cluster is at {0} {1} now", FeatureLevel.Name, _image.Level);
    }

    /// <summary>The partitions of which a record changes who is in sync, as far as the metadata know.</summary>
    private static IEnumerable<GroupId> IsrOf((KafkaOffset Offset, MetadataRecord Record) applied) => applied.Record switch
    {
        IsrChanged changed => [new GroupId(changed.Id, changed.Partition)],
        ReassignmentChanged moved => [new GroupId(moved.Id, moved.Partition)],
        _ => [],
    };

    /// <summary>Tells /partitions what some records changed for this node.</summary>
    private void Follow(MetadataImage before, List<(KafkaOffset Offset, MetadataRecord Record)> records)
    {
        List<ReplicaAssigned> assign = [];
        Dictionary<GroupId, PartitionImage> moved = [];
        List<TopicImage> gone = [];
        HashSet<TopicId> configure = [];
        foreach ((_, MetadataRecord record) in records)
        {
            switch (record)
            {
                case TopicCreated created when _image.TopicsById.TryGetValue(created.Id, out TopicImage? topic):
                    configure.Add(topic.Id);
                    assign.AddRange(ReplicasOf(topic, 0, created.Partitions.Length));
                    break;
                case PartitionsAdded added when _image.TopicsById.TryGetValue(added.Id, out TopicImage? topic):
                    assign.AddRange(ReplicasOf(topic, added.First, added.Partitions.Length));
                    break;
                case TopicDeleted deleted when before.TopicsById.TryGetValue(deleted.Id, out TopicImage? topic):
                    gone.Add(topic);
                    break;
                case ReassignmentChanged changed when _image.TopicsById.TryGetValue(changed.Id, out TopicImage? topic):
                    assign.AddRange(ReplicasOf(topic, changed.Partition, 1));
                    moved[new GroupId(changed.Id, changed.Partition)] = topic.Partitions[changed.Partition];
                    break;
                case ConfigChanged { Resource.Kind: ConfigResourceKind.Topic } changed
                    when _image.Topics.TryGetValue(changed.Resource.Name, out TopicImage? topic):
                    configure.Add(topic.Id);
                    break;
                case ConfigChanged { Resource.Kind: ConfigResourceKind.Broker }:
                    // A default of the broker shows through in every topic that does not override it.
                    configure.UnionWith(_image.TopicsById.Keys);
                    break;
            }
        }

        foreach (TopicId id in configure) _partitions.Tell(new ConfigureTopic(id, ConfigOf(_image.TopicsById[id])));
        if (gone.Count > 0)
        {
            _partitions.Tell(new UnassignReplicas([.. gone.SelectMany(AllReplicasOf).Select(replica => replica.Group)]));
            _groups.Tell(new TopicsGone(gone));
        }

        if (assign.Count > 0) _partitions.Tell(new AssignReplicas(assign));
        if (moved.Count == 0) return;
        List<GroupId> left = [.. moved.Where(one => !IsHere(one.Value)).Select(one => one.Key)];
        if (left.Count > 0) _partitions.Tell(new UnassignReplicas(left, AreElsewhere: true));
        _partitions.Tell(new PartitionsMoved([.. moved.Where(one => IsHere(one.Value))]));
    }

    private bool IsHere(PartitionImage partition) => partition.Replicas.Contains(_setup.Node.Self);

    /// <summary>The log was stated anew, and what it said in between may have been passed over.</summary>
    private void FollowAll(MetadataImage before)
    {
        List<TopicImage> gone = [.. before.TopicsById.Values.Where(topic => !_image.TopicsById.ContainsKey(topic.Id))];
        if (gone.Count > 0) _groups.Tell(new TopicsGone(gone));
        _partitions.Tell(AllReplicas());
    }

    private ReplicasAre AllReplicas() => new(
        [.. _image.Topics.Values.SelectMany(AllReplicasOf)],
        [.. _image.Topics.Values.Select(topic => KeyValuePair.Create(topic.Id, ConfigOf(topic)))],
        [
            .. _image.Topics.Values.SelectMany(topic => topic.Partitions
                .Select((partition, i) => KeyValuePair.Create(new GroupId(topic.Id, i), partition))
                .Where(one => IsHere(one.Value))),
        ]);

    private IEnumerable<ReplicaAssigned> AllReplicasOf(TopicImage topic) => ReplicasOf(topic, 0, topic.Partitions.Length);

    private IEnumerable<ReplicaAssigned> ReplicasOf(TopicImage topic, int first, int count)
    {
        for (int i = first; i < first + count; i++)
        {
            PartitionImage partition = topic.Partitions[i];
            int at = partition.Replicas.IndexOf(_setup.Node.Self);
            if (at < 0) continue;
            GroupId group = new(topic.Id, i);
            TopicPartition name = new(topic.Name, i);
            // From before directories were known, nobody can have lost one.
            bool isLost = partition.Directories[at] != Guid.Empty && partition.Directories[at] != _setup.Node.Peers.Directory;
            if (partition.Adding.Contains(_setup.Node.Self) || (partition.IsMoving && isLost))
                yield return ReplicaAssigned.Newcomer(group, name);
            else if (partition.IsMoving)
                yield return new ReplicaAssigned(group, name, []); // Its members are on their way; it was here when they were others.
            else
                yield return new ReplicaAssigned(group, name, partition.Replicas)
                {
                    Directories = partition.Directories[at] == Guid.Empty ? [] : partition.Directories,
                };
        }
    }

    private TopicConfig ConfigOf(TopicImage topic) => TopicConfig.From(_image, topic, _setup.Node.Self, _setup.Settings);
}
