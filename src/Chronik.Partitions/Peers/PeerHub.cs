using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Peers;

/// <summary>
/// What a node's Raft groups share on their way to other nodes: one link per peer, signs of life, and who leads what. Thread-safe.
/// </summary>
/// <remarks>
/// <code>
///   replicas - Send --------------->|     |-- PeerFrame --------> /user/chronik/peers/control and .../bulk of each peer
///   forming -- Connect, Disconnect >| hub |
///   /peers --- Receive ------------>|     |-- PeerMessage ------> the replica of the message's group
///   own timer ---------------------->     |-- PeerStatus -------> every replica that has a member on the peer
///                                         |-- LeaderGone -------> the replica whose group a peer leads no longer
/// </code>
/// Nothing here survives a restart. Messages may be lost at any time: a peer that is not heard of gets none but pings.
/// </remarks>
internal sealed class PeerHub : IDisposable
{
    private readonly ConcurrentDictionary<NodeId, PeerLink> _links = new();
    private readonly ConcurrentDictionary<GroupId, Hosted> _hosted = new();
    private readonly ConcurrentDictionary<NodeId, bool> _stopping = new();
    private readonly TimeProvider _time;
    private readonly BufferPool _buffers;
    private readonly ITimer _timer;
    private readonly Lock _timerLock = new();
    private bool _timerRuns; // While there are peers: a node by itself is not woken ten times a second for nothing.
    private long _timerRanAt;
    private ulong _cluster;
    private long _followed = KafkaOffset.Unknown.Value;

