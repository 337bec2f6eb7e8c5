using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Simulation.Checks;

/// <summary>
/// What must hold of one group, whatever happens to it. It keeps its own books by looking at messages, roles, applied entries and answers
/// to clients; it asks the code under test for nothing that it could know itself.
/// </summary>
internal sealed class GroupCheck(string name, int nodes)
{
    private readonly Dictionary<long, int> _leaders = []; // By term.
    private readonly Dictionary<(int Node, long Term), int> _votes = [];
    private readonly List<long> _committedIn = []; // The term of who applied it first, of each.
    private readonly List<Committed> _committed = []; // Index 1 first: what anybody ever applied.
    private readonly List<long> _offsetOf = []; // By the record's key; -1 while nobody applied it, -2 when nobody may.
    private readonly long[] _applied = new long[nodes];
    private readonly long[] _watermark = new long[nodes];
    private readonly long[] _damagedAt = [.. Enumerable.Repeat(-1L, nodes)];
    private readonly List<long> _keys = [];
    private long _acknowledgedEnd;
    private long _readEnd;
    private long _nextKey;

    public string Name => name;

    /// <summary>The last index that anybody applied.</summary>
    public long CommittedIndex => _committed.Count;

    /// <summary>The offset behind everything that anybody applied.</summary>
    public long CommittedEnd => _committed.Count == 0 ? 0 : _committed[^1].NextOffset;

    /// <summary>Records acknowledged so far.</summary>
    public long Acknowledged { get; private set; }

    /// <summary>Reads answered so far.</summary>
    public long Reads { get; private set; }

    /// <summary>Elections won so far.</summary>
    public int Elections => _leaders.Count;

    /// <summary>The highest term in which anybody stood or led.</summary>
    public long HighestTerm { get; private set; }

    /// <summary>Who belongs to the group by the last such entry that anybody applied; null before the first.</summary>
    public Membership? Members { get; private set; }

    /// <summary>A replica is deleted: no majority that counts may have it.</summary>
    public void Deletes(int node)
    {
        if (Members?.IsVoter(new NodeId(node)) == true) throw Wrong($"node {node} deletes what it has, and the members are {Members}");
    }

    /// <summary>Who led in a term, as far as it showed; null when nobody did.</summary>
    public int? LeaderOf(long term) => _leaders.TryGetValue(term, out int node) ? node : null;

    public bool IsDamaged(int node) => _damagedAt[node] >= 0;

    /// <summary>A key for a new record.</summary>
    public long NewKey()
    {
        _offsetOf.Add(-1);
        return _nextKey++;
    }

    /// <summary>A node acts as leader of a term: it says so in a message, or shows it.</summary>
    public void Leads(int node, Term term)
    {
        if (_leaders.TryGetValue(term.Value, out int other))
        {
            if (other != node) throw Wrong($"nodes {other} and {node} both lead in term {term}");
            return;
        }

        _leaders.Add(term.Value, node);
        HighestTerm = Math.Max(HighestTerm, term.Value);
        if (IsDamaged(node)) throw Wrong($"node {node} leads in term {term}, damaged and not repaired");
    }

    /// <summary>
    /// A node has just won: its log must hold everything that was committed in earlier terms (Raft paper, 5.4.3, leader completeness). What
    /// counts is the term in which an entry was committed, not its own: a candidate that was paused may win late, in a term before that.
    /// </summary>
    public void Elected(int node, Term term, LogIndex last, LogIndex first, Func<LogIndex, Term> termAt)
    {
        Leads(node, term);
        int at = _committed.Count;
        while (at > 0 && _committedIn[at - 1] >= term.Value) at--;
        if (at == 0) return;
        LogIndex index = new(at);
        if (index > last) throw Wrong($"node {node} leads in term {term} with entries up to {last}, but {index} is committed");
        if (index >= first.Previous && termAt(index).Value != _committed[at - 1].Term)
            throw Wrong($"node {node} leads in term {term} with another entry {index} than the committed one");
    }

