using System.Diagnostics;
using System.Runtime.InteropServices;
using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Chronik.Raft;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>From an append to its answer: gather, judge, stamp, propose, write, apply, answer.</summary>
internal sealed partial class ReplicaActor : IWalCompletion
{
    private const int ApplyBytes = 1 << 20; // How much is read back from the WAL at a time when a restart applies its entries.

    private readonly Queue<AppendRequest> _gathered = new();
    private readonly List<ProposedEntry> _proposals = [];
    private readonly Queue<PendingAppend> _pending = new();
    private readonly List<BufferSlice> _applying = [];
    private long _inflightBytes;
    private long _takenAt; // When the step began that takes what has gathered.
    private int _producersCounted;
    private ulong _writesCompleted; // Touched by the WAL thread only.
    private LogIndex _releasedThrough; // The batches of appends up to here are in the log, and given back.

    /// <summary>
    /// Puts an append beside those that came just before it. Whatever the mailbox holds becomes one step and one disk write.
    /// </summary>
    private void Gather(AppendRequest request)
    {
        _gathered.Enqueue(request);
        if (_gathered.Count == 1) _self.Tell(ProposeGathered.Instance, ActorRefs.NoSender);
    }

    private void Propose()
    {
        _proposals.Clear();
        _takenAt = Stopwatch.GetTimestamp();
        KafkaOffset next = _core.NextOffset;
        while (_gathered.TryPeek(out AppendRequest? request))
        {
            Judge(request, ref next);
            _gathered.Dequeue(); // Not before: whatever goes wrong, somebody answers it.
        }

        CountProducers();
        if (_proposals.Count > 0) Step(RaftInput.Propose(_proposals));
    }

    /// <summary>Decides on one append; a batch that is taken is stamped and becomes a proposal.</summary>
    private void Judge(AppendRequest request, ref KafkaOffset next)
    {
        if (Refusal(request) is { } refusal)
        {
            Refuse(request, refusal.Error, refusal.Message);
            return;
        }

        RecordBatchView batch = new(request.Batch.Span);
        ProducerBatch producer = ProducerOf(batch);
        if (producer.IsIdempotent)
        {
            SequenceVerdict verdict = _producers.Judge(producer, out KafkaOffset original);
            if (verdict != SequenceVerdict.Append)
            {
                AnswerUnappended(request, verdict, producer, original);
                return;
            }
        }

        long appendTime = AppendResult.NoAppendTime;
        KafkaOffset baseOffset = next;
        next += batch.RecordCount;
        if (_config.TimestampType == TimestampType.LogAppendTime)
        {
            appendTime = _node.NowMs;
            RecordBatchStamp.SetLogAppendTime(request.Batch.Span, appendTime);
        }

        RecordBatchStamp.Place(request.Batch.Span, baseOffset, _core.Term.ToLeaderEpoch());
        if (producer.IsIdempotent) _producers.Record(producer, baseOffset, next);
        _proposals.Add(new ProposedEntry(EntryKind.Batch, next, request.Batch));
        _pending.Enqueue(
            new PendingAppend(_core.LastIndex + _proposals.Count, request, baseOffset, appendTime, _takenAt, HoldsBatch: true));
        _inflightBytes += request.Batch.Length;
    }

    private (KafkaError Error, string Message)? Refusal(AppendRequest request)
    {
        if (!_leads) return (KafkaError.NotLeaderOrFollower, "this node does not lead the partition at the moment");
        if (!_node.Storage.HasRoom && _spec.Group != GroupId.Metadata) // The reserve is there so that topics can still be deleted.
            return (KafkaError.KafkaStorageError,
                $"the disk's reserve is reached: {_node.Storage.FreeBytes} bytes are free (chronik.storage.reserve-bytes)");
        if (_inflightBytes + request.Batch.Length > _node.Limits.PartitionInflightBytes && _inflightBytes > 0)
            return (KafkaError.KafkaStorageError,
                $"{_inflightBytes} bytes of this partition are in flight "
                + $"(chronik.limits.partition-inflight-bytes = {_node.Limits.PartitionInflightBytes})");
        if (_node.Storage.Wal.IsFull && _spec.Group != GroupId.Metadata)
            return (KafkaError.KafkaStorageError,
                $"{_node.Storage.Wal.QueueBytes} bytes wait for the write-ahead log (chronik.storage.wal-queue-bytes)");
        return null;
    }

    private void AnswerUnappended(AppendRequest request, SequenceVerdict verdict, in ProducerBatch producer, KafkaOffset original)
    {
        switch (verdict)
        {
            case SequenceVerdict.Fenced:
                Refuse(
                    request, KafkaError.InvalidProducerEpoch,
                    $"producer {producer.ProducerId} has written with an epoch above {producer.Epoch}");
                break;
            case SequenceVerdict.OutOfOrder:
                Refuse(
                    request, KafkaError.OutOfOrderSequenceNumber,
                    $"producer {producer.ProducerId}: sequence {producer.FirstSequence} is not the next one");
                break;
            default:
                // The original may still be on its way to the disk: the answer waits for everything that is.
                _node.Meters.Duplicate();
                request.Batch.Release();
                PendingAppend duplicate = new(
                    _core.LastIndex + _proposals.Count, request, original, AppendResult.NoAppendTime, _takenAt, HoldsBatch: false);
                if (_pending.Count == 0 && _proposals.Count == 0) Answer(duplicate);
                else _pending.Enqueue(duplicate);
                break;
        }
    }

