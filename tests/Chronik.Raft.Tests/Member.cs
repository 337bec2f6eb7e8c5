using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>A core with a disk that finishes writes when it is told to, and forgets the others in a crash.</summary>
internal sealed class Member
{
    private readonly RaftOptions _options;
    private readonly Membership _voters;
    private readonly Queue<(ulong Number, HardState? HardState, LogEntry[] Entries)> _writes = new();
    private readonly List<LogEntry> _durableEntries = [];
    private HardState _durableState = new(Term.Zero, NodeId.None);
    private (LogIndex Index, Term Term, KafkaOffset NextOffset) _checkpoint;

    public Member(params int[] voters)
        : this(new RaftOptions { Self = new NodeId(1) }, voters)
    {
    }

    public Member(RaftOptions options, params int[] voters)
    {
        _options = options;
        _voters = new Membership([.. voters.Select(id => new NodeId(id))]);
        Core = new RaftCore(options, new RaftRestart { Membership = _voters });
    }

    public RaftCore Core { get; private set; }

    public RaftEffects Effects { get; } = new();

    public List<LogEntry> Committed { get; } = [];

    public int WritesUnderWay => _writes.Count;

    public HardState DurableState => _durableState;

    public void Tick() => Step(RaftInput.Tick());

    public void Propose(params int[] recordCounts)
    {
        List<ProposedEntry> entries = [];
        KafkaOffset next = Core.NextOffset;
        foreach (int count in recordCounts)
        {
            next += count;
            entries.Add(new ProposedEntry(EntryKind.Batch, next, BufferSlice.Empty));
        }

        Step(RaftInput.Propose(entries));
    }

    /// <summary>The oldest write becomes durable; the core is told of its last entry.</summary>
    public void FinishWrite()
    {
        Step(RaftInput.DiskDone(Persist()));
    }

    /// <summary>The oldest write becomes durable, but the core never hears of it.</summary>
    public ulong Persist()
    {
        (ulong number, HardState? hardState, LogEntry[] entries) = _writes.Dequeue();
        _durableState = hardState ?? _durableState;
        _durableEntries.AddRange(entries);
        return number;
    }

    public void FinishAllWrites()
    {
        while (_writes.Count > 0) FinishWrite();
    }

    public void Checkpoint()
    {
        LogIndex through = Core.AppliedIndex;
        if (through == _checkpoint.Index) return;
        LogEntry last = _durableEntries.Single(entry => entry.Index == through);
        _checkpoint = (last.Index, last.Term, last.NextOffset);
        _durableEntries.RemoveAll(entry => entry.Index <= through);
        Core.Compact(through);
    }

    /// <summary>What was not durable is gone; the node starts again.</summary>
    public void Crash()
    {
        _writes.Clear();
        Committed.Clear();
        Effects.Clear();
        Core = new RaftCore(_options, new RaftRestart
        {
            HardState = _durableState,
            Membership = _voters,
            SnapshotIndex = _checkpoint.Index,
            SnapshotTerm = _checkpoint.Term,
            SnapshotNextOffset = _checkpoint.NextOffset,
            Entries = _durableEntries,
        });
    }

    public void Step(in RaftInput input)
    {
        Effects.Clear();
        Core.Step(input, Effects);
        Committed.AddRange(Effects.Committed);
        if (Effects.HasWrite) _writes.Enqueue((Effects.WriteNumber, Effects.HardState, [.. Effects.Append]));
    }
}
