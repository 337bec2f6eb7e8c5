using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Chronik.Partitions.Replicas;
using Chronik.Raft;
using Chronik.Simulation.Checks;
using Chronik.Storage;

namespace Chronik.Simulation;

/// <summary>
/// A whole cluster on one thread in virtual time. Everything that is random comes from the seed, so the same seed gives the same run, to
/// the last event.
/// </summary>
internal sealed partial class Simulation
{
    /// <summary>The topic whose partitions the groups beside the metadata's are.</summary>
    public const string TopicName = "data";

    public static readonly TopicId Topic = new(new Guid(9, 9, 9, [0, 0, 0, 0, 0, 0, 0, 9]));

    private static readonly BufferPool SharedBuffers = new(256 << 20);

    private readonly List<BufferSlice> _kept = [];
    private readonly Dictionary<GroupId, int> _indexes = [];
    private ulong _lastRead;
    private int _topicIds;

    public Simulation(Parameters parameters, Plant? plant = null, TextWriter? trace = null)
    {
        Parameters = parameters;
        Plant = plant ?? Plant.None;
        Trace = new Trace(trace);
        Random = new SimRandom(parameters.Seed ^ 0x5EED);
        Queue = new EventQueue();
        Network = new Network(Queue, parameters, Random.Fork());
        Time = new VirtualTime(Queue);
        StorageOptions = new StorageOptions
        {
            DataDirectory = "/data",
            OwnThreads = false,
            WalFileBytes = parameters.WalFileBytes,
            WalWriteBytes = parameters.WalFileBytes / 2,
            WalMaxBytes = 4L * parameters.WalFileBytes,
            WalMaxFiles = 6,
            WalSpareFiles = 1,
            WalFillAheadBytes = parameters.WalFillAheadBytes,
            CheckpointBytes = parameters.CheckpointBytes,
            ReserveBytes = 0,
        };
        Decisions = new DecisionContext
        {
            Self = new NodeId(0),
            Settings = new BrokerSettings(),
            NewTopicId = () => new TopicId(new Guid(++_topicIds, 1, 2, [0, 0, 0, 0, 0, 0, 0, 3])),
        };
        AddGroup(GroupId.Metadata, "meta", parameters.Nodes);
        for (int i = 0; i < parameters.Partitions; i++)
            AddGroup(new GroupId(Topic, i), $"p{i}", parameters.Replicas);
        Nodes = [.. Enumerable.Range(0, parameters.Nodes).Select(id => new Node(this, id, Random.Fork()))];
        Clients = new Clients(this, Random.Fork());
        Faults = new Faults(this, Random.Fork());
    }

    public Parameters Parameters { get; }

    public Plant Plant { get; }

    public Trace Trace { get; }

    public SimRandom Random { get; }

    public EventQueue Queue { get; }

    public Network Network { get; }

    public TimeProvider Time { get; }

    public StorageOptions StorageOptions { get; }

    public DecisionContext Decisions { get; }

    public List<Group> Groups { get; } = [];

    public IReadOnlyList<Node> Nodes { get; }

    public Clients Clients { get; }

    public Faults Faults { get; }

    public RecordBatchBuilder Builder { get; } = new();

    public BufferPool Buffers => SharedBuffers;

    public long Now => Queue.Now;

    /// <summary>How long a peer may be silent before it counts as lost.</summary>
    public long SilenceMicros => 2 * Parameters.ElectionTicks * Parameters.TickMicros;

    /// <summary>How often leaders look who is in sync.</summary>
    public long TicksPerLook =>
        Math.Max(1, Parameters.InSyncMicros / InSyncReplicas.LooksPerLag / Parameters.TickMicros);

    public long Transfers { get; set; }

    /// <summary>How many of the next chunks of snapshots arrive with a flipped bit.</summary>
    public int ChunksToFlip { get; set; }

    public long Events { get; private set; }

    public long Acknowledged => Groups.Sum(group => group.Check.Acknowledged);

    /// <summary>Starts every node.</summary>
    public void Start()
    {
        foreach (Node node in Nodes) node.Start();
    }

    /// <summary>A whole run: clients and faults, then peace, then what must be true at the end.</summary>
    public void Run()
    {
        if (Trace.IsOn) Trace.Line(0, Parameters.ToString());
        Start();
        Clients.Begin();
        Faults.Begin();
        RunFor(Parameters.Duration);
        Faults.Stop();
        Clients.Stop();
        Heal();
        RequireProgress("after all faults have stopped");
        // Once more from what is on the disks alone.
        foreach (Node node in Nodes) node.Crash(CrashKind.PowerLoss);
        Start();
        RequireProgress("after a power loss of all nodes");
        Finish();
    }

