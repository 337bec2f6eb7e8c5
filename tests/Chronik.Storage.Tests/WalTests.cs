using Chronik.Model;
using Chronik.Storage.Testing;

namespace Chronik.Storage.Tests;

public class WalTests
{
    private readonly BufferPool _pool = new();

    [Fact]
    public void Whatever_is_queued_is_one_write_and_one_sync()
    {
        MemoryDisk disk = new();
        StorageOptions options = Make.Small() with { WalFillAheadBytes = 0, WalFileBytes = 1 << 20, WalWriteBytes = 1 << 20 };
        using NodeStorage storage = Make.Open(disk, options, _pool);
        List<Outcome> outcomes = [];
        for (int i = 0; i < 1000; i++)
            outcomes.Add(new GroupWriter(storage, _pool, Make.GroupA with { Partition = i }).Append(1, new byte[100]));
        long before = disk.Operations;
        storage.RunQueued();
        Assert.Equal(2, disk.Operations - before);
        Assert.All(outcomes, o => Assert.True(o.Done && o.Failure is null));
        Assert.Equal(0, storage.Wal.QueueBytes);
    }

    [Fact]
    public void Relaxed_writes_alone_are_not_synced()
    {
        MemoryDisk disk = new();
        using NodeStorage storage = Make.Open(disk, Make.Small() with { WalFillAheadBytes = 0 }, _pool);
        Outcome outcome = new();
        disk.Fault = (_, operation, path) => operation == DiskOperation.Sync ? new IOException($"{path} was synced") : null;
        HardState state = new(new Term(1), NodeId.None);
        storage.Wal.Append(new WalWrite { Group = Make.GroupA, HardState = state, Sync = false, Completion = outcome });
        storage.RunQueued();
        Assert.True(outcome.Done);
        Assert.Null(outcome.Failure);
        disk.Fault = null;
    }

    [Fact]
    public void A_payload_is_read_back_small_or_large()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        byte[][] payloads = [.. ((int[])[0, 1, 7, 8, 4095, 4096, 4097, 30_000]).Select(n => Enumerable.Repeat((byte)n, n).ToArray())];
        writer.Append(1, payloads);
        storage.RunQueued();
        for (int i = 0; i < payloads.Length; i++)
        {
            BufferSlice read = storage.Wal.Read(Make.GroupA, new LogIndex(i + 1));
            Assert.Equal(payloads[i], read.Span.ToArray());
            read.Release();
        }

