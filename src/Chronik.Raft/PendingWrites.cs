using Chronik.Model;

namespace Chronik.Raft;

/// <summary>The disk writes that were asked for and are not durable yet, and how much of the log each of them makes durable.</summary>
internal sealed class PendingWrites
{
    private Write[] _ring = new Write[4];
    private int _head;
    private int _count;
    private ulong _hardState; // The last write that carried one.

    /// <summary>The number of the last write asked for.</summary>
    public ulong Last { get; private set; }

    /// <summary>Every write up to this number is durable.</summary>
    public ulong Durable { get; private set; }

    /// <summary>Whether the latest hard state is durable.</summary>
    public bool IsHardStateDurable => _hardState <= Durable;

    /// <summary>One more write, after which the log is durable up to <paramref name="through"/>.</summary>
    public ulong Add(LogIndex through, bool carriesHardState)
    {
        if (_count == _ring.Length) Grow();
        _ring[(_head + _count++) & (_ring.Length - 1)] = new Write(++Last, through);
        if (carriesHardState) _hardState = Last;
        return Last;
    }

    /// <summary>Entries from <paramref name="index"/> on no longer hold: the writes under way count only up to there.</summary>
    public void TruncateFrom(LogIndex index)
    {
        for (int i = 0; i < _count; i++)
        {
            ref Write write = ref _ring[(_head + i) & (_ring.Length - 1)];
            if (write.Through >= index) write = write with { Through = index.Previous };
        }
    }

    /// <summary>Every write up to <paramref name="number"/> is durable. Gives how much of the log that is.</summary>
    public LogIndex Complete(ulong number)
    {
        Invariant.Require(number > Durable && number <= Last);
        LogIndex through = LogIndex.Zero;
        while (_count > 0 && _ring[_head].Number <= number)
        {
            through = _ring[_head].Through;
            _head = (_head + 1) & (_ring.Length - 1);
            _count--;
        }

        Durable = number;
        return through;
    }

    private void Grow()
    {
        Write[] grown = new Write[_ring.Length * 2];
        for (int i = 0; i < _count; i++) grown[i] = _ring[(_head + i) & (_ring.Length - 1)];
        _ring = grown;
        _head = 0;
    }

    private readonly record struct Write(ulong Number, LogIndex Through);
}
