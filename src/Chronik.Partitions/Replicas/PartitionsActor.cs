using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Persistence;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Knows which replicas live on this node, also before the cluster's metadata can be read; creates and supervises them.
/// </summary>
/// <remarks>
/// <code>
///   controller -- AssignReplicas, UnassignReplicas, ConfigureTopic --> partitions -- creates --> replica
///   controller -- PartitionsMoved -----------------------------------> partitions -- MembersWanted ----> replica
///   controller -- ReplicasAre (the whole truth, once it is loaded) --> partitions
///   controller -- MetadataFollowed ----------------------------------> partitions -- tells the hub, which tells the other nodes
///   storage ----- CheckpointNeeded ----------------------------------> partitions -- WriteCheckpoint --> replica
///   own timer --- ApplyRetention ------------------------------------> partitions -- ApplyRetention ---> replicas
///   replica ----- Terminated ----------------------------------------> partitions -- DeleteGroup (if it was unassigned) --> storage
///   replica ----- ReplicaDamaged, ReplicaRecovered ------------------> partitions -- makes it anew, to be filled by the others
///   replica ----- ReplicaSuspect ------------------------------------> partitions -- LogGivenUp ----> replica, if it can be spared
///                                                                      partitions -- ReplicaEnded --> event stream
///                                                                      partitions -- creates scrubber
/// </code>
/// Survives a restart: the assignments (Akka.Persistence). A replica that fails is stopped, not restarted: its state in memory can no
/// longer be trusted, and its view says why.
/// </remarks>
internal sealed partial class PartitionsActor : ReceivePersistentActor, IWithTimers
{
    private const int EventsPerSnapshot = 1_000;

    /// <summary>What holds until the metadata is loaded: nothing is dropped, everything is synced.</summary>
    private static readonly TopicConfig UntilKnown = new()
    {
        IsCompacted = true,
        IsDeleted = false,
        RetentionMs = -1,
        RetentionBytes = -1,
        SegmentBytes = 128 << 20,
        SegmentMs = (long)TimeSpan.FromDays(7).TotalMilliseconds,
        MaxMessageBytes = 64 << 20,
        TimestampType = TimestampType.CreateTime,
        TimestampBeforeMaxMs = long.MaxValue,
        TimestampAfterMaxMs = long.MaxValue,
        MinInsyncReplicas = 1,
        Durability = Durability.Fsync,
    };

    private readonly NodeContext _node;
    private readonly PartitionDirectory _directory;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly Dictionary<GroupId, ReplicaAssigned> _assigned = [];
    private readonly Dictionary<TopicId, TopicConfig> _configs = [];

    // The actors of replicas, from their creation to their end: the directory knows a replica only once its constructor has run.
    private readonly Dictionary<TopicId, Dictionary<int, IActorRef>> _replicas = [];
    private readonly Dictionary<IActorRef, GroupId> _running = [];
    private readonly HashSet<GroupId> _leaving = [];
    private readonly HashSet<GroupId> _dropping = []; // Their files are being deleted.
    private readonly Dictionary<GroupId, PartitionImage> _images = []; // What the metadata say of partitions that were moved.

