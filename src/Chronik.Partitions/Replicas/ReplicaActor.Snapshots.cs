using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Protocol.RecordBatches;
using Chronik.Raft;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Snapshots: sent to members that are too far behind, and received. What is committed is the same everywhere, so the receiver keeps what
/// it has and gets only what lies past its own end.
/// </summary>
internal sealed partial class ReplicaActor : IWithTimers
{
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(1);

    private readonly Dictionary<NodeId, (long Transfer, IActorRef Sender)> _sending = [];
    private long _transfers;
    private Receiving? _receiving;

    public ITimerScheduler Timers { get; set; } = null!;

    private void StartSending()
    {
        foreach (NodeId peer in _effects.SnapshotsNeeded)
        {
            if (_sending.ContainsKey(peer)) continue;
            if (IsAhead)
            {
                // The log's end does not belong to what was applied: the peer is asked again a while later.
                _self.Tell(new CannotSend(peer), ActorRefs.NoSender);
                continue;
            }

            LogIndex index = _core.AppliedIndex;
            SnapshotPoint point = new(index, _core.TermAt(index), _log.NextOffset, _log.LogStartOffset);
            byte[] state = ReplicaState.Write(_core.MembershipAt(index), _epochs, _producers);
            PooledBuffer buffer = _node.Buffers.Rent(state.Length);
            state.CopyTo(buffer.Span);
            SnapshotTransfer transfer = new(
                _node.Peers, peer, _spec.Group, ++_transfers, _log, point, buffer.Slice(0, state.Length));
            IActorRef sender = Context.ActorOf(Props.Create(() => new SnapshotSender(transfer)), $"snapshot-{peer}-{_transfers}");
            _sending.Add(peer, (_transfers, sender));
            _logger.Info("{0}: node {1} is far behind and gets a snapshot up to offset {2}", _spec.Name, peer, point.NextOffset);
        }
    }

    private void EndSending(SnapshotSent sent)
    {
        if (!_sending.TryGetValue(sent.To, out (long Transfer, IActorRef Sender) known) || known.Transfer != sent.Transfer) return;
        _sending.Remove(sent.To);
        Step(RaftInput.SnapshotSent(sent.To, sent.Ok));
    }

    /// <summary>Who leads no longer sends no longer.</summary>
    private void StopSending()
    {
        foreach ((_, IActorRef sender) in _sending.Values) Context.Stop(sender);
        _sending.Clear();
    }

    private void Receive(SnapshotMessage message)
    {
        try
        {
            switch (message.Part)
            {
                case SnapshotPart.Offer when _core.Role != RaftRole.Leader:
                    Accept(message);
                    break;
                case SnapshotPart.Batches when _receiving is { IsInstalling: false } receiving && receiving.Is(message):
                    if (TryAppend(message)) Ask(receiving);
                    else Refuse(message);
                    break;
                case SnapshotPart.State when _receiving is { IsInstalling: false } receiving && receiving.Is(message):
                    if (!TryInstall(message, receiving)) Refuse(message);
                    break;
                case SnapshotPart.Ask or SnapshotPart.Done or SnapshotPart.Refused:
                    if (_sending.TryGetValue(message.From, out (long Transfer, IActorRef Sender) known)
                        && known.Transfer == message.Transfer) known.Sender.Tell(message with { Payload = default });
                    break;
            }
        }
        finally
        {
            message.Release();
        }
    }

    private void Accept(SnapshotMessage offer)
    {
        if (_receiving is { } known && known.Is(offer))
        {
            if (!known.IsInstalling) Ask(known);
            return;
        }

        if (_receiving is { IsInstalling: true }) return; // It is offered again.
        if (offer.Point.Index <= _core.CommitIndex)
        {
            Reply(SnapshotPart.Done, offer.From, offer.Transfer);
            return;
        }

        _logger.Info(
            "{0}: node {1} offers a snapshot up to offset {2}; this replica has everything up to {3}",
            _spec.Name, offer.From, offer.Point.NextOffset, _log.NextOffset);
        _receiving = new Receiving(offer.From, offer.Transfer);
        Ask(_receiving);
    }

    private void Ask(Receiving receiving)
    {
        Reply(SnapshotPart.Ask, receiving.From, receiving.Transfer);
        Timers.StartSingleTimer(AskAgain.Instance, AskAgain.Instance, AskAgainAfter);
    }

    /// <summary>A question or its answer was lost, or the sender is: it offers anew if it still wants to.</summary>
    private void AskOnceMore()
    {
        if (_receiving is not { IsInstalling: false } receiving) return;
        if (++receiving.Silences > 10) _receiving = null;
        else Ask(receiving);
    }

    private void Reply(SnapshotPart part, NodeId to, long transfer) => _node.Peers.Send(
        to, PeerLane.Control,
        new SnapshotMessage { Group = _spec.Group, Part = part, Transfer = transfer, Offset = _log.NextOffset });

    private void Refuse(SnapshotMessage message)
    {
        _logger.Warning("{0}: the snapshot of node {1} does not fit this replica", _spec.Name, message.From);
        _receiving = null;
        Reply(SnapshotPart.Refused, message.From, message.Transfer);
    }

