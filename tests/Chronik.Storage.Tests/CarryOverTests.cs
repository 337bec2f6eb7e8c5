using Chronik.Model;
using Chronik.Storage.Testing;

namespace Chronik.Storage.Tests;

/// <summary>Groups that hold up the WAL: what it then takes of the disk, and what a restart finds.</summary>
public sealed class CarryOverTests
{
    private static readonly HardState HardState = new(new Term(3), new NodeId(2));

    private readonly BufferPool _pool = new();

    /// <summary>The bound of docs/storage-format.md: its own, one file in use, spare ones, and a checkpoint's time.</summary>
    private static long Bound(StorageOptions options) =>
        options.WalMaxBytes + ((2 + options.WalSpareFiles) * options.WalFileBytes) + options.CheckpointBytes;

    [Fact]
    public void However_much_is_written_the_WAL_stays_within_its_bound_whether_or_not_replicas_have_stopped()
    {
        StorageOptions options = Make.Small();
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, options, _pool);
        Dictionary<GroupId, GroupWriter> writers = [];
        storage.CheckpointWanted += group =>
        {
            if (writers.TryGetValue(group, out GroupWriter? writer)) CheckpointAt(storage, group, writer.Next - 1);
            else storage.CarryOver(group);
        };
        GroupId stopped = Make.GroupB;
        Stop(storage, stopped);
        GroupId quiet = new(Make.GroupA.Topic, 99);
        writers[quiet] = new GroupWriter(storage, _pool, quiet);
        writers[quiet].Append(1, [1]);
        for (int i = 0; i < 3; i++)
        {
            GroupId busy = new(Make.GroupA.Topic, i);
            writers[busy] = new GroupWriter(storage, _pool, busy);
        }

        long written = 0;
        long most = 0;
        for (int i = 0; written < 100 * options.WalMaxBytes; i++)
        {
            writers[new GroupId(Make.GroupA.Topic, i % 3)].Append(1, new byte[5_000]);
            written += 5_000;
            storage.RunQueued();
            most = Math.Max(most, disk.List("/data/wal").Sum(file => file.Length));
        }

        Assert.InRange(most, 0, Bound(options));
        storage.Dispose();
        storage = Make.Open(disk.Crash(), options, _pool);
        AssertStopped(storage, stopped);
        storage.Dispose();
        Assert.Equal(0, _pool.LentBytes);
    }

    [Fact]
    public void A_crash_anywhere_in_a_carry_over_leaves_what_was_there()
    {
        int steps = int.MaxValue;
        for (int crashAt = 1; crashAt <= steps; crashAt++)
        {
            MemoryDisk disk = new(crashAt);
            NodeStorage storage = Make.Open(disk, pool: _pool);
            Stop(storage, Make.GroupB);
            GroupWriter other = new(storage, _pool, Make.GroupA);
            for (int i = 0; i < 30; i++)
            {
                other.Append(1, new byte[5_000]);
                storage.RunQueued();
            }

            CheckpointAt(storage, Make.GroupA, other.Next - 1);
            storage.RunQueued();
            int before = 0;
            MemoryDisk? left = null;
            disk.Fault = (_, _, _) =>
            {
                if (++before == crashAt) left = disk.Crash();
                return null;
            };
            storage.CarryOver(Make.GroupB);
            storage.RunQueued();
            disk.Fault = null;
            if (left is null) steps = 0; // It has been crashed everywhere.
            MemoryDisk crashed = left ?? disk.Crash();
            storage.Dispose();
            using NodeStorage again = Make.Open(crashed, pool: _pool);
            AssertStopped(again, Make.GroupB);
            again.CarryOver(Make.GroupB); // And once more.
            again.RunQueued();
            AssertReads(again, Make.GroupB);
        }
    }

    [Fact]
    public void A_group_that_is_written_to_meanwhile_is_left_alone()
    {
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, pool: _pool);
        Stop(storage, Make.GroupB);
        Outcome overtaken = new();
        GroupWriter late = new(storage, _pool, Make.GroupB) { Next = 21 };
        late.Append(3, [21]);
        storage.Wal.CarryOver(Make.GroupB, overtaken); // Reads before what is queued is written.
        storage.RunQueued();
        Assert.IsType<InvalidOperationException>(overtaken.Failure);
        storage.Dispose();
        using NodeStorage again = Make.Open(disk.Crash(), pool: _pool);
        Assert.Equal(21, again.Recovered[Make.GroupB].Entries.Count);
    }

    [Fact]
    public void What_is_carried_over_holds_up_no_appends()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), pool: _pool);
        Stop(storage, Make.GroupB);
        Outcome carried = new();
        storage.Wal.CarryOver(Make.GroupB, carried);
        Assert.Equal(0, storage.Wal.QueueBytes);
        storage.RunQueued();
        Assert.Null(carried.Failure);
        Assert.Equal(0, storage.Wal.QueueBytes);
    }

    [Fact]
    public void A_group_without_anything_in_the_WAL_is_refused()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), pool: _pool);
        Exception? failure = null;
        storage.CarryOver(Make.GroupA, e => failure = e);
        storage.RunQueued();
        Assert.IsType<StorageException>(failure);
    }

    /// <summary>Twenty entries and a hard state of a group whose owner then does nothing any more.</summary>
    private void Stop(NodeStorage storage, GroupId group)
    {
        storage.Wal.Append(new WalWrite { Group = group, HardState = HardState });
        GroupWriter writer = new(storage, _pool, group);
        for (byte i = 1; i <= 20; i++) writer.Append(3, [i, i, i]);
        storage.RunQueued();
    }

    private static void AssertStopped(NodeStorage storage, GroupId group)
    {
        RecoveredGroup found = storage.Recovered[group];
        Assert.Equal(HardState, found.HardState);
        Assert.Equal(Enumerable.Range(1, 20).Select(i => (long)i), found.Entries.Select(entry => entry.Index.Value));
        Assert.All(found.Entries, entry => Assert.Equal(new Term(3), entry.Term));
        AssertReads(storage, group);
    }

    private static void AssertReads(NodeStorage storage, GroupId group)
    {
        for (byte i = 1; i <= 20; i++)
        {
            BufferSlice payload = storage.Wal.Read(group, new LogIndex(i));
            Assert.Equal([i, i, i], payload.Span.ToArray());
            payload.Release();
        }
    }

    private static void CheckpointAt(NodeStorage storage, GroupId group, long index) => storage.Checkpoint(
        group, new Checkpoint(new LogIndex(index), new Term(1), default, default, new HardState(Term.Zero, NodeId.None), default), null);
}
