using System.Collections.Immutable;
using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Raft;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>What goes to the disk and to the other members, in which order.</summary>
internal sealed partial class ReplicaActor : IWalCompletion
{
    private const int LoadBytes = 1 << 20; // Of entries read back from the WAL for one message: one at a time is on its way.

    private readonly Queue<(ulong WriteNumber, RaftMessage Message)> _afterWrite = new();
    private readonly List<LogEntry> _loaded = [];
    private ulong _writesCompleted; // Touched by the WAL thread only.
    private ulong _lastWrite;
    private ulong _durableWrite;
    private RaftMessage? _lastReply; // To a leader; said again when this replica has no end to offer any more. Duplicates do no harm.
    private ulong? _recoveredBy; // The write after which this member need not be told again that it may vote.

    /// <summary>
    /// A member says something. The core keeps some of the payloads, the held ones; the message's own references end here.
    /// </summary>
    private void Receive(PeerMessage peer)
    {
        // Somebody stands although this group sleeps: that its members' nodes hear of this one proves nothing any more.
        if (_core.IsAsleep && peer.Message.Kind is MessageKind.PreVote or MessageKind.Vote) _lease.End();
        try
        {
            // The disk is about to forget the log up to the snapshot: nothing follows before it has.
            if (peer.Message.Kind == MessageKind.Append && _receiving is { IsInstalling: true }) return;
            if (peer.Message.Kind == MessageKind.Append) _node.Meters.ReceivedAppend();
            Step(RaftInput.Receive(peer.Message));
            if (_ledTerm is not null && peer.Message.Kind == MessageKind.AppendReply)
            {
                Acknowledged(peer.Message);
                _partition.Pulse.Heard(_core, peer.Message.From);
                AnswerCommitted();
            }
        }
        finally
        {
            peer.Release();
        }
    }

    private void Write()
    {
        _node.Storage.Wal.Append(new WalWrite
        {
            Group = _spec.Group,
            HardState = _effects.HardState,
            TruncateFrom = _effects.TruncateFrom,
            Entries = [.. _effects.Append],
            Sync = _config.Durability == Durability.Fsync || _effects.HardState.HasValue || _effects.TruncateFrom.HasValue,
            Completion = this,
        });
    }

    /// <summary>On the WAL thread: hands the result to the mailbox.</summary>
    void IWalCompletion.Completed(WalWrite write, Exception? failure)
    {
        // The core counts its writes as they are asked for, and they complete in that order.
        _self.Tell(new DiskDone(++_writesCompleted, failure), Akka.Actor.ActorRefs.NoSender);
    }

    /// <summary>Writes up to a number are durable: what waited for them leaves, and the core counts them.</summary>
    private void Written(ulong number)
    {
        _durableWrite = number;
        while (_afterWrite.TryPeek(out (ulong WriteNumber, RaftMessage Message) waiting) && waiting.WriteNumber <= number)
        {
            _afterWrite.Dequeue();
            Send(waiting.Message);
            new Outgoing(default, waiting.Message, null).Release();
        }

        Step(RaftInput.DiskDone(number));
        AnswerDurable();
        AnswerCommitted();
        TellRecovered();
        MakeSnapshotDurable();
        if (_checkpointAgain) StartCheckpoint();
    }

    /// <summary>Once it is durable that this member may vote, its node need not remember that it had lost something.</summary>
    private void TellRecovered()
    {
        if (_recoveredBy is null || _recoveredBy > _durableWrite) return;
        _recoveredBy = null;
        _logger.Info("{0} has everything again and votes", _spec.Name);
        Context.Parent.Tell(new ReplicaRecovered(_spec.Group), _self);
        _partition.Publish(View());
    }

    private void SendAll()
    {
        foreach (RaftMessage message in _effects.Messages)
        {
            if (message.Kind == MessageKind.TimeoutNow) ToldToStand();
            Send(message);
        }

        foreach (RaftMessage message in _effects.AfterWrite)
        {
            if (_effects.WriteNumber <= _durableWrite)
            {
                Send(message);
                continue;
            }

            new Outgoing(default, message, null).Retain();
            _afterWrite.Enqueue((_effects.WriteNumber, message));
        }
    }

    /// <summary>Sends a message, with the entries that the core remembers only by their place.</summary>
    private void Send(in RaftMessage message)
    {
        if (message.Kind == MessageKind.Append) _node.Meters.SentAppend();
        if (message.Kind == MessageKind.AppendReply)
        {
            // Without an end nobody is sent here to read what may be damaged, and leadership is not given back.
            _lastReply = message;
            _node.Peers.Send(message.To, _spec.Group, _isSuspect ? message with { NextOffset = KafkaOffset.Unknown } : message);
            return;
        }

        if (message.LoadCount == 0)
        {
            _node.Peers.Send(message.To, _spec.Group, message);
            return;
        }

        int bytes = 0;
        for (int i = 0; i < message.LoadCount && bytes < LoadBytes; i++)
        {
            // What is gone from the WAL is covered by a checkpoint that the core has yet to hear of; it then sends a snapshot.
            if (!_node.Storage.Wal.TryReadEntry(_spec.Group, message.LoadFrom + i, out LogEntry entry)) break;
            _loaded.Add(entry);
            bytes += entry.Payload.Length;
        }

        if (_loaded.Count > 0)
        {
            RaftMessage loaded = message with { Entries = [.. _loaded], LoadFrom = LogIndex.Zero, LoadCount = 0 };
            _node.Peers.Send(message.To, _spec.Group, loaded);
        }

        foreach (LogEntry entry in _loaded) entry.Payload.Release();
        _loaded.Clear();
    }

    /// <summary>Tells the hub whose messages and fates concern this replica.</summary>
    private void RegisterMembers()
    {
        Membership members = _core.Membership;
        ImmutableArray<NodeId> others = [.. members.Voters.Union(members.Outgoing).Union(members.Learners).Where(n => n != _node.Self)];
        _node.Peers.Register(_spec.Group, _self, others);
    }

    /// <summary>Gives back what the messages that never left hold.</summary>
    private void GiveBackMessages()
    {
        while (_afterWrite.TryDequeue(out (ulong WriteNumber, RaftMessage Message) waiting))
            new Outgoing(default, waiting.Message, null).Release();
    }
}
