using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;

namespace Chronik.Partitions.Leaderships;

/// <summary>
/// /user/chronik/leaderships: hands over what this node leads: when it stops, when it is asked to, and when who should lead is back.
/// </summary>
/// <remarks>
/// <code>
///   the host ---------- HandOver ----------->|             |-- TransferLeadership --> replicas
///   a mover, rpc ------ MoveLeaders -------->| leaderships |-- NodeStopping --------> rpc of every other node
///   replicas ---------- TransferAnswer ----->|             |-- HandOverReport, LeadersMoved to who asked
///   hub --------------- PeerSeen ----------->|
///   own timers -------- Look, Poll --------->|
/// </code>
/// A move has ended when another node is known to lead, so that whoever asks this node for the partition is told where it is. Nothing here
/// survives a restart.
/// </remarks>
internal sealed partial class LeadershipsActor : ReceiveActor, IWithTimers
{
    public const string Name = "leaderships";

    private readonly LeadershipsSetup _setup;
    private readonly NodeContext _node;
    private readonly IActorRef _self = Context.Self;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly Dictionary<GroupId, Move> _underWay = [];
    private readonly List<Batch> _batches = [];

    public LeadershipsActor(LeadershipsSetup setup)
    {
        _setup = setup;
        _node = setup.Node;
        _steadiness = new Steadiness(setup.Node.Time, setup.SteadyTime, setup.LongestSteadyTime);
        Receive<HandOver>(Begin);
        Receive<MoveLeaders>(Begin);
        Receive<TransferAnswer>(Answered);
        Receive<PeerSeen>(seen => _steadiness.Seen(seen.Node, seen.IsAlive));
        Receive<Look>(_ => LookAround());
        Receive<Poll>(_ => GoOn());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        _node.Peers.LivenessChanged += Noticed;
        Timers.StartPeriodicTimer(nameof(Look), Look.Instance, _setup.LookInterval);
    }

    protected override void PostStop()
    {
        _node.Peers.LivenessChanged -= Noticed;
        foreach (Batch batch in _batches) batch.Expire();
    }

    private void Noticed(NodeId node, bool isAlive) => _self.Tell(new PeerSeen(node, isAlive), ActorRefs.NoSender);

    /// <summary>Somebody asks for other leaders.</summary>
    private void Begin(MoveLeaders request)
    {
        Batch batch = new(request, Sender, _node.Time.GetTimestamp());
        _batches.Add(batch);
        for (int i = 0; i < request.Moves.Count; i++)
        {
            int item = i;
            LeaderMove move = request.Moves[i];
            GroupId group = new(move.Topic, move.Partition);
            batch.Waiting.Enqueue(
                new Move(group, move.To, (error, message) => batch.Results[item] ??= new ItemResult(error, message)));
        }

        GoOn();
        if (!IsIdle) Timers.StartPeriodicTimer(nameof(Poll), Poll.Instance, _setup.PollInterval);
    }

    private bool IsIdle => _underWay.Count == 0 && _batches.Count == 0 && _stop is null or { IsOver: true };

    /// <summary>Ends the moves that have happened, or do not, and begins others.</summary>
    private void GoOn()
    {
        foreach (Move move in _underWay.Values.ToArray()) Examine(move);
        for (int i = _batches.Count - 1; i >= 0; i--)
        {
            Batch batch = _batches[i];
            for (int left = batch.Waiting.Count; left > 0 && _underWay.Count < _setup.AtOnce; left--)
            {
                Move move = batch.Waiting.Dequeue();
                if (_underWay.ContainsKey(move.Group)) batch.Waiting.Enqueue(move);
                else TryMove(move);
            }

            if (_node.Time.GetElapsedTime(batch.BeganAt) >= batch.Request.Timeout) batch.Expire();
            if (!batch.IsDone) continue;
            batch.Asker.Tell(new LeadersMoved([.. batch.Results!]), _self);
            _batches.RemoveAt(i);
        }

        GoOnStopping();
        GoOnReturning();
        if (IsIdle) Timers.Cancel(nameof(Poll));
    }

    private void TryMove(Move move)
    {
        if (_setup.Directory.Find(move.Group) is not { Published: { IsLeader: true, Failure: null } view } partition)
        {
            move.Ended(KafkaError.NotLeaderOrFollower, $"node {_node.Self} does not lead it");
            return;
        }

        if (move.To == _node.Self)
        {
            move.Ended(KafkaError.ElectionNotNeeded, null);
            return;
        }

        move.Epoch = view.Epoch;
        move.Partition = partition;
        move.BeganAt = _node.Time.GetTimestamp();
        _underWay.Add(move.Group, move);
        partition.Replica.Tell(new TransferLeadership(move.To) { Avoid = Draining() }, _self);
    }

    private ImmutableArray<NodeId> Draining() =>
        [.. _setup.Published.Image.Brokers.Values.Where(broker => broker.IsDraining).Select(broker => broker.Id)];

