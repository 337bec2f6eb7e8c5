using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>
/// A core with a disk that finishes writes when it is told to, and forgets the others in a crash. What the core says gathers in
/// <see cref="Outbox"/>, messages that wait for a write only once it is durable.
/// </summary>
internal sealed class Member
{
    private readonly RaftOptions _options;
    private readonly Membership _initial;
    private readonly Queue<Write> _writes = new();
    private readonly List<LogEntry> _disk = []; // Behind the checkpoint.
    private HardState _durableState = new(Term.Zero, NodeId.None);
    private Checkpointed _checkpoint;
    private bool _isRecovering;
    private ulong _incarnation;

    public Member(params int[] voters)
        : this(new RaftOptions { Self = new NodeId(1) }, voters)
    {
    }

    public Member(RaftOptions options, params int[] voters)
        : this(options, new Membership([.. voters.Select(id => new NodeId(id))]))
    {
    }

    public Member(RaftOptions options, Membership initial)
    {
        _options = options;
        _initial = initial;
        _checkpoint = new Checkpointed(LogIndex.Zero, Term.Zero, KafkaOffset.Zero, initial);
        Core = new RaftCore(options, new RaftRestart { Membership = initial });
    }

    public RaftCore Core { get; private set; }

    public NodeId Id => _options.Self;

    public RaftEffects Effects { get; } = new();

    /// <summary>What was committed since the last start, in order.</summary>
    public List<LogEntry> Committed { get; } = [];

    public List<RaftMessage> Outbox { get; } = [];

    public List<ReadGrant> ReadsGranted { get; } = [];

    public List<ulong> ReadsRefused { get; } = [];

    public List<NodeId> SnapshotsNeeded { get; } = [];

    public int WritesUnderWay => _writes.Count;

    public HardState DurableState => _durableState;

    public IReadOnlyList<LogEntry> Disk => _disk;

    /// <summary>What a restart would find; a member may have recovered already, but not durably.</summary>
    public bool IsRecoveringOnDisk => _isRecovering;

    /// <summary>Told after every step.</summary>
    public Action<Member>? Stepped { get; set; }

    /// <summary>Applies what is committed at once.</summary>
    public bool AutoApply { get; set; }

    public void Tick(int count = 1)
    {
        for (int i = 0; i < count; i++) Step(RaftInput.Tick());
    }

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

    /// <summary>The oldest write becomes durable; the core is told.</summary>
    public void FinishWrite() => Step(RaftInput.DiskDone(Persist()));

    /// <summary>The oldest write becomes durable and its messages leave, but the core never hears of it.</summary>
    public ulong Persist()
    {
        Write write = _writes.Dequeue();
        _durableState = write.HardState ?? _durableState;
        if (write.TruncateFrom is { } from) _disk.RemoveAll(entry => entry.Index >= from);
        foreach (LogEntry entry in write.Entries)
        {
            if (entry.Index <= _checkpoint.Index) continue; // Committed by others first, and covered by now.
            Assert.Equal(_disk.Count == 0 ? _checkpoint.Index.Next : _disk[^1].Index.Next, entry.Index);
            _disk.Add(entry);
        }

        if (write.Recovered) _isRecovering = false;
        Outbox.AddRange(write.Messages);
        return write.Number;
    }

    public void FinishAllWrites()
    {
        while (_writes.Count > 0) FinishWrite();
    }

    public void Checkpoint()
    {
        LogIndex through = Core.AppliedIndex;
        if (through == _checkpoint.Index) return;
        KafkaOffset next = Committed.Concat(_disk).First(entry => entry.Index == through).NextOffset;
        _checkpoint = new Checkpointed(through, Core.TermAt(through), next, Core.MembershipAt(through));
        _disk.RemoveAll(entry => entry.Index <= through);
        Core.Compact(through);
    }

