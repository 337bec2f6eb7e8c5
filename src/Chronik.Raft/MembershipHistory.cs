using Chronik.Model;

namespace Chronik.Raft;

/// <summary>The memberships that the log holds, so that a truncated one gives way to the one before it.</summary>
internal sealed class MembershipHistory
{
    private readonly List<Since> _list = []; // Ascending; the first one holds at the log's base.

    public MembershipHistory(LogIndex index, Membership membership) => _list.Add(new Since(index, membership));

    public Membership Latest => _list[^1].Membership;

    /// <summary>The entry that brought <see cref="Latest"/>.</summary>
    public LogIndex LatestIndex => _list[^1].Index;

    public void Add(LogIndex index, Membership membership) => _list.Add(new Since(index, membership));

    public Membership At(LogIndex index)
    {
        int i = _list.Count - 1;
        while (_list[i].Index > index) i--;
        return _list[i].Membership;
    }

    /// <returns>Whether <see cref="Latest"/> changed.</returns>
    public bool TruncateFrom(LogIndex index)
    {
        int before = _list.Count;
        while (_list.Count > 1 && _list[^1].Index >= index) _list.RemoveAt(_list.Count - 1);
        return _list.Count != before;
    }

    /// <summary>What was replaced at or before <paramref name="through"/> is no longer needed.</summary>
    public void Compact(LogIndex through)
    {
        while (_list.Count > 1 && _list[1].Index <= through) _list.RemoveAt(0);
    }

    /// <summary>A snapshot brings the membership as of its index; later ones hold on when the log behind it does.</summary>
    public void Install(LogIndex index, Membership membership, bool keepLater)
    {
        if (keepLater) _list.RemoveAll(since => since.Index <= index);
        else _list.Clear();
        _list.Insert(0, new Since(index, membership));
    }

    private readonly record struct Since(LogIndex Index, Membership Membership);
}
