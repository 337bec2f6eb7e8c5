using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Protocol;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>Sends a replica's state to a member that lacks entries which the leader's WAL holds no longer.</summary>
/// <remarks>
/// <code>
///   node ---- Begin, when it is its turn ---------->|        |-- SnapshotMessage (Offer, Manifest, Batches, State) --> hub, to the member
///   replica - SnapshotMessage (Ask, Received, ----->| sender |-- SnapshotEndWanted --> replica, when all batches are sent
///             Done, Refused), SnapshotEnd           |        |-- LogSuspect --> replica, when what it reads is not what it was
///   own timers - OfferAgain, GoOn ----------------->|        |-- SnapshotSent --> replica, once
/// </code>
/// Batches are read from the log, which any thread may read, up to its end at that moment: what is committed meanwhile is sent as well, so
/// that the member is close behind at the end. Only then is the rest of the state asked for. What retention drops meanwhile the receiver
/// does not get. Several chunks are on their way, so that a link is filled: as many as this transfer's share of the node's window to the
/// member holds, and one at least. A member that only speaks level 1 asks for one at a time.
/// </remarks>
internal sealed class SnapshotSender : UntypedActor, IWithTimers
{
    private const int ChunkBytes = 256 << 10;
    private const int SilencesAllowed = 40;

    // The member's replica may start a little later than its node.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan UntilThereIsRoom = TimeSpan.FromMilliseconds(5);

    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly SnapshotTransfer _transfer;
    private readonly SnapshotPacker _packer;
    private readonly Queue<(KafkaOffset End, int Bytes)> _underWay = new();
    private readonly IActorRef _self;
    private SnapshotProgress? _progress;
    private ITimer? _wait;
    private Chunk? _ready; // Read and not sent, because the time or the room for it is not there yet.
    private SnapshotEnd? _end;
    private KafkaOffset _next = KafkaOffset.Unknown; // Nobody has asked yet.
    private long _bytesUnderWay;
    private uint _checksum;
    private bool _manifestIsDue;
    private bool _isEndWanted;
    private bool _isEndSent;
    private int _silences;