    public PartitionsActor(NodeContext node, PartitionDirectory directory)
    {
        _node = node;
        _directory = directory;
        Recover<ReplicaAssigned>(assigned => _assigned[assigned.Group] = assigned);
        Recover<ReplicaUnassigned>(unassigned => _assigned.Remove(unassigned.Group));
        Recover<SnapshotOffer>(offer =>
        {
            foreach (ReplicaAssigned assigned in ((ReplicaAssignments)offer.Snapshot).All) _assigned[assigned.Group] = assigned;
        });
        Recover<RecoveryCompleted>(_ => StartAll());
        Command<AssignReplicas>(assign => Assign(assign.Replicas));
        Command<UnassignReplicas>(unassign => Unassign(unassign.Groups, unassign.AreElsewhere));
        Command<PartitionsMoved>(moved =>
        {
            foreach ((GroupId group, PartitionImage image) in moved.Partitions) Follow(group, image);
        });
        Command<ReplicasAre>(Reconcile);
        Command<MetadataFollowed>(followed => _node.Peers.Followed = followed.End);
        Command<ConfigureTopic>(Configure);
        Command<CheckpointNeeded>(needed => Checkpoint(needed.Group));
        Command<ApplyRetention>(retention =>
        {
            foreach (IActorRef replica in _running.Keys) replica.Tell(retention);
        });
        Command<Terminated>(Ended);
        Command<ReplicaDamaged>(Replace);
        Command<ReplicaSuspect>(Spare);
        Command<LookAgain>(LookAt);
        Command<ReplicaRecovered>(recovered => Found(recovered.Group));
        Command<ReplicaDropped>(dropped => StartDropped(dropped));
        Command<SaveSnapshotSuccess>(saved => DeleteMessages(saved.Metadata.SequenceNr));
        Command<SaveSnapshotFailure>(
            failed => _logger.Warning("the list of replicas could not be saved as a snapshot: {0}", failed.Cause.Message));
        Command<DeleteMessagesSuccess>(deleted => DeleteSnapshots(new SnapshotSelectionCriteria(deleted.ToSequenceNr - 1)));
        Command<DeleteMessagesFailure>(failed => _logger.Warning("old events could not be deleted: {0}", failed.Cause.Message));
        Command<DeleteSnapshotsSuccess>(_ => { });
        Command<DeleteSnapshotsFailure>(failed => _logger.Warning("old snapshots could not be deleted: {0}", failed.Cause.Message));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public override string PersistenceId => "replicas";

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Stop);

    private void StartAll()
    {
        Timers.StartPeriodicTimer(nameof(ApplyRetention), ApplyRetention.Instance, _node.Limits.RetentionCheckInterval);
        if (_node.Storage.Damage is { } damage)
            _logger.Error("this node's disk is damaged ({0}): it begins anew and is filled by its peers; what was there is kept", damage);
        foreach (ReplicaAssigned assigned in _assigned.Values) Start(assigned);
        Context.ActorOf(ScrubberActor.Props(_node, _directory), "scrubber");
        if (_node.StandsAlone && !_assigned.ContainsKey(GroupId.Metadata))
            Assign([new ReplicaAssigned(GroupId.Metadata, new TopicPartition(TopicNames.ClusterMetadata, 0), [_node.Self])]);
    }

    private void Assign(IReadOnlyList<ReplicaAssigned> replicas)
    {
        List<ReplicaAssigned> added = [.. replicas.Where(replica => !_assigned.ContainsKey(replica.Group))];
        if (added.Count == 0) return;
        foreach (ReplicaAssigned replica in added) _assigned.Add(replica.Group, replica);
        PersistAll(added, replica =>
        {
            // It was here before: it begins once what it left behind is gone.
            if (!_leaving.Contains(replica.Group) && !_dropping.Contains(replica.Group)) Start(replica);
            SnapshotNowAndThen();
        });
    }

    private void Unassign(IReadOnlyList<GroupId> groups, bool areElsewhere = false)
    {
        List<ReplicaUnassigned> removed = [.. groups.Where(_assigned.ContainsKey).Select(group => new ReplicaUnassigned(group))];
        if (removed.Count == 0) return;
        foreach (ReplicaUnassigned unassigned in removed)
        {
            _assigned.Remove(unassigned.Group);
            _images.Remove(unassigned.Group);
            if (!areElsewhere) _configs.Remove(unassigned.Group.Topic);
        }

        PersistAll(removed, unassigned =>
        {
            if (ReplicaOf(unassigned.Group) is { } replica)
            {
                _leaving.Add(unassigned.Group);
                replica.Tell(new ReplicaRemoved(areElsewhere));
            }
            else
            {
                Drop(unassigned.Group); // It failed earlier; what it left behind goes all the same.
            }

            SnapshotNowAndThen();
        });
    }

