using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Raft;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>The rules of idempotent produce (KIP-98), as one partition applies them.</summary>
public sealed class ProducerStatesTests
{
    private const long Producer = 7;

    private readonly ProducerStates _states = new(maxProducers: 100);
    private KafkaOffset _next = KafkaOffset.Zero;

    [Fact]
    public void An_unknown_producer_may_begin_with_any_sequence() => Assert.Equal(SequenceVerdict.Append, Judge(Batch(41, 45)));

    [Fact]
    public void The_next_sequence_is_appended_and_a_gap_is_out_of_order()
    {
        Append(Batch(0, 9));
        Assert.Equal(SequenceVerdict.Append, Judge(Batch(10, 10)));
        Assert.Equal(SequenceVerdict.OutOfOrder, Judge(Batch(11, 11)));
    }

    [Fact]
    public void Each_of_the_last_five_batches_is_a_duplicate_with_its_own_offset()
    {
        for (int i = 0; i < 6; i++) Append(Batch(i * 10, (i * 10) + 9));
        for (int i = 1; i < 6; i++)
        {
            Assert.Equal(SequenceVerdict.Duplicate, _states.Judge(Batch(i * 10, (i * 10) + 9), out KafkaOffset original));
            Assert.Equal(new KafkaOffset(i * 10), original);
        }

        Assert.Equal(SequenceVerdict.OutOfOrder, Judge(Batch(0, 9)));
    }

    [Fact]
    public void A_batch_that_overlaps_a_known_one_without_being_it_is_out_of_order()
    {
        Append(Batch(0, 9));
        Assert.Equal(SequenceVerdict.OutOfOrder, Judge(Batch(0, 8)));
        Assert.Equal(SequenceVerdict.OutOfOrder, Judge(Batch(5, 14)));
    }

    [Fact]
    public void An_older_epoch_is_fenced_and_a_newer_one_begins_at_zero()
    {
        Append(Batch(0, 9, epoch: 3));
        Assert.Equal(SequenceVerdict.Fenced, Judge(Batch(10, 10, epoch: 2)));
        Assert.Equal(SequenceVerdict.OutOfOrder, Judge(Batch(10, 10, epoch: 4)));
        Append(Batch(0, 0, epoch: 4));
        Assert.Equal(SequenceVerdict.Fenced, Judge(Batch(10, 10, epoch: 3)));
    }

    [Fact]
    public void Sequences_wrap_from_the_largest_integer_to_zero()
    {
        Append(Batch(int.MaxValue - 1, int.MaxValue));
        Assert.Equal(SequenceVerdict.Append, Judge(Batch(0, 4)));
        Assert.Equal(2, ProducerStates.SequenceAfter(int.MaxValue, 3));
    }

    [Fact]
    public void A_checkpoint_holds_what_was_applied_and_not_what_is_still_on_its_way()
    {
        Append(Batch(0, 9));
        KafkaOffset applied = _next;
        Append(Batch(10, 19));
        _states.Record(new ProducerBatch(8, 0, 0, 0, 1), _next, _next + 1);

        ProducerStates restored = new(maxProducers: 100);
        _states.Apply(Batch(0, 9), KafkaOffset.Zero, applied);
        byte[] state = ReplicaState.Write(Membership.Empty, EpochHistory.Empty, _states);
        ReplicaState.Read(state, restored);

        Assert.Equal(1, restored.Count);
        Assert.Equal(SequenceVerdict.Duplicate, restored.Judge(Batch(0, 9), out _));
        Assert.Equal(SequenceVerdict.Append, restored.Judge(Batch(10, 19), out _));
    }

    [Fact]
    public void What_was_appended_and_not_applied_is_forgotten_with_leadership()
    {
        for (int i = 0; i < 7; i++) Append(Batch(i * 10, (i * 10) + 9));
        for (int i = 0; i < 6; i++) _states.Apply(Batch(i * 10, (i * 10) + 9), new KafkaOffset(i * 10), new KafkaOffset((i * 10) + 10));
        _states.Record(new ProducerBatch(8, 0, 0, 0, 1), _next, _next + 1);

        _states.RollBack();

        Assert.Equal(1, _states.Count);
        Assert.Equal(SequenceVerdict.Append, Judge(Batch(60, 69)));
        Assert.Equal(SequenceVerdict.Duplicate, Judge(Batch(10, 19)));
        _states.Apply(Batch(60, 64), new KafkaOffset(60), new KafkaOffset(65));
        Assert.Equal(SequenceVerdict.Append, Judge(Batch(65, 65)));
    }

    [Fact]
    public void At_the_limit_the_producers_that_wrote_longest_ago_are_forgotten()
    {
        ProducerStates states = new(maxProducers: 10);
        for (int i = 0; i < 11; i++)
            states.Record(new ProducerBatch(i, 0, 0, 0, TimestampMs: i), new KafkaOffset(i), new KafkaOffset(i + 1));
        Assert.Equal(10, states.Count);
        Assert.DoesNotContain(states.Summaries(), summary => summary.ProducerId == 0);
        Assert.Contains(states.Summaries(), summary => summary.ProducerId == 10);
    }

    [Fact]
    public void A_producer_that_was_silent_for_too_long_is_forgotten()
    {
        Append(Batch(0, 9));
        _states.Expire(beforeMs: 2);
        Assert.Equal(0, _states.Count);
    }

    private static ProducerBatch Batch(int first, int last, short epoch = 0) => new(Producer, epoch, first, last, TimestampMs: 1);

    private SequenceVerdict Judge(in ProducerBatch batch) => _states.Judge(batch, out _);

    private void Append(in ProducerBatch batch)
    {
        Assert.Equal(SequenceVerdict.Append, Judge(batch));
        KafkaOffset start = _next;
        _next += batch.LastSequence - batch.FirstSequence + 1;
        _states.Record(batch, start, _next);
    }
}
