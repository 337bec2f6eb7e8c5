using System.Buffers.Binary;
using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Raft;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>What is kept and what is dropped: checkpoints, retention, DeleteRecords.</summary>
internal sealed partial class ReplicaActor
{
    private static readonly TimeSpan SuspectInterval = TimeSpan.FromSeconds(1);

    private readonly Queue<PendingDelete> _deletes = new(); // Who waits for a deletion to be committed.
    private bool _checkpointing;
    private bool _checkpointAgain;
    private bool _isSuspect; // Some of the log is damaged.

    /// <summary>
    /// Asks storage to make everything applied so far durable without the WAL, and with it what the log holds beyond that
    /// (<see cref="IsAhead"/>). One at a time; a second wish waits for the first, and any while what was applied is ahead of this node's
    /// disk or a snapshot is being made durable. A log that is ahead waits until it is not, where the cluster's level does not know such a
    /// thing.
    /// </summary>
    private void StartCheckpoint()
    {
        _checkpointAgain = _checkpointing || _isApplying || (IsAhead && _node.Level < FeatureLevel.Operable)
            || _core.AppliedIndex > _core.DurableIndex || _receiving is { IsInstalling: true };
        if (_checkpointAgain) return;
        _checkpointing = true;
        _receivedBytes = 0;
        LogIndex index = _core.AppliedIndex;
        Checkpoint checkpoint = new(index, _core.TermAt(index), _appliedNext, _log.LogStartOffset, _core.HardState, State())
        {
            LogEndOffset = _log.NextOffset,
        };
        _node.Storage.Checkpoint(_spec.Group, checkpoint, failure => _self.Tell(new CheckpointDone(index, failure), ActorRefs.NoSender));
    }

    private void FinishCheckpoint(CheckpointDone done)
    {
        _checkpointing = false;
        if (done.Failure is not null)
        {
            Fail(done.Failure);
            return;
        }

        if (done.Index >= _core.FirstIndex) _core.Compact(done.Index); // A snapshot may have gone further meanwhile.
        MakeSnapshotDurable();
        if (_checkpointAgain) StartCheckpoint();
    }

    /// <summary>
    /// Some of the log is damaged, and the rest can be read. Others may fill this replica again; who leads hands over before that, while it
    /// still has a vote to give, and is asked once more when another one leads.
    /// </summary>
    private void Suspect(string reason)
    {
        if (!_isSuspect)
        {
            _isSuspect = true;
            if (_lastReply is { } reply && reply.Term == _core.Term && _core.Role == RaftRole.Follower) Send(reply);
        }

        bool mustStay = _leads && !_core.IsHandingOver && HandOver(NodeId.None, []).Error != KafkaError.None;
        if (IsLed || mustStay)
        {
            ReplicaSuspect suspect = new(_spec.Group, reason, _core.Membership.Voters, _core.Term.ToLeaderEpoch()) { MustStay = mustStay };
            Context.Parent.Tell(suspect, _self);
        }
        else
        {
            Timers.StartSingleTimer(nameof(LogSuspect), new LogSuspect(reason), SuspectInterval);
        }
    }

    /// <summary>It can be spared, unless it was elected since: of two replicas the other one would be elected no more.</summary>
    private void GiveUp(string reason)
    {
        if (IsLed) Fail(new StorageException(reason) { IsDamage = true });
        else Suspect(reason);
    }

    /// <summary>
    /// Whether another one leads, and has for so long that it knows who is in sync: it begins with what was recorded last, and who lost
    /// its disk since and is not heard of counts until it has been silent for the time that is allowed.
    /// </summary>
    private bool IsLed => _core.Role == RaftRole.Follower && _core.Leader.IsSome && _core.Leader != _node.Self
        && _core.Leader == _lastLeader && _core.Term == _lastLeaderTerm
        && _node.Time.GetElapsedTime(_lastLeaderSince) >= _node.Limits.ReplicaLagMax * 2;

    /// <summary>Drops old segments and producers. The checkpoint makes the new start durable and frees the space.</summary>
    private void Retain()
    {
        if (IsAhead) return; // The next round comes.
        _producers.Expire(_node.NowMs - (long)_node.Limits.ProducerExpiration.TotalMilliseconds);
        CountProducers();
        if (!_log.ApplyRetention(_node.NowMs, Bound(_config.RetentionMs), Bound(_config.RetentionBytes), _log.NextOffset)) return;
        LogStartMoved();
        StartCheckpoint();
    }

    /// <summary>Kafka's -1 stands for "no bound", and so does a topic that keeps everything but compacts.</summary>
    private long? Bound(long setting) => setting < 0 || !_config.IsDeleted ? null : setting;

    /// <summary>A deletion is an entry of the log: no replica that leads later shows again what was deleted.</summary>
    private void Delete(DeleteRecords delete)
    {
        KafkaOffset high = _log.NextOffset;
        KafkaOffset before = delete.Before == KafkaOffset.Unknown ? high : delete.Before;
        if (!_leads || before < KafkaOffset.Zero || before > high)
        {
            KafkaError error = _leads ? KafkaError.OffsetOutOfRange : KafkaError.NotLeaderOrFollower;
            Sender.Tell(new DeleteRecordsResult(error, KafkaOffset.Unknown));
            return;
        }

        PooledBuffer payload = _node.Buffers.Rent(sizeof(long));
        BinaryPrimitives.WriteInt64LittleEndian(payload.Span, before.Value);
        PendingDelete pending = new(_core.LastIndex.Next, Sender);
        _deletes.Enqueue(pending);
        bool accepted = Step(RaftInput.Propose([new ProposedEntry(EntryKind.LogStart, _core.NextOffset, payload.Slice(0, sizeof(long)))]));
        payload.Release();
        if (!accepted)
            RefusePending(KafkaError.NotLeaderOrFollower, "this node is handing the partition's leadership over", _core.LastIndex);
    }

    private void AnswerDeletes()
    {
        while (_deletes.TryPeek(out PendingDelete waiting) && waiting.Index <= _core.AppliedIndex)
        {
            _deletes.Dequeue();
            waiting.Asker.Tell(new DeleteRecordsResult(KafkaError.None, _log.LogStartOffset));
        }
    }

    private void LogStartMoved()
    {
        _epochs = _epochs.From(_log.LogStartOffset);
        _partition.Publish(View());
        _logger.Info("{0} begins at offset {1} now", _spec.Name, _log.LogStartOffset);
    }

    /// <summary>Who asked for a deletion, and the entry that it became.</summary>
    private readonly record struct PendingDelete(LogIndex Index, IActorRef Asker);
}
