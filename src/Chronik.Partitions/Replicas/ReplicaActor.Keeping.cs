using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>What is kept and what is dropped: checkpoints, retention, DeleteRecords.</summary>
internal sealed partial class ReplicaActor
{
    private readonly List<IActorRef> _deletes = []; // Who waits for a deletion to be durable.
    private bool _checkpointing;
    private bool _checkpointAgain;

    /// <summary>
    /// Asks storage to make everything applied so far durable without the WAL. One at a time; a second wish waits for the first.
    /// </summary>
    private void StartCheckpoint()
    {
        if (_checkpointing)
        {
            _checkpointAgain = true;
            return;
        }

        _checkpointing = true;
        LogIndex index = _core.AppliedIndex;
        KafkaOffset next = _log.NextOffset;
        Checkpoint checkpoint = new(
            index, _core.TermAt(index), next, _log.LogStartOffset, _core.HardState, ReplicaState.Write(_epochs, _producers, next));
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

        _core.Compact(done.Index);
        if (_checkpointAgain)
        {
            _checkpointAgain = false;
            StartCheckpoint();
            return;
        }

        // No delete came after this checkpoint began, or there would be another one.
        foreach (IActorRef waiting in _deletes) waiting.Tell(new DeleteRecordsResult(KafkaError.None, _log.LogStartOffset));
        _deletes.Clear();
    }

    /// <summary>Drops old segments and producers. The checkpoint makes the new start durable and frees the space.</summary>
    private void Retain()
    {
        _producers.Expire(_node.NowMs - (long)_node.Limits.ProducerExpiration.TotalMilliseconds);
        CountProducers();
        if (!_log.ApplyRetention(_node.NowMs, Bound(_config.RetentionMs), Bound(_config.RetentionBytes), _log.NextOffset)) return;
        LogStartMoved();
        StartCheckpoint();
    }

    /// <summary>Kafka's -1 stands for "no bound", and so does a topic that keeps everything but compacts.</summary>
    private long? Bound(long setting) => setting < 0 || !_config.IsDeleted ? null : setting;

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

        _log.DeleteBefore(before);
        LogStartMoved();
        _deletes.Add(Sender);
        StartCheckpoint();
    }

    private void LogStartMoved()
    {
        _epochs = _epochs.From(_log.LogStartOffset);
        _partition.Publish(View());
        _logger.Info("{0} begins at offset {1} now", _spec.Name, _log.LogStartOffset);
    }
}
