using Chronik.Model;

namespace Chronik.Storage.Tests;

public sealed class BatchWalkTests
{
    private static readonly byte[][] Batches = [Make.Batch(10, 2), Make.Batch(12, 1), Make.Batch(13, 3)];

    [Fact]
    public void Every_batch_is_stepped_to_and_the_walk_says_where_it_ended()
    {
        byte[] all = [.. Batches.SelectMany(batch => batch)];
        for (int way = 0; way < 3; way++)
        {
            BatchWalk walk = way switch
            {
                0 => new BatchWalk(all, KafkaOffset.Unknown),
                1 => new BatchWalk(all, new KafkaOffset(10)),
                _ => BatchWalk.Holding(all, new KafkaOffset(11)),
            };
            foreach (byte[] batch in Batches)
            {
                Assert.True(walk.MoveNext());
                Assert.Equal(batch, walk.Current.Bytes.ToArray());
            }

            Assert.False(walk.MoveNext());
            Assert.Null(walk.Damage);
            Assert.Equal((all.Length, 16), (walk.Bytes, walk.Next.Value));
        }
    }

    [Fact]
    public void No_bit_can_change_unseen_but_those_of_the_epoch()
    {
        byte[] all = [.. Batches.SelectMany(batch => batch)];
        for (int bit = 0; bit < all.Length * 8; bit++)
        {
            int inBatch = (bit / 8) - StartOf(bit / 8);
            if (inBatch is >= 12 and < 16) continue; // No checksum covers the epoch, and nothing else says what it was.
            all[bit / 8] ^= (byte)(1 << (bit % 8));
            BatchWalk walk = new(all, new KafkaOffset(10));
            while (walk.MoveNext())
            {
            }

            Assert.Equal(StartOf(bit / 8), walk.Bytes);
            Assert.Equal(walk.Bytes, walk.Damage?.Position);
            all[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        static int StartOf(int at) => at < Batches[0].Length ? 0 : at < Batches[0].Length + Batches[1].Length ? Batches[0].Length
            : Batches[0].Length + Batches[1].Length;
    }

    [Theory]
    [InlineData(16, "offset 12 on: there is no batch")] // The format.
    [InlineData(70, "offset 12: a checksum is wrong")]
    [InlineData(7, "offset 12: the batch says that it begins at 13")]
    [InlineData(8, "offset 12: the batch is cut off")] // The length.
    public void Damage_says_what_is_wrong_and_with_which_offsets(int at, string says)
    {
        byte[] all = [.. Batches.SelectMany(batch => batch)];
        all[Batches[0].Length + at] ^= 1;
        BatchWalk walk = new(all, KafkaOffset.Unknown);
        Assert.True(walk.MoveNext());
        Assert.False(walk.MoveNext());
        Assert.False(walk.MoveNext());
        Assert.Equal(says, walk.Damage.ToString());
        Assert.Equal((Batches[0].Length, 12), (walk.Bytes, walk.Next.Value));
    }

    [Fact]
    public void The_first_batch_has_to_begin_where_it_should_or_to_hold_what_it_should()
    {
        foreach ((long offset, bool begins, bool holds) in (ReadOnlySpan<(long, bool, bool)>)
            [(9, false, false), (10, true, true), (11, false, true), (12, false, false)])
        {
            BatchWalk exact = new(Batches[0], new KafkaOffset(offset));
            Assert.Equal(begins, exact.MoveNext());
            BatchWalk holding = BatchWalk.Holding(Batches[0], new KafkaOffset(offset));
            Assert.Equal(holds, holding.MoveNext());
            Assert.Equal(holds, holding.Damage is null);
        }

        byte[] overlapping = [.. Batches[0], .. Make.Batch(11, 2)];
        BatchWalk second = BatchWalk.Holding(overlapping, new KafkaOffset(11));
        Assert.True(second.MoveNext());
        Assert.False(second.MoveNext()); // What the first may do, those behind it may not.
    }

    [Fact]
    public void A_batch_whose_end_is_not_there_may_be_whole_elsewhere()
    {
        byte[] all = [.. Batches.SelectMany(batch => batch)];
        for (int length = 1; length < Batches[0].Length; length++)
        {
            BatchWalk walk = new(all.AsSpan(0, length), new KafkaOffset(10));
            Assert.False(walk.MoveNext());
            Assert.True(walk.Damage is { IsCutOff: true, Position: 0 });
        }
    }

    [Fact]
    public void Steps_allocate_nothing()
    {
        byte[] all = [.. Enumerable.Range(0, 100).SelectMany(i => Make.Batch(i, 1))];
        Assert.Equal(100, Count(all));
        long before = GC.GetAllocatedBytesForCurrentThread();
        int count = Count(all);
        long after = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal((100, 0L), (count, after - before));

        static int Count(byte[] all)
        {
            int count = 0;
            BatchWalk walk = new(all, KafkaOffset.Zero);
            while (walk.MoveNext()) count++;
            return count;
        }
    }
}