    /// <summary>Another member's checkpoint replaces what was applied here.</summary>
    public void Install(Member sender)
    {
        Checkpointed snapshot = sender._checkpoint;
        if (snapshot.Index <= Core.CommitIndex) return;
        Step(RaftInput.Installing(snapshot.Index, snapshot.Term));
        if (Effects.HasWrite) FinishAllWrites();
        _checkpoint = snapshot;
        _disk.RemoveAll(entry => entry.Index <= snapshot.Index);
        Step(RaftInput.Installed(snapshot.Index, snapshot.Term, snapshot.NextOffset, snapshot.Membership));
    }

    /// <summary>What was not durable is gone; the node starts again.</summary>
    public void Crash()
    {
        Forget();
        Start();
    }

    /// <summary>The disk is gone; the node starts again, and knows that it has forgotten.</summary>
    public void Wipe()
    {
        Forget();
        _disk.Clear();
        _durableState = new HardState(Term.Zero, NodeId.None);
        _checkpoint = new Checkpointed(LogIndex.Zero, Term.Zero, KafkaOffset.Zero, _initial);
        _isRecovering = true;
        Start();
    }

    public void Step(in RaftInput input)
    {
        Effects.Clear();
        Core.Step(input, Effects);
        Committed.AddRange(Effects.Committed);
        ReadsGranted.AddRange(Effects.ReadsGranted);
        ReadsRefused.AddRange(Effects.ReadsRefused);
        SnapshotsNeeded.AddRange(Effects.SnapshotsNeeded);
        foreach (RaftMessage message in Effects.Messages) Outbox.Add(message.LoadCount == 0 ? message : Load(message));
        if (Effects.HasWrite)
        {
            _writes.Enqueue(new Write(
                Effects.WriteNumber, Effects.HardState, Effects.TruncateFrom, [.. Effects.Append], [.. Effects.AfterWrite],
                Effects.Recovered));
        }
        else if (Effects.AfterWrite.Count > 0)
        {
            Assert.Contains(_writes, write => write.Number == Effects.WriteNumber);
            _writes.Single(write => write.Number == Effects.WriteNumber).Messages.AddRange(Effects.AfterWrite);
        }

        if (AutoApply) Core.Applied(Core.CommitIndex);
        Stepped?.Invoke(this);
    }

    private RaftMessage Load(in RaftMessage message)
    {
        LogIndex from = message.LoadFrom;
        int count = Math.Min(message.LoadCount, 5); // This shell's byte limit.
        List<LogEntry> entries = [.. _disk.Where(entry => entry.Index >= from && entry.Index < from + count)];
        Assert.True(entries.Count > 0 && entries[0].Index == from, $"asked to load from {from} what is not on disk: {Describe()}");
        return message with { Entries = entries, LoadFrom = LogIndex.Zero, LoadCount = 0 };
    }

    private string Describe() =>
        $"checkpoint {_checkpoint.Index}, disk [{string.Join(' ', _disk.Select(entry => entry.Index))}], "
        + $"log {Core.FirstIndex}..{Core.LastIndex}, applied {Core.AppliedIndex}, "
        + $"durable {Core.DurableIndex}, writes [{string.Join(' ', _writes.Select(w => w.Number))}]";

    private void Forget()
    {
        _writes.Clear();
        Committed.Clear();
        Outbox.Clear();
        ReadsGranted.Clear();
        ReadsRefused.Clear();
        SnapshotsNeeded.Clear();
        Effects.Clear();
        _incarnation++;
    }

    private void Start() => Core = new RaftCore(_options with { Seed = _options.Seed + (_incarnation * 1000) }, new RaftRestart
    {
        HardState = _durableState,
        Membership = _checkpoint.Membership,
        SnapshotIndex = _checkpoint.Index,
        SnapshotTerm = _checkpoint.Term,
        SnapshotNextOffset = _checkpoint.NextOffset,
        Entries = _disk,
        IsRecovering = _isRecovering,
    });

    private sealed record Write(
        ulong Number, HardState? HardState, LogIndex? TruncateFrom, List<LogEntry> Entries, List<RaftMessage> Messages, bool Recovered);

    private readonly record struct Checkpointed(LogIndex Index, Term Term, KafkaOffset NextOffset, Membership Membership);
}