    /// <summary>Lets that much virtual time pass.</summary>
    public void RunFor(long micros)
    {
        long end = Now + micros;
        while (Queue.NextAt <= end) Step();
        Queue.PassTo(end);
    }

    /// <summary>Runs until something is true; false when it is not within that much virtual time.</summary>
    public bool RunUntil(Func<bool> condition, long within)
    {
        long end = Now + within;
        while (!condition())
        {
            if (Queue.NextAt > end) return false;
            Step();
        }

        return true;
    }

    /// <summary>Everything works again: every cut is undone, every node is up.</summary>
    public void Heal()
    {
        Network.RestoreAll();
        Network.Loss = 0;
        Network.Duplication = 0;
        foreach (Node node in Nodes)
        {
            node.Resume();
            node.Lag(0);
            node.SpareDisk();
            if (node.IsUp && node.IsSuspect) node.Crash(CrashKind.Kill); // Its files are looked at once more.
            node.Start();
            if (node.IsSuspect) node.Do(node.Scrub);
            node.Start(); // It may have had to be wiped first.
        }
    }

    /// <summary>
    /// Within a bound of virtual time every group must have one leader, commit something new, and bring all of its members there.
    /// </summary>
    public void RequireProgress(string when)
    {
        foreach (Group group in Groups)
        {
            long from = group.Check.Acknowledged;
            int index = Groups.IndexOf(group);
            bool asked = false;
            if (RunUntil(IsDone, Parameters.ProgressWithin)) continue;
            throw new SimulationFailure(
                $"group {group.Check.Name} makes no progress within {Parameters.ProgressWithin / 1_000_000} s {when}: {Describe(index)}");

            bool IsDone()
            {
                if (!asked || group.Check.Acknowledged == from)
                {
                    if (Queue.Now >= _nextProbe)
                    {
                        _nextProbe = Queue.Now + 200_000;
                        asked = Clients.Probe(index) || asked;
                    }

                    return false;
                }

                return IsCaughtUp(index);
            }
        }
    }

    /// <summary>The leader of a group that most recently came to be, as far as any node knows; null when there is none.</summary>
    public Replica? Leader(int group)
    {
        Replica? leader = null;
        foreach (Node node in Nodes)
        {
            if (node.Replicas[group] is { IsLeading: true } replica && (leader is null || replica.Core.Term > leader.Core.Term))
                leader = replica;
        }

        return leader;
    }

    /// <summary>A node that is down comes back after a while.</summary>
    public void RestartLater(Node node) => RestartLater(node, Random.Between(50_000, Parameters.DownMax));

    public void RestartLater(Node node, long delay) =>
        Queue.Plan(Now + delay, new Event(EventKind.Action, -1, 0, (Action)(() => node.Start())));

    public void After(long delay, Action action) => Queue.Plan(Now + delay, new Event(EventKind.Action, -1, 0, action));

    public int IndexOf(GroupId id) => _indexes[id];

    /// <summary>What the metadata are with the record at an offset, as soon as anybody has applied it.</summary>
    public void Says(MetadataImage image, KafkaOffset at)
    {
        if (at < _saidTo) return;
        _saidTo = at + 1;
        _said = image;
    }

    /// <summary>
    /// At every moment who votes in a partition's group is one of those that the metadata have as its replicas, and once no move is under
    /// way all of them do: nobody who votes deletes what it has.
    /// </summary>
    public void RequirePlaced(GroupId id)
    {
        if (!Parameters.IsPlaced || !_indexes.TryGetValue(id, out int index) || _said.Find(id) is not { } said) return;
        Group group = Groups[index];
        Membership members = group.Check.Members ?? group.First;
        NodeId[] voting = [.. members.Voters.Union(members.Outgoing)];
        if (voting.All(said.Replicas.Contains) && (said.IsMoving || voting.Length == said.Replicas.Length)) return;
        throw new SimulationFailure(
            $"group {group.Check.Name}: the members are {members}, and the metadata have {string.Join(' ', said.Replicas)}"
            + (said.IsMoving ? ", on their way" : ""));
    }

    public ulong NextRead() => ++_lastRead;

    /// <summary>A buffer that lives as long as the run: nobody has to count who still looks at it.</summary>
    public BufferSlice Rent(ReadOnlySpan<byte> bytes) => Keep(Buffers.Copy(bytes));

