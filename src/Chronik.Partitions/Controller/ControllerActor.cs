using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Groups;
using Chronik.Partitions.Replicas;

namespace Chronik.Partitions.Controller;

/// <summary>
/// Changes the cluster's metadata: decides on commands one after the other, appends what follows to __cluster_metadata, and applies it
/// when it is committed. The log is the truth; the image is what comes of reading it.
/// </summary>
/// <remarks>
/// <code>
///   node ----- Submit ------------->|            |-- AppendRequest --------------> replica of __cluster_metadata
///   replica -- MetadataAppended --->| controller |-- publishes MetadataImage
///   replicas - LeadershipChanged -->|            |-- AssignReplicas, UnassignReplicas, ConfigureTopic --> /partitions
///                                   |            |-- CommandResult to who submitted, once its new partitions lead
/// </code>
/// Survives a restart: nothing here; everything in the log.
/// </remarks>
internal sealed class ControllerActor : ReceiveActor, IWithUnboundedStash
{
    private readonly ControllerSetup _setup;
    private readonly IActorRef _partitions;
    private readonly IActorRef _groups;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly List<Settling> _settling = [];
    private readonly DecisionContext _decisions;
    private MetadataImage _image = MetadataImage.Empty;
    private Partition? _log;

    public ControllerActor(ControllerSetup setup, IActorRef partitions, IActorRef groups)
    {
        _setup = setup;
        _partitions = partitions;
        _groups = groups;
        _decisions = new DecisionContext
        {
            Self = setup.Node.Self,
            Settings = setup.Settings,
            NewTopicId = () => new TopicId(Guid.NewGuid()),
        };
        Context.System.EventStream.Subscribe(Self, typeof(LeadershipChanged));
        WaitForLeadership();
    }

    public IStash Stash { get; set; } = null!;

    protected override void PreStart()
    {
        if (_setup.Directory.Find(GroupId.Metadata) is { View.IsLeader: true } led)
            Self.Tell(new LeadershipChanged(led, true, led.View.Epoch));
    }

    private void WaitForLeadership()
    {
        Receive<LeadershipChanged>(IsMetadata, changed =>
        {
            if (changed.Leads) Load(changed.Partition);
        });
        Receive<LeadershipChanged>(Settle);
        Receive<GiveUp>(Expire);
        Receive<Submit>(_ => Stash.Stash());
    }

    /// <summary>Takes commands.</summary>
    private void Lead()
    {
        Receive<Submit>(submit => Decide(submit, Sender));
        Receive<LeadershipChanged>(IsMetadata, changed =>
        {
            if (!changed.Leads) BecomeWhatTheLogAllows();
        });
        Receive<LeadershipChanged>(Settle);
        Receive<GiveUp>(Expire);
    }

    /// <summary>The log is of no use until the node starts again. Nobody waits for that.</summary>
    private Action Refuse(string reason) => () =>
    {
        AppendResult refused = new(
            KafkaError.KafkaStorageError, KafkaOffset.Unknown, AppendResult.NoAppendTime, KafkaOffset.Unknown, reason);
        Receive<Submit>(_ => Sender.Tell(new Status.Failure(new MetadataAppendException(refused))));
        Receive<LeadershipChanged>(Settle);
        Receive<GiveUp>(Expire);
    };

    private void BecomeWhatTheLogAllows()
    {
        PartitionView log = _log!.View;
        if (log.Failure is { } failure) Become(Refuse(failure));
        else if (!log.IsLeader) Become(WaitForLeadership);
        else if (IsLong(log)) Shorten();
        else Become(Lead);
        Stash.UnstashAll();
    }

    /// <summary>
    /// Whether the log is worth stating anew. It is read from its beginning at every start, and most of what a busy log says is no
    /// longer so: topics that are gone, producer ids that were given out.
    /// </summary>
    private bool IsLong(PartitionView log)
    {
        long records = log.HighWatermark.Value - log.LogStartOffset.Value;
        return records > _setup.LogRecords && records > 4 * (_image.Topics.Count + _image.Brokers.Count + _image.BrokerConfigs.Count);
    }

    /// <summary>
    /// States the image again, in one batch, which is there as a whole or not at all; then everything before it can go. A crash between
    /// the two costs nothing: the first of these records voids what was read before it.
    /// </summary>
    private void Shorten()
    {
        IReadOnlyList<MetadataRecord> records = _image.ToRecords();
        AppendBatch(records);
        Become(() =>
        {
            Receive<MetadataAppended>(appended =>
            {
                if (appended.Result.Error != KafkaError.None)
                {
                    string reason = appended.Result.Message ?? appended.Result.Error.ToString();
                    _logger.Warning("the metadata log could not be shortened: {0}", reason);
                    if (_log!.View.IsLeader) Become(Lead); // The next change tries again.
                    else BecomeWhatTheLogAllows();
                    Stash.UnstashAll();
                    return;
                }

                foreach (MetadataRecord record in records) _image = _image.Apply(record);
                _setup.Publish(_image);
                _log!.Replica.Tell(new DeleteRecords(appended.Result.BaseOffset), ActorRefs.Nobody);
                Become(Lead);
                Stash.UnstashAll();
            });
            Receive<LeadershipChanged>(Settle);
            Receive<GiveUp>(Expire);
            Receive<Submit>(_ => Stash.Stash());
        });
    }

