using System.Buffers.Binary;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Protocol.RecordBatches;
using Chronik.Raft;
using Chronik.Simulation.Checks;

namespace Chronik.Simulation;

// What clients ask of a replica.
internal sealed partial class Replica
{
    private readonly Queue<PendingAppend> _pending = new();
    private readonly Dictionary<ulong, long> _reads = []; // What each must reach, by its number.
    private readonly List<(ulong Id, LogIndex Index)> _granted = [];
    private readonly List<ProposedEntry> _proposals = [];

    /// <summary>Appends unique records; false when this replica does not lead.</summary>
    public bool Produce(int records, int valueBytes)
    {
        if (!IsLeading) return false;
        if (Gather(() => Produce(records, valueBytes))) return true;
        RecordBatchBuilder builder = _sim.Builder;
        builder.Clear();
        long first = -1;
        byte[] value = new byte[valueBytes];
        for (int i = 0; i < records; i++)
        {
            long key = NewKey(builder, value);
            if (i == 0) first = key;
        }

        return Propose(builder, first, records);
    }

    /// <summary>Appends a batch of an idempotent producer, or answers that it was appended before.</summary>
    public void Produce(SimProducer.Batch batch)
    {
        if (!IsLeading || Gather(() => Produce(batch))) return;
        SequenceVerdict verdict = _producers.Judge(batch.Identity(_sim.Now / 1000), out KafkaOffset original);
        if (verdict is SequenceVerdict.Duplicate)
        {
            // The original may still be on its way: the answer waits for everything that is.
            _pending.Enqueue(new PendingAppend(Core.LastIndex, original, batch.FirstKey, batch.Records, batch));
            AnswerProducers(Core.AppliedIndex);
        }

        if (verdict is not SequenceVerdict.Append) return;
        RecordBatchBuilder builder = _sim.Builder;
        builder.Clear();
        for (int i = 0; i < batch.Records; i++) AddRecord(builder, batch.FirstKey + i, []);
        (builder.ProducerId, builder.ProducerEpoch, builder.BaseSequence) = (batch.Producer.Id, 0, batch.Sequence);
        KafkaOffset offset = Core.NextOffset;
        bool taken = Propose(builder, batch.FirstKey, batch.Records, batch);
        (builder.ProducerId, builder.ProducerEpoch, builder.BaseSequence) = (-1, -1, -1);
        if (taken && IsLeading) _producers.Record(batch.Identity(_sim.Now / 1000), offset, offset + batch.Records);
    }

    /// <summary>Decides on a command and appends its records; false when this replica does not lead.</summary>
    public bool Command(MetadataCommand command)
    {
        if (!IsLeading) return false;
        if (Gather(() => Command(command))) return true;
        IReadOnlyList<MetadataRecord> records = _metadata!.Decide(command);
        return records.Count == 0 || Append(records);
    }

    private bool Append(IReadOnlyList<MetadataRecord> records)
    {
        RecordBatchBuilder builder = _sim.Builder;
        builder.Clear();
        long first = -1;
        foreach (MetadataRecord record in records)
        {
            long key = NewKey(builder, MetadataRecordCodec.ToBytes(record));
            if (first < 0) first = key;
        }

        KafkaOffset at = Core.NextOffset;
        if (!Propose(builder, first, records.Count)) return false;
        _metadata!.Appended(records, at);
        return true;
    }

    /// <summary>Has the production balancer say what should move next, and begins that.</summary>
    public void Balance()
    {
        IReadOnlyList<BalancerMove> moves = Balancer.Next(_metadata!.Image, new BalancerInput(), BalancerScope.All, moves: 2, leaders: 4);
        if (moves.Count == 0) return;
        if (_sim.Trace.IsOn) Line($"balances: {string.Join(", ", moves)}");
        Command(new AlterReassignments([.. moves.Select(move => new Reassignment(move.Topic, move.Partition, move.To))]));
        // Of the topics that clients create there is nothing but the metadata: their moves have come to an end at once.
        foreach (BalancerMove move in moves.Where(move => move.Topic != Simulation.TopicName))
        {
            TopicId topic = _metadata.Image.Topics[move.Topic].Id;
            Command(new CompleteReassignment(topic, move.Partition, Core.Term.ToLeaderEpoch(), move.To));
        }
    }

    /// <summary>Begins a linearizable read at this replica, whatever it is.</summary>
    public void Read()
    {
        ulong id = _sim.NextRead();
        _reads.Add(id, _check.ReadBegins());
        Step(RaftInput.ReadIndex(id));
    }

    private long NewKey(RecordBatchBuilder builder, byte[] value)
    {
        long key = _check.NewKey();
        AddRecord(builder, key, value);
        return key;
    }

