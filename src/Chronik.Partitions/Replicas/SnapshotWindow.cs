namespace Chronik.Partitions.Replicas;

/// <summary>
/// How many bytes of batches the snapshots that a node sends to one other node may have under way, all of them together: as many as can be
/// there without others having to wait for them (the idea of RFC 6817). Pure, and thread-safe; times are counted from any moment.
/// </summary>
/// <remarks>
/// The time from sending a chunk until it is acknowledged has a part that is always there, which is the least that was seen lately, and
/// one that comes from queues: in the network, on the disk, before a CPU. While the second is short the window grows: by what was
/// acknowledged until it has been too large once, by a step per window from then on. When it is longer it shrinks by a quarter, and not
/// again before it is known what that did. Queues that others cause make it shrink as well, which is the purpose.
/// Now and then the window is all but closed for a moment, to see how long a chunk takes without the others: so the least time seen
/// does not creep upwards with the window's own queue, and follows when the way to the other node or its disk has become another one.
/// </remarks>
internal sealed class SnapshotWindow
{
    /// <summary>
    /// What one transfer may have under way in any case: 1 ms of a link of 500 Mbit/s, so that four transfers of two nodes to a third
    /// one stay below <see cref="Target"/> there.
    /// </summary>
    public const int ShareMin = 64 << 10;

    /// <summary>More than that never is under way: it fills 10 Gbit/s over 3 ms, and is what the receiver holds in memory.</summary>
    public const int BytesMax = 4 << 20;

    private const int Step = 128 << 10;

    /// <summary>
    /// How long queues may be. Less than an fsync and what a busy node adds to every message, which would be taken for a queue; and what
    /// clients whose messages share the way hardly notice. RFC 6817 allows 100 ms at most.
    /// </summary>
    public static readonly TimeSpan Target = TimeSpan.FromMilliseconds(10);

    /// <summary>How often the time without queues is measured anew; what was seen in the interval before this one counts too.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private int _transfers;
    private long _bytes;
    private long _underWay;
    private TimeSpan _usedAt = TimeSpan.MinValue; // When at least half of it was under way.
    private bool _hasShrunk;
    private TimeSpan _shrunkAt = TimeSpan.MinValue;
    private TimeSpan _least = TimeSpan.MaxValue;
    private TimeSpan _leastBefore = TimeSpan.MaxValue;
    private TimeSpan? _leastSince;
    private int _roundsToMeasure;
    private TimeSpan _roundBegan;

    /// <summary>What one of the transfers may have under way at this moment.</summary>
    public int Share
    {
        get { lock (_lock) return _roundsToMeasure > 0 || _transfers == 0 ? ShareMin : (int)Math.Max(ShareMin, _bytes / _transfers); }
    }

    private long BytesMin => (long)ShareMin * Math.Max(1, _transfers);

    /// <summary>One more transfer shares the window.</summary>
    public void Enter()
    {
        lock (_lock)
        {
            _transfers++;
            _bytes = Math.Max(_bytes, BytesMin);
        }
    }

    /// <summary>A transfer has ended, of which nothing is under way any more.</summary>
    public void Leave()
    {
        lock (_lock) _transfers--;
    }

    /// <summary>Some bytes have left.</summary>
    public void Sent(int bytes, TimeSpan now)
    {
        lock (_lock)
        {
            _underWay += bytes;
            if (_underWay >= _bytes / 2) _usedAt = now;
        }
    }

    /// <summary>Nobody waits any more for an answer about some bytes.</summary>
    public void Forget(long bytes)
    {
        lock (_lock) _underWay -= bytes;
    }

    /// <summary>Bytes have come of which it is known when they were sent.</summary>
    public void Acknowledged(int bytes, TimeSpan sentAt, TimeSpan now)
    {
        lock (_lock)
        {
            _underWay -= bytes;
            TimeSpan took = now - sentAt;
            if (took < _least) _least = took;
            TimeSpan queued = took - (_least < _leastBefore ? _least : _leastBefore);
            if (queued > Target) Shrink(sentAt, now);
            else if (_usedAt >= sentAt) Grow(bytes); // One that is not used says nothing of what there is room for.
            Measure(sentAt, now);
        }
    }

    private void Grow(int bytes) => _bytes = Math.Min(BytesMax, _bytes + (_hasShrunk ? (long)bytes * Step / _bytes : bytes));

    private void Shrink(TimeSpan sentAt, TimeSpan now)
    {
        if (sentAt <= _shrunkAt) return;
        _bytes = Math.Max(BytesMin, _bytes * 3 / 4);
        _hasShrunk = true;
        _shrunkAt = now;
    }

    private void Measure(TimeSpan sentAt, TimeSpan now)
    {
        if (_roundsToMeasure > 0)
        {
            if (sentAt < _roundBegan) return;
            _roundsToMeasure--;
            _roundBegan = now;
            return;
        }

        _leastSince ??= now;
        if (now - _leastSince < Interval) return;
        _leastBefore = _least;
        _least = TimeSpan.MaxValue;
        _leastSince = now;
        _roundsToMeasure = 2; // In the first one what was sent before still comes.
        _roundBegan = now;
    }
}