    /// <summary>Makes the hub of a node that belongs to no cluster yet and knows no peers.</summary>
    /// <param name="self">The node.</param>
    /// <param name="directory">Its directory's id.</param>
    /// <param name="time">Its clock.</param>
    /// <param name="buffers">Counts the frames whose payloads are kept.</param>
    /// <param name="options">Limits.</param>
    public PeerHub(NodeId self, Guid directory, TimeProvider time, BufferPool buffers, PeerOptions options)
    {
        Self = self;
        Directory = directory;
        Options = options;
        _time = time;
        _buffers = buffers;
        Meters = new PeerMeters(options.Meters, () => _links.Values.Count(link => link.IsAlive));
        _timer = time.CreateTimer(static hub => ((PeerHub)hub!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>
    /// Raised on whatever thread noticed it: a peer is heard of (true), or counts as lost (false). Must only hand over.
    /// </summary>
    public event Action<NodeId, bool>? LivenessChanged;

    /// <summary>This node.</summary>
    public NodeId Self { get; }

    /// <summary>This node's directory.</summary>
    public Guid Directory { get; }

    /// <summary>
    /// The first record of the metadata that this node has not followed yet: what those before it take away or give to it has been begun.
    /// Told to the others with every sign of life.
    /// </summary>
    public KafkaOffset Followed
    {
        get => new(Volatile.Read(ref _followed));
        set => Volatile.Write(ref _followed, value.Value);
    }

    /// <summary>Who leads what.</summary>
    public LeaderTable Leaders { get; } = new();

    /// <summary>What this node leads.</summary>
    public Announcements Announcements { get; } = new();

    public PeerOptions Options { get; }

    public PeerMeters Meters { get; }

    /// <summary>The present moment, by a clock that means nothing to other nodes.</summary>
    public long Now => _time.GetTimestamp();

    /// <summary>Stands for the cluster's id in frames.</summary>
    public ulong Cluster => Volatile.Read(ref _cluster);

    /// <summary>The node belongs to a cluster from now on: frames of any other are dropped.</summary>
    public void Form(string clusterId) => Volatile.Write(ref _cluster, FrameFormat.HashOf(clusterId));

    /// <summary>
    /// Frames for a node go to these actors from now on, and frames of this incarnation of it are taken. Called again, it stands for a new
    /// association: whatever was on its way is lost.
    /// </summary>
    /// <param name="node">The node.</param>
    /// <param name="directory">Its directory.</param>
    /// <param name="control">Where its control lane ends.</param>
    /// <param name="bulk">Where its bulk lane ends.</param>
    /// <param name="newestLevel">The newest level that it speaks.</param>
    public void Connect(NodeId node, Guid directory, ICanTell control, ICanTell bulk, int newestLevel = FeatureLevel.Newest)
    {
        Invariant.Require(node != Self);
        _stopping.TryRemove(node, out _); // It may be another process by now; one that stops says so again.
        if (_links.TryGetValue(node, out PeerLink? known) && known.Directory == directory)
        {
            known.NewestLevel = newestLevel;
            known.Redirect(control, bulk);
            known.Ping();
            return;
        }

        Disconnect(node);
        PeerLink link = new(this, node, directory, control, bulk) { NewestLevel = newestLevel };
        _links[node] = link;
        RunTimer();
        link.Ping();
    }

    /// <summary>A node is gone, or its association is: its groups hear of it at once.</summary>
    public void Disconnect(NodeId node)
    {
        if (!_links.TryRemove(node, out PeerLink? link)) return;
        RunTimer();
        if (link.Lose()) Lost(link);
    }

    /// <summary>
    /// The highest level that both this node and another one speak: nothing newer is said to it. The oldest while it is not known. It sinks
    /// when the other one is started again with an older version; this node may hear of that a moment late, and what the other one cannot
    /// read until then is lost, as anything may be on its way.
    /// </summary>
    public int LevelWith(NodeId node)
    {
        if (node == Self) return Options.NewestLevel;
        return _links.TryGetValue(node, out PeerLink? link) ? Math.Min(Options.NewestLevel, link.NewestLevel) : FeatureLevel.Oldest;
    }

    /// <summary>Whether a node was heard of lately; always true of this one.</summary>
    public bool IsAlive(NodeId node) => node == Self || (_links.TryGetValue(node, out PeerLink? link) && link.IsAlive);

    /// <summary>How far a node follows the metadata, as it said last; unknown when nothing was heard of it.</summary>
    public KafkaOffset FollowedBy(NodeId node) =>
        node == Self ? Followed : _links.TryGetValue(node, out PeerLink? link) ? link.Followed : KafkaOffset.Unknown;

    /// <summary>Whether a node has said that it is about to stop, and was not lost since.</summary>
    public bool IsStopping(NodeId node) => _stopping.ContainsKey(node);

    /// <summary>A node says that it is about to stop.</summary>
    public void Stops(NodeId node)
    {
        if (IsAlive(node)) _stopping[node] = true;
    }

    /// <summary>
    /// When the latest ping was sent of which a node said that it came, as a timestamp of <see cref="Now"/>; 0 when none did. Up to the
    /// silence allowed later that node does not count this one as lost.
    /// </summary>
    public long ConfirmedAt(NodeId node) => _links.TryGetValue(node, out PeerLink? link) && link.IsAlive ? link.ConfirmedAt : 0;

    /// <summary>Timestamps of <see cref="Now"/> in a second.</summary>
    public long TimestampsPerSecond => _time.TimestampFrequency;

    /// <summary>How long ago a timestamp of <see cref="Now"/> was.</summary>
    public TimeSpan Since(long timestamp) => _time.GetElapsedTime(timestamp);

    /// <summary>
    /// A replica of this node takes part in a group with these members: it gets its messages, and hears which members are lost and back.
    /// </summary>
    public void Register(GroupId group, IActorRef replica, ImmutableArray<NodeId> members) => _hosted[group] = new Hosted(replica, members);

    /// <summary>There is no replica of a group here any more.</summary>
    public void Unregister(GroupId group)
    {
        _hosted.TryRemove(group, out _);
        Renounce(group);
    }

    /// <summary>
    /// Sends a message to the member of a group on another node; its entries must be there. The payloads are retained for as long as it
    /// waits. False when it was dropped, as any message may be later on.
    /// </summary>
    public bool Send(NodeId to, GroupId group, in RaftMessage message)
    {
        Invariant.Require(message.LoadCount == 0);
        if (!_links.TryGetValue(to, out PeerLink? link)) return false;
        bool isBulk = message.Entries is { Count: > 0 };
        bool canWait = message.Kind is MessageKind.Heartbeat or MessageKind.HeartbeatReply;
        return link.Send(isBulk ? PeerLane.Bulk : PeerLane.Control, new Outgoing(group, message, null), canWait);
    }

    /// <summary>Sends a part of the transfer of a snapshot. False when it was dropped.</summary>
    public bool Send(NodeId to, PeerLane lane, IPeerRecord record) =>
        _links.TryGetValue(to, out PeerLink? link) && link.Send(lane, new Outgoing(default, default, record));

    /// <summary>This node leads a group, with an epoch and an in-sync set; every peer is told.</summary>
    public void Announce(GroupId group, LeaderEpoch epoch, ImmutableArray<NodeId> isr)
    {
        LeaderLocation location = new(Self, epoch, isr);
        Leaders.Set(group, location);
        Announcements.Set(group, location);
        foreach (PeerLink link in _links.Values) link.Announce();
    }

    /// <summary>This node leads a group no longer; every peer is told.</summary>
    public void Renounce(GroupId group)
    {
        Leaders.Remove(group, Self);
        if (!Announcements.Set(group, null)) return;
        if (_links.IsEmpty) Announcements.Heard(long.MaxValue);
        foreach (PeerLink link in _links.Values) link.Announce();
    }

    /// <summary>Takes a frame that has come from anywhere. Never throws for what is in it.</summary>
    public void Receive(PeerFrame frame)
    {
        if (!FrameFormat.TryOpen(frame.Bytes, out FrameHeader header) || header.Cluster != Cluster || header.ReceiverDirectory != Directory
            || !_links.TryGetValue(new NodeId(header.Sender), out PeerLink? link) || link.Directory != header.SenderDirectory)
        {
            Meters.Refused();
            return;
        }

        if (link.Heard(header, frame.Bytes.Length)) Found(link);
        using ReceivedFrame received = new(frame.Bytes, _buffers);
        FrameReader reader = new(frame.Bytes.AsSpan(FrameFormat.HeaderBytes));
        while (reader.Left > 0)
        {
            FrameRecord kind = (FrameRecord)reader.Byte();
            int length = reader.Int();
            int position = FrameFormat.HeaderBytes + reader.Position;
            FrameReader record = new(reader.Take(length));
            if (!reader.Failed && Take(kind, ref record, link, received, position)) continue;
            Meters.Refused();
            return;
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        Meters.Dispose();
    }

    private bool Take(FrameRecord kind, ref FrameReader record, PeerLink link, ReceivedFrame frame, int position)
    {
        switch (kind)
        {
            case FrameRecord.Raft:
                if (!RaftMessageCodec.TryRead(ref record, Self, frame, position, out GroupId group, out RaftMessage message)) return false;
                PeerMessage received = new(message);
                if (message.From == link.Node && _hosted.TryGetValue(group, out Hosted? hosted))
                    hosted.Replica.Tell(received, ActorRefs.NoSender);
                else received.Release();
                return true;
            case FrameRecord.Snapshot or FrameRecord.SnapshotStep:
                int level = kind == FrameRecord.Snapshot ? FeatureLevel.Oldest : FeatureLevel.Operable;
                if (SnapshotMessage.Read(ref record, level, link.Node, frame, position) is not { } part) return false;
                if (_hosted.TryGetValue(part.Group, out Hosted? owner)) owner.Replica.Tell(part, ActorRefs.NoSender);
                else part.Release();
                return true;
            case FrameRecord.Ping:
                if (Ping.Read(ref record) is not { } ping) return false;
                link.Pinged(ping);
                return true;
            case FrameRecord.Leaders:
                if (LeaderChanges.Read(ref record, link.Node) is not { } changes) return false;
                Apply(changes, link);
                return true;
            default:
                return false;
        }
    }

    private void Apply(LeaderChanges changes, PeerLink link)
    {
        if (!link.Follows(changes.From)) return;
        foreach (Announcement change in changes.Changes)
        {
            if (change.Location is { } location)
            {
                Leaders.Set(change.Group, location);
                continue;
            }

            // Its node may live on without it, and a group that sleeps has no other way to notice.
            Leaders.Remove(change.Group, link.Node);
            if (_hosted.TryGetValue(change.Group, out Hosted? hosted)) hosted.Replica.Tell(LeaderGone.Instance, ActorRefs.NoSender);
        }

        link.HeardThrough(changes.Through);
    }

    private void RunTimer()
    {
        lock (_timerLock)
        {
            bool run = !_links.IsEmpty;
            if (run == _timerRuns) return;
            _timerRuns = run;
            Volatile.Write(ref _timerRanAt, Now);
            TimeSpan interval = run ? Options.PingInterval : Timeout.InfiniteTimeSpan;
            _timer.Change(interval, interval);
        }

        if (_links.IsEmpty) Announcements.Heard(long.MaxValue);
    }

    private void OnTimer()
    {
        // When this node stood still, so did its mailboxes: what peers said meanwhile is about to be read.
        bool stoodStill = Since(Volatile.Read(ref _timerRanAt)) > Options.Silence / 2;
        Volatile.Write(ref _timerRanAt, Now);
        long heardByAll = long.MaxValue;
        foreach (PeerLink link in _links.Values)
        {
            if (stoodStill) link.Excuse();
            else if (link.IsLostSince(Options.Silence)) Lost(link);
            link.Ping();
            heardByAll = Math.Min(heardByAll, link.HeardByPeer);
        }

        Announcements.Heard(heardByAll);
    }

    private void Found(PeerLink link)
    {
        link.Ping();
        Tell(link.Node, isLost: false);
    }

    private void Lost(PeerLink link)
    {
        Meters.Lost();
        _stopping.TryRemove(link.Node, out _);
        Leaders.RemoveAll(link.Node);
        Tell(link.Node, isLost: true);
    }

    private void Tell(NodeId node, bool isLost)
    {
        PeerStatus status = new(node, isLost);
        foreach (Hosted hosted in _hosted.Values)
            if (hosted.Members.Contains(node))
                hosted.Replica.Tell(status, ActorRefs.NoSender);
        LivenessChanged?.Invoke(node, !isLost);
    }

    private sealed record Hosted(IActorRef Replica, ImmutableArray<NodeId> Members);
}

/// <summary>
/// To a replica: another member of its group says something. The payloads of its entries have a reference for the replica.
/// </summary>
/// <param name="Message">What it says.</param>
internal sealed record PeerMessage(RaftMessage Message) : IDeadLetterSuppression
{
    /// <summary>Gives the payloads up.</summary>
    public void Release() => new Outgoing(default, Message, null).Release();
}

/// <summary>To a replica: the node of another member is lost, or heard of again.</summary>
internal sealed record PeerStatus(NodeId Node, bool IsLost);

/// <summary>To a replica: another member leads its group no longer, so it had better look, even from sleep.</summary>
internal sealed class LeaderGone
{
    public static readonly LeaderGone Instance = new();
}
