using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>Sends a replica's state to a member that lacks entries which the leader's WAL holds no longer.</summary>
/// <remarks>
/// <code>
///   replica - SnapshotMessage (Ask, Done, Refused) -->|        |-- SnapshotMessage (Offer, Batches, State) --> hub, to the member
///   own timer - OfferAgain -------------------------->| sender |-- SnapshotSent --> replica, once
/// </code>
/// The point is what was applied when the transfer began. Batches are read from the log, which any thread may read; what retention drops
/// meanwhile the receiver does not get.
/// </remarks>
internal sealed class SnapshotSender : UntypedActor, IWithTimers
{
    private const int ChunkBytes = 256 << 10;
    private const int SilencesAllowed = 40;
    // The member's replica may start a little later than its node.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly SnapshotTransfer _transfer;
    private int _silences;

    public SnapshotSender(SnapshotTransfer transfer) => _transfer = transfer;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(OfferAgain.Instance, OfferAgain.Instance, Patience);
        Send(SnapshotPart.Offer, KafkaOffset.Zero, BufferSlice.Empty);
    }

    protected override void OnReceive(object message)
    {
        try
        {
            Handle(message);
        }
        catch (Exception failure)
        {
            // The replica goes on, and so does the group.
            _logger.Warning(failure, "the snapshot for node {0} cannot be sent: {1}", _transfer.To, failure.Message);
            End(isDone: false);
        }
    }

    protected override void PostStop() => _transfer.State.Release();

    private void Handle(object message)
    {
        switch (message)
        {
            case SnapshotMessage { Part: SnapshotPart.Ask } ask:
                _silences = 0;
                Answer(ask.Offset);
                break;
            case SnapshotMessage { Part: SnapshotPart.Done }:
                End(isDone: true);
                break;
            case SnapshotMessage { Part: SnapshotPart.Refused }:
                End(isDone: false);
                break;
            case OfferAgain when ++_silences > SilencesAllowed || !_transfer.Peers.IsAlive(_transfer.To):
                End(isDone: false);
                break;
            case OfferAgain:
                if (_silences > 1) Send(SnapshotPart.Offer, KafkaOffset.Zero, BufferSlice.Empty);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Answer(KafkaOffset from)
    {
        KafkaOffset end = _transfer.Point.NextOffset;
        KafkaOffset first = KafkaOffset.Unknown;
        while (true)
        {
            KafkaOffset before = first;
            first = from < LogStart ? LogStart : from;
            if (first >= end)
            {
                Send(SnapshotPart.State, end, _transfer.State);
                return;
            }

            if (first == before) throw new InvalidOperationException($"the log has no batch at offset {first}");
            BufferSlice batches = _transfer.Log.ReadBatches(first, end, ChunkBytes);
            if (batches.Length == 0) continue; // Retention has just dropped what was to be read.
            Send(SnapshotPart.Batches, first, batches);
            batches.Release();
            return;
        }
    }

    /// <summary>Where the log begins at this moment; what lies before it, and only that, the receiver need not have.</summary>
    private KafkaOffset LogStart =>
        _transfer.Log.LogStartOffset < _transfer.Point.NextOffset ? _transfer.Log.LogStartOffset : _transfer.Point.NextOffset;

    private void Send(SnapshotPart part, KafkaOffset offset, BufferSlice payload)
    {
        SnapshotMessage message = new()
        {
            Group = _transfer.Group,
            Part = part,
            Transfer = _transfer.Number,
            Offset = offset,
            Point = _transfer.Point with { LogStartOffset = LogStart },
            Payload = payload,
        };
        _transfer.Peers.Send(_transfer.To, part == SnapshotPart.Offer ? PeerLane.Control : PeerLane.Bulk, message);
    }

    private void End(bool isDone)
    {
        Context.Parent.Tell(new SnapshotSent(_transfer.To, _transfer.Number, isDone));
        Context.Stop(Self);
    }

    private sealed class OfferAgain
    {
        public static readonly OfferAgain Instance = new();
    }
}

/// <summary>What a sender is made from.</summary>
/// <param name="Peers">The way to the member.</param>
/// <param name="To">The member.</param>
/// <param name="Group">The group.</param>
/// <param name="Number">The transfer's number.</param>
/// <param name="Log">The batches.</param>
/// <param name="Point">Up to where.</param>
/// <param name="State">The rest, with a reference for the sender.</param>
internal sealed record SnapshotTransfer(
    PeerHub Peers, NodeId To, GroupId Group, long Number, PartitionLog Log, SnapshotPoint Point, BufferSlice State);

/// <summary>To a replica, from its child: the transfer to a member has ended.</summary>
internal sealed record SnapshotSent(NodeId To, long Transfer, bool Ok);
