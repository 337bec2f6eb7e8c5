using Xunit;

namespace Chronik.Model.Tests;

/// <summary>Buffers are lent once, given back once, and never to two borrowers at a time.</summary>
public sealed class BufferPoolTests
{
    [Theory]
    [InlineData(0, 4 << 10)]
    [InlineData(1, 4 << 10)]
    [InlineData(4 << 10, 4 << 10)]
    [InlineData((4 << 10) + 1, 8 << 10)]
    [InlineData(1 << 20, 1 << 20)]
    [InlineData((1 << 20) + 1, (1 << 20) + 1)]
    public void A_block_is_a_power_of_two_unless_it_is_larger_than_any_that_is_kept(int length, int block)
    {
        PooledBuffer buffer = new BufferPool().Rent(length);
        Assert.Equal(length, buffer.Length);
        Assert.Equal(block, buffer.Array.Length);
    }

    [Fact]
    public void The_last_release_gives_the_block_back_and_not_one_before_it()
    {
        BufferPool pool = new();
        PooledBuffer buffer = pool.Rent(10_000);
        buffer.Retain();
        buffer.Release();
        Assert.Equal(16 << 10, pool.LentBytes);
        buffer.Release();
        Assert.Equal(0, pool.LentBytes);
        Assert.Equal(16 << 10, pool.KeptBytes);
        Assert.Same(buffer, pool.Rent(9_000));
    }

    [Fact]
    public void One_release_too_many_is_a_violation() => Assert.Throws<InvariantViolationException>(() =>
    {
        PooledBuffer buffer = new BufferPool().Rent(1);
        buffer.Release();
        buffer.Release();
    });

    [Fact]
    public void A_buffer_that_was_given_back_cannot_be_retained() => Assert.Throws<InvariantViolationException>(() =>
    {
        PooledBuffer buffer = new BufferPool().Rent(1);
        buffer.Release();
        buffer.Retain();
    });

    [Fact]
    public void No_more_is_kept_than_was_agreed()
    {
        BufferPool pool = new(keepBytes: 8 << 10);
        PooledBuffer[] buffers = [.. Enumerable.Range(0, 4).Select(_ => pool.Rent(4 << 10))];
        foreach (PooledBuffer buffer in buffers) buffer.Release();
        Assert.Equal(8 << 10, pool.KeptBytes);
        Assert.Equal(0, pool.LentBytes);
    }

    [Fact]
    public void Many_threads_never_share_a_block()
    {
        BufferPool pool = new();
        Parallel.For(0, 8, thread =>
        {
            for (int i = 0; i < 2_000; i++)
            {
                PooledBuffer buffer = pool.Rent(64);
                buffer.Span.Fill((byte)thread);
                Assert.Equal(-1, buffer.Span.IndexOfAnyExcept((byte)thread));
                buffer.Release();
            }
        });
        Assert.Equal(0, pool.LentBytes);
    }

    [Fact]
    public void A_copy_holds_the_bytes_and_nothing_of_the_block_behind_them()
    {
        BufferPool pool = new();
        byte[] bytes = [1, 2, 3];
        BufferSlice copy = pool.Copy(bytes);
        bytes[0] = 9;
        Assert.Equal([1, 2, 3], copy.Span.ToArray());
        copy.Release();
        Assert.Equal(0, pool.LentBytes);
    }

    [Fact]
    public void A_slice_shows_its_part_and_an_empty_one_needs_no_buffer()
    {
        PooledBuffer buffer = new BufferPool().Rent(10);
        for (int i = 0; i < 10; i++) buffer.Span[i] = (byte)i;
        Assert.Equal([3, 4], buffer.Slice(3, 2).Span.ToArray());
        Assert.True(BufferSlice.Empty.Span.IsEmpty);
        BufferSlice.Empty.Retain();
        BufferSlice.Empty.Release();
    }
}
