using Chronik.Model;
using Chronik.Partitions.Replicas;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>How much snapshots may have under way, by how long it takes.</summary>
public sealed class SnapshotWindowTests
{
    private const int Chunk = SnapshotWindow.ShareMin;
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(3);
    private static readonly TimeSpan Tolerable = Least + SnapshotWindow.Target;
    private static readonly TimeSpan TooLong = Tolerable + TimeSpan.FromTicks(1);
    private readonly SnapshotWindow _window = new();
    private TimeSpan _now = TimeSpan.FromHours(1);

    [Fact]
    public void Until_there_is_a_queue_it_grows_by_what_comes_and_only_so_far()
    {
        _window.Enter();
        Assert.Equal(Chunk, _window.Share);
        Round(Least);
        Assert.Equal(2 * Chunk, _window.Share);
        Round(Tolerable);
        Assert.Equal(4 * Chunk, _window.Share);
        for (int round = 0; round < 10; round++) Round(Least);
        Assert.Equal(SnapshotWindow.BytesMax, _window.Share);
    }

    [Fact]
    public void Behind_a_queue_it_shrinks_by_a_quarter_once_a_round_and_grows_by_a_step_a_round_from_then_on()
    {
        Open(16 * Chunk);
        Round(TooLong); // Sixteen chunks that all took too long.
        Assert.Equal(12 * Chunk, _window.Share);
        Round(TooLong);
        Assert.Equal(9 * Chunk, _window.Share);
        Round(Tolerable);
        Assert.InRange(_window.Share, 10.5 * Chunk, 11 * Chunk); // 128 KiB more; a little less, since it grows meanwhile.
    }

    [Fact]
    public void What_was_sent_before_it_shrank_does_not_make_it_shrink_again()
    {
        Open(16 * Chunk);
        TimeSpan before = _now;
        _window.Sent(2 * Chunk, _now);
        _now += TooLong;
        _window.Acknowledged(Chunk, before, _now);
        Assert.Equal(12 * Chunk, _window.Share);
        TimeSpan after = _now + TimeSpan.FromTicks(1);
        _window.Acknowledged(Chunk, before, _now + TooLong);
        Assert.Equal(12 * Chunk, _window.Share);
        _window.Sent(Chunk, after);
        _window.Acknowledged(Chunk, after, after + TooLong);
        Assert.Equal(9 * Chunk, _window.Share);
    }

    [Fact]
    public void However_long_the_queue_each_transfer_may_have_a_chunk_under_way()
    {
        Open(16 * Chunk);
        _window.Enter();
        _window.Enter();
        _window.Enter();
        Assert.Equal(4 * Chunk, _window.Share);
        for (int round = 0; round < 20; round++) Round(TooLong);
        Assert.Equal(Chunk, _window.Share);
        _window.Leave();
        _window.Leave();
        Assert.Equal(2 * Chunk, _window.Share); // What the others had is theirs that stay.
        _window.Leave();
        Assert.Equal(4 * Chunk, _window.Share);
    }

    [Fact]
    public void A_window_that_is_not_used_does_not_grow()
    {
        Open(16 * Chunk);
        for (int i = 0; i < 100; i++) SendAndAcknowledge(Chunk, Least);
        Assert.Equal(16 * Chunk, _window.Share);
        _window.Sent(15 * Chunk, _now);
        SendAndAcknowledge(Chunk, Least);
        Assert.Equal(17 * Chunk, _window.Share);
        _window.Forget(15 * Chunk); // Lost.
        SendAndAcknowledge(Chunk, Least);
        Assert.Equal(17 * Chunk, _window.Share);
    }

    [Fact]
    public void A_way_that_has_become_longer_is_known_after_two_intervals()
    {
        Open(16 * Chunk);
        while (_window.Share > Chunk) Round(10 * Tolerable);
        TimeSpan until = _now + (2 * SnapshotWindow.Interval) + TimeSpan.FromSeconds(2);
        while (_now < until) Round(10 * Tolerable);
        Assert.True(_window.Share > Chunk);
    }

    [Fact]
    public void It_closes_for_two_rounds_of_an_interval_to_see_how_long_a_chunk_takes_alone()
    {
        Open(16 * Chunk);
        TimeSpan from = _now - TimeSpan.FromSeconds(1);
        while (_window.Share > Chunk && _now < from + (2 * SnapshotWindow.Interval)) SendAndAcknowledge(Chunk, Tolerable);
        Assert.InRange(_now - from, SnapshotWindow.Interval, SnapshotWindow.Interval + TimeSpan.FromSeconds(1));
        Assert.Equal(Chunk, _window.Share);
        TimeSpan before = _now - Least;
        _window.Sent(Chunk, _now);
        _window.Acknowledged(Chunk, before, _now);
        Assert.Equal(Chunk, _window.Share); // It was sent before.
        SendAndAcknowledge(Chunk, Tolerable);
        Assert.Equal(Chunk, _window.Share);
        SendAndAcknowledge(Chunk, Least);
        Assert.Equal(16 * Chunk, _window.Share);
    }

    [Fact]
    public void Transfers_to_one_node_share_a_window_and_those_to_others_do_not()
    {
        using SnapshotTransfers transfers = new(new PartitionLimits { SnapshotsAtOnce = 3 }, new HandTime());
        TopicPartition name = new("t", 0);
        SnapshotProgress first = transfers.Send(name, new NodeId(2), () => { });
        SnapshotProgress second = transfers.Send(name, new NodeId(2), () => { });
        SnapshotProgress other = transfers.Send(name, new NodeId(3), () => { });
        SnapshotProgress waiting = transfers.Send(name, new NodeId(2), () => { });
        Assert.NotNull(first.Window);
        Assert.Same(first.Window, second.Window);
        Assert.NotSame(first.Window, other.Window);
        Assert.Null(waiting.Window);
        first.Dispose();
        Assert.Same(second.Window, waiting.Window);
        Assert.Null(transfers.Receive(name, new NodeId(2)).Window);
    }

    /// <summary>One transfer, and a window of so many bytes.</summary>
    private void Open(int bytes)
    {
        _window.Enter();
        while (_window.Share < bytes) Round(Least);
        Assert.Equal(bytes, _window.Share);
    }

    /// <summary>As many chunks as there is room for, sent at once, all of which take so long.</summary>
    private void Round(TimeSpan takes)
    {
        _now += TimeSpan.FromTicks(1);
        TimeSpan sentAt = _now;
        int chunks = _window.Share / Chunk;
        _window.Sent(chunks * Chunk, _now);
        _now += takes;
        for (int i = 0; i < chunks; i++) _window.Acknowledged(Chunk, sentAt, _now);
    }

    private void SendAndAcknowledge(int bytes, TimeSpan takes)
    {
        _now += TimeSpan.FromTicks(1);
        TimeSpan sentAt = _now;
        _window.Sent(bytes, _now);
        _now += takes;
        _window.Acknowledged(bytes, sentAt, _now);
    }
}
