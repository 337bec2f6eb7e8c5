using System.Collections.Concurrent;
using System.Net;
using Akka.Actor;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Protocol;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage;

namespace Chronik.Gateway.Tests;

/// <summary>
/// A node without Raft, WAL or coordinators: metadata decided by the real rules, partitions whose replica appends what it is given at once,
/// or when the test lets it.
/// </summary>
internal sealed class FakeNode : IBrokerNode, IDisposable
{
    private readonly PartitionDirectory _partitions = new();
    private readonly Lock _lock = new();
    private readonly NodeStorage _storage;
    private readonly ActorSystem _system;
    private MetadataImage _image = MetadataImage.Empty;
    private TopicId? _nextTopicId;

    public FakeNode(ActorSystem system, BufferPool buffers, IDisk disk, string folder)
    {
        _system = system;
        var options = new StorageOptions { DataDirectory = folder, OwnThreads = false };
        _storage = NodeStorage.Open(options, Id, null, disk, buffers, TimeProvider.System);
        Change(new FormCluster("fake-cluster"));
        Change(new RegisterBroker(Id, [new BrokerEndpoint("PLAINTEXT", "localhost", 9092)], null));
    }

    public NodeId Id { get; } = new(7);

    public string ClusterId => "fake-cluster";

    public MetadataImage Metadata
    {
        get
        {
            lock (_lock) return _image;
        }
    }

    public BrokerSettings Settings { get; set; } = new();

    public IReadOnlyList<SnapshotTransferStatus> SnapshotTransfers => [];

    public StorageStatus Storage => new("/fake", 1000, 400, null);

    /// <summary>How many appends the replicas have been given.</summary>
    public int Appends;

    /// <summary>How many of them another node had passed on.</summary>
    public int ForwardedAppends;

    /// <summary>How often its replicas were told that what they hold is damaged.</summary>
    public int Damages;

    /// <summary>How many linearizable reads were asked for.</summary>
    public int Confirmations;

    /// <summary>How they are answered; null: by the test, which finds them in <see cref="Unconfirmed"/>.</summary>
    public bool? Confirms { get; set; } = true;

    public ConcurrentQueue<IReadSink> Unconfirmed { get; } = [];

    /// <summary>What leaders elsewhere have announced.</summary>
    public LeaderTable Leaders { get; } = new();

    public NodeId Controller { get; set; } = new(7);

    /// <summary>The other nodes that were heard of lately.</summary>
    public HashSet<NodeId> Reachable { get; } = [];

    public QuorumState Quorum { get; set; } = new(NodeId.None, LeaderEpoch.Unknown, KafkaOffset.Unknown, [], []);

    /// <summary>Who coordinates every group.</summary>
    public NodeId GroupCoordinator { get; set; } = new(7);

    /// <summary>Answers of the group coordinator; null answers NOT_COORDINATOR.</summary>
    public Func<string, IRequestMessage, short, Task<IResponseMessage?>> Coordinator { get; set; } = (_, _, _) =>
        Task.FromResult<IResponseMessage?>(null);

    /// <summary>What SubmitAsync throws, when set.</summary>
    public Exception? SubmitFails { get; set; }

    /// <summary>How often it does so before it works again.</summary>
    public int SubmitFailures { get; set; } = int.MaxValue;

    /// <summary>What becomes of leaderships that shall move.</summary>
    public Func<LeaderMove, ItemResult> MoveLeader { get; set; } = _ => new ItemResult(KafkaError.None, null);

    public Task<IReadOnlyList<ItemResult>> MoveLeadersAsync(IReadOnlyList<LeaderMove> moves, TimeSpan timeout) =>
        Task.FromResult<IReadOnlyList<ItemResult>>([.. moves.Select(MoveLeader)]);

    public Partition? Find(TopicPartition name)
    {
        return Metadata.Topics.TryGetValue(name.Topic, out TopicImage? topic) ? Find(topic.Id, name.Partition) : null;
    }

    public Partition? Find(TopicId topic, int partition) => _partitions.Find(new GroupId(topic, partition));

