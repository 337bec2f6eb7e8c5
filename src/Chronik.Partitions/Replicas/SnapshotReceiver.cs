using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Protocol;

namespace Chronik.Partitions.Replicas;

/// <summary>Receives a snapshot for a replica that is too far behind: talks to the sender and looks at every byte.</summary>
/// <remarks>
/// <code>
///   replica - SnapshotMessage (Offer, Manifest,     |          |-- SnapshotMessage (Ask, Received, Done, Refused) --> hub, to the sender
///             Batches, State) --------------------->| receiver |-- SnapshotBatches, SnapshotEnding ----------------> replica
///   replica - SnapshotAppended, SnapshotUnfit, ---->|          |-- SnapshotReceived -----------------------------> replica, once
///             SnapshotIsDurable                     |          |
///   own timer - AskAgain -------------------------->|          |
/// </code>
/// What comes is a stream: a manifest, then batches and at last the state, each checked against a running checksum. When a part of the
/// stream is missing, a new one is asked for, which begins at the replica's own end. The replica alone writes to its log, and says how far
/// it has come; nothing here survives a restart, and nothing needs to.
/// </remarks>
internal sealed class SnapshotReceiver : UntypedActor, IWithTimers
{
    private const int SilencesAllowed = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly SnapshotSource _source;
    private SnapshotProgress? _progress;
    private KafkaOffset _end; // Up to where the replica has everything, or will have when it has read its mail.
    private KafkaOffset _streamAt = KafkaOffset.Unknown; // Where the next chunk begins; unknown while a manifest is waited for.
    private uint _checksum;
    private int _silences;
    private bool _isHandedOver;