    /// <summary>Waits for its own append; commands wait too, because they must be decided on what this one leaves behind.</summary>
    private Action Appending(Decision decision, IActorRef submitter, TimeSpan timeout) => () =>
    {
        Receive<MetadataAppended>(appended =>
        {
            if (appended.Result.Error == KafkaError.None) Commit(decision, submitter, timeout);
            else submitter.Tell(new Status.Failure(new MetadataAppendException(appended.Result)));
            BecomeWhatTheLogAllows();
        });
        Receive<LeadershipChanged>(Settle);
        Receive<GiveUp>(Expire);
        Receive<Submit>(_ => Stash.Stash());
    };

    private static bool IsMetadata(LeadershipChanged changed) => changed.Partition.Group == GroupId.Metadata;

    /// <summary>
    /// Reads the committed log from its beginning; makes sure that the cluster has an id and that this broker is registered.
    /// </summary>
    private void Load(Partition log)
    {
        _log = log;
        try
        {
            _image = MetadataLog.Read(log.View);
        }
        catch (Exception failure)
        {
            // Trying again would read the same bytes.
            _logger.Error(failure, "the metadata cannot be read: {0}", failure.Message);
            _setup.Failed(failure);
            Become(Refuse($"the metadata cannot be read: {failure.Message}"));
            Stash.UnstashAll();
            return;
        }

        _logger.Info("metadata loaded: {0} topics from {1} records", _image.Topics.Count, _image.Version);
        _partitions.Tell(AllReplicas());
        Become(Lead);
        Stash.UnstashAll();
        List<MetadataRecord> first = [];
        if (_image.ClusterId.Length == 0) first.Add(new ClusterFormed(_setup.ClusterId));
        BrokerImage self = new(_setup.Node.Self, _setup.Endpoints, _setup.Rack);
        if (!_image.Brokers.TryGetValue(self.Id, out BrokerImage? known) || !Same(known, self))
            first.Add(new BrokerRegistered(self.Id, self.Endpoints, self.Rack));
        if (first.Count > 0) Append(new Decision(first, []), ActorRefs.Nobody, Replies.Timeout);
        else _setup.Publish(_image);
    }

    private static bool Same(BrokerImage a, BrokerImage b) => a.Rack == b.Rack && a.Endpoints.SequenceEqual(b.Endpoints);

    private void Decide(Submit submit, IActorRef submitter)
    {
        Decision decision;
        try
        {
            decision = MetadataMachine.Decide(_image, submit.Command, _decisions);
        }
        catch (Exception failure)
        {
            // Deciding changes nothing, so nobody but who asked has to know.
            _logger.Error(failure, "{0} could not be decided: {1}", submit.Command.GetType().Name, failure.Message);
            submitter.Tell(new Status.Failure(failure));
            return;
        }

        if (decision.Records.Count == 0) submitter.Tell(decision.Results);
        else Append(decision, submitter, submit.Timeout);
    }

    private void Append(Decision decision, IActorRef submitter, TimeSpan timeout)
    {
        AppendBatch(decision.Records);
        Become(Appending(decision, submitter, timeout));
    }

    private void AppendBatch(IReadOnlyList<MetadataRecord> records)
    {
        BufferSlice batch = MetadataLog.ToBatch(records, _setup.Node.NowMs, _setup.Node.Buffers);
        _log!.Append(new AppendRequest(batch, RequiredAcks.All, new AppendedTo(Self), 0));
        batch.Release();
    }

    /// <summary>What was decided is committed: it becomes visible, and the replicas follow.</summary>
    private void Commit(Decision decision, IActorRef submitter, TimeSpan timeout)
    {
        MetadataImage before = _image;
        foreach (MetadataRecord record in decision.Records) _image = _image.Apply(record);
        HashSet<GroupId> starting = Follow(before, decision.Records);
        _setup.Publish(_image);
        starting.RemoveWhere(group => _setup.Directory.Find(group) is { View.IsLeader: true });
        if (starting.Count == 0)
        {
            submitter.Tell(decision.Results);
            return;
        }

        Settling settling = new(starting, submitter, decision.Results);
        _settling.Add(settling);
        Context.System.Scheduler.ScheduleTellOnce(timeout, Self, new GiveUp(settling), Self);
    }