    /// <summary>Appends batches that the sender's log holds; false when they are not what they should be.</summary>
    private bool TryAppend(SnapshotMessage message)
    {
        _receiving!.Silences = 0;
        KafkaOffset next = _log.NextOffset;
        List<BufferSlice> batches = [];
        for (int at = 0; at < message.Payload.Length;)
        {
            ReadOnlySpan<byte> left = message.Payload.Span[at..];
            if (left.Length < RecordBatchView.HeaderSize) return false;
            RecordBatchView batch = new(left);
            if (batch.Size < RecordBatchView.HeaderSize || batch.Size > left.Length || !batch.IsIntact) return false;
            int size = (int)batch.Size;
            if (batch.NextOffset > next)
            {
                // What was deleted at the sender before it came to this one's end is deleted here too.
                bool isGap = batches.Count == 0 && batch.BaseOffset > next && batch.BaseOffset <= message.Point.LogStartOffset;
                if (batch.BaseOffset != next && !isGap) return false;
                if (isGap) _log.StartAnewAt(batch.BaseOffset);
                next = batch.NextOffset;
                batches.Add(new BufferSlice(message.Payload.Buffer, message.Payload.Start + at, size));
            }

            at += size;
        }

        foreach (BufferSlice batch in batches) Observe(batch);
        _applying.AddRange(batches);
        AppendToLog();
        CountProducers();
        _partition.Publish(View());
        return true;
    }

    /// <summary>The batches are all here: what the rest says is made durable with them. False when it does not fit.</summary>
    private bool TryInstall(SnapshotMessage message, Receiving receiving)
    {
        SnapshotPoint point = message.Point;
        byte[] state = message.Payload.Span.ToArray();
        try
        {
            ReplicaState.Read(state, new ProducerStates(_node.Limits.PartitionProducers));
        }
        catch (Exception damage) when (damage is InvalidDataException or EndOfStreamException or InvariantViolationException)
        {
            return false;
        }

        if (_log.NextOffset > point.NextOffset || point.Index <= _core.CommitIndex) return false;
        if (_log.NextOffset < point.NextOffset)
        {
            if (point.LogStartOffset < point.NextOffset) return false; // Batches were lost on their way.
            _log.StartAnewAt(point.NextOffset); // All that lies between was deleted.
        }

        _log.DeleteBefore(point.LogStartOffset);
        receiving.Install = new Installing(point, state);
        Step(RaftInput.Installing(point.Index, point.Term));
        receiving.InstallAfter = _lastWrite;
        MakeSnapshotDurable();
        return true;
    }

    /// <summary>Once the disk has forgotten what contradicts the snapshot, the snapshot may become durable.</summary>
    private void MakeSnapshotDurable()
    {
        if (_receiving is not { Install: { } install, IsBeingMadeDurable: false } receiving) return;
        if (receiving.InstallAfter > _durableWrite) return;
        receiving.IsBeingMadeDurable = true;
        SnapshotPoint point = install.Point;
        Checkpoint checkpoint = new(point.Index, point.Term, point.NextOffset, _log.LogStartOffset, _core.HardState, install.State);
        _node.Storage.Checkpoint(
            _spec.Group, checkpoint,
            failure => _self.Tell(new SnapshotInstalled(point, install.State, failure), ActorRefs.NoSender));
    }

    /// <summary>The snapshot is durable: this replica goes on from there.</summary>
    private void Install(SnapshotInstalled installed)
    {
        Receiving receiving = _receiving!;
        _receiving = null;
        if (installed.Failure is not null)
        {
            Fail(installed.Failure);
            return;
        }

        SnapshotPoint point = installed.Point;
        if (point.Index > _core.CommitIndex)
        {
            _producers.Clear();
            (Membership? members, _epochs) = ReplicaState.Read(installed.State, _producers);
            CountProducers();
            _held.ReleaseThrough(point.Index);
            _appliedNext = point.NextOffset;
            Step(RaftInput.Installed(point.Index, point.Term, point.NextOffset, members!));
            _partition.Publish(View());
            _logger.Info("{0} has everything up to offset {1} from node {2}", _spec.Name, point.NextOffset, receiving.From);
        }

        Reply(SnapshotPart.Done, receiving.From, receiving.Transfer);
        if (_checkpointAgain) StartCheckpoint();
    }

    private sealed class Receiving(NodeId from, long transfer)
    {
        public NodeId From { get; } = from;

        public long Transfer { get; } = transfer;

        public int Silences { get; set; }

        /// <summary>What is being installed, once everything has come.</summary>
        public Installing? Install { get; set; }

        /// <summary>The write before which the snapshot must not be durable.</summary>
        public ulong InstallAfter { get; set; }

        public bool IsBeingMadeDurable { get; set; }

        public bool IsInstalling => Install is not null;

        public bool Is(SnapshotMessage message) => message.From == From && message.Transfer == Transfer;
    }

    /// <summary>To itself: there is no snapshot for a member at this moment.</summary>
    private sealed record CannotSend(NodeId To);

    private sealed class AskAgain
    {
        public static readonly AskAgain Instance = new();
    }

    private sealed record Installing(SnapshotPoint Point, byte[] State);

    /// <summary>To itself, from the checkpointer: the snapshot is durable, or will never be.</summary>
    private sealed record SnapshotInstalled(SnapshotPoint Point, byte[] State, Exception? Failure);
}