    /// <summary>A vote, for itself or another, became known to others.</summary>
    public void Votes(int node, Term term, int candidate)
    {
        HighestTerm = Math.Max(HighestTerm, term.Value);
        if (!_votes.TryAdd((node, term.Value), candidate))
        {
            int earlier = _votes[(node, term.Value)];
            if (earlier != candidate) throw Wrong($"node {node} votes for {earlier} and for {candidate} in term {term}");
            return;
        }

        if (IsDamaged(node)) throw Wrong($"node {node} votes for {candidate} in term {term}, damaged and not repaired");
    }

    /// <summary>A node came back with what a checkpoint holds.</summary>
    public void Restarted(int node, LogIndex index, KafkaOffset next)
    {
        RequirePrefix(node, index, next);
        _applied[node] = index.Value;
        _watermark[node] = next.Value;
    }

    /// <summary>A node's state was replaced by a snapshot.</summary>
    public void Installed(int node, LogIndex index, Term term, KafkaOffset next)
    {
        RequirePrefix(node, index, next);
        if (index.Value > 0 && _committed[(int)index.Value - 1].Term != term.Value)
            throw Wrong($"node {node} installs entry {index} as of term {term}; it is of term {_committed[(int)index.Value - 1].Term}");
        if (index.Value < _applied[node]) throw Wrong($"node {node} installs {index} and had applied {_applied[node]}");
        _applied[node] = index.Value;
        _watermark[node] = Math.Max(_watermark[node], next.Value);
    }

    /// <summary>A node applies an entry: the next one of its log, and the same that all others apply there.</summary>
    public void Applies(int node, Term term, in LogEntry entry, ReadOnlySpan<byte> payload)
    {
        if (entry.Index.Value != _applied[node] + 1)
            throw Wrong($"node {node} applies entry {entry.Index} after entry {_applied[node]}");
        _applied[node]++;
        Committed seen = new(entry.Term.Value, entry.Kind, entry.NextOffset.Value, Batches.Hash(payload));
        if (entry.Index.Value <= _committed.Count)
        {
            Committed known = _committed[(int)entry.Index.Value - 1];
            if (known != seen) throw Wrong($"node {node} applies {seen} as entry {entry.Index}, others applied {known}");
            return;
        }

        if (_committed.Count > 0 && seen.Term < _committed[^1].Term)
            throw Wrong($"entry {entry.Index} of term {seen.Term} follows one of term {_committed[^1].Term}");
        RequireDense(entry, payload);
        if (entry.Kind == EntryKind.Membership) Members = Membership.Read(payload);
        _committed.Add(seen);
        _committedIn.Add(Math.Max(term.Value, _committedIn.LastOrDefault()));
    }

    /// <summary>What a node shows its readers: it only ever grows while the node lives.</summary>
    public void Shows(int node, KafkaOffset watermark)
    {
        if (watermark.Value < _watermark[node])
            throw Wrong($"node {node} shows high watermark {watermark} after {_watermark[node]}");
        _watermark[node] = watermark.Value;
        if (watermark.Value > CommittedEnd) throw Wrong($"node {node} shows high watermark {watermark}, {CommittedEnd} is committed");
    }

    /// <summary>A client was told that its records lie at an offset.</summary>
    public void Acknowledges(KafkaOffset offset, long firstKey, int count)
    {
        for (int i = 0; i < count; i++)
        {
            long at = _offsetOf[(int)firstKey + i];
            if (at != offset.Value + i)
                throw Wrong($"record {firstKey + i} is acknowledged at offset {offset.Value + i}, committed at {at}");
        }

        Acknowledged += count;
        _acknowledgedEnd = Math.Max(_acknowledgedEnd, offset.Value + count);
    }

    /// <summary>A client was told that its records were not taken: they must never be there.</summary>
    public void Refused(long firstKey, int count)
    {
        for (int i = 0; i < count; i++) _offsetOf[(int)firstKey + i] = -2;
    }

    /// <summary>A read begins: what it must reach, whoever answers it.</summary>
    public long ReadBegins() => Math.Max(_acknowledgedEnd, _readEnd);

