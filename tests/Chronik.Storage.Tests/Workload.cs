using System.Text;
using Chronik.Model;
using Chronik.Storage.Testing;

namespace Chronik.Storage.Tests;

/// <summary>
/// A node's life from a seed: appends, truncations, votes, applied batches, checkpoints, deletions, retention; a power loss at a given
/// operation
/// of the disk; another one while recovering, sometimes; then what was recovered is held against what was promised, and life goes on.
/// </summary>
internal sealed class Workload
{
    private const int Groups = 3;
    private const int StepsPerLife = 60;

    private readonly Random _random;
    private readonly BufferPool _pool = new();
    private readonly GroupModel[] _models = [.. Enumerable.Range(0, Groups).Select(i => new GroupModel(i))];
    private MemoryDisk _disk;
    private NodeStorage? _opened;
    private long _submitted;
    private long _durable;

    private NodeStorage Storage => _opened!;

    private Workload(int seed)
    {
        _random = new Random(seed);
        _disk = new MemoryDisk(seed);
    }

    /// <summary>Returns how many operations of the disk the first life had.</summary>
    public static long Run(int seed, long failAt)
    {
        Workload workload = new(seed);
        return workload.Live(failAt);
    }

    private long Live(long failAt)
    {
        long operations;
        bool killed = false;
        _disk.Fault = (n, _, _) => n >= failAt ? new IOException("power lost") : null;
        try
        {
            _opened = Make.Open(_disk, pool: _pool);
            OpenLogs();
            for (int i = 0; i < StepsPerLife && Storage.Failure is null; i++) Step();
            operations = _disk.Operations;
            killed = _random.Next(4) == 0 && failAt == long.MaxValue;
        }
        catch (StorageException)
        {
            operations = _disk.Operations;
        }
        catch (IOException)
        {
            operations = _disk.Operations;
        }

        MemoryDisk after = killed ? _disk.Kill() : _disk.Crash();
        _opened?.Dispose();
        _disk = after;
        if (_random.Next(3) == 0) CrashWhileRecovering();
        Reopen();
        for (int i = 0; i < StepsPerLife / 3; i++) Step();
        Run();
        Storage.Dispose();
        _disk = _disk.Crash();
        Reopen();
        Storage.Dispose();
        Assert.Equal(0, _pool.LentBytes);
        return operations;
    }

    private void CrashWhileRecovering()
    {
        int failAt = _random.Next(1, 16);
        _disk.Fault = (n, _, _) => n >= failAt ? new IOException("power lost") : null;
        try
        {
            using NodeStorage opened = Make.Open(_disk, pool: _pool);
            foreach (GroupModel model in _models.Where(m => m.HasLog)) opened.OpenLog(model.Id, LogOptions.Default);
        }
        catch (IOException e) when (e.Message.Contains("power lost"))
        {
        }

        _disk = _disk.Crash();
    }

    private void Reopen()
    {
        _opened = Make.Open(_disk, pool: _pool);
        foreach (GroupModel model in _models)
        {
            RecoveredGroup? recovered = Storage.TakeRecovered(model.Id);
            model.Verify(Storage, recovered, _durable);
        }

        _durable = _submitted;
        OpenLogs();
        foreach (GroupModel model in _models) model.VerifyLog();
    }

    private void OpenLogs()
    {
        foreach (GroupModel model in _models)
        {
            if (model.HasLog) model.Log = Storage.OpenLog(model.Id, new LogOptions { SegmentBytes = 2000, IndexIntervalBytes = 300 });
        }
    }

    private void Step()
    {
        GroupModel model = _models[_random.Next(Groups)];
        switch (_random.Next(14))
        {
            case < 6:
                Submit(model, model.RandomWrite(_random, _pool));
                break;
            case < 9:
                Run();
                if (Storage.Failure is null) model.Apply(Storage, _random);
                break;
            case 9:
                // A checkpoint is made of what is durable here; entries that were only written are made so first.
                Submit(model, new WalWrite { Group = model.Id, HardState = model.CurrentHardState });
                Run();
                if (Storage.Failure is null) model.Checkpoint(Storage);
                break;
            case 10 when _random.Next(4) == 0:
                Run();
                if (Storage.Failure is null) Delete(model);
                break;
            case 11 when model.Log is { } log:
                KafkaOffset before = new(_random.NextInt64(log.LogStartOffset.Value, log.NextOffset.Value + 1));
                if (_random.Next(3) == 0) log.DeleteBefore(before);
                else log.ApplyRetention(0, null, 3000, log.NextOffset);
                break;
            default:
                Run();
                break;
        }
    }