    public SnapshotSender(SnapshotTransfer transfer)
    {
        _transfer = transfer;
        _packer = new SnapshotPacker(transfer.Node.Buffers);
        _self = Self;
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private bool IsOld => _transfer.Level < FeatureLevel.Operable;

    private bool HasWindow =>
        _underWay.Count == 0 || (!IsOld && _bytesUnderWay + ChunkBytes <= _transfer.Node.Snapshots.ShareOf(_transfer.To));

    /// <summary>Up to where batches are sent.</summary>
    private KafkaOffset LogEnd => _end?.Point.LogEnd ?? _transfer.Log.NextOffset;

    protected override void PreStart()
    {
        IActorRef self = _self;
        _progress = _transfer.Node.Snapshots.Send(_transfer.Name, _transfer.To, () => self.Tell(Begin.Instance, ActorRefs.NoSender));
    }

    protected override void OnReceive(object message)
    {
        try
        {
            Handle(message);
        }
        catch (Exception damage) when (damage is InvalidDataException or StorageException { IsDamage: true })
        {
            // Nobody is given what is damaged. Another replica may have it right; the member that lacks it has nothing to lead with, so
            // this one, which has all the rest, must not go for it.
            _logger.Warning("the snapshot for node {0} cannot be sent: {1}", _transfer.To, damage.Message);
            Context.Parent.Tell(new LogSuspect(damage.Message), _self);
            End(isDone: false);
        }
        catch (Exception failure)
        {
            // The replica goes on, and so does the group.
            _logger.Warning(failure, "the snapshot for node {0} cannot be sent: {1}", _transfer.To, failure.Message);
            End(isDone: false);
        }
    }

    protected override void PostStop()
    {
        _wait?.Dispose();
        _ready?.Message.Release();
        _progress?.Dispose();
    }

    private void Handle(object message)
    {
        switch (message)
        {
            case Begin:
                Timers.StartPeriodicTimer(OfferAgain.Instance, OfferAgain.Instance, Patience);
                Send(Make(SnapshotPart.Offer, KafkaOffset.Zero));
                break;
            case SnapshotMessage { Part: SnapshotPart.Ask } ask:
                _silences = 0;
                Acknowledge(ask.Offset);
                GoOnAt(ask.Offset);
                SendMore();
                break;
            case SnapshotMessage { Part: SnapshotPart.Received } received:
                _silences = 0;
                Acknowledge(received.Offset);
                SendMore();
                break;
            case SnapshotEnd end:
                _end = end;
                SendMore();
                break;
            case GoOn:
                _wait?.Dispose();
                _wait = null;
                SendMore();
                break;
            case SnapshotMessage { Part: SnapshotPart.Done }:
                End(isDone: true);
                break;
            case SnapshotMessage { Part: SnapshotPart.Refused }:
                _logger.Warning("{0}: node {1} refuses the snapshot; its log says why", _transfer.Name, _transfer.To);
                End(isDone: false);
                break;
            case OfferAgain when ++_silences > SilencesAllowed || !_transfer.Node.Peers.IsAlive(_transfer.To):
                End(isDone: false);
                break;
            case OfferAgain:
                if (_silences > 1) Send(Make(SnapshotPart.Offer, KafkaOffset.Zero));
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    /// <summary>The member has what lies before an offset.</summary>
    private void Acknowledge(KafkaOffset offset)
    {
        long bytes = 0;
        while (_underWay.TryPeek(out (KafkaOffset End, int Bytes) chunk) && chunk.End <= offset)
        {
            _underWay.Dequeue();
            bytes += chunk.Bytes;
        }

        _bytesUnderWay -= bytes;
        _progress!.Advance(bytes);
    }

    /// <summary>The member's log ends here. What else was sent is lost, or comes too late.</summary>
    private void GoOnAt(KafkaOffset offset)
    {
        bool isFirst = _next == KafkaOffset.Unknown;
        _next = offset;
        _underWay.Clear();
        _bytesUnderWay = 0;
        _ready?.Message.Release();
        _ready = null;
        _checksum = 0;
        _isEndSent = false;
        _manifestIsDue = !IsOld;
        if (isFirst && IsOld) _progress!.Lacks(_transfer.Log.RangesFrom(offset).Sum(range => range.Bytes));
        if (IsOld || offset >= LogEnd || _end is null) return;
        _end = null; // By the time that everything is sent there will be a later one.
        _isEndWanted = false;
    }

    private void SendMore()
    {
        if (_next == KafkaOffset.Unknown || _wait is not null) return;
        if (_manifestIsDue && !TrySendManifest()) return;
        while (HasWindow)
        {
            _ready ??= Read();
            if (_ready is null)
            {
                if (First < LogEnd) Wait(UntilThereIsRoom); // What the log counts already can be read in a moment.
                else SendEnd();
                return;
            }

            if (!_ready.IsPaid && !TryPay(_ready.Message)) return;
            _ready.IsPaid = true;
            if (!TrySend(_ready.Message)) return;
            _underWay.Enqueue((_ready.End, _ready.Bytes));
            _bytesUnderWay += _ready.Bytes;
            _next = _ready.End;
            _checksum = _ready.Message.Checksum;
            _ready.Message.Release(); // The lane has its own reference.
            _ready = null;
        }
    }

    private bool TrySendManifest()
    {
        SnapshotManifest manifest = new(_transfer.Node.Storage.Identity.ClusterId, _next, _transfer.Log.RangesFrom(_next));
        _progress!.Lacks(manifest.Bytes);
        BufferSlice payload = _transfer.Node.Buffers.Copy(manifest.Write());
        bool isSent = TrySend(Make(SnapshotPart.Manifest, _next) with { Payload = payload, Checksum = Crc32C.Compute(payload.Span) });
        payload.Release();
        _manifestIsDue = !isSent;
        return isSent;
    }

    /// <summary>What comes next: where the last chunk ended, unless what lies there has been deleted.</summary>
    private KafkaOffset First => _next < LogStart ? LogStart : _next;

    /// <summary>The next chunk, packed; null when there is none, or not yet.</summary>
    private Chunk? Read()
    {
        while (First < LogEnd)
        {
            KafkaOffset first = First;
            BufferSlice raw = _transfer.Log.ReadBatches(first, LogEnd, ChunkBytes);
            if (raw.Length == 0 && first == First) return null;
            if (raw.Length == 0) continue; // Retention has just dropped what was to be read.
            try
            {
                KafkaOffset end = SnapshotChunk.EndOf(raw.Span, first);
                uint checksum = Crc32C.Append(_checksum, raw.Span);
                (BufferSlice payload, int rawBytes) = IsOld ? (raw, 0) : _packer.Pack(raw);
                if (IsOld) raw.Retain();
                SnapshotMessage message = Make(SnapshotPart.Batches, first) with
                {
                    Payload = payload,
                    Checksum = checksum,
                    RawBytes = rawBytes,
                };
                return new Chunk(message, end, raw.Length);
            }
            catch (InvalidDataException)
            {
                _transfer.Log.Distrust(first);
                throw;
            }
            finally
            {
                raw.Release();
            }
        }

        return null;
    }

    /// <summary>All batches are sent: the rest follows, once the replica has said what it is.</summary>
    private void SendEnd()
    {
        if (_isEndSent) return;
        if (_end is not { } end)
        {
            if (!_isEndWanted) Context.Parent.Tell(new SnapshotEndWanted(_transfer.To, _transfer.Number), _self);
            _isEndWanted = true;
            return;
        }

        BufferSlice payload = _transfer.Node.Buffers.Copy(end.State);
        // The member may have come further already, under another leader.
        SnapshotMessage message = Make(SnapshotPart.State, _next > end.Point.LogEnd ? _next : end.Point.LogEnd) with
        {
            Point = end.Point with { LogStartOffset = LogStart },
            Payload = payload,
            Checksum = Crc32C.Append(_checksum, payload.Span),
        };
        _isEndSent = TrySend(message);
        payload.Release();
    }

    /// <summary>Takes what the node allows to be sent; false when it has to wait for it.</summary>
    private bool TryPay(SnapshotMessage message)
    {
        TimeSpan wait = _transfer.Node.Snapshots.Rate.Take(message.Bytes);
        if (wait > TimeSpan.Zero) Wait(wait);
        return wait == TimeSpan.Zero;
    }

    /// <summary>Sends, unless others have more to send to the member than the way to it holds.</summary>
    private bool TrySend(SnapshotMessage message)
    {
        bool isSent = Send(message);
        if (!isSent) Wait(UntilThereIsRoom);
        return isSent;
    }

    private void Wait(TimeSpan time)
    {
        IActorRef self = _self;
        _wait = _transfer.Node.Snapshots.Time.CreateTimer(
            _ => self.Tell(GoOn.Instance, ActorRefs.NoSender), null, time, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Where the log begins at this moment; what lies before it, and only that, the receiver need not have.</summary>
    private KafkaOffset LogStart => _transfer.Log.LogStartOffset < LogEnd ? _transfer.Log.LogStartOffset : LogEnd;

    private SnapshotMessage Make(SnapshotPart part, KafkaOffset offset)
    {
        SnapshotPoint point = _transfer.Point;
        KafkaOffset logStart = LogStart;
        if (IsOld && logStart > point.NextOffset) point = point with { NextOffset = logStart };
        if (point.LogEnd < logStart) point = point with { LogEnd = logStart };
        return new SnapshotMessage
        {
            Group = _transfer.Group,
            Part = part,
            Level = _transfer.Level,
            Transfer = _transfer.Number,
            Offset = offset,
            Point = point with { LogStartOffset = logStart },
        };
    }

    private bool Send(SnapshotMessage message) =>
        _transfer.Node.Peers.Send(_transfer.To, message.Part == SnapshotPart.Offer ? PeerLane.Control : PeerLane.Bulk, message);

    private void End(bool isDone)
    {
        _progress!.IsDone = isDone;
        Context.Parent.Tell(new SnapshotSent(_transfer.To, _transfer.Number, isDone), _self);
        Context.Stop(Self);
    }

    /// <summary>A chunk that is ready to leave.</summary>
    private sealed record Chunk(SnapshotMessage Message, KafkaOffset End, int Bytes)
    {
        public bool IsPaid { get; set; }
    }

    private sealed class Begin
    {
        public static readonly Begin Instance = new();
    }

    private sealed class OfferAgain
    {
        public static readonly OfferAgain Instance = new();
    }

    private sealed class GoOn
    {
        public static readonly GoOn Instance = new();
    }
}

/// <summary>What a sender is made from.</summary>
/// <param name="Node">What the node's actors share.</param>
/// <param name="Name">The partition's name.</param>
/// <param name="To">The member.</param>
/// <param name="Group">The group.</param>
/// <param name="Number">The transfer's number.</param>
/// <param name="Log">The batches.</param>
/// <param name="Point">Where it stands at the beginning.</param>
/// <param name="Level">The level of the messages.</param>
internal sealed record SnapshotTransfer(
    NodeContext Node, TopicPartition Name, NodeId To, GroupId Group, long Number, PartitionLog Log, SnapshotPoint Point, int Level);

/// <summary>To a sender, from its replica: what the snapshot ends with.</summary>
/// <param name="Point">Up to where it reaches.</param>
/// <param name="State">What the replica is made of there, besides its log.</param>
internal sealed record SnapshotEnd(SnapshotPoint Point, byte[] State);

/// <summary>To a replica, from its child: all batches are sent, what else is there?</summary>
internal sealed record SnapshotEndWanted(NodeId To, long Transfer) : ISnapshotEvent;

/// <summary>To a replica, from its child: the transfer to a member has ended.</summary>
internal sealed record SnapshotSent(NodeId To, long Transfer, bool Ok) : ISnapshotEvent;
