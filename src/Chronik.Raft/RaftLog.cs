using Chronik.Model;

namespace Chronik.Raft;

/// <summary>
/// What the core remembers of its log. Entries that are not applied yet are kept whole; of the older ones only where each term began,
/// so memory grows with what is in flight and with the number of elections, not with the log.
/// </summary>
/// <remarks>
/// Invariant: base &lt;= applied &lt;= last. The base entry is the last one that a checkpoint covers; its term is still known.
/// </remarks>
internal sealed class RaftLog
{
    private const int KeptTail = 1024; // Entries of an empty ring that are worth keeping for the next burst.

    private readonly List<TermStart> _terms = []; // Ascending in both; the first one covers the base entry.
    private LogEntry[] _tail = []; // A ring over (Applied, Last]; allocated with the first entry.
    private int _tailHead;
    private int _tailCount;
    private KafkaOffset _appliedOffset; // The log end offset after the last applied entry.

    public RaftLog(LogIndex index, Term term, KafkaOffset nextOffset) => Reset(index, term, nextOffset);

    /// <summary>The entry before the first one; covered by a checkpoint.</summary>
    public LogIndex Base { get; private set; }

    public LogIndex Applied { get; private set; }

    public LogIndex Last => Applied + _tailCount;

    public Term LastTerm => _terms[^1].Term;

    /// <summary>The log end offset after the last entry.</summary>
    public KafkaOffset NextOffset => _tailCount == 0 ? _appliedOffset : Unapplied(Last).NextOffset;

    public void Append(in LogEntry entry)
    {
        Invariant.Require(entry.Index == Last.Next);
        Invariant.Require(entry.Term >= LastTerm);
        Invariant.Require(entry.Kind == EntryKind.Batch ? entry.NextOffset > NextOffset : entry.NextOffset == NextOffset);
        if (entry.Term > LastTerm) _terms.Add(new TermStart(entry.Index, entry.Term));
        if (_tailCount == _tail.Length) Grow();
        _tail[(_tailHead + _tailCount) & (_tail.Length - 1)] = entry;
        _tailCount++;
    }

    /// <summary>Forgets the entries from <paramref name="index"/> on; none of them is applied.</summary>
    public void TruncateFrom(LogIndex index)
    {
        Invariant.Require(index > Applied && index <= Last);
        while (Last >= index)
        {
            _tailCount--;
            _tail[(_tailHead + _tailCount) & (_tail.Length - 1)] = default;
        }

        while (_terms[^1].From >= index) _terms.RemoveAt(_terms.Count - 1);
    }

    /// <summary>An entry that is not applied yet.</summary>
    public ref readonly LogEntry Unapplied(LogIndex index)
    {
        Invariant.Require(index > Applied && index <= Last);
        return ref _tail[(_tailHead + (int)(index - Applied) - 1) & (_tail.Length - 1)];
    }

    /// <summary>The term of an entry from <see cref="Base"/> to <see cref="Last"/>.</summary>
    public Term TermAt(LogIndex index)
    {
        Invariant.Require(index >= Base && index <= Last);
        int run = _terms.Count - 1;
        while (_terms[run].From > index) run--; // Nearly always the last run.
        return _terms[run].Term;
    }

    /// <summary>Whether an entry of that index and term is in the log, or is its base.</summary>
    public bool Holds(LogIndex index, Term term) => index >= Base && index <= Last && TermAt(index) == term;

    /// <summary>
    /// The last entry up to <paramref name="index"/> that is of <paramref name="term"/> or an older one: behind it a log whose entry at
    /// <paramref name="index"/> is of that term must differ. Not below <see cref="Base"/>, unless <paramref name="index"/> is.
    /// </summary>
    public LogIndex LastUpTo(LogIndex index, Term term)
    {
        if (index <= Base) return index;
        int run = _terms.Count - 1;
        while (_terms[run].From > index) run--;
        while (run > 0 && _terms[run].Term > term)
        {
            index = _terms[run].From.Previous;
            run--;
        }

        return _terms[run].Term > term ? Base : index;
    }

    public void MarkApplied(LogIndex through)
    {
        Invariant.Require(through >= Applied && through <= Last);
        if (through == Applied) return;
        _appliedOffset = Unapplied(through).NextOffset;
        int count = (int)(through - Applied);
        for (int i = 0; i < count; i++)
        {
            _tail[_tailHead] = default; // The buffer behind the payload is no longer ours to mention.
            _tailHead = (_tailHead + 1) & (_tail.Length - 1);
        }

        _tailCount -= count;
        Applied = through;
        if (_tailCount > 0 || _tail.Length <= KeptTail) return;
        _tail = []; // A restart or a slow disk made it large.
        _tailHead = 0;
    }

    public void Compact(LogIndex through)
    {
        Invariant.Require(through >= Base && through <= Applied);
        Term term = TermAt(through);
        int older = 0;
        while (_terms[older].Term < term) older++;
        _terms.RemoveRange(0, older);
        Base = through;
    }

    /// <summary>Begins anew behind an entry that a snapshot covers.</summary>
    public void Reset(LogIndex index, Term term, KafkaOffset nextOffset)
    {
        _tail = [];
        _tailHead = 0;
        _tailCount = 0;
        _terms.Clear();
        _terms.Add(new TermStart(index, term));
        _appliedOffset = nextOffset;
        Base = index;
        Applied = index;
    }

    private void Grow()
    {
        LogEntry[] grown = new LogEntry[Math.Max(4, _tail.Length * 2)];
        for (int i = 0; i < _tailCount; i++) grown[i] = _tail[(_tailHead + i) & (_tail.Length - 1)];
        _tail = grown;
        _tailHead = 0;
    }

    private readonly record struct TermStart(LogIndex From, Term Term);
}
