using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Simulation.Checks;

namespace Chronik.Simulation;

/// <summary>
/// An idempotent producer with several batches in flight, which sends again, in order, whatever is not answered. Each record must be in
/// the log once, and in the order in which it was sent.
/// </summary>
internal sealed class SimProducer(GroupCheck check, SimRandom random, int id)
{
    private const int InFlight = 5;
    private const long RetryMicros = 400_000;

    private readonly List<Batch> _unanswered = []; // Oldest first.

    // Some begin shortly before sequences wrap.
    private int _sequence = random.Chance(0.5) ? int.MaxValue - random.Next(30) : 0;
    private bool _isKnown;
    private long _sentAt;
    private long _lastOffset = -1;

    public long Id => id;

    /// <summary>What goes out now: everything that waited too long for its answer, otherwise something new.</summary>
    public IReadOnlyList<Batch> ToSend(long now, int recordsMax)
    {
        bool retries = _unanswered.Count > 0 && now - _sentAt > RetryMicros;
        if (retries)
        {
            _sentAt = now;
            return [.. _unanswered];
        }

        // A broker takes any first sequence of a producer that it does not know, so the first batch goes alone.
        if (_unanswered.Count == (_isKnown ? InFlight : 1)) return [];
        Batch batch = new(this, _sequence, check.NewKey(), (int)random.Between(1, recordsMax));
        for (int i = 1; i < batch.Records; i++) check.NewKey();
        _sequence = ProducerStates.SequenceAfter(_sequence, batch.Records);
        if (_unanswered.Count == 0) _sentAt = now;
        _unanswered.Add(batch);
        return [batch];
    }

    private void Answered(Batch batch, KafkaOffset offset)
    {
        if (!_unanswered.Contains(batch)) return; // An answer to the same batch, sent twice.
        _isKnown = true;

        // What came before it is in the log, too, or this one would have been refused; its own answers may be lost.
        for (bool last = false; !last;)
        {
            last = _unanswered[0] == batch;
            _unanswered.RemoveAt(0);
        }

        if (offset.Value <= _lastOffset)
            throw new SimulationFailure($"group {check.Name}: producer {id} was answered offset {offset} after {_lastOffset}");
        _lastOffset = offset.Value;
    }

    /// <summary>Some records with their place in the producer's sequence.</summary>
    public sealed class Batch(SimProducer producer, int sequence, long firstKey, int records)
    {
        public SimProducer Producer => producer;

        public int Sequence => sequence;

        public long FirstKey => firstKey;

        public int Records => records;

        public ProducerBatch Identity(long nowMs) =>
            new(producer.Id, 0, sequence, ProducerStates.SequenceAfter(sequence, records - 1), nowMs);

        public void Answered(KafkaOffset offset) => producer.Answered(this, offset);
    }
}
