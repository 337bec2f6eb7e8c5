using Chronik.Model;

namespace Chronik.Raft;

/// <summary>The voters of a group: who granted a vote, and how much of the leader's log each holds durably.</summary>
internal sealed class VoterSet
{
    private readonly NodeId[] _ids;
    private readonly bool[] _granted;
    private readonly LogIndex[] _match; // Only ever grows within a term; 0 until the voter has confirmed something.
    private readonly LogIndex[] _sorted;

    public VoterSet(IReadOnlyList<NodeId> ids)
    {
        _ids = [.. ids];
        if (_ids.Length == 0 || _ids.Distinct().Count() != _ids.Length || !_ids.All(id => id.IsSome))
            throw new ArgumentException($"voters must be distinct nodes and at least one, not [{string.Join(", ", _ids)}]", nameof(ids));
        _granted = new bool[_ids.Length];
        _match = new LogIndex[_ids.Length];
        _sorted = new LogIndex[_ids.Length];
    }

    public int Majority => (_ids.Length / 2) + 1;

    public bool Contains(NodeId id) => Array.IndexOf(_ids, id) >= 0;

    public bool IsOnly(NodeId id) => _ids.Length == 1 && _ids[0] == id;

    /// <summary>Forgets votes and matches: a new term begins.</summary>
    public void Reset()
    {
        Array.Clear(_granted);
        Array.Clear(_match);
    }

    public void Grant(NodeId id) => _granted[Slot(id)] = true;

    public bool IsElected()
    {
        int votes = 0;
        foreach (bool granted in _granted) votes += granted ? 1 : 0;
        return votes >= Majority;
    }

    public void Matched(NodeId id, LogIndex index)
    {
        int slot = Slot(id);
        if (index > _match[slot]) _match[slot] = index;
    }

    /// <summary>The highest index that a majority holds (Raft paper, figure 2, "Rules for Servers, Leaders").</summary>
    public LogIndex QuorumMatch()
    {
        _match.CopyTo(_sorted, 0);
        Array.Sort(_sorted);
        return _sorted[_sorted.Length - Majority];
    }

    private int Slot(NodeId id)
    {
        int slot = Array.IndexOf(_ids, id);
        Invariant.Require(slot >= 0);
        return slot;
    }
}