    /// <summary>
    /// Where a partition is, or is on its way to. Its replica hears who is wanted, should it lead; and once no move is under way the list
    /// of replicas says what the metadata say, for the time at the next start before they are known.
    /// </summary>
    private void Follow(GroupId group, PartitionImage image)
    {
        if (!_assigned.TryGetValue(group, out ReplicaAssigned? assigned)) return;
        _images[group] = image;
        ReplicaOf(group)?.Tell(MembersWanted.By(image));
        if (image.IsMoving || assigned.Voters.SequenceEqual(image.Replicas)) return;
        bool isLost = assigned.IsLostBy(_node.Self, _node.Peers.Directory);
        ReplicaAssigned there = assigned with { Voters = image.Replicas, Directories = image.Directories };
        there = isLost ? there.LostBy(_node.Self) : there.FoundBy(_node.Self, _node.Peers.Directory);
        _assigned[group] = there;
        Persist(there, _ => SnapshotNowAndThen());
    }

    /// <summary>The metadata is loaded and says what must be here. Whatever else is here belongs to topics that were deleted.</summary>
    private void Reconcile(ReplicasAre truth)
    {
        foreach ((TopicId topic, TopicConfig config) in truth.Configs) Configure(new ConfigureTopic(topic, config));
        HashSet<GroupId> wanted = [GroupId.Metadata, .. truth.Replicas.Select(replica => replica.Group)];
        List<GroupId> orphans = [.. _node.Storage.Recovered.Keys.Where(group =>
            !PersistenceGroup.Contains(group) && !wanted.Contains(group) && !_assigned.ContainsKey(group) && !_leaving.Contains(group))];
        HashSet<TopicId> topics = [.. truth.Configs.Select(config => config.Key)];
        Unassign([.. _assigned.Keys.Where(group => !wanted.Contains(group) && !topics.Contains(group.Topic))]);
        Unassign([.. _assigned.Keys.Where(group => !wanted.Contains(group))], areElsewhere: true);
        Assign(truth.Replicas);
        foreach ((GroupId group, PartitionImage image) in truth.Partitions) Follow(group, image);
        _isReconciled = true;
        DecideOnDamaged();
        foreach (GroupId orphan in orphans)
        {
            _logger.Info("{0} belongs to no topic: its files are deleted", orphan);
            _node.Storage.DeleteGroup(orphan); // The node died between the end of its topic and the end of its files.
        }
    }

    private void Configure(ConfigureTopic configure)
    {
        _configs[configure.Topic] = configure.Config;
        if (!_replicas.TryGetValue(configure.Topic, out Dictionary<int, IActorRef>? replicas)) return;
        TopicConfigChanged changed = new(configure.Config);
        foreach (IActorRef replica in replicas.Values) replica.Tell(changed);
    }

    private void Start(ReplicaAssigned assigned)
    {
        bool isLost = assigned.IsLostBy(_node.Self, _node.Peers.Directory);
        if (isLost && IsOnlyReplica(assigned))
        {
            if (IsYetUnknown(assigned.Group)) _undecided[assigned.Group] = null;
            else _logger.Error("{0} was on a disk that this node has no longer, and is the only replica: it serves nothing", assigned.Name);
            _directory.AddFailed(assigned.Group);
            Context.System.EventStream.Publish(new ReplicaEnded(assigned.Group));
            return;
        }

        ReplicaSpec spec = new(assigned.Name, assigned.Group, assigned.Voters, ConfigOf(assigned), _directory.Add)
        {
            IsRecovering = isLost,
        };
        IActorRef replica = Context.ActorOf(Props.Create(() => new ReplicaActor(_node, spec)), ActorNames.Of(assigned));
        Context.Watch(replica);
        _running.Add(replica, assigned.Group);
        if (_images.TryGetValue(assigned.Group, out PartitionImage? image)) replica.Tell(MembersWanted.By(image));
        if (!_replicas.TryGetValue(assigned.Group.Topic, out Dictionary<int, IActorRef>? replicas))
            _replicas.Add(assigned.Group.Topic, replicas = []);
        replicas.Add(assigned.Group.Partition, replica);
    }