    private void Answered(TransferAnswer answer)
    {
        if (answer.Error == KafkaError.None || !_underWay.Remove(answer.Group, out Move? move)) return;
        string reason = answer.Error == KafkaError.PreferredLeaderNotAvailable
            ? move.To.IsSome ? $"node {move.To} is not in sync, or about to stop" : "no other replica is in sync"
            : $"node {_node.Self} is not ready to hand it over";
        move.Ended(answer.Error, reason);
    }

    /// <summary>Whether a move has happened, or will not.</summary>
    private void Examine(Move move)
    {
        PartitionView view = move.Partition!.Published;
        if (!view.IsLeader || view.Epoch != move.Epoch)
        {
            NodeId leader = _setup.Locator.LeaderOf(move.Group);
            bool isGone = !ReferenceEquals(_setup.Directory.Find(move.Group), move.Partition);
            if (!isGone && (!leader.IsSome || leader == _node.Self) && !HasWaited(_setup.Patience * 4)) return;
            _underWay.Remove(move.Group);
            if (leader.IsSome && leader != _node.Self && (leader == move.To || !move.To.IsSome)) move.Ended(KafkaError.None, null);
            else move.Ended(KafkaError.NotLeaderOrFollower, $"node {_node.Self} leads it no longer, nor does who should");
            return;
        }

        if (!HasWaited(_setup.Patience)) return;
        _underWay.Remove(move.Group);
        string who = move.To.IsSome ? $"node {move.To}" : "its successor";
        move.Ended(KafkaError.PreferredLeaderNotAvailable, $"{who} did not take over in time");

        bool HasWaited(TimeSpan time) => _node.Time.GetElapsedTime(move.BeganAt) >= time;
    }

    private static string NameOf(Partition partition) => $"{partition.Name.Topic}-{partition.Name.Partition}";

    /// <summary>One leadership on its way.</summary>
    private sealed class Move(GroupId group, NodeId to, Action<KafkaError, string?> ended)
    {
        public GroupId Group => group;

        public NodeId To => to;

        public Action<KafkaError, string?> Ended => ended;

        public Partition? Partition { get; set; }

        public LeaderEpoch Epoch { get; set; }

        public long BeganAt { get; set; }
    }

    /// <summary>What somebody asked for at once.</summary>
    private sealed class Batch(MoveLeaders request, IActorRef asker, long beganAt)
    {
        public MoveLeaders Request => request;

        public IActorRef Asker => asker;

        public long BeganAt => beganAt;

        public Queue<Move> Waiting { get; } = [];

        public ItemResult?[] Results { get; } = new ItemResult?[request.Moves.Count];

        public bool IsDone => Array.TrueForAll(Results, result => result is not null);

        /// <summary>What has not ended is answered so. It may still happen.</summary>
        public void Expire()
        {
            Waiting.Clear();
            ItemResult late = new(KafkaError.RequestTimedOut, "it takes longer than was allowed");
            for (int i = 0; i < Results.Length; i++) Results[i] ??= late;
        }
    }

    private sealed record PeerSeen(NodeId Node, bool IsAlive);

    private sealed class Look
    {
        public static readonly Look Instance = new();
    }

    private sealed class Poll
    {
        public static readonly Poll Instance = new();
    }
}

/// <summary>What /leaderships is made from.</summary>
/// <param name="Node">What the node's actors share.</param>
/// <param name="Directory">The replicas of this node.</param>
/// <param name="Locator">Who leads what.</param>
/// <param name="Published">The metadata.</param>
/// <param name="Others">The other nodes.</param>
internal sealed record LeadershipsSetup(
    NodeContext Node, PartitionDirectory Directory, PartitionLocator Locator, PublishedMetadata Published, PeerBook Others)
{
    /// <summary>
    /// How many leaderships may be on their way at once: each is without a leader for as long as all of them take the disks.
    /// </summary>
    public int AtOnce { get; init; } = 64;

    /// <summary>How many go back to preferred replicas at once: nobody waits for that.</summary>
    public int ReturningAtOnce { get; init; } = 4;

    /// <summary>How long a node that stops may take to hand over.</summary>
    public TimeSpan HandOverTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>What is under way when that is over gets so much longer.</summary>
    public TimeSpan HandOverGrace { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a replica must have been in sync before it is given leaderships back.</summary>
    public TimeSpan InSyncTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long its node must have been there, too; twice as long after each time that it was lost, up to
    /// <see cref="LongestSteadyTime"/>.
    /// </summary>
    public TimeSpan SteadyTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A node that was there for so long is treated as if it had never been lost.</summary>
    public TimeSpan LongestSteadyTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a transfer may take before it counts as failed: what Raft allows it, and a little.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How often preferred replicas are looked for.</summary>
    public TimeSpan LookInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How often moves under way are looked at.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromMilliseconds(10);
}