    /// <summary>Tells /partitions what changed for this node; gives the replicas that begin to live here.</summary>
    private HashSet<GroupId> Follow(MetadataImage before, IReadOnlyList<MetadataRecord> records)
    {
        List<ReplicaAssigned> assign = [];
        List<TopicImage> gone = [];
        HashSet<TopicId> configure = [];
        foreach (MetadataRecord record in records)
        {
            switch (record)
            {
                case TopicCreated created when _image.TopicsById.TryGetValue(created.Id, out TopicImage? topic):
                    configure.Add(topic.Id);
                    assign.AddRange(ReplicasOf(topic, 0));
                    break;
                case PartitionsAdded added when _image.TopicsById.TryGetValue(added.Id, out TopicImage? topic):
                    assign.AddRange(ReplicasOf(topic, added.First));
                    break;
                case TopicDeleted deleted when before.TopicsById.TryGetValue(deleted.Id, out TopicImage? topic):
                    gone.Add(topic);
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
            _partitions.Tell(new UnassignReplicas([.. gone.SelectMany(topic => ReplicasOf(topic, 0)).Select(replica => replica.Group)]));
            _groups.Tell(new TopicsGone(gone));
        }

        if (assign.Count > 0) _partitions.Tell(new AssignReplicas(assign));
        return [.. assign.Select(replica => replica.Group)];
    }

    private ReplicasAre AllReplicas() => new(
        [.. _image.Topics.Values.SelectMany(topic => ReplicasOf(topic, 0))],
        [.. _image.Topics.Values.Select(topic => KeyValuePair.Create(topic.Id, ConfigOf(topic)))]);

    private IEnumerable<ReplicaAssigned> ReplicasOf(TopicImage topic, int first)
    {
        for (int i = first; i < topic.Partitions.Length; i++)
            if (topic.Partitions[i].Replicas.Contains(_setup.Node.Self))
                yield return new ReplicaAssigned(new GroupId(topic.Id, i), new TopicPartition(topic.Name, i), topic.Partitions[i].Replicas);
    }

    private TopicConfig ConfigOf(TopicImage topic) => TopicConfig.From(_image, topic, _setup.Node.Self, _setup.Settings);

    private void Settle(LeadershipChanged changed)
    {
        if (!changed.Leads) return;
        for (int i = _settling.Count - 1; i >= 0; i--)
        {
            Settling settling = _settling[i];
            if (!settling.Missing.Remove(changed.Partition.Group) || settling.Missing.Count > 0) continue;
            _settling.RemoveAt(i);
            settling.Submitter.Tell(settling.Results);
        }
    }

    /// <summary>
    /// The change is committed but not every new partition leads yet: the answer says what is committed; clients look again.
    /// </summary>
    private void Expire(GiveUp giveUp)
    {
        if (_settling.Remove(giveUp.Settling)) giveUp.Settling.Submitter.Tell(giveUp.Settling.Results);
    }

    private sealed class AppendedTo(IActorRef controller) : IAppendSink
    {
        public void Appended(int slot, in AppendResult result) => controller.Tell(new MetadataAppended(result), ActorRefs.NoSender);
    }

    /// <summary>An answer that waits for partitions to lead.</summary>
    private sealed record Settling(HashSet<GroupId> Missing, IActorRef Submitter, IReadOnlyList<ItemResult> Results);

    private sealed record MetadataAppended(AppendResult Result);

    private sealed record GiveUp(Settling Settling);
}

/// <summary>
/// To the controller: decide on a command. Answered with a list of <see cref="ItemResult"/>, or a failure when it could not be committed.
/// </summary>
internal sealed record Submit(MetadataCommand Command, TimeSpan Timeout);

/// <summary>A change of the metadata could not be appended.</summary>
internal sealed class MetadataAppendException(in AppendResult result)
    : Exception($"the metadata log refused the change: {result.Error}{(result.Message is null ? "" : ", " + result.Message)}")
{
    public KafkaError Error { get; } = result.Error;
}

/// <summary>What the controller is made from.</summary>
/// <param name="Node">What the node's actors share.</param>
/// <param name="Directory">The replicas of this node.</param>
/// <param name="ClusterId">The cluster's id, for a new cluster.</param>
/// <param name="Endpoints">Where clients reach this node.</param>
/// <param name="Rack">The node's rack, or null.</param>
/// <param name="Settings">The node's own configuration.</param>
/// <param name="LogRecords">How many records the metadata log may hold before it is stated anew, if most of it is dead.</param>
/// <param name="Publish">Told every new image, in order, on the controller's thread.</param>
/// <param name="Failed">Told why the node cannot work, when it cannot.</param>
internal sealed record ControllerSetup(
    NodeContext Node,
    PartitionDirectory Directory,
    string ClusterId,
    ImmutableArray<BrokerEndpoint> Endpoints,
    string? Rack,
    BrokerSettings Settings,
    long LogRecords,
    Action<MetadataImage> Publish,
    Action<Exception> Failed);