    /// <summary>
    /// A group holds too much of the WAL. A replica that has stopped for a reason of its own makes no checkpoint, and keeps what it has for
    /// a restart, elsewhere in the WAL.
    /// </summary>
    private void Checkpoint(GroupId group)
    {
        if (ReplicaOf(group) is { } replica)
        {
            replica.Tell(WriteCheckpoint.Instance);
            return;
        }

        if (PersistenceGroup.Contains(group)) return; // The journal's, which has been asked as well.
        ILoggingAdapter logger = _logger;
        _node.Storage.CarryOver(group, failure =>
        {
            if (failure is null) return;
            logger.Warning("{0} has no replica here, and holds up the write-ahead log: {1}", group, failure.Message);
        });
    }

    private TopicConfig ConfigOf(ReplicaAssigned assigned) =>
        _configs.TryGetValue(assigned.Group.Topic, out TopicConfig? config) ? config : UntilKnown;

    private IActorRef? ReplicaOf(GroupId group) =>
        _replicas.TryGetValue(group.Topic, out Dictionary<int, IActorRef>? replicas) ? replicas.GetValueOrDefault(group.Partition) : null;

    /// <summary>A replica stopped: because it was told to, or because it failed, whether or not it ever started.</summary>
    private void Ended(Terminated terminated)
    {
        if (!_running.Remove(terminated.ActorRef, out GroupId group)) return;
        Dictionary<int, IActorRef> replicas = _replicas[group.Topic];
        replicas.Remove(group.Partition);
        if (replicas.Count == 0) _replicas.Remove(group.Topic);
        Trust(group);
        bool isReplaced = _damaged.Remove(group) && !_leaving.Contains(group);
        if (_leaving.Remove(group) || isReplaced) Drop(group);
        else _directory.AddFailed(group);
        Context.System.EventStream.Publish(new ReplicaEnded(group));
    }

    /// <summary>The files of a replica go; if it is to live here, it begins anew when they are gone.</summary>
    private void Drop(GroupId group)
    {
        IActorRef self = Self;
        _directory.Remove(group);
        if (!_dropping.Add(group)) return; // Nothing was made since: whoever began anew meanwhile would find it deleted once more.
        _node.Storage.DeleteGroup(group, failure => self.Tell(new ReplicaDropped(group, failure), ActorRefs.NoSender));
    }

    private void StartDropped(ReplicaDropped dropped)
    {
        _dropping.Remove(dropped.Group);
        if (!_assigned.TryGetValue(dropped.Group, out ReplicaAssigned? assigned)) return;
        if (dropped.Failure is not null) _directory.AddFailed(dropped.Group);
        else Start(assigned);
    }

    /// <summary>A replica that had lost what it held has it again: after a restart it need not be told so once more.</summary>
    private void Found(GroupId group)
    {
        if (!_assigned.TryGetValue(group, out ReplicaAssigned? assigned)) return;
        ReplicaAssigned found = assigned.FoundBy(_node.Self, _node.Peers.Directory);
        _assigned[group] = found;
        Persist(found, _ => SnapshotNowAndThen());
    }

    private void SnapshotNowAndThen()
    {
        if (LastSequenceNr % EventsPerSnapshot == 0) SaveSnapshot(new ReplicaAssignments([.. _assigned.Values]));
    }
}

/// <summary>Names of replica actors: readable, and free of what an actor path does not allow.</summary>
internal static class ActorNames
{
    public static string Of(ReplicaAssigned replica) => $"{replica.Name.Topic}-{replica.Name.Partition}-{replica.Group.Topic.Value:N}";
}

/// <summary>Event: a replica lives here.</summary>
/// <param name="Group">The partition's identity.</param>
/// <param name="Name">The partition's name.</param>
/// <param name="Voters">The voters that the group began with; none for a replica that learns its members from the leader.</param>
internal sealed record ReplicaAssigned(GroupId Group, TopicPartition Name, IReadOnlyList<NodeId> Voters)
{
    /// <summary>Stands for a directory that is no more, though the node goes on in the same one.</summary>
    private static readonly Guid Lost = new("ffffffff-ffff-ffff-ffff-ffffffffffff");

