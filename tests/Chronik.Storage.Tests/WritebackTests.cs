using Chronik.Model;
using Chronik.Storage.Testing;

namespace Chronik.Storage.Tests;

/// <summary>Segments are written out while they grow.</summary>
public sealed class WritebackTests
{
    private readonly BufferPool _pool = new();

    [Fact]
    public void Segments_are_written_out_as_they_grow_once_each_and_never_in_one_piece()
    {
        HookedDisk disk = new(new MemoryDisk());
        List<(string Path, long From, long Bytes)> calls = [];
        disk.StartingWriteback = (file, from, bytes) => calls.Add((file.Path, from, bytes));
        using NodeStorage storage = Make.Open(disk, pool: _pool);
        PartitionLog log = storage.OpenLog(Make.GroupA, LogOptions.Default);
        const int BatchBytes = 100_000;
        for (int offset = 0; offset < 100; offset++)
        {
            Make.AppendTo(log, _pool, Make.Batch(offset, 1, valueBytes: BatchBytes));
            storage.RunQueued();
        }

        long end = 0;
        foreach ((string path, long from, long bytes) in calls)
        {
            Assert.EndsWith(".log", path, StringComparison.Ordinal);
            Assert.Equal(end, from);
            Assert.InRange(bytes, Writeback.StepBytes - Environment.SystemPageSize, Writeback.StepBytes + (2 * BatchBytes));
            end = from + bytes;
        }

        Assert.InRange(log.SizeBytes - end, 0, Writeback.StepBytes + BatchBytes);
    }

    [Fact]
    public void What_nobody_will_read_soon_leaves_the_systems_memory_once_it_is_written_out_and_nothing_else_does()
    {
        HookedDisk disk = new(new MemoryDisk());
        long writtenOut = 0;
        List<(long From, long To)> dropped = [];
        disk.StartingWriteback = (_, from, bytes) => writtenOut = from;
        disk.DroppingCache = (_, from, bytes) =>
        {
            Assert.InRange(from + bytes, 1, writtenOut); // Up to where the system was asked to write before this time.
            dropped.Add((from, from + bytes));
        };
        using NodeStorage storage = Make.Open(disk, pool: _pool);
        PartitionLog log = storage.OpenLog(Make.GroupA, LogOptions.Default);
        long[] ends = new long[3];
        int offset = 0;
        for (int part = 0; part < ends.Length; part++)
        {
            for (int i = 0; i < 100; i++)
            {
                Make.AppendTo(log, _pool, areCold: part == 1, Make.Batch(offset++, 1, valueBytes: 100_000));
                storage.RunQueued();
            }

            ends[part] = log.SizeBytes;
        }

        Assert.All(dropped, part => Assert.InRange(part.From, ends[0], ends[1]));
        Assert.All(dropped, part => Assert.InRange(part.To, ends[0], ends[1]));
        Assert.Equal(ends[0], dropped[0].From);
        Assert.Equal(ends[1], dropped.Max(part => part.To));
        Assert.All(dropped.Zip(dropped.Skip(1)), pair => Assert.True(pair.Second.From <= pair.First.To)); // No hole.
    }

    [Fact]
    public void Many_partitions_that_grow_little_are_written_out_too_the_longest_waiting_first()
    {
        HookedDisk disk = new(new MemoryDisk());
        List<string> calls = [];
        disk.StartingWriteback = (file, _, _) => calls.Add(file.Path);
        using NodeStorage storage = Make.Open(disk, pool: _pool);
        const int BatchBytes = 500_000;
        for (int n = 0; n * BatchBytes < 2 * Writeback.TotalBytes; n++)
        {
            PartitionLog log = storage.OpenLog(new GroupId(Make.GroupA.Topic, n), LogOptions.Default);
            Make.AppendTo(log, _pool, Make.Batch(0, 1, valueBytes: BatchBytes));
            storage.RunQueued();
            int due = Math.Max(0, (((n + 1) * BatchBytes) - Writeback.TotalBytes + BatchBytes - 1) / BatchBytes);
            Assert.InRange(calls.Count, due, due + 1);
            if (due > 0) Assert.Contains($"-{due - 1}/", calls[due - 1], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_log_that_is_deleted_before_it_was_written_out_is_left_alone()
    {
        HookedDisk disk = new(new MemoryDisk());
        List<string> calls = [];
        disk.StartingWriteback = (file, _, _) => calls.Add(file.Path);
        using NodeStorage storage = Make.Open(disk, pool: _pool);
        PartitionLog log = storage.OpenLog(Make.GroupA, LogOptions.Default);
        Make.AppendTo(log, _pool, Make.Batch(0, 1, valueBytes: 500_000));
        storage.DeleteGroup(Make.GroupA);
        storage.RunQueued();
        PartitionLog other = storage.OpenLog(Make.GroupB, LogOptions.Default);
        for (int offset = 0; offset < 2 * Writeback.TotalBytes / 500_000; offset++)
        {
            Make.AppendTo(other, _pool, Make.Batch(offset, 1, valueBytes: 500_000));
            storage.RunQueued();
        }

        Assert.NotEmpty(calls);
        Assert.All(calls, path => Assert.Contains(Make.GroupB.ToString(), path, StringComparison.Ordinal));
    }
}