        Assert.Throws<StorageException>(() => storage.Wal.Read(Make.GroupA, new LogIndex(payloads.Length + 1)));
        Assert.Throws<StorageException>(() => storage.Wal.Read(Make.GroupB, new LogIndex(1)));
    }

    [Fact]
    public void A_write_that_leaves_a_gap_fails_alone()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        Outcome first = writer.Append(1, [1]);
        writer.Next = 3;
        Outcome gap = writer.Append(1, [3]);
        writer.Next = 2;
        Outcome second = writer.Append(1, [2]);
        storage.RunQueued();
        Assert.Null(first.Failure);
        Assert.IsType<InvariantViolationException>(gap.Failure);
        Assert.Null(second.Failure);
        Assert.Null(storage.Failure);
    }

    [Fact]
    public void Truncation_is_a_record_and_survives_a_crash()
    {
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        writer.Append(1, [1], [2], [3]);
        storage.Wal.Append(new WalWrite { Group = Make.GroupA, TruncateFrom = new LogIndex(2) });
        writer.Next = 2;
        writer.Append(2, [22]);
        storage.RunQueued();
        storage = Make.Open(disk.Crash(), pool: _pool);
        Assert.Equal([(1L, 1L), (2L, 2L)], storage.Recovered[Make.GroupA].Entries.Select(e => (e.Index.Value, e.Term.Value)));
        BufferSlice payload = storage.Wal.Read(Make.GroupA, new LogIndex(2));
        Assert.Equal([22], payload.Span.ToArray());
        payload.Release();
        storage.Dispose();
    }

    [Fact]
    public void Reused_files_never_show_what_they_held_before()
    {
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        for (int round = 0; round < 100; round++)
        {
            writer.Append(1, new byte[5000]);
            storage.RunQueued();
            LogIndex last = new(writer.Next - 1);
            Checkpoint checkpoint = new(last, new Term(1), default, default, new HardState(Term.Zero, NodeId.None), default);
            storage.Checkpoint(Make.GroupA, checkpoint, null);
            storage.RunQueued();
        }

        Assert.InRange(disk.List("/data/wal").Count, 1, 2 + Make.Small().WalSpareFiles);
        storage = Make.Open(disk.Crash(), pool: _pool);
        Assert.Empty(storage.Recovered[Make.GroupA].Entries);
        Assert.Equal(100, storage.Recovered[Make.GroupA].Checkpoint?.Index.Value);
        storage.Dispose();
    }

    [Fact]
    public void Files_that_are_given_up_together_are_kept_for_the_next_time_up_to_the_bounds()
    {
        MemoryDisk disk = new();
        int made = 0;
        disk.Fault = (_, operation, path) =>
        {
            if (operation == DiskOperation.Create && path.EndsWith(".wal", StringComparison.Ordinal)) made++;
            return null;
        };
        StorageOptions options = Make.Small() with { CheckpointBytes = 1 << 30, WalMaxBytes = 5 * (64 << 10) };
        using NodeStorage storage = Make.Open(disk, options, _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        Round();
        Assert.Equal(5, made);
        for (int i = 0; i < 5; i++) Round();
        Assert.Equal(5, made);
        Round(appends: 100);
        Assert.Equal(6, disk.List("/data/wal").Count);

        void Round(int appends = 40)
        {
            for (int i = 0; i < appends; i++)
            {
                writer.Append(1, new byte[5000]);
                storage.RunQueued();
            }

            Checkpoint checkpoint = new(
                new LogIndex(writer.Next - 1), new Term(1), default, default, new HardState(Term.Zero, NodeId.None), default);
            storage.Checkpoint(Make.GroupA, checkpoint, null);
            storage.RunQueued();
        }
    }

    [Fact]
    public void Over_its_bounds_the_WAL_asks_the_groups_that_pin_its_oldest_files()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), Make.Small() with { CheckpointBytes = 1 << 30 }, _pool);
        HashSet<GroupId> wanted = [];
        storage.CheckpointWanted += group => wanted.Add(group);
        new GroupWriter(storage, _pool, Make.GroupB).Append(1, [1]);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        for (int i = 0; i < 40; i++)
        {
            writer.Append(1, new byte[5000]);
            storage.RunQueued();
        }

        Assert.Contains(Make.GroupB, wanted);
    }

    [Fact]
    public void A_group_with_much_in_the_WAL_is_asked_for_a_checkpoint()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), pool: _pool);
        List<GroupId> wanted = [];
        storage.CheckpointWanted += wanted.Add;
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        for (int i = 0; i < 7; i++)
        {
            writer.Append(1, new byte[5000]);
            storage.RunQueued();
        }

        Assert.Equal([Make.GroupA], wanted);
    }

    [Fact]
    public void Many_idle_starts_do_not_pile_up_files()
    {
        MemoryDisk disk = new();
        for (int i = 0; i < 20; i++)
        {
            Make.Open(disk, pool: _pool).Dispose();
            Assert.InRange(disk.List("/data/wal").Count, 1, 3);
        }
    }

    [Fact]
    public async Task Queued_bytes_are_counted_right_whoever_appends_meanwhile()
    {
        const int Threads = 4;
        const int Writes = 20_000;
        StorageOptions options = Make.Small() with
        {
            OwnThreads = true,
            WalFillAheadBytes = 0,
            WalFileBytes = 256 << 20,
            WalWriteBytes = 1 << 20,
        };
        using NodeStorage storage = Make.Open(new MemoryDisk(), options, _pool);
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(i => Task.Run(() => AppendMany(i)))).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(0, storage.Wal.QueueBytes);

        async Task AppendMany(int partition)
        {
            TaskCompletionSource last = new(TaskCreationOptions.RunContinuationsAsynchronously);
            for (int i = 1; i <= Writes; i++)
            {
                storage.Wal.Append(new WalWrite
                {
                    Group = Make.GroupA with { Partition = partition },
                    HardState = new HardState(new Term(i), NodeId.None),
                    Sync = false,
                    Completion = i == Writes ? new Outcome(last.SetResult) : null,
                });
            }

            await last.Task;
        }
    }

    [Fact]
    public void Zeros_are_written_and_synced_through_another_handle_than_records()
    {
        // An operating system tells each handle once that bytes could not be written back. If the zeros' sync is told, the records' is not.
        HookedDisk disk = new(new MemoryDisk());
        HashSet<IDiskFile> filled = [];
        HashSet<IDiskFile> written = [];
        disk.ZeroFilling = file => filled.Add(file);
        disk.Writing = file => written.Add(file);
        using NodeStorage storage = Make.Open(disk, pool: _pool);
        storage.RunQueued();
        new GroupWriter(storage, _pool, Make.GroupA).Append(1, [1]);
        storage.RunQueued();
        Assert.NotEmpty(filled);
        Assert.NotEmpty(written);
        Assert.Empty(filled.Intersect(written));
    }

    [Fact]
    public void A_start_that_is_interrupted_never_forgets_the_newest_generation()
    {
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        for (int i = 0; i < 20; i++)
        {
            writer.Append(1, new byte[8000]);
            storage.RunQueued();
        }

        storage.Dispose();
        storage = Make.Open(disk, pool: _pool);
        uint newest = (uint)storage.Wal.End.Generation;
        storage.Checkpoint(Make.GroupA, CheckpointAt(writer.Next - 1), null);
        storage.RunQueued();
        disk = disk.Kill();
        storage.Dispose();

        string next = $"/data/wal/{newest + 1:D10}.wal";
        disk.Fault = (_, operation, path) =>
            operation is DiskOperation.Create or DiskOperation.Rename && path == next ? new IOException("power lost") : null;
        Assert.Throws<StorageException>(() => Make.Open(disk, pool: _pool));
        disk = disk.Crash();
        using NodeStorage again = Make.Open(disk, pool: _pool);
        Assert.True(again.Wal.End.Generation > newest);
    }

    [Fact]
    public void What_a_checkpoint_covers_cannot_be_truncated()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), pool: _pool);
        new GroupWriter(storage, _pool, Make.GroupA).Append(1, [1], [2], [3]);
        storage.RunQueued();
        storage.Checkpoint(Make.GroupA, CheckpointAt(2), null);
        storage.RunQueued();
        Outcome truncation = new();
        storage.Wal.Append(new WalWrite { Group = Make.GroupA, TruncateFrom = new LogIndex(2), Completion = truncation });
        storage.RunQueued();
        Assert.IsType<InvariantViolationException>(truncation.Failure);
        Assert.Null(storage.Failure);
    }

    [Fact]
    public void An_entry_that_a_checkpoint_covered_before_it_was_written_here_is_not_kept()
    {
        WalGroup group = new(Make.GroupA);
        group.Release(new LogIndex(2), default);
        for (int i = 1; i <= 3; i++) group.Add(new LogIndex(i), new WalLocation(1, 0, 100));
        Assert.Equal(new LogIndex(3), group.Last);
        Assert.False(group.TryFind(new LogIndex(2), out _));
        Assert.True(group.TryFind(new LogIndex(3), out _));
        Assert.Equal(WalFormat.RecordBytes(100), group.LiveBytes);
    }

    [Fact]
    public void A_checkpoint_may_overtake_entries_that_are_queued()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        writer.Append(1, [1], [2]);
        storage.RunQueued();
        Outcome overtaken = writer.Append(1, [3], [4]);
        Outcome partly = writer.Append(1, [5], [6], [7]);
        storage.Wal.Release(Make.GroupA, new LogIndex(6), default);
        storage.RunQueued();
        Assert.True(overtaken.Done && partly.Done);
        Assert.Null(overtaken.Failure);
        Assert.Null(partly.Failure);
        Assert.False(storage.Wal.TryReadEntry(Make.GroupA, new LogIndex(6), out _));
        storage.Wal.Read(Make.GroupA, new LogIndex(7)).Release();
        Outcome next = writer.Append(1, [8]);
        storage.RunQueued();
        Assert.Null(next.Failure);
    }

    private static Checkpoint CheckpointAt(long index) =>
        new(new LogIndex(index), new Term(1), default, default, new HardState(Term.Zero, NodeId.None), default);
}
