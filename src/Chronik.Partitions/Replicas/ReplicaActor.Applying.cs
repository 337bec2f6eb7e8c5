using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Partitions.Replicas;

/// <summary>What is committed becomes part of the log, on the leader and on its followers alike.</summary>
internal sealed partial class ReplicaActor
{
    private const int ApplyBytes = 1 << 20; // How much is read back from the WAL at a time when a restart applies its entries.

    private readonly List<BufferSlice> _applying = [];
    private readonly List<BufferSlice> _readBack = [];
    private KafkaOffset _appliedNext; // The log end offset after the last entry applied.
    private bool _isApplying;

    /// <summary>
    /// Whether the log holds more than was applied: batches of a snapshot that is not complete. Committed entries catch up with them, or
    /// the rest of a snapshot comes.
    /// </summary>
    private bool IsAhead => _log.NextOffset != _appliedNext;

    /// <summary>Appends what is committed to the log, shows it to readers, then answers the producers.</summary>
    private void Apply()
    {
        int bytes = 0;
        int batches = 0;
        long batchBytes = 0;
        KafkaOffset before = _log.NextOffset;
        _isApplying = true;
        foreach (LogEntry entry in _effects.Committed)
        {
            if (entry.Kind == EntryKind.LogStart) MoveLogStart(entry);
            if (entry.Kind != EntryKind.Batch || entry.NextOffset <= _log.NextOffset) continue; // A snapshot brought it already.
            BufferSlice payload = PayloadOf(entry);
            Observe(payload);
            _applying.Add(payload);
            bytes += payload.Length;
            batches++;
            batchBytes += payload.Length;
            if (bytes < ApplyBytes) continue;
            AppendToLog();
            bytes = 0;
        }

        AppendToLog();
        _isApplying = false;
        LogIndex through = _effects.Committed[^1].Index;
        _appliedNext = _effects.Committed[^1].NextOffset;
        Invariant.Require(_log.NextOffset >= _appliedNext);
        _core.Applied(through);
        CountProducers();
        if (_ledTerm is not null) _node.Meters.Committed(batches, batchBytes, batches == 0 ? 0 : _log.NextOffset.Value - before.Value);
        _partition.Publish(View());
        AnswerCommitted();
        AnswerDeletes();
        if (_checkpointAgain) StartCheckpoint();
    }

    /// <summary>The bytes of an entry; those of one that a restart found in the WAL are read from there.</summary>
    private BufferSlice PayloadOf(in LogEntry entry)
    {
        if (entry.Payload.Buffer is not null) return entry.Payload;
        BufferSlice payload = _node.Storage.Wal.Read(_spec.Group, entry.Index);
        _readBack.Add(payload);
        return payload;
    }

    /// <summary>Notes where an epoch begins and what a producer wrote.</summary>
    private void Observe(in BufferSlice payload)
    {
        RecordBatchView batch = new(payload.Span);
        Observe(batch, _producers, ref _epochs);
    }

    private void Observe(in RecordBatchView batch, ProducerStates producers, ref EpochHistory epochs)
    {
        epochs = epochs.With(batch.LeaderEpoch, batch.BaseOffset);
        ProducerBatch producer = ProducerOf(batch);
        if (producer.IsIdempotent) producers.Apply(producer, batch.BaseOffset, batch.NextOffset);
    }

    private void AppendToLog(bool isFarBehind = false)
    {
        if (_applying.Count > 0) _log.Append(CollectionsMarshal.AsSpan(_applying), isFarBehind);
        _applying.Clear();
        foreach (BufferSlice payload in _readBack) payload.Release();
        _readBack.Clear();
    }

    /// <summary>The leader was asked to delete what lies before an offset; every replica does.</summary>
    private void MoveLogStart(in LogEntry entry)
    {
        AppendToLog();
        BufferSlice payload = PayloadOf(entry);
        KafkaOffset start = new(BinaryPrimitives.ReadInt64LittleEndian(payload.Span));
        if (start > _log.LogStartOffset)
        {
            _log.DeleteBefore(start);
            LogStartMoved();
            StartCheckpoint(); // Frees the space.
        }
    }
}
