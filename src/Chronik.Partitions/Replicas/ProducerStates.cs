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
/// its successors in flight are judged rightly, and once more when it is applied, wherever it came from. What was appended and never
/// applied is forgotten when leadership is lost; checkpoints hold what was applied only.
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

    /// <summary>Whether anything is remembered of a producer.</summary>
    public bool Knows(long producerId) => _producers.ContainsKey(producerId);

    /// <summary>The leader appended a batch.</summary>
    public void Record(in ProducerBatch batch, KafkaOffset baseOffset, KafkaOffset nextOffset) =>
        Of(batch.ProducerId).Append(batch, baseOffset, nextOffset);

    /// <summary>A batch was applied, recorded before or not.</summary>
    public void Apply(in ProducerBatch batch, KafkaOffset baseOffset, KafkaOffset nextOffset) =>
        Of(batch.ProducerId).Apply(batch, baseOffset, nextOffset);

    /// <summary>Forgets what was recorded from an offset on and not applied.</summary>
    public void RollBack(KafkaOffset from = default)
    {
        foreach ((long id, Producer producer) in _producers)
            if (!producer.RollBack(from))
                _producers.Remove(id);
    }

    /// <summary>Forgets everything.</summary>
    public void Clear() => _producers.Clear();

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

    /// <summary>Writes what was applied, and nothing else.</summary>
    public void WriteTo(BinaryWriter writer)
    {
        List<KeyValuePair<long, Producer>> kept = [.. _producers.Where(p => p.Value.HasApplied)];
        writer.Write(kept.Count);
        foreach ((long id, Producer producer) in kept) producer.WriteTo(writer, id);
    }

    public void ReadFrom(BinaryReader reader)
    {
        for (int left = reader.ReadInt32(); left > 0; left--)
        {
            long id = reader.ReadInt64();
            _producers[id] = Producer.ReadFrom(reader);
        }
    }

    private Producer Of(long id)
    {
        if (_producers.TryGetValue(id, out Producer? producer)) return producer;
        if (_producers.Count >= maxProducers) ForgetOldest();
        _producers.Add(id, producer = new Producer());
        return producer;
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
        private readonly List<Batch> _batches = new(Window); // Oldest first; the applied ones before those that are not yet.
        private int _applied;

        public short Epoch => _batches[^1].Epoch;

        public int LastSequence => _batches[^1].LastSequence;

        public long LastTimestampMs => _batches[^1].TimestampMs;

        public bool HasApplied => _applied > 0;

        public void Append(in ProducerBatch batch, KafkaOffset baseOffset, KafkaOffset nextOffset) =>
            _batches.Add(new Batch(batch.Epoch, batch.FirstSequence, batch.LastSequence, baseOffset, nextOffset, batch.TimestampMs));

        public void Apply(in ProducerBatch batch, KafkaOffset baseOffset, KafkaOffset nextOffset)
        {
            if (_applied == _batches.Count || _batches[_applied].BaseOffset != baseOffset)
            {
                RollBack(KafkaOffset.Zero);
                Append(batch, baseOffset, nextOffset);
            }

            _applied++;
            int old = Math.Max(0, _applied - Window);
            while (old < _applied && _batches[old].Epoch != batch.Epoch) old++;
            _batches.RemoveRange(0, old);
            _applied -= old;
        }

        /// <summary>Forgets what was not applied, from an offset on; false when nothing is left.</summary>
        public bool RollBack(KafkaOffset from)
        {
            int kept = _applied;
            while (kept < _batches.Count && _batches[kept].BaseOffset < from) kept++;
            _batches.RemoveRange(kept, _batches.Count - kept);
            return kept > 0;
        }

        public bool Find(int firstSequence, int lastSequence, out KafkaOffset baseOffset)
        {
            for (int i = _batches.Count - 1; i >= Math.Max(0, _batches.Count - Window); i--)
            {
                Batch batch = _batches[i];
                if (batch.FirstSequence != firstSequence || batch.LastSequence != lastSequence || batch.Epoch != Epoch) continue;
                baseOffset = batch.BaseOffset;
                return true;
            }

            baseOffset = KafkaOffset.Unknown;
            return false;
        }

        public void WriteTo(BinaryWriter writer, long id)
        {
            writer.Write(id);
            writer.Write(_batches[_applied - 1].Epoch);
            writer.Write((byte)_applied);
            for (int i = 0; i < _applied; i++)
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
            Producer producer = new();
            short epoch = reader.ReadInt16();
            for (int left = reader.ReadByte(); left > 0; left--)
            {
                Batch batch = new(
                    epoch,
                    reader.ReadInt32(),
                    reader.ReadInt32(),
                    new KafkaOffset(reader.ReadInt64()),
                    new KafkaOffset(reader.ReadInt64()),
                    reader.ReadInt64());
                producer._batches.Add(batch);
            }

            producer._applied = producer._batches.Count;
            return producer;
        }

        private readonly record struct Batch(
            short Epoch, int FirstSequence, int LastSequence, KafkaOffset BaseOffset, KafkaOffset NextOffset, long TimestampMs);
    }
}
