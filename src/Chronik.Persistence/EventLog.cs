using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Persistence;

/// <summary>
/// The events of one persistence id: entries of a WAL group of its own, whose index is the sequence number. What a checkpoint has taken
/// out of the WAL is kept in the checkpoint's state, together with how far events were deleted. Thread-safe.
/// </summary>
/// <remarks>
/// Invariant: deleted &lt;= written &lt;= submitted and checkpointed &lt;= written. Everything up to written is durable and survives a
/// restart, a deletion once its task has completed. Writes go straight to the WAL; whatever reads or moves events takes turns.
/// </remarks>
internal sealed class EventLog
{
    /// <summary>How many sequence numbers may be missing before an event. Rejected events leave few; a lost journal leaves many.</summary>
    private const int MaxGap = 1000;

    private const byte StateVersion = 0;

    private readonly NodeStorage _storage;
    private readonly BufferPool _pool;
    private readonly GroupId _group;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _turn = new(1);
    private byte[][] _checkpointEvents = []; // Those after _deleted up to _checkpointed; empty for a sequence number without event.
    private long _deleted;
    private long _checkpointed;
    private long _written;
    private long _submitted;
    private Task _lastWrite = Task.CompletedTask;

    public EventLog(NodeStorage storage, BufferPool pool, GroupId group, RecoveredGroup? recovered)
    {
        _storage = storage;
        _pool = pool;
        _group = group;
        if (recovered is null) return;
        if (recovered.Checkpoint is { } checkpoint)
        {
            _checkpointed = checkpoint.Index.Value;
            ReadState(checkpoint.State);
        }

        _written = recovered.Entries.Count > 0 ? recovered.Entries[^1].Index.Value : _checkpointed;
        _submitted = _written;
    }

    /// <summary>
    /// Makes events durable, all of them or none. The task fails when nobody knows whether they are.
    /// </summary>
    /// <param name="first">The sequence number of the first one.</param>
    /// <param name="events">Their bytes; null for a sequence number whose event was rejected.</param>
    public Task WriteAsync(long first, IReadOnlyList<byte[]?> events)
    {
        PendingWrite pending = new(this, first + events.Count - 1);
        lock (_lock)
        {
            long missing = first - _submitted - 1;
            if (missing < 0)
                throw new InvalidOperationException($"event {first} exists already: are two actors writing with one persistence id?");
            if (missing > MaxGap)
                throw new InvalidOperationException($"event {first} does not follow {_submitted}, the last one: events are lost");

            List<LogEntry> entries = [];
            for (long number = _submitted + 1; number < first; number++) entries.Add(EntryOf(number, BufferSlice.Empty));
            PooledBuffer buffer = _pool.Rent(events.Sum(bytes => bytes?.Length ?? 0));
            int at = 0;
            for (int i = 0; i < events.Count; i++)
            {
                byte[] bytes = events[i] ?? [];
                bytes.CopyTo(buffer.Span[at..]);
                entries.Add(EntryOf(first + i, bytes.Length == 0 ? BufferSlice.Empty : buffer.Slice(at, bytes.Length)));
                at += bytes.Length;
            }

            _submitted = pending.Last;
            _lastWrite = pending.Task;
            _storage.Wal.Append(new WalWrite { Group = _group, Entries = entries, Completion = pending });
            buffer.Release(); // The WAL has retained what it writes.
        }

        return pending.Task;
    }

    /// <summary>The highest sequence number that is durable once the writes under way have come to their end; 0 for none.</summary>
    public async Task<long> HighestAsync()
    {
        Task lastWrite;
        lock (_lock) lastWrite = _lastWrite;
        await lastWrite.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock) return _written;
    }

    /// <summary>Hands out the events that are not deleted, in order, on another thread.</summary>
    public Task ReplayAsync(long from, long to, long max, Action<long, byte[]> each) => InTurn(() =>
    {
        long last = Math.Min(to, Written);
        for (long number = Math.Max(from, _deleted + 1); number <= last && max > 0; number++)
        {
            byte[] bytes = Read(number);
            if (bytes.Length == 0) continue;
            each(number, bytes);
            max--;
        }

        return Task.CompletedTask;
    });

    /// <summary>Deletes events for ever. Sequence numbers are not used again.</summary>
    public Task DeleteToAsync(long to) => InTurn(() =>
    {
        long deleted = Math.Min(to, Written);
        return deleted <= _deleted ? Task.CompletedTask : WriteCheckpoint(deleted);
    });

    /// <summary>Moves every event from the WAL into the checkpoint.</summary>
    public Task CheckpointAsync() => InTurn(() => Written == _checkpointed ? Task.CompletedTask : WriteCheckpoint(_deleted));

    private long Written
    {
        get { lock (_lock) return _written; }
    }

    private async Task InTurn(Func<Task> action)
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            await Task.Run(action).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private byte[] Read(long number)
    {
        if (number <= _checkpointed) return _checkpointEvents[number - _deleted - 1];
        BufferSlice slice = _storage.Wal.Read(_group, new LogIndex(number));
        byte[] bytes = slice.Span.ToArray();
        slice.Release();
        return bytes;
    }

    private async Task WriteCheckpoint(long deleted)
    {
        long written = Written;
        byte[][] events = new byte[written - deleted][];
        for (int i = 0; i < events.Length; i++) events[i] = Read(deleted + 1 + i);

        using MemoryStream state = new();
        using BinaryWriter writer = new(state);
        writer.Write(StateVersion);
        writer.Write(deleted);
        foreach (byte[] bytes in events)
        {
            writer.Write(bytes.Length);
            writer.Write(bytes);
        }

        await _storage.CheckpointAsync(_group, new LogIndex(written), state.ToArray()).ConfigureAwait(false);
        _checkpointEvents = events;
        _checkpointed = written;
        _deleted = deleted;
    }

    private void ReadState(ReadOnlyMemory<byte> state)
    {
        using BinaryReader reader = new(new MemoryStream(state.ToArray()));
        byte version = reader.ReadByte();
        if (version > StateVersion)
            throw new StorageException($"the events of group {_group} are of version {version}; this broker reads up to {StateVersion}");
        _deleted = reader.ReadInt64();
        _checkpointEvents = new byte[_checkpointed - _deleted][];
        for (int i = 0; i < _checkpointEvents.Length; i++) _checkpointEvents[i] = reader.ReadBytes(reader.ReadInt32());
    }

    private static LogEntry EntryOf(long number, BufferSlice payload) => new(
        new LogIndex(number), Term.Zero, payload.Length == 0 ? EntryKind.NoOp : EntryKind.Batch, KafkaOffset.Zero, payload);

    /// <summary>Waits for the WAL.</summary>
    private sealed class PendingWrite(EventLog log, long last)
        : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), IWalCompletion
    {
        public long Last => last;

        public void Completed(WalWrite write, Exception? failure)
        {
            lock (log._lock)
            {
                if (failure is null) log._written = last;
                else log._submitted = log._written; // Whoever writes next is told why storage failed, not that its number is taken.
            }

            if (failure is null) SetResult();
            else SetException(failure);
        }
    }
}
