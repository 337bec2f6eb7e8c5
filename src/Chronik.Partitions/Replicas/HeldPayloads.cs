using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// A reference to the payload of every entry that is in the log and not yet applied, so that each is given back exactly once: when it is
/// applied, when it is truncated, or when the replica ends.
/// </summary>
internal sealed class HeldPayloads
{
    private BufferSlice[] _ring = [];
    private int _head;
    private int _count;
    private LogIndex _before; // The entry in front of the first one held.

    public HeldPayloads(LogIndex before) => _before = before;

    /// <summary>Bytes of the payloads held.</summary>
    public long Bytes { get; private set; }

    /// <summary>The last entry held, or the one before the next.</summary>
    public LogIndex Last => _before + _count;

    /// <summary>Holds the payload of the next entry, with a reference of its own.</summary>
    public void Add(LogIndex index, in BufferSlice payload)
    {
        Invariant.Require(index == Last.Next);
        if (_count == _ring.Length) Grow();
        payload.Retain();
        _ring[(_head + _count++) & (_ring.Length - 1)] = payload;
        Bytes += payload.Length;
    }

    /// <summary>Gives back entries up to an index, which may lie behind the last one.</summary>
    public void ReleaseThrough(LogIndex index)
    {
        while (_count > 0 && _before < index)
        {
            Give(_head);
            _head = (_head + 1) & (_ring.Length - 1);
            _count--;
            _before = _before.Next;
        }

        if (_count > 0) return;
        if (_before < index) _before = index;
        if (_ring.Length > 1024) _ring = []; // A slow disk made it large.
        _head = 0;
    }

    /// <summary>Gives back entries from an index on.</summary>
    public void TruncateFrom(LogIndex index)
    {
        while (_count > 0 && Last >= index) Give((_head + --_count) & (_ring.Length - 1));
    }

    private void Give(int at)
    {
        Bytes -= _ring[at].Length;
        _ring[at].Release();
        _ring[at] = default;
    }

    private void Grow()
    {
        BufferSlice[] grown = new BufferSlice[Math.Max(4, _ring.Length * 2)];
        for (int i = 0; i < _count; i++) grown[i] = _ring[(_head + i) & (_ring.Length - 1)];
        _ring = grown;
        _head = 0;
    }
}