    private void AddRecord(RecordBatchBuilder builder, long key, byte[] value)
    {
        byte[] bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, key);
        builder.Add(_sim.Now / 1000, bytes, value);
    }

    /// <summary>What was appended and is not applied has an unknown end: its producers get no answer, and may send it again.</summary>
    private void LoseLeadership()
    {
        _pending.Clear();
        _producers.RollBack();
        _inSync = null;
        Completion = null;
    }

    private void Remember(ReadOnlySpan<byte> bytes)
    {
        RecordBatchView batch = new(bytes);
        if (batch.ProducerId < 0) return;
        ProducerBatch producer = new(batch.ProducerId, batch.ProducerEpoch, batch.BaseSequence, batch.LastSequence, batch.MaxTimestamp);
        _producers.Apply(producer, batch.BaseOffset, batch.NextOffset);
    }

    private bool Propose(RecordBatchBuilder builder, long firstKey, int records, SimProducer.Batch? batch = null)
    {
        builder.BaseOffset = Core.NextOffset;
        builder.LeaderEpoch = Core.Term.ToLeaderEpoch();
        BufferSlice bytes = _sim.Rent(builder.Build());
        KafkaOffset offset = Core.NextOffset;
        PendingAppend append = new(Core.LastIndex.Next, offset, firstKey, records, batch);
        _proposals.Clear();
        _proposals.Add(new ProposedEntry(EntryKind.Batch, offset + records, bytes));
        Step(RaftInput.Propose(_proposals));
        if (_refused)
        {
            if (batch is null) _check.Refused(firstKey, records);
            return false;
        }

        if (IsLeading) _pending.Enqueue(append);
        if (_sim.Plant.Shell == ShellFault.AnswerBeforeCommit) _check.Acknowledges(offset, firstKey, records);
        return true;
    }

    private void AnswerProducers(LogIndex through)
    {
        while (_pending.TryPeek(out PendingAppend append) && append.Index <= through)
        {
            _pending.Dequeue();
            _check.Acknowledges(append.Offset, append.FirstKey, append.Records);
            append.Batch?.Answered(append.Offset);
        }
    }

    private void AnswerReads()
    {
        foreach (ReadGrant grant in _effects.ReadsGranted) _granted.Add((grant.Id, grant.Index));
        foreach (ulong id in _effects.ReadsRefused) _reads.Remove(id);
        for (int i = _granted.Count - 1; i >= 0; i--)
        {
            (ulong id, LogIndex index) = _granted[i];
            if (index > Core.AppliedIndex && _sim.Plant.Shell != ShellFault.ReadBeforeApplied) continue;
            _granted.RemoveAt(i);
            if (!_reads.Remove(id, out long mustReach)) continue;
            _check.ReadEnds(_node.Id, mustReach, AppliedNext);
            ReadBack();
        }
    }

    /// <summary>The reader then fetches something, as a consumer would, and compares.</summary>
    private void ReadBack()
    {
        if (AppliedNext <= Log.LogStartOffset) return;
        KafkaOffset from = new(_sim.Random.Between(Log.LogStartOffset.Value, AppliedNext.Value - 1));
        BufferSlice bytes = Log.ReadBatches(from, AppliedNext, 4096);
        try
        {
            VerifyBatches(bytes.Span, from);
        }
        finally
        {
            bytes.Release();
        }
    }

    /// <summary>Reads the whole log.</summary>
    public void ReadEverything()
    {
        for (KafkaOffset from = Log.LogStartOffset; from < AppliedNext;)
        {
            BufferSlice bytes = Log.ReadBatches(from, AppliedNext, 64 << 10);
            try
            {
                VerifyBatches(bytes.Span, from);
                ReadOnlySpan<byte> rest = bytes.Span;
                for (; rest.Length > 0; rest = rest[Batches.Size(rest)..]) from = new RecordBatchView(rest).NextOffset;
            }
            finally
            {
                bytes.Release();
            }
        }
    }

    /// <summary>What a log gives out must be what was committed, from the offset that was asked for.</summary>
    private void VerifyBatches(ReadOnlySpan<byte> bytes, KafkaOffset from)
    {
        bool right = bytes.Length >= Batches.HeaderBytes && Batches.BaseOffset(bytes) <= from.Value
            && Batches.BaseOffset(bytes) + Batches.Count(bytes) > from.Value;
        while (right && bytes.Length > 0)
        {
            right = bytes.Length >= Batches.HeaderBytes && new RecordBatchView(bytes).IsIntact;
            if (!right) break;
            if (!_check.IsCommitted(bytes[..Batches.Size(bytes)]))
            {
                // The checksum does not cover the base offset; on a disk that is known to lie a reader has to compare it with the next one.
                right = false;
                if (_node.IsSuspect) break;
                throw new SimulationFailure(
                    $"group {_check.Name}: node {_node.Id} reads something at offset {from} that was never committed");
            }

            bytes = bytes[Batches.Size(bytes)..];
        }

        if (!right) throw new Storage.StorageException($"the log of group {_check.Name} is damaged at offset {from}");
    }

    private readonly record struct PendingAppend(
        LogIndex Index, KafkaOffset Offset, long FirstKey, int Records, SimProducer.Batch? Batch);
}