    public SnapshotReceiver(SnapshotSource source)
    {
        _source = source;
        _end = source.End;
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private bool IsOld => _source.Level < FeatureLevel.Operable;

    protected override void PreStart()
    {
        _progress = _source.Node.Snapshots.Receive(_source.Name, _source.From);
        Ask();
    }

    protected override void PostStop() => _progress?.Dispose();

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case SnapshotMessage part:
                try
                {
                    Take(part);
                }
                catch (Exception damage) when (damage is InvalidDataException or NotSupportedException)
                {
                    Refuse(damage.Message);
                }
                finally
                {
                    part.Release();
                }

                break;
            case SnapshotAppended appended:
                if (_isHandedOver) break;
                if (appended.End > _end) _end = appended.End;
                if (IsOld) Ask();
                else Say(SnapshotPart.Received, appended.End);
                break;
            case SnapshotUnfit unfit:
                Refuse(unfit.Reason);
                break;
            case SnapshotIsDurable:
                _progress!.IsDone = true;
                Say(SnapshotPart.Done, _end);
                End();
                break;
            case AskAgain when _isHandedOver:
                break;
            case AskAgain when ++_silences > SilencesAllowed:
                _logger.Info("{0}: node {1} has stopped sending", _source.Name, _source.From);
                End();
                break;
            case AskAgain:
                Ask();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Take(SnapshotMessage message)
    {
        switch (message.Part)
        {
            case SnapshotPart.Offer when _isHandedOver:
                if (!IsOld) Say(SnapshotPart.Received, _end); // The disk takes its time.
                break;
            case SnapshotPart.Offer:
                Ask(); // The question was lost.
                break;
            case var _ when _isHandedOver:
                break;
            case SnapshotPart.Manifest:
                TakeManifest(message);
                break;
            case SnapshotPart.Batches when Follows(message):
                TakeBatches(message);
                break;
            case SnapshotPart.State when Follows(message):
                TakeState(message);
                break;
        }
    }

    private void TakeManifest(SnapshotMessage message)
    {
        if (message.Checksum != Crc32C.Compute(message.Payload.Span)) throw new InvalidDataException("its manifest is damaged");
        SnapshotManifest manifest = SnapshotManifest.Read(message.Payload.Span);
        string cluster = _source.Node.Storage.Identity.ClusterId;
        if (manifest.ClusterId != cluster)
            throw new InvalidDataException($"it is one of cluster {manifest.ClusterId}, this node belongs to {cluster}");
        if (manifest.From > _end) return; // For a place that was never asked for.
        long free = _source.Node.Storage.FreeBytes;
        if (!_source.Node.Snapshots.TryPromise(_progress!, manifest.Bytes, free, out long promised))
        {
            string others = promised > 0 ? $", {promised} of which others take that are on their way" : "";
            throw new InvalidDataException($"it has {manifest.Bytes} bytes, and the disk has room for {free}{others}");
        }

        _streamAt = manifest.From;
        _checksum = 0;
        HeardFromSender();
    }

    /// <summary>
    /// Whether a message is the next one of the stream, or lies behind what was deleted at the sender meanwhile. One before it was sent
    /// before the stream began; one behind it says that something was lost.
    /// </summary>
    private bool Follows(SnapshotMessage message)
    {
        if (IsOld) return true;
        if (_streamAt == KafkaOffset.Unknown || message.Offset < _streamAt) return false;
        if (message.Offset == _streamAt || message.Offset <= message.Point.LogStartOffset) return true;
        Ask();
        return false;
    }

    private void TakeBatches(SnapshotMessage message)
    {
        BufferSlice raw = SnapshotChunk.Unpack(message.Payload, message.RawBytes, _source.Node.Buffers);
        try
        {
            if (!IsOld) Check(message, raw);
            KafkaOffset end = SnapshotChunk.EndOf(raw.Span, message.Offset);
            if (!IsOld) _streamAt = end;
            if (end > _end) _end = end;
            _progress!.Advance(raw.Length);
            HeardFromSender();
            raw.Retain();
            Context.Parent.Tell(new SnapshotBatches(message with { Payload = raw, RawBytes = 0 }), Self);
        }
        finally
        {
            raw.Release();
        }
    }

    private void TakeState(SnapshotMessage message)
    {
        if (!IsOld) Check(message, message.Payload);
        _isHandedOver = true;
        Timers.Cancel(AskAgain.Instance);
        SnapshotEnd end = new(message.Point, message.Payload.Span.ToArray());
        Context.Parent.Tell(new SnapshotEnding(_source.From, _source.Transfer, end), Self);
    }

    private void Check(SnapshotMessage message, in BufferSlice raw)
    {
        _checksum = Crc32C.Append(_checksum, raw.Span);
        if (_checksum != message.Checksum) throw new InvalidDataException($"what came for offset {message.Offset} is damaged");
    }

    /// <summary>Asks for a stream that begins at this replica's end.</summary>
    private void Ask()
    {
        _streamAt = KafkaOffset.Unknown;
        Say(SnapshotPart.Ask, _end);
        Timers.StartSingleTimer(AskAgain.Instance, AskAgain.Instance, Patience);
    }

    private void HeardFromSender()
    {
        _silences = 0;
        Timers.StartSingleTimer(AskAgain.Instance, AskAgain.Instance, Patience);
    }

    private void Refuse(string reason)
    {
        _logger.Warning("{0}: the snapshot of node {1} is refused: {2}", _source.Name, _source.From, reason);
        Say(SnapshotPart.Refused, _end);
        End();
    }

    private void End()
    {
        Context.Parent.Tell(new SnapshotReceived(_source.From, _source.Transfer), Self);
        Context.Stop(Self);
    }

    private void Say(SnapshotPart part, KafkaOffset offset) => _source.Node.Peers.Send(_source.From, PeerLane.Control, new SnapshotMessage
    {
        Group = _source.Group,
        Part = part,
        Level = _source.Level,
        Transfer = _source.Transfer,
        Offset = offset,
    });

    private sealed class AskAgain
    {
        public static readonly AskAgain Instance = new();
    }
}

/// <summary>What a receiver is made from.</summary>
/// <param name="Node">What the node's actors share.</param>
/// <param name="Name">The partition's name.</param>
/// <param name="Group">The group.</param>
/// <param name="From">The sender.</param>
/// <param name="Transfer">The sender's number for the transfer.</param>
/// <param name="Level">The level of the messages.</param>
/// <param name="End">Where the replica's log ends.</param>
internal sealed record SnapshotSource(
    NodeContext Node, TopicPartition Name, GroupId Group, NodeId From, long Transfer, int Level, KafkaOffset End);

/// <summary>To a replica, from its child: batches that are what the sender's log holds, with a reference for the replica.</summary>
internal sealed record SnapshotBatches(SnapshotMessage Message) : ISnapshotEvent, IDeadLetterSuppression
{
    /// <summary>Gives the batches up.</summary>
    public void Release() => Message.Release();
}

/// <summary>To a replica, from its child: all batches have come, and this is the rest.</summary>
internal sealed record SnapshotEnding(NodeId From, long Transfer, SnapshotEnd End) : ISnapshotEvent;

/// <summary>To a replica, from its child: the transfer has ended, one way or the other.</summary>
internal sealed record SnapshotReceived(NodeId From, long Transfer) : ISnapshotEvent;

/// <summary>To a receiver, from its replica: batches were appended, and the log ends here now.</summary>
internal sealed record SnapshotAppended(KafkaOffset End);

/// <summary>To a receiver, from its replica: what came does not fit what is here. Nothing of it was taken.</summary>
internal sealed record SnapshotUnfit(string Reason);

/// <summary>To a receiver, from its replica: it is all here, and stays.</summary>
internal sealed class SnapshotIsDurable
{
    public static readonly SnapshotIsDurable Instance = new();
}