    private void Refuse(AppendRequest request, KafkaError error, string message)
    {
        _node.Meters.Refused(error);
        request.Refuse(error, message);
    }

    private void CountProducers()
    {
        _node.Meters.ProducersChanged(_producers.Count - _producersCounted);
        _producersCounted = _producers.Count;
    }

    private ProducerBatch ProducerOf(in RecordBatchView batch) => new(
        batch.ProducerId,
        batch.ProducerEpoch,
        batch.BaseSequence,
        batch.BaseSequence < 0 ? batch.BaseSequence : ProducerStates.SequenceAfter(batch.BaseSequence, batch.RecordCount - 1),
        _node.NowMs);

    private void Write()
    {
        _node.Storage.Wal.Append(new WalWrite
        {
            Group = _spec.Group,
            HardState = _effects.HardState,
            Entries = [.. _effects.Append],
            Sync = _config.Durability == Durability.Fsync || _effects.HardState.HasValue,
            Completion = this,
        });
    }

    /// <summary>On the WAL thread: hands the result to the mailbox.</summary>
    void IWalCompletion.Completed(WalWrite write, Exception? failure)
    {
        // The core counts its writes as they are asked for, and they complete in that order.
        _self.Tell(new DiskDone(++_writesCompleted, failure), ActorRefs.NoSender);
    }

    /// <summary>Appends what is committed to the log, shows it to readers, then answers the producers.</summary>
    private void Apply()
    {
        int bytes = 0;
        int batches = 0;
        long batchBytes = 0;
        KafkaOffset before = _log.NextOffset;
        foreach (LogEntry entry in _effects.Committed)
        {
            if (entry.Kind != EntryKind.Batch) continue;
            bool inMemory = entry.Payload.Buffer is not null;
            BufferSlice payload = inMemory ? entry.Payload : _node.Storage.Wal.Read(_spec.Group, entry.Index);
            if (inMemory) _inflightBytes -= payload.Length;
            Observe(entry, payload);
            _applying.Add(payload);
            bytes += payload.Length;
            if (inMemory)
            {
                batches++;
                batchBytes += payload.Length;
            }

            if (bytes < ApplyBytes) continue;
            AppendToLog(entry.Index);
            bytes = 0;
        }

        AppendToLog(_effects.Committed[^1].Index);
        LogIndex through = _effects.Committed[^1].Index;
        _core.Applied(through);
        Invariant.Require(through < _core.LastIndex || _log.NextOffset == _core.NextOffset);
        CountProducers();
        _node.Meters.Committed(batches, batchBytes, batches == 0 ? 0 : _log.NextOffset.Value - before.Value);
        _partition.Publish(View());
        while (_pending.TryPeek(out PendingAppend append) && append.Index <= through)
        {
            _pending.Dequeue();
            if (append.HoldsBatch) _node.Meters.CommittedAfter(append.TakenAt);
            Answer(append);
        }
    }

    /// <summary>Notes where an epoch begins; and of a batch that this incarnation did not append itself, what its producer wrote.</summary>
    private void Observe(in LogEntry entry, in BufferSlice payload)
    {
        RecordBatchView batch = new(payload.Span);
        KafkaOffset baseOffset = batch.BaseOffset;
        _epochs = _epochs.With(entry.Term.ToLeaderEpoch(), baseOffset);
        if (entry.Index > _recoveredThrough) return;
        ProducerBatch producer = ProducerOf(batch);
        if (producer.IsIdempotent) _producers.Record(producer, baseOffset, entry.NextOffset);
    }

    private void AppendToLog(LogIndex through)
    {
        if (_applying.Count == 0) return;
        _log.Append(CollectionsMarshal.AsSpan(_applying));
        _releasedThrough = through;
        foreach (BufferSlice payload in _applying) payload.Release();
        _applying.Clear();
    }

    private void Answer(in PendingAppend append) => append.Request.Answer(
        new AppendResult(KafkaError.None, append.BaseOffset, append.AppendTimeMs, _log.LogStartOffset, null));

    /// <summary>
    /// Answers all that waits when the replica stops. What was on its way to the disk may or may not be there after a restart, and the
    /// error says so to the producer, which retries. Buffers that the WAL may still be writing are held by the WAL itself.
    /// </summary>
    private void RefuseEverything(KafkaError error, string? message)
    {
        foreach (AppendRequest request in _gathered) request.Refuse(error, message);
        _gathered.Clear();
        while (_pending.TryDequeue(out PendingAppend append))
        {
            if (append.HoldsBatch && append.Index > _releasedThrough) append.Request.Batch.Release();
            append.Request.Answer(new AppendResult(error, KafkaOffset.Unknown, AppendResult.NoAppendTime, KafkaOffset.Unknown, message));
        }

        foreach (IActorRef waiting in _deletes) waiting.Tell(new DeleteRecordsResult(error, KafkaOffset.Unknown));
        _deletes.Clear();
    }

    /// <summary>An append that is answered when <paramref name="Index"/> is committed. A duplicate holds no batch any more.</summary>
    private readonly record struct PendingAppend(
        LogIndex Index, AppendRequest Request, KafkaOffset BaseOffset, long AppendTimeMs, long TakenAt, bool HoldsBatch);
}