    private void Submit(GroupModel model, WalWrite write)
    {
        long number = ++_submitted;
        bool sync = write.Sync;
        Outcome? outcome = null;
        outcome = new Outcome(() =>
        {
            if (outcome!.Failure is null && sync) _durable = Math.Max(_durable, number);
        });
        write.Completion = outcome;
        model.States.Add(model.Now.After(write, number));
        Storage.Wal.Append(write);
        foreach (LogEntry entry in write.Entries) entry.Payload.Release();
    }

    private void Delete(GroupModel model)
    {
        long number = ++_submitted;
        model.States.Add(new GroupState(number, default, new SortedDictionary<long, EntryState>(), []));
        bool done = false;
        model.Log = null;
        Storage.DeleteGroup(model.Id, failure =>
        {
            if (failure is null) _durable = Math.Max(_durable, number);
            done = failure is null;
        });
        Run();
        if (!done) return;
        model.Forget();
        if (model.HasLog) model.Log = Storage.OpenLog(model.Id, new LogOptions { SegmentBytes = 2000, IndexIntervalBytes = 300 });
    }

    private void Run() => Storage.RunQueued();
}

internal sealed record EntryState(long Term, long NextOffset, byte[] Payload);

internal sealed record CheckpointState(long Index, long NextOffset, string State, bool[] Done);

/// <summary>A group after one of its writes.</summary>
internal sealed record GroupState(
    long Number, (long Term, int Vote)? HardState, SortedDictionary<long, EntryState> Entries, List<CheckpointState> Checkpoints)
{
    public long Last => Entries.Count == 0 ? (Checkpoints.Count == 0 ? 0 : Checkpoints[^1].Index) : Entries.Keys.Last();

    public GroupState After(WalWrite write, long number)
    {
        SortedDictionary<long, EntryState> entries = new(Entries);
        if (write.TruncateFrom is { } from)
        {
            foreach (long index in entries.Keys.Where(i => i >= from.Value).ToList()) entries.Remove(index);
        }

        foreach (LogEntry entry in write.Entries)
            entries.Add(entry.Index.Value, new EntryState(entry.Term.Value, entry.NextOffset.Value, entry.Payload.Span.ToArray()));
        (long, int)? hardState = write.HardState is { } state ? (state.Term.Value, state.Vote.Value) : HardState;
        return new GroupState(number, hardState, entries, Checkpoints);
    }
}

/// <summary>What a group should look like: every state it went through, any of which from the last durable one on may be found.</summary>
internal sealed class GroupModel
{
    private readonly SortedDictionary<long, EntryState> _committed = [];
    private long _applied;

    public GroupModel(int number)
    {
        Id = new GroupId(new TopicId(new Guid(number + 1, 0, 0, new byte[8])), number);
        HasLog = number > 0;
        Forget();
        States = [new GroupState(0, null, [], [])];
    }

    public GroupId Id { get; }

    /// <summary>The first group has none, like a journal.</summary>
    public bool HasLog { get; }

    public PartitionLog? Log { get; set; }

    public List<GroupState> States { get; private set; }

    public GroupState Now => States[^1];

    public HardState CurrentHardState =>
        Now.HardState is { } hs ? new HardState(new Term(hs.Term), new NodeId(hs.Vote)) : new HardState(Term.Zero, NodeId.None);

    public void Forget()
    {
        _applied = 0;
        _committed.Clear();
    }

    public WalWrite RandomWrite(Random random, BufferPool pool)
    {
        WalWrite write = new() { Group = Id, Sync = random.Next(5) > 0 };
        GroupState now = Now;
        long term = now.HardState?.Term ?? 0;
        if (random.Next(3) == 0) write.HardState = new HardState(new Term(++term), new NodeId(random.Next(-1, 3)));
        long last = now.Last;
        if (random.Next(4) == 0 && last > _applied)
        {
            last = random.NextInt64(_applied, last);
            write.TruncateFrom = new LogIndex(last + 1);
        }

        List<LogEntry> entries = [];
        long offset = 0;
        if (last > 0) offset = now.Entries.TryGetValue(last, out EntryState? before) ? before.NextOffset : now.Checkpoints[^1].NextOffset;
        for (int i = random.Next(0, 5); i > 0; i--)
        {
            int records = random.Next(1, 4);
            byte[] batch = Make.Batch(offset, records, valueBytes: random.Next(8) == 0 ? random.Next(4000, 9000) : random.Next(0, 300));
            offset += records;
            LogIndex index = new(++last);
            entries.Add(new LogEntry(index, new Term(term), EntryKind.Batch, new KafkaOffset(offset), pool.Copy(batch)));
        }

        write.Entries = entries;
        return write;
    }

