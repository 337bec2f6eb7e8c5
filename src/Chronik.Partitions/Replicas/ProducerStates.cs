using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>What the state of a producer says of a batch (KIP-98).</summary>
internal enum SequenceVerdict
{
    /// <summary>It is the next one, or the producer does not ask for idempotence.</summary>
    Append,

    /// <summary>It was appended before; the answer repeats the original's offset.</summary>
    Duplicate,

    /// <summary>A sequence is missing, or it is older than what is remembered.</summary>
    OutOfOrder,

    /// <summary>A newer incarnation of the producer has written.</summary>
    Fenced,
}

/// <summary>The identity and the sequence range that a batch header carries.</summary>
internal readonly record struct ProducerBatch(long ProducerId, short Epoch, int FirstSequence, int LastSequence, long TimestampMs)
{
    public bool IsIdempotent => ProducerId >= 0;
}

/// <summary>
/// The idempotent producers of one partition and the last five batches of each. A batch is recorded when the leader appends it, so that
/// its successors in flight are judged rightly; what a checkpoint stores is limited to batches that were applied, because the rest
/// comes back from the WAL.
/// </summary>
internal sealed class ProducerStates(int maxProducers)
{
    /// <summary>How many batches of a producer are remembered: as many as Kafka lets it have in flight.</summary>
    public const int Window = 5;

    private readonly Dictionary<long, Producer> _producers = [];

    public int Count => _producers.Count;

    public SequenceVerdict Judge(in ProducerBatch batch, out KafkaOffset originalBase)
    {
        originalBase = KafkaOffset.Unknown;
        if (!_producers.TryGetValue(batch.ProducerId, out Producer? known)) return SequenceVerdict.Append;
        if (batch.Epoch < known.Epoch) return SequenceVerdict.Fenced;
        if (batch.Epoch > known.Epoch) return batch.FirstSequence == 0 ? SequenceVerdict.Append : SequenceVerdict.OutOfOrder;
        if (known.Find(batch.FirstSequence, batch.LastSequence, out originalBase)) return SequenceVerdict.Duplicate;
        return batch.FirstSequence == SequenceAfter(known.LastSequence, 1) ? SequenceVerdict.Append : SequenceVerdict.OutOfOrder;
    }

    public void Record(in ProducerBatch batch, KafkaOffset baseOffset, KafkaOffset nextOffset)
    {
        if (!_producers.TryGetValue(batch.ProducerId, out Producer? producer))
        {
            if (_producers.Count >= maxProducers) ForgetOldest();
            _producers.Add(batch.ProducerId, producer = new Producer());
        }

        producer.Add(batch, baseOffset, nextOffset);
    }

    /// <summary>Forgets producers that have not written since <paramref name="beforeMs"/>.</summary>
    public void Expire(long beforeMs)
    {
        foreach ((long id, Producer producer) in _producers)
            if (producer.LastTimestampMs < beforeMs)
                _producers.Remove(id);
    }

    public IReadOnlyList<ProducerSummary> Summaries() =>
        [.. _producers.Select(p => new ProducerSummary(p.Key, p.Value.Epoch, p.Value.LastSequence, p.Value.LastTimestampMs))];

    /// <summary>The sequence that lies <paramref name="count"/> behind another; 2^31 - 1 is followed by 0.</summary>
    public static int SequenceAfter(int sequence, int count) => (int)(((long)sequence + count) & int.MaxValue);

    /// <summary>
    /// Writes the producers as they were when everything before <paramref name="applied"/> was appended, and nothing else.
    /// </summary>
    public void WriteTo(BinaryWriter writer, KafkaOffset applied)
    {
        List<KeyValuePair<long, Producer>> kept = [.. _producers.Where(p => p.Value.HasBatchBefore(applied))];
        writer.Write(kept.Count);
        foreach ((long id, Producer producer) in kept) producer.WriteTo(writer, id, applied);
    }

    public void ReadFrom(BinaryReader reader)
    {
        for (int left = reader.ReadInt32(); left > 0; left--)
        {
            long id = reader.ReadInt64();
            _producers[id] = Producer.ReadFrom(reader);
        }
    }

    /// <summary>Makes room for a tenth more producers by forgetting those that wrote longest ago.</summary>
    private void ForgetOldest()
    {
        int excess = Math.Max(1, maxProducers / 10);
        List<long> oldest = [.. _producers.OrderBy(p => p.Value.LastTimestampMs).Take(excess).Select(p => p.Key)];
        foreach (long id in oldest) _producers.Remove(id);
    }

    private sealed class Producer
    {
        private readonly List<Batch> _batches = new(Window); // Oldest first.

        public short Epoch { get; private set; } = -1;

        public int LastSequence => _batches[^1].LastSequence;

        public long LastTimestampMs => _batches[^1].TimestampMs;

        public void Add(in ProducerBatch batch, KafkaOffset baseOffset, KafkaOffset nextOffset)
        {
            if (batch.Epoch != Epoch)
            {
                Epoch = batch.Epoch;
                _batches.Clear();
            }

            if (_batches.Count == Window) _batches.RemoveAt(0);
            _batches.Add(new Batch(batch.FirstSequence, batch.LastSequence, baseOffset, nextOffset, batch.TimestampMs));
        }

        public bool Find(int firstSequence, int lastSequence, out KafkaOffset baseOffset)
        {
            foreach (Batch batch in _batches)
            {
                if (batch.FirstSequence != firstSequence || batch.LastSequence != lastSequence) continue;
                baseOffset = batch.BaseOffset;
                return true;
            }

            baseOffset = KafkaOffset.Unknown;
            return false;
        }

        public bool HasBatchBefore(KafkaOffset applied) => _batches[0].NextOffset <= applied;

        public void WriteTo(BinaryWriter writer, long id, KafkaOffset applied)
        {
            int count = _batches.Count(b => b.NextOffset <= applied);
            writer.Write(id);
            writer.Write(Epoch);
            writer.Write((byte)count);
            for (int i = 0; i < count; i++)
            {
                Batch batch = _batches[i];
                writer.Write(batch.FirstSequence);
                writer.Write(batch.LastSequence);
                writer.Write(batch.BaseOffset.Value);
                writer.Write(batch.NextOffset.Value);
                writer.Write(batch.TimestampMs);
            }
        }

        public static Producer ReadFrom(BinaryReader reader)
        {
            Producer producer = new() { Epoch = reader.ReadInt16() };
            for (int left = reader.ReadByte(); left > 0; left--)
            {
                Batch batch = new(
                    reader.ReadInt32(),
                    reader.ReadInt32(),
                    new KafkaOffset(reader.ReadInt64()),
                    new KafkaOffset(reader.ReadInt64()),
                    reader.ReadInt64());
                producer._batches.Add(batch);
            }

            return producer;
        }

        private readonly record struct Batch(
            int FirstSequence, int LastSequence, KafkaOffset BaseOffset, KafkaOffset NextOffset, long TimestampMs);
    }
}