    /// <summary>
    /// The directory of each voter when the partition was assigned to it, empty where nobody knew (KIP-858). A replica whose node has
    /// another one by now lost what it had. Where no voters are known: this replica's own, if any.
    /// </summary>
    public IReadOnlyList<Guid> Directories { get; init; } = [];

    /// <summary>
    /// A replica that comes to a group of others. The node may have belonged to it before, and forgotten what it promised then: it has no
    /// vote until the leader has seen that it has everything.
    /// </summary>
    public static ReplicaAssigned Newcomer(GroupId group, TopicPartition name) => new(group, name, []) { Directories = [Lost] };

    /// <summary>Whether the node, with its present directory, has lost what it may have promised to the group before.</summary>
    public bool IsLostBy(NodeId node, Guid directory)
    {
        if (Voters.Count == 0) return Directories.Count == 1 && Directories[0] != directory;
        for (int i = 0; i < Directories.Count && i < Voters.Count; i++)
            if (Voters[i] == node) return Directories[i] != Guid.Empty && Directories[i] != directory;
        return false;
    }

    /// <summary>The same, but the node has lost what it held, whatever its directory.</summary>
    public ReplicaAssigned LostBy(NodeId node) =>
        Voters.Count == 0
            ? this with { Directories = [Lost] }
            : this with { Directories = [.. Voters.Select((voter, i) => voter == node ? Lost : Directories.ElementAtOrDefault(i))] };

    /// <summary>The same, but whatever the node lost it has again in its present directory.</summary>
    public ReplicaAssigned FoundBy(NodeId node, Guid directory) =>
        Voters.Count == 0
            ? this with { Directories = [directory] }
            : this with { Directories = [.. Directories.Select((known, i) => Voters[i] == node ? directory : known)] };
}

/// <summary>Event: a replica lives here no longer.</summary>
internal sealed record ReplicaUnassigned(GroupId Group);

/// <summary>Snapshot: the replicas that live here.</summary>
internal sealed record ReplicaAssignments(IReadOnlyList<ReplicaAssigned> All);

/// <summary>To /partitions, from the controller: these replicas live here from now on.</summary>
internal sealed record AssignReplicas(IReadOnlyList<ReplicaAssigned> Replicas);

/// <summary>To /partitions, from the controller: these replicas, and their data, go.</summary>
/// <param name="Groups">The partitions.</param>
/// <param name="AreElsewhere">Whether the partitions live on other nodes, rather than nowhere.</param>
internal sealed record UnassignReplicas(IReadOnlyList<GroupId> Groups, bool AreElsewhere = false);

/// <summary>
/// To /partitions, from the controller: these partitions, all of them here, are on their way to other nodes or have come there.
/// </summary>
internal sealed record PartitionsMoved(IReadOnlyList<KeyValuePair<GroupId, PartitionImage>> Partitions);

/// <summary>To /partitions, from the controller once the metadata is loaded: exactly these replicas live here.</summary>
/// <param name="Replicas">The replicas.</param>
/// <param name="Configs">The settings of every topic.</param>
/// <param name="Partitions">What the metadata say of the partitions that are here.</param>
internal sealed record ReplicasAre(
    IReadOnlyList<ReplicaAssigned> Replicas,
    IReadOnlyList<KeyValuePair<TopicId, TopicConfig>> Configs,
    IReadOnlyList<KeyValuePair<GroupId, PartitionImage>> Partitions);

/// <summary>
/// To /partitions, from the controller, after everything that comes of the records of the metadata before <paramref name="End"/>.
/// </summary>
internal sealed record MetadataFollowed(KafkaOffset End);

/// <summary>To /partitions, from the controller: a topic's settings.</summary>
internal sealed record ConfigureTopic(TopicId Topic, TopicConfig Config);

/// <summary>To /partitions, from storage: the files of a damaged replica are gone, or could not be removed.</summary>
internal sealed record ReplicaDropped(GroupId Group, Exception? Failure);

/// <summary>Published on the event stream by /partitions: the actor of a replica is gone.</summary>
internal sealed record ReplicaEnded(GroupId Group);

/// <summary>To /partitions, from storage: a group holds too much of the WAL.</summary>
internal sealed record CheckpointNeeded(GroupId Group);
