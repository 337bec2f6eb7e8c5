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
/// it has and gets only what lies past its own end. The conversation is the children's; the log and what is installed are the replica's.
/// </summary>
internal sealed partial class ReplicaActor
{
    /// <summary>One thread for all that reads and writes whole logs.</summary>
    public const string SnapshotDispatcher = "chronik.snapshot-dispatcher";

    private readonly Dictionary<NodeId, (long Transfer, IActorRef Sender)> _sending = [];
    private long _snapshotChildren;
    private long _receivedBytes; // Since the last checkpoint.
    private Receiving? _receiving;

    private void StartSending()
    {
        foreach (NodeId peer in _effects.SnapshotsNeeded)
        {
            if (_sending.ContainsKey(peer)) continue;
            int level = _node.Peers.LevelWith(peer);
            if (IsAhead && level < FeatureLevel.Operable)
            {
                // The log's end does not belong to what was applied, and the peer cannot be told so: it is asked again a while later.
                _self.Tell(new CannotSend(peer), ActorRefs.NoSender);
                continue;
            }

            SnapshotTransfer transfer = new(_node, _spec.Name, peer, _spec.Group, ++_snapshotChildren, _log, Point(), level);
            Props props = Props.Create(() => new SnapshotSender(transfer)).WithDispatcher(SnapshotDispatcher);
            IActorRef sender = Context.ActorOf(props, $"snapshot-{_snapshotChildren}");
            _sending.Add(peer, (_snapshotChildren, sender));
            _logger.Info("{0}: node {1} is far behind and gets a snapshot", _spec.Name, peer);
        }
    }

    private void Take(ISnapshotEvent what)
    {
        switch (what)
        {
            case SnapshotEndWanted wanted when IsSending(wanted.To, wanted.Transfer):
                GiveEnd(wanted.To);
                break;
            case SnapshotSent sent when IsSending(sent.To, sent.Transfer):
                _sending.Remove(sent.To);
                Step(RaftInput.SnapshotSent(sent.To, sent.Ok));
                break;
            case SnapshotBatches batches:
                Append(batches);
                break;
            case SnapshotEnding ending when _receiving is { IsInstalling: false } receiving && receiving.Is(ending.From, ending.Transfer):
                if (WhyNotInstalled(ending.End, receiving) is { } reason) receiving.Receiver.Tell(new SnapshotUnfit(reason), _self);
                break;
            case SnapshotReceived received when _receiving is { IsInstalling: false } receiving
                && receiving.Is(received.From, received.Transfer):
                _receiving = null;
                break;
            case SnapshotInstalled installed:
                Install(installed);
                break;
            case CannotSend none when !_sending.ContainsKey(none.To):
                Step(RaftInput.SnapshotSent(none.To, false));
                break;
        }
    }

    private bool IsSending(NodeId to, long transfer) =>
        _sending.TryGetValue(to, out (long Transfer, IActorRef Sender) known) && known.Transfer == transfer;

    /// <summary>Where this replica stands at this moment.</summary>
    private SnapshotPoint Point() =>
        new(_core.AppliedIndex, _core.TermAt(_core.AppliedIndex), _appliedNext, _log.LogStartOffset) { LogEnd = _log.NextOffset };

    private byte[] State() => ReplicaState.Write(_core.MembershipAt(_core.AppliedIndex), _epochs, _producers);

    private void GiveEnd(NodeId to)
    {
        IActorRef sender = _sending[to].Sender;
        if (!IsAhead || _node.Peers.LevelWith(to) >= FeatureLevel.Operable)
        {
            sender.Tell(new SnapshotEnd(Point(), State()), _self);
            return;
        }

        Context.Stop(sender);
        _sending.Remove(to);
        _self.Tell(new CannotSend(to), ActorRefs.NoSender);
    }

    /// <summary>Who leads no longer sends no longer.</summary>
    private void StopSending()
    {
        foreach ((_, IActorRef sender) in _sending.Values) Context.Stop(sender);
        _sending.Clear();
    }

    /// <summary>A message of another member's child, or for one of this replica's.</summary>
    private void Receive(SnapshotMessage message)
    {
        switch (message.Part)
        {
            case SnapshotPart.Offer when _core.Role != RaftRole.Leader:
                Accept(message);
                break;
            case SnapshotPart.Manifest or SnapshotPart.Batches or SnapshotPart.State
                when _receiving is { } receiving && receiving.Is(message.From, message.Transfer):
                receiving.Receiver.Tell(message, _self); // With its reference.
                return;
            case SnapshotPart.Ask or SnapshotPart.Received or SnapshotPart.Done or SnapshotPart.Refused
                when IsSending(message.From, message.Transfer):
                _sending[message.From].Sender.Tell(message with { Payload = default }, _self);
                break;
        }

        message.Release();
    }