    public PartitionLocation? Locate(TopicId topic, int partition) =>
        new PartitionLocator(Id, _partitions, Leaders).Locate(Metadata, topic, partition);

    public bool IsReachable(NodeId node) => Reachable.Contains(node);

    /// <summary>Those that are about to stop, or too old to serve consumers of partitions that they do not lead.</summary>
    public HashSet<NodeId> ServesNoReads { get; } = [];

    public bool CanServeReads(NodeId node) => IsReachable(node) && !ServesNoReads.Contains(node);

    public Task<QuorumState> DescribeMetadataQuorumAsync() => Task.FromResult(Quorum);

    public Task<IReadOnlyList<ItemResult>> SubmitAsync(MetadataCommand command, TimeSpan timeout) =>
        SubmitFails is { } failure && SubmitFailures > 0 && SubmitFailures-- > 0
            ? Task.FromException<IReadOnlyList<ItemResult>>(failure)
            : Task.FromResult(Change(command));

    public Task<(KafkaError Error, NodeId Coordinator)> FindGroupCoordinatorAsync(string groupId) =>
        Task.FromResult((KafkaError.None, GroupCoordinator));

    public Task<IResponseMessage?> AskGroupCoordinatorAsync(string groupId, IRequestMessage request, short version, RequestOrigin origin) =>
        Coordinator(groupId, request, version);

    public Task<IReadOnlyList<IResponseMessage>> AskAllGroupCoordinatorsAsync(
        IRequestMessage request, short version, RequestOrigin origin) =>
        Task.FromResult<IReadOnlyList<IResponseMessage>>([]);

    public Task<IActorRef> ActorOfAsync(Props props, string name) => Task.FromResult(_system.ActorOf(props, name));

    /// <summary>Makes a topic whose id another node has chosen.</summary>
    public TopicImage CreateTopic(string name, Guid id)
    {
        _nextTopicId = new TopicId(id);
        TopicImage topic = CreateTopic(name);
        _nextTopicId = null;
        return topic;
    }

    public TopicImage CreateTopic(string name, int partitions = 1, params KeyValuePair<string, string?>[] configs)
    {
        var result =
            (TopicResult)Change(new CreateTopics([new NewTopic { Name = name, PartitionCount = partitions, Configs = configs }]))[0];
        Assert.Equal(KafkaError.None, result.Error);
        return Metadata.Topics[name];
    }

    /// <summary>Another broker registers.</summary>
    public NodeId AddBroker(int id, string? rack = null, IPEndPoint? at = null)
    {
        var node = new NodeId(id);
        var endpoint = new BrokerEndpoint("PLAINTEXT", at?.Address.ToString() ?? $"host-{id}", at?.Port ?? 9000 + id);
        Change(new RegisterBroker(node, [endpoint], rack));
        return node;
    }

    /// <summary>A record of the metadata log is applied.</summary>
    public void Apply(MetadataRecord record)
    {
        lock (_lock) _image = _image.Apply(record);
    }

    /// <summary>A topic of one partition whose only replica is on another broker, which says that it leads it.</summary>
    public TopicImage CreateTopicOn(NodeId leader, string name, int epoch = 5)
    {
        Change(new CreateTopics([new NewTopic { Name = name, Assignments = [new PartitionAssignment(0, [leader])] }]));
        TopicImage topic = Metadata.Topics[name];
        Leaders.Set(new GroupId(topic.Id, 0), new LeaderLocation(leader, new LeaderEpoch(epoch), [leader]));
        return topic;
    }

    /// <summary>Makes the replica of a partition keep its appends until they are let go.</summary>
    public void Hold(string topic, int partition = 0) =>
        Find(new TopicPartition(topic, partition))!.Replica.Tell(FakeReplica.Hold, ActorRefs.NoSender);

    /// <summary>Lets them go.</summary>
    public void LetGo(string topic, int partition = 0) =>
        Find(new TopicPartition(topic, partition))!.Replica.Tell(FakeReplica.LetGo, ActorRefs.NoSender);