    /// <summary>Keeps a reference until the run ends.</summary>
    public BufferSlice Keep(BufferSlice slice)
    {
        _kept.Add(slice);
        return slice;
    }

    /// <summary>Gives everything back.</summary>
    public void Close()
    {
        foreach (Node node in Nodes)
        {
            if (node.IsUp) node.Crash(CrashKind.Kill);
        }

        foreach (BufferSlice slice in _kept) slice.Release();
        _kept.Clear();
    }

    private long _nextProbe;
    private MetadataImage _said = MetadataImage.Empty;
    private KafkaOffset _saidTo;

    private void Step()
    {
        Event next = Queue.Take();
        Events++;
        Trace.Note(Queue.Now, ((long)next.Kind << 32) | (uint)next.Node);
        if (next.Kind == EventKind.Action) ((Action)next.What!)();
        else Nodes[next.Node].Handle(next);
    }

    private void AddGroup(GroupId id, string name, int voters)
    {
        _indexes.Add(id, Groups.Count);
        int shift = Groups.Count;
        NodeId[] first = [.. Enumerable.Range(0, voters).Select(i => new NodeId((i + shift) % Parameters.Nodes))];
        Groups.Add(new Group(id, new GroupCheck(name, Parameters.Nodes), new Membership([.. first])));
    }

    private bool IsCaughtUp(int group)
    {
        if (Leader(group) is not { } leader) return false;
        foreach (Node node in Nodes)
        {
            if (!leader.Core.Membership.Contains(new NodeId(node.Id))) continue;
            if (node.Replicas[group] is not { } replica || replica.AppliedNext != leader.AppliedNext) return false;
            if (leader.Core.Membership.IsVoter(new NodeId(node.Id)) && node.IsRecovering(group)) return false;
        }

        return leader.Core.LastIndex == leader.Core.AppliedIndex;
    }

    /// <summary>
    /// Every partition is where the metadata say, nothing moves, and everybody is in sync and recorded to be.
    /// </summary>
    public bool IsSettled(int group)
    {
        if (!Parameters.IsPlaced || group == 0) return true;
        if (Leader(group) is not { } leader) return false;
        if (Leader(0)?.Metadata!.Image.Find(Groups[group].Id) is not { IsMoving: false } image) return false;
        Membership members = leader.Core.Membership;
        return members.Voters.AsSpan().SequenceEqual(image.Replicas.AsSpan()) && members is { IsJoint: false, Learners.IsEmpty: true }
            && image.Isr.AsSpan().SequenceEqual(image.Replicas.AsSpan())
            && Nodes.All(node => node.Hosts(group) == image.Replicas.Contains(node.Self));
    }

    private string Describe(int group) => string.Join("; ", Nodes.Select(node => node.Replicas[group] is { } replica
        ? $"node {node.Id}: {replica.Core.Role} of term {replica.Core.Term}, last {replica.Core.LastIndex}, commit "
            + $"{replica.Core.CommitIndex}, applied to {replica.AppliedNext}, members {replica.Core.Membership}"
            + (node.IsRecovering(group) ? ", not repaired" : "") + (replica.Core.IsAsleep ? ", asleep" : "")
        : $"node {node.Id} is down"));

    /// <summary>At the end: everything acknowledged is in the log of every member, byte for byte, and all images are the same.</summary>
    public void Finish()
    {
        byte[]? image = null;
        for (int group = 0; group < Groups.Count; group++)
        {
            int index = group;
            if (!RunUntil(() => IsCaughtUp(index) && IsSettled(index), Parameters.ProgressWithin))
                throw new SimulationFailure($"group {Groups[group].Check.Name} does not come to rest: {Describe(group)}");
            Membership members = Leader(group)!.Core.Membership;
            foreach (Node node in Nodes)
            {
                if (!members.Contains(new NodeId(node.Id))) continue;
                Replica replica = node.Replicas[group]!;
                Groups[group].Check.Ends(node.Id, replica.AppliedNext);
                if (!node.IsSuspect) replica.ReadEverything();
                if (replica.Metadata is not { } metadata) continue;
                byte[] own = metadata.ToBytes();
                if (image is not null && !own.AsSpan().SequenceEqual(image))
                    throw new SimulationFailure($"node {node.Id} has another metadata image than the others");
                image = own;
            }
        }
    }

    private sealed class VirtualTime(EventQueue queue) : TimeProvider
    {
        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => queue.Now;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddYears(50).AddMicroseconds(queue.Now);
    }
}