    private void Accept(SnapshotMessage offer)
    {
        if (_receiving is { } known && known.Is(offer.From, offer.Transfer))
        {
            known.Receiver.Tell(offer with { Payload = default }, _self);
            return;
        }

        if (_receiving is { IsInstalling: true }) return; // It is offered again.
        if (offer.Point.Index <= _core.CommitIndex)
        {
            _node.Peers.Send(offer.From, PeerLane.Control, new SnapshotMessage
            {
                Group = _spec.Group,
                Part = SnapshotPart.Done,
                Level = offer.Level,
                Transfer = offer.Transfer,
                Offset = _log.NextOffset,
            });
            return;
        }

        _logger.Info(
            "{0}: node {1} offers a snapshot up to offset {2}; this replica has everything up to {3}",
            _spec.Name, offer.From, offer.Point.LogEnd, _log.NextOffset);
        if (_receiving is { } other) Context.Stop(other.Receiver); // Another leader goes on where this one stopped.
        SnapshotSource source = new(_node, _spec.Name, _spec.Group, offer.From, offer.Transfer, offer.Level, _log.NextOffset);
        Props props = Props.Create(() => new SnapshotReceiver(source)).WithDispatcher(SnapshotDispatcher);
        IActorRef receiver = Context.ActorOf(props, $"snapshot-{++_snapshotChildren}");
        _receiving = new Receiving(offer.From, offer.Transfer, receiver);
    }

    private void Append(SnapshotBatches batches)
    {
        try
        {
            SnapshotMessage message = batches.Message;
            if (_receiving is not { IsInstalling: false } receiving || !receiving.Is(message.From, message.Transfer)) return;
            if (!TryAppend(message))
            {
                string reason = $"the batches at offset {message.Offset} cannot follow {_log.NextOffset}, where the log ends";
                receiving.Receiver.Tell(new SnapshotUnfit(reason), _self);
                return;
            }

            receiving.Receiver.Tell(new SnapshotAppended(_log.NextOffset), _self);
            _receivedBytes += message.Payload.Length;
            if (_receivedBytes < _node.Storage.CheckpointBytes || _node.Level < FeatureLevel.Operable) return;
            StartCheckpoint(); // What came until now survives this process.
        }
        finally
        {
            batches.Release();
        }
    }

    /// <summary>Appends what the log lacks of some batches; false when they do not continue it.</summary>
    private bool TryAppend(SnapshotMessage message)
    {
        KafkaOffset next = _log.NextOffset;
        KafkaOffset? startsAnewAt = null;
        List<BufferSlice> batches = [];
        for (int at = 0; at < message.Payload.Length;)
        {
            RecordBatchView batch = new(message.Payload.Span[at..]);
            int size = (int)batch.Size;
            if (batch.NextOffset > next)
            {
                // What was deleted at the sender before it came to this one's end is deleted here too.
                bool isGap = batches.Count == 0 && batch.BaseOffset > next && batch.BaseOffset <= message.Point.LogStartOffset;
                if (batch.BaseOffset != next && !isGap) return false;
                if (isGap) startsAnewAt = batch.BaseOffset;
                next = batch.NextOffset;
                batches.Add(new BufferSlice(message.Payload.Buffer, message.Payload.Start + at, size));
            }

            at += size;
        }

        if (startsAnewAt is { } start) _log.StartAnewAt(start);
        foreach (BufferSlice batch in batches) Observe(batch);
        _applying.AddRange(batches);
        AppendToLog(isFarBehind: true);
        CountProducers();
        _partition.Publish(View());
        return true;
    }