    /// <summary>Replaces what a partition shows.</summary>
    public void Show(string topic, Func<PartitionView, PartitionView> change)
    {
        Partition partition = Find(new TopicPartition(topic, 0))!;
        partition.Publish(change(partition.View));
    }

    public void Dispose() => _storage.Dispose();

    private IReadOnlyList<ItemResult> Change(MetadataCommand command)
    {
        lock (_lock)
        {
            var context = new DecisionContext
            {
                Self = Id,
                Settings = Settings,
                NewTopicId = () => _nextTopicId ?? new TopicId(Guid.NewGuid()),
            };
            Decision decision = MetadataMachine.Decide(_image, command, context);
            foreach (MetadataRecord record in decision.Records) _image = _image.Apply(record);
            foreach (TopicImage topic in _image.Topics.Values)
                for (int i = 0; i < topic.Partitions.Length; i++)
                    if (topic.Partitions[i].Replicas.Contains(Id) && Find(topic.Id, i) is null) Make(topic, i);
            foreach (Partition gone in _partitions.All.Where(one => !_image.TopicsById.ContainsKey(one.Group.Topic)))
                _partitions.Remove(gone.Group);
            return decision.Results;
        }
    }

    private void Make(TopicImage topic, int index)
    {
        var group = new GroupId(topic.Id, index);
        var view = new PartitionView
        {
            IsLeader = true,
            Leader = Id,
            Epoch = new LeaderEpoch(3),
            LogStartOffset = KafkaOffset.Zero,
            HighWatermark = KafkaOffset.Zero,
            LogEndOffset = KafkaOffset.Zero,
            Log = _storage.OpenLog(group, LogOptions.Default),
            Epochs = EpochHistory.Empty.With(new LeaderEpoch(3), KafkaOffset.Zero),
            Config = TopicConfig.From(_image, topic, Id, Settings),
            Replicas = [Id],
            Isr = [Id],
        };
        IActorRef replica = _system.ActorOf(Props.Create(typeof(FakeReplica), this));
        var partition = new Partition(new TopicPartition(topic.Name, index), group, replica, view);
        replica.Tell(partition, ActorRefs.NoSender);
        _partitions.Add(partition);
    }
}

/// <summary>Appends what it is given.</summary>
internal sealed class FakeReplica(FakeNode node) : UntypedActor
{
    public static readonly object Hold = new();
    public static readonly object LetGo = new();

    private readonly Queue<AppendRequest> _held = new();
    private Partition? _partition;
    private bool _holds;

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Partition partition:
                _partition = partition;
                break;
            case AppendRequest append:
                if (append.IsForwarded) Interlocked.Increment(ref node.ForwardedAppends);
                Interlocked.Increment(ref node.Appends);
                _held.Enqueue(append);
                break;
            case ConfirmRead read:
                Interlocked.Increment(ref node.Confirmations);
                if (node.Confirms is { } isCurrent) read.Reader.Confirmed(isCurrent);
                else node.Unconfirmed.Enqueue(read.Reader);
                return;
            case LogSuspect:
                Interlocked.Increment(ref node.Damages);
                return;
            case DeleteRecords:
                Sender.Tell(new DeleteRecordsResult(KafkaError.None, _partition!.View.LogStartOffset), Self);
                break;
            case DescribeProducers:
                Sender.Tell(Array.Empty<ProducerSummary>(), Self);
                break;
            default:
                _holds = message == Hold;
                break;
        }

        while (!_holds && _held.TryDequeue(out AppendRequest? append)) Append(append);
    }

    private void Append(AppendRequest append)
    {
        PartitionView view = _partition!.View;
        KafkaOffset start = view.LogEndOffset;
        RecordBatchStamp.Place(append.Batch.Span, start, view.Epoch);
        KafkaOffset end = new RecordBatchView(append.Batch.Span).NextOffset;
        view.Log.Append([append.Batch]);
        append.Batch.Release();
        _partition.Publish(view with { HighWatermark = end, LogEndOffset = end });
        append.Answer(new AppendResult(KafkaError.None, start, AppendResult.NoAppendTime, view.LogStartOffset, null));
    }
}
