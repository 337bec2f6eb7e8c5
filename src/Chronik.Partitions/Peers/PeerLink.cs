using Akka.Actor;
using Chronik.Model;

namespace Chronik.Partitions.Peers;

/// <summary>One peer as this node knows it: the two ways to it, whether it is heard of, and who knows what. Thread-safe.</summary>
internal sealed class PeerLink
{
    private const int ChangesAtOnce = 1_000;
    private const int PartForYielding = 4; // Of the window: what yields must not fill it.
    private const int PingsToHear = 5; // So many pings after an announcement that was not heard, it is made again.

    private readonly PeerHub _hub;
    private readonly SendLane _control;
    private readonly SendLane _bulk;
    private readonly Lock _announcing = new();
    private long _heardAt;
    private long _confirmedAt;
    private long _theirPing;
    private long _bulkReceived;
    private long _bulkCredited;
    private long _creditedAt;
    private long _announced;
    private long _heardByPeer;
    private long _heardFromPeer;
    private long _followed = KafkaOffset.Unknown.Value;
    private int _pingsUnheard;
    private int _isAlive;
    private int _newestLevel;

    public PeerLink(PeerHub hub, NodeId node, Guid directory, ICanTell control, ICanTell bulk)
    {
        _hub = hub;
        Node = node;
        Directory = directory;
        _control = new SendLane(this, PeerLane.Control, hub.Options.FrameBytes) { Peer = control };
        _bulk = new SendLane(this, PeerLane.Bulk, hub.Options.FrameBytes) { Peer = bulk };
    }

    public NodeId Node { get; }

    /// <summary>The peer's directory: frames from another one are not from this peer.</summary>
    public Guid Directory { get; }

    /// <summary>The newest level that it speaks, as it said when it was met.</summary>
    public int NewestLevel
    {
        get => Volatile.Read(ref _newestLevel);
        set => Volatile.Write(ref _newestLevel, value);
    }

    public PeerMeters Meters => _hub.Meters;

    /// <summary>Whether it was heard of lately.</summary>
    public bool IsAlive => Volatile.Read(ref _isAlive) != 0;

    /// <summary>When the latest ping was sent of which the peer said that it came; by this node's clock, 0 when none was.</summary>
    public long ConfirmedAt => Volatile.Read(ref _confirmedAt);

    /// <summary>Up to which change of what this node leads the peer has heard.</summary>
    public long HeardByPeer => Volatile.Read(ref _heardByPeer);

    /// <summary>The first record of the metadata that the peer has not followed, as it said last; unknown when it has not.</summary>
    public KafkaOffset Followed => new(Volatile.Read(ref _followed));

    /// <summary>The association is a new one: what was on its way is lost.</summary>
    public void Redirect(ICanTell control, ICanTell bulk)
    {
        _control.Peer = control;
        _bulk.Peer = bulk;
        Volatile.Write(ref _bulkCredited, _bulk.SentBytes);
    }

    /// <summary>Sends something. False when it was dropped, because the peer is not heard of or has enough to do.</summary>
    public bool Send(PeerLane lane, in Outgoing message, bool canWait = false)
    {
        if (message.Record is { YieldsToOthers: true })
        {
            // Not counted as dropped: its sender comes again.
            if (!IsAlive || !HasRoomFor(message.Bytes, _hub.Options.WindowBytes / PartForYielding)) return false;
            _bulk.Add(message, canWait);
            return true;
        }

        if (!IsAlive || (lane == PeerLane.Bulk && !HasRoomFor(message.Bytes, _hub.Options.WindowBytes)))
        {
            Meters.Dropped();
            return false;
        }

        (lane == PeerLane.Bulk ? _bulk : _control).Add(message, canWait);
        return true;
    }

    /// <summary>Something may be announced; it need not be at once.</summary>
    public void Announce()
    {
        if (!IsAlive) return;
        lock (_announcing)
        {
            while (true)
            {
                var changes = _hub.Announcements.After(_announced, ChangesAtOnce);
                if (changes.IsEmpty) return;
                _control.Add(new Outgoing(default, default, new LeaderChanges(_announced, changes[^1].Change, changes)), canWait: true);
                _announced = changes[^1].Change;
            }
        }
    }