    /// <summary>The batches are all here: what the rest says is made durable with them. Says why not, when it does not fit.</summary>
    private string? WhyNotInstalled(SnapshotEnd end, Receiving receiving)
    {
        SnapshotPoint point = end.Point;
        if (point.Index <= _core.CommitIndex)
        {
            _receiving = null;
            receiving.Receiver.Tell(SnapshotIsDurable.Instance, _self); // The leader's entries were faster.
            return null;
        }

        ProducerStates producers = new(_node.Limits.PartitionProducers);
        Membership? members;
        EpochHistory epochs;
        try
        {
            (members, epochs) = ReplicaState.Read(end.State, producers);
        }
        catch (Exception damage) when (damage is InvalidDataException or EndOfStreamException or InvariantViolationException)
        {
            return $"its state cannot be read: {damage.Message}";
        }

        if (members is null) return "its state names no members";
        bool isAhead = point.NextOffset != point.LogEnd || _log.NextOffset > point.LogEnd;
        if (isAhead && _node.Level < FeatureLevel.Operable)
            return $"it ends at offset {point.NextOffset}, this replica's log at {_log.NextOffset}, and only level 2 can write that down";
        if (_log.NextOffset < point.LogEnd)
        {
            if (point.LogStartOffset < point.LogEnd) return $"the batches from offset {_log.NextOffset} to {point.LogEnd} are missing";
            _log.StartAnewAt(point.LogEnd); // All that lies between was deleted.
        }

        // A leader before this one had come further: it is committed, and what it says of producers comes on top.
        byte[] state = end.State;
        if (_log.NextOffset > point.LogEnd)
        {
            try
            {
                ObserveFrom(point.LogEnd, producers, ref epochs);
            }
            catch (StorageException damage) when (damage.IsDamage)
            {
                Suspect(damage.Message); // Whoever can be asked fills it from the start, when it can be spared.
                return damage.Message;
            }

            state = ReplicaState.Write(members, epochs, producers);
        }

        _log.DeleteBefore(point.LogStartOffset);
        receiving.Install = new SnapshotEnd(point, state);
        Step(RaftInput.Installing(point.Index, point.Term));
        receiving.InstallAfter = _lastWrite;
        MakeSnapshotDurable();
        return null;
    }

    /// <summary>Notes what a log's batches say from an offset on.</summary>
    /// <exception cref="StorageException">One of them is damaged.</exception>
    private void ObserveFrom(KafkaOffset from, ProducerStates producers, ref EpochHistory epochs)
    {
        EpochHistory observed = epochs;
        KafkaOffset next = _log.Walk(from, _log.NextOffset, LoadBytes, (in batch) => Observe(batch, producers, ref observed));
        epochs = observed;
        if (next < _log.NextOffset) throw new StorageException($"the log has no batch at offset {next}") { IsDamage = true };
    }

    /// <summary>Once the disk has forgotten what contradicts the snapshot, the snapshot may become durable.</summary>
    private void MakeSnapshotDurable()
    {
        if (_receiving is not { Install: { } install, IsBeingMadeDurable: false } receiving) return;
        if (receiving.InstallAfter > _durableWrite || _checkpointing) return;
        receiving.IsBeingMadeDurable = true;
        SnapshotPoint point = install.Point;
        Checkpoint checkpoint = new(point.Index, point.Term, point.NextOffset, _log.LogStartOffset, _core.HardState, install.State)
        {
            LogEndOffset = _log.NextOffset,
        };
        _node.Storage.Checkpoint(
            _spec.Group, checkpoint, failure => _self.Tell(new SnapshotInstalled(install, failure), ActorRefs.NoSender));
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

        SnapshotPoint point = installed.End.Point;
        if (point.Index > _core.CommitIndex)
        {
            _producers.Clear();
            (Membership? members, _epochs) = ReplicaState.Read(installed.End.State, _producers);
            CountProducers();
            _held.ReleaseThrough(point.Index);
            _appliedNext = point.NextOffset;
            Step(RaftInput.Installed(point.Index, point.Term, point.NextOffset, members!));
            _partition.Publish(View());
            _logger.Info("{0} has everything up to offset {1} from node {2}", _spec.Name, _log.NextOffset, receiving.From);
        }

        receiving.Receiver.Tell(SnapshotIsDurable.Instance, _self);
        if (_checkpointAgain) StartCheckpoint();
    }

    private sealed class Receiving(NodeId from, long transfer, IActorRef receiver)
    {
        public NodeId From { get; } = from;

        public IActorRef Receiver { get; } = receiver;

        /// <summary>What is being installed, once everything has come.</summary>
        public SnapshotEnd? Install { get; set; }

        /// <summary>The write before which the snapshot must not be durable.</summary>
        public ulong InstallAfter { get; set; }

        public bool IsBeingMadeDurable { get; set; }

        public bool IsInstalling => Install is not null;

        public bool Is(NodeId node, long number) => node == From && number == transfer;
    }

    /// <summary>To itself: there is no snapshot for a member at this moment.</summary>
    private sealed record CannotSend(NodeId To) : ISnapshotEvent;

    /// <summary>To itself, from the checkpointer: the snapshot is durable, or will never be.</summary>
    private sealed record SnapshotInstalled(SnapshotEnd End, Exception? Failure) : ISnapshotEvent;
}

/// <summary>To a replica, from its own children or itself: something about the snapshots that it sends and receives.</summary>
internal interface ISnapshotEvent
{
}
