using System.Diagnostics;
using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>From an append to its answer: gather, judge, stamp, propose; once it is durable or committed, answer.</summary>
internal sealed partial class ReplicaActor
{
    private readonly Queue<AppendRequest> _gathered = new();
    private readonly List<ProposedEntry> _proposals = [];
    private readonly Queue<PendingAppend> _pending = new(); // Answered when committed.
    private readonly Queue<PendingAppend> _pendingDurable = new(); // Answered when durable here: acks=1.
    private long _takenAt; // When the step began that takes what has gathered.
    private long _proposedBytes;
    private int _producersCounted;

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
        if (_gathered.Count > 0 && MustWait)
        {
            _keepsWaiting = true;
            return;
        }

        _proposals.Clear();
        _proposedBytes = 0;
        _takenAt = Stopwatch.GetTimestamp();
        KafkaOffset end = _core.NextOffset;
        KafkaOffset next = end;
        while (_gathered.TryPeek(out AppendRequest? request))
        {
            Judge(request, ref next);
            _gathered.Dequeue(); // Not before: whatever goes wrong, somebody answers it.
        }

        CountProducers();
        if (_proposals.Count == 0) return;
        _node.Meters.Proposed(_proposals.Count);
        bool accepted = Step(RaftInput.Propose(_proposals));
        foreach (ProposedEntry proposal in _proposals) proposal.Payload.Release(); // What was appended is held by now.
        _proposals.Clear();
        _proposedBytes = 0;
        if (accepted)
        {
            _lag.Proposed(_core.LastIndex, _takenAt);
            return;
        }

        _producers.RollBack(end);
        RefusePending(KafkaError.NotLeaderOrFollower, "this node is handing the partition's leadership over", _core.LastIndex);
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
            if (request.IsForwarded && producer.FirstSequence != 0 && !_producers.Knows(producer.ProducerId))
            {
                Refuse(request, KafkaError.NotLeaderOrFollower, $"producer {producer.ProducerId}: what it sent first has not come here");
                return;
            }

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
        _proposedBytes += request.Batch.Length;
        Wait(new PendingAppend(_core.LastIndex + _proposals.Count, request, baseOffset, appendTime, _takenAt, IsDuplicate: false));
    }

    private void Wait(in PendingAppend append) => (append.Request.Acks == RequiredAcks.Leader ? _pendingDurable : _pending).Enqueue(append);

    private (KafkaError Error, string Message)? Refusal(AppendRequest request)
    {
        if (!_leads) return (KafkaError.NotLeaderOrFollower, "this node does not lead the partition at the moment");
        if (request.Acks == RequiredAcks.All && _inSync.Length < MinInSync)
            return (KafkaError.NotEnoughReplicas,
                $"{_inSync.Length} replicas are in sync, {_config.MinInsyncReplicas} are needed (min.insync.replicas)");
        if (!_node.Storage.HasRoom && _spec.Group != GroupId.Metadata) // The reserve is there so that topics can still be deleted.
            return (KafkaError.KafkaStorageError,
                $"the disk's reserve is reached: {_node.Storage.FreeBytes} bytes are free (chronik.storage.reserve-bytes)");
        long inflight = _held.Bytes + _proposedBytes;
        if (inflight + request.Batch.Length > _node.Limits.PartitionInflightBytes && inflight > 0)
            return (KafkaError.KafkaStorageError,
                $"{inflight} bytes of this partition are in flight "
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
                    _core.LastIndex + _proposals.Count, request, original, AppendResult.NoAppendTime, _takenAt, IsDuplicate: true);
                bool isDurable = request.Acks == RequiredAcks.Leader && duplicate.Index <= _core.DurableIndex;
                if (isDurable) Answer(duplicate);
                else Wait(duplicate);
                AnswerCommitted();
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

    /// <summary>
    /// Answers the appends that are committed and applied, and that as many replicas in sync hold as must, or that are in sync too few by
    /// now.
    /// </summary>
    private void AnswerCommitted()
    {
        if (_pending.Count == 0) return;
        bool inSync = _inSync.Length >= MinInSync;
        LogIndex held = HeldInSync();
        while (_pending.TryPeek(out PendingAppend append) && append.Index <= _core.AppliedIndex)
        {
            if (inSync && append.Index > held && append.Request.Acks == RequiredAcks.All) return;
            _pending.Dequeue();
            if (!append.IsDuplicate) _node.Meters.CommittedAfter(append.TakenAt);
            if (inSync || append.Request.Acks != RequiredAcks.All) Answer(append);
            else
                append.Request.Answer(Failed(
                    KafkaError.NotEnoughReplicasAfterAppend, $"{_inSync.Length} replicas are in sync (min.insync.replicas)"));
        }
    }

    /// <summary>Answers the appends that are durable here, for those who asked for no more (acks=1).</summary>
    private void AnswerDurable()
    {
        while (_pendingDurable.TryPeek(out PendingAppend append) && append.Index <= _core.DurableIndex)
        {
            _pendingDurable.Dequeue();
            Answer(append);
        }
    }

    private void Answer(in PendingAppend append) => append.Request.Answer(
        new AppendResult(KafkaError.None, append.BaseOffset, append.AppendTimeMs, _log.LogStartOffset, null));

    private static AppendResult Failed(KafkaError error, string? message) =>
        new(error, KafkaOffset.Unknown, AppendResult.NoAppendTime, KafkaOffset.Unknown, message);

    /// <summary>
    /// Answers those who wait for entries behind an index. What they wait for may or may not be there later, and the error says so to the
    /// producer, which retries.
    /// </summary>
    private void RefusePending(KafkaError error, string? message, LogIndex behind = default)
    {
        foreach (Queue<PendingAppend> queue in (Queue<PendingAppend>[])[_pending, _pendingDurable])
        {
            for (int left = queue.Count; left > 0; left--)
            {
                PendingAppend append = queue.Dequeue();
                if (append.Index > behind) append.Request.Answer(Failed(error, message));
                else queue.Enqueue(append);
            }
        }

        for (int left = _deletes.Count; left > 0; left--)
        {
            PendingDelete waiting = _deletes.Dequeue();
            if (waiting.Index > behind) waiting.Asker.Tell(new DeleteRecordsResult(error, KafkaOffset.Unknown));
            else _deletes.Enqueue(waiting);
        }
    }

    /// <summary>
    /// Answers all that waits when the replica stops. Buffers that the WAL may still be writing are held by the WAL itself.
    /// </summary>
    private void RefuseEverything(KafkaError error, string? message)
    {
        foreach (ProposedEntry proposal in _proposals) proposal.Payload.Release();
        foreach (AppendRequest request in _gathered) request.Refuse(error, message);
        _gathered.Clear();
        RefusePending(error, message);
    }

    /// <summary>An append that is answered when <paramref name="Index"/> is durable or committed. A duplicate appended nothing.</summary>
    private readonly record struct PendingAppend(
        LogIndex Index, AppendRequest Request, KafkaOffset BaseOffset, long AppendTimeMs, long TakenAt, bool IsDuplicate);
}