    /// <summary>A sign of life, on the way on which nothing waits.</summary>
    public void Ping()
    {
        Ping ping = new(_hub.Now, Volatile.Read(ref _theirPing), Volatile.Read(ref _heardFromPeer), _hub.Followed);
        _control.Add(new Outgoing(default, default, ping), canWait: false);
    }

    /// <summary>The header of the next frame on a lane.</summary>
    public FrameHeader Header(PeerLane lane, long sentBefore) => new()
    {
        Lane = lane,
        Sender = _hub.Self.Value,
        SenderDirectory = _hub.Directory,
        ReceiverDirectory = Directory,
        Cluster = _hub.Cluster,
        SentBefore = sentBefore,
        BulkReceived = Volatile.Read(ref _bulkReceived),
    };

    /// <summary>A frame of the peer has come. True when nothing had been heard of it before, or not for long.</summary>
    public bool Heard(in FrameHeader header, int bytes)
    {
        Volatile.Write(ref _heardAt, _hub.Now);
        if (header.Lane == PeerLane.Bulk) Volatile.Write(ref _bulkReceived, header.SentBefore + bytes);
        if (header.BulkReceived > Volatile.Read(ref _bulkCredited) && header.BulkReceived <= _bulk.SentBytes)
        {
            Volatile.Write(ref _bulkCredited, header.BulkReceived);
            Volatile.Write(ref _creditedAt, _hub.Now);
        }

        return Interlocked.Exchange(ref _isAlive, 1) == 0;
    }

    /// <summary>This node itself stood still: how long the peer was silent is not known.</summary>
    public void Excuse() => Volatile.Write(ref _heardAt, _hub.Now);

    /// <summary>Whether it is silent for so long that it counts as lost from now on; says so once.</summary>
    public bool IsLostSince(TimeSpan silence) =>
        IsAlive && _hub.Since(Volatile.Read(ref _heardAt)) > silence && Lose();

    /// <summary>It counts as lost from now on. False when it did already.</summary>
    public bool Lose()
    {
        if (Interlocked.Exchange(ref _isAlive, 0) == 0) return false;
        Volatile.Write(ref _heardFromPeer, 0); // What it led was forgotten, so it has to say it again.
        return true;
    }

    public void Pinged(Ping ping)
    {
        Volatile.Write(ref _theirPing, ping.SentAt);
        Volatile.Write(ref _followed, ping.Followed.Value);
        if (ping.Echo > Volatile.Read(ref _confirmedAt) && ping.Echo <= _hub.Now) Volatile.Write(ref _confirmedAt, ping.Echo);
        lock (_announcing)
        {
            bool wentBack = ping.Heard < _heardByPeer;
            _pingsUnheard = ping.Heard < _announced && ping.Heard == _heardByPeer ? _pingsUnheard + 1 : 0;
            Volatile.Write(ref _heardByPeer, ping.Heard);
            if (wentBack || _pingsUnheard >= PingsToHear || ping.Heard > _announced)
            {
                _announced = Math.Min(ping.Heard, _hub.Announcements.LastChange);
                _pingsUnheard = 0;
            }
        }

        Announce();
    }

    /// <summary>Whether changes that begin behind <paramref name="from"/> follow what was heard already.</summary>
    public bool Follows(long from) => from <= Volatile.Read(ref _heardFromPeer);

    public void HeardThrough(long change)
    {
        if (change > Volatile.Read(ref _heardFromPeer)) Volatile.Write(ref _heardFromPeer, change);
    }

    /// <summary>
    /// Bytes on their way are those that were sent and not credited. Credit that does not come for long will not come: what it was for is
    /// lost with an association.
    /// </summary>
    private bool HasRoomFor(int bytes, long window)
    {
        long sent = _bulk.SentBytes;
        long underWay = sent - Volatile.Read(ref _bulkCredited) + _bulk.QueuedBytes;
        if (underWay == 0) Volatile.Write(ref _creditedAt, _hub.Now);
        if (underWay == 0 || underWay + bytes <= window) return true;
        if (_hub.Since(Volatile.Read(ref _creditedAt)) <= _hub.Options.Silence) return false;
        Volatile.Write(ref _bulkCredited, sent);
        Volatile.Write(ref _creditedAt, _hub.Now);
        return true;
    }
}