    /// <summary>Commits some of what was written, which is all durable or relaxed, and appends it to the log.</summary>
    public void Apply(NodeStorage storage, Random random)
    {
        long last = Now.Last;
        if (last <= _applied) return;
        long to = random.NextInt64(_applied + 1, last + 1);
        List<BufferSlice> batches = [];
        for (long index = _applied + 1; index <= to; index++)
        {
            EntryState entry = Now.Entries[index];
            _committed[index] = entry;
            BufferSlice payload = storage.Wal.Read(Id, new LogIndex(index));
            Assert.Equal(entry.Payload, payload.Span.ToArray());
            batches.Add(payload);
        }

        try
        {
            Log?.Append([.. batches]);
        }
        finally
        {
            foreach (BufferSlice batch in batches) batch.Release();
        }

        _applied = to;
    }

    public void Checkpoint(NodeStorage storage)
    {
        if (_applied == 0 || Now.Number == 0) return;
        long offset = _committed[_applied].NextOffset;
        string text = $"state at {_applied}";
        CheckpointState state = new(_applied, offset, text, [false]);
        Now.Checkpoints.Add(state);
        storage.Checkpoint(
            Id,
            new Checkpoint(
                new LogIndex(_applied), new Term(_committed[_applied].Term), new KafkaOffset(offset),
                Log?.LogStartOffset ?? KafkaOffset.Zero,
                CurrentHardState, Encoding.UTF8.GetBytes(text)),
            failure => state.Done[0] = failure is null);
        storage.RunQueued();
    }

    /// <summary>Holds what was recovered against what was promised, and takes it for the truth from now on.</summary>
    public void Verify(NodeStorage storage, RecoveredGroup? recovered, long durable)
    {
        int from = States.FindLastIndex(s => s.Number <= durable);
        StringBuilder whyNot = new();
        for (int i = States.Count - 1; i >= from; i--)
        {
            string? difference = Difference(States[i], storage, recovered);
            if (difference is null)
            {
                Adopt(States[i], recovered);
                return;
            }

            whyNot.Append($"state {States[i].Number}: {difference}; ");
        }

        Assert.Fail($"group {Id} was recovered as none of its possible states from {States[from].Number} on: {whyNot}");
    }

    public void VerifyLog()
    {
        if (Log is null) return;
        using MemoryStream expected = new();
        foreach (EntryState entry in _committed.Values)
        {
            if (entry.NextOffset > Log.LogStartOffset.Value) expected.Write(entry.Payload);
        }

        Assert.Equal(_committed.Count == 0 ? 0 : _committed.Values.Last().NextOffset, Log.NextOffset.Value);
        Assert.Equal(expected.ToArray(), Make.ReadAll(Log, Log.LogStartOffset));
    }

    private string? Difference(GroupState state, NodeStorage storage, RecoveredGroup? recovered)
    {
        recovered ??= new RecoveredGroup(new HardState(Term.Zero, NodeId.None), null, []);
        (long, int) hardState = state.HardState is { } hs ? hs : (0, -1);
        (long, int) found = (recovered.HardState.Term.Value, recovered.HardState.Vote.Value);
        if (hardState != found) return $"hard state is {recovered.HardState}, not {hardState}";
        long done = state.Checkpoints.LastOrDefault(c => c.Done[0])?.Index ?? 0;
        long index = recovered.Checkpoint?.Index.Value ?? 0;
        if (index < done) return $"checkpoint {index} is before {done}";
        if (recovered.Checkpoint is { } checkpoint)
        {
            string text = Encoding.UTF8.GetString(checkpoint.State.Span);
            if (!state.Checkpoints.Any(c => c.Index == index && c.State == text)) return $"checkpoint {index} was never made";
        }

        List<long> expected = [.. state.Entries.Keys.Where(i => i > index)];
        if (!expected.SequenceEqual(recovered.Entries.Select(e => e.Index.Value)))
            return $"entries are {string.Join(',', recovered.Entries.Select(e => e.Index))}, not {string.Join(',', expected)}";
        foreach (LogEntry entry in recovered.Entries)
        {
            EntryState want = state.Entries[entry.Index.Value];
            if (want.Term != entry.Term.Value || want.NextOffset != entry.NextOffset.Value) return $"entry {entry.Index} is {entry}";
            BufferSlice payload = storage.Wal.Read(Id, entry.Index);
            bool same = payload.Span.SequenceEqual(want.Payload);
            payload.Release();
            if (!same) return $"entry {entry.Index} has another payload";
        }

        return null;
    }

    private void Adopt(GroupState state, RecoveredGroup? recovered)
    {
        _applied = recovered?.Checkpoint?.Index.Value ?? 0;
        foreach (long index in _committed.Keys.Where(i => i > _applied).ToList()) _committed.Remove(index);
        if (_applied == 0) _committed.Clear();
        foreach (CheckpointState checkpoint in state.Checkpoints) checkpoint.Done[0] |= checkpoint.Index == _applied;
        state.Checkpoints.RemoveAll(c => c.Index > _applied);
        States = [state];
        Log = null;
    }
}