    public void ReadEnds(int node, long mustReach, KafkaOffset watermark)
    {
        Reads++;
        if (watermark.Value < mustReach)
            throw Wrong($"a read at node {node} shows high watermark {watermark}, but {mustReach} was known when it began");
        _readEnd = Math.Max(_readEnd, watermark.Value);
    }

    /// <summary>A batch that a node gives to a reader or to a peer is the one that was committed there.</summary>
    public bool IsCommitted(ReadOnlySpan<byte> batch)
    {
        Batches.Keys(batch, _keys);
        for (int i = 0; i < _keys.Count; i++)
        {
            long key = _keys[i];
            if (key < 0 || key >= _offsetOf.Count || _offsetOf[(int)key] != Batches.BaseOffset(batch) + i) return false;
        }

        return true;
    }

    /// <summary>A node has lost what it knew, or can no longer trust it.</summary>
    public void Damaged(int node)
    {
        if (_damagedAt[node] < 0) _damagedAt[node] = CommittedIndex;

        // A candidacy ends with the candidate's memory: its vote for itself is worth nothing any more, unless it had won.
        foreach (((int Node, long Term) vote, int candidate) in _votes.ToArray())
        {
            bool hasWon = _leaders.TryGetValue(vote.Term, out int won) && won == node;
            if (vote.Node == node && candidate == node && !hasWon) _votes.Remove(vote);
        }

        _applied[node] = 0;
        _watermark[node] = 0;
    }

    /// <summary>A damaged node was told that it may vote again: it must hold everything that was committed before the damage.</summary>
    public void Recovered(int node, LogIndex last)
    {
        if (last.Value < _damagedAt[node])
            throw Wrong($"node {node} may vote again with entries up to {last}, but {_damagedAt[node]} was committed before the damage");
        _damagedAt[node] = -1;
    }

    /// <summary>At the end, when all is healed: everything acknowledged is there.</summary>
    public void Ends(int node, KafkaOffset watermark)
    {
        if (watermark.Value < _acknowledgedEnd)
            throw Wrong($"at the end node {node} has records up to {watermark}, {_acknowledgedEnd} was acknowledged");
    }

    private void RequirePrefix(int node, LogIndex index, KafkaOffset next)
    {
        if (index.Value > _committed.Count) throw Wrong($"node {node} has a checkpoint of entry {index}, which nobody applied");
        long expected = index.Value == 0 ? 0 : _committed[(int)index.Value - 1].NextOffset;
        if (next.Value != expected) throw Wrong($"node {node} has a checkpoint of entry {index} that ends at {next}, not {expected}");
    }

    private void RequireDense(in LogEntry entry, ReadOnlySpan<byte> payload)
    {
        if (entry.Kind != EntryKind.Batch)
        {
            if (entry.NextOffset.Value != CommittedEnd) throw Wrong($"entry {entry.Index} has no records and moves the offset");
            return;
        }

        long start = Batches.BaseOffset(payload);
        if (start != CommittedEnd) throw Wrong($"entry {entry.Index} begins at offset {start}, the one before ended at {CommittedEnd}");
        Batches.Keys(payload, _keys);
        if (entry.NextOffset.Value != start + _keys.Count) throw Wrong($"entry {entry.Index} ends at {entry.NextOffset}");
        for (int i = 0; i < _keys.Count; i++)
        {
            int key = (int)_keys[i];
            if (key < 0 || key >= _nextKey) throw Wrong($"entry {entry.Index} has a record that nobody wrote");
            if (_offsetOf[key] == -2) throw Wrong($"record {key} was refused, and is at offset {start + i}");
            if (_offsetOf[key] >= 0) throw Wrong($"record {key} is at offsets {_offsetOf[key]} and {start + i}");
            _offsetOf[key] = start + i;
        }
    }

    private SimulationFailure Wrong(string what) => new($"group {name}: {what}");

    private readonly record struct Committed(long Term, EntryKind Kind, long NextOffset, ulong Hash);
}
