using System.Text;
using Chronik.Model;
using Chronik.Storage.Testing;

namespace Chronik.Storage.Tests;

public class NodeStorageTests
{
    private readonly BufferPool _pool = new();

    [Fact]
    public void A_new_directory_gets_an_identity_and_keeps_it()
    {
        MemoryDisk disk = new();
        NodeIdentity first;
        using (NodeStorage storage = Make.Open(disk)) first = storage.Identity;
        Assert.Equal(22, first.ClusterId.Length);
        Assert.Equal([new MetadataVoter(new NodeId(1), first.DirectoryId)], first.MetadataVoters);
        using NodeStorage again = Make.Open(disk);
        Same(first, again.Identity);
        using NodeStorage other = Make.Open(new MemoryDisk());
        Assert.NotEqual(first.DirectoryId, other.Identity.DirectoryId);
    }

    [Fact]
    public void A_directory_may_wait_for_its_cluster()
    {
        MemoryDisk disk = new();
        Guid directory;
        MetadataVoter[] voters;
        using (NodeStorage storage = Make.Open(disk, Make.Small() with { AwaitsCluster = true }))
        {
            directory = storage.Identity.DirectoryId;
            Assert.False(storage.Identity.IsFormed);
        }

        using (NodeStorage storage = Make.Open(disk))
        {
            Assert.Equal((directory, false), (storage.Identity.DirectoryId, storage.Identity.IsFormed));
            voters = [new MetadataVoter(new NodeId(1), directory), new MetadataVoter(new NodeId(20), Guid.NewGuid())];
            storage.Form("c", voters, 1);
            Assert.Throws<StorageException>(() => storage.Form("other", voters, 1));
            storage.Form("c", voters, 1);
        }

        using NodeStorage formed = Make.Open(disk.Crash());
        Same(new NodeIdentity("c", new NodeId(1), directory, voters), formed.Identity);
    }

    [Fact]
    public void A_directory_from_before_directories_had_ids_gets_one()
    {
        MemoryDisk disk = new();
        Make.Open(disk).Dispose();
        using (IDiskFile file = disk.Open("/data/chronik.properties", DiskOpen.Replace))
            file.Write(Encoding.UTF8.GetBytes("format.version=1\ncluster.id=old\nnode.id=1\n"), 0);
        NodeIdentity first;
        using (NodeStorage storage = Make.Open(disk)) first = storage.Identity;
        Same(new NodeIdentity("old", new NodeId(1), first.DirectoryId, [new MetadataVoter(new NodeId(1), first.DirectoryId)]), first);
        Assert.NotEqual(Guid.Empty, first.DirectoryId);
        using NodeStorage again = Make.Open(disk);
        Same(first, again.Identity);
    }

    [Theory]
    [InlineData("directory.id=7\ncluster.id=c\nmetadata.voters=1:7", "directory.id = 7")]
    [InlineData("directory.id=01234567-89ab-cdef-0123-456789abcdef\ncluster.id=c", "lacks metadata.voters")]
    [InlineData("directory.id=01234567-89ab-cdef-0123-456789abcdef\ncluster.id=c\nmetadata.voters=1", "metadata.voters = 1,")]
    [InlineData("directory.id=01234567-89ab-cdef-0123-456789abcdef\ncluster.id=c\nmetadata.voters=x:", "metadata.voters = x:,")]
    public void A_damaged_identity_is_refused_by_key(string lines, string message)
    {
        MemoryDisk disk = new();
        Make.Open(disk).Dispose();
        using (IDiskFile file = disk.Open("/data/chronik.properties", DiskOpen.Replace))
            file.Write(Encoding.UTF8.GetBytes($"format.version=1\nnode.id=1\n{lines}\n"), 0);
        Refused(disk, 1, null, message);
    }

    [Fact]
    public void A_directory_in_use_is_refused()
    {
        MemoryDisk disk = new();
        using NodeStorage storage = Make.Open(disk);
        Refused(disk, 1, null, "/data is locked");
    }

    [Theory]
    [InlineData(2, null, "node.id = 1")]
    [InlineData(1, "elsewhere", "cluster.id = ")]
    public void Anothers_directory_is_refused(int node, string? cluster, string message)
    {
        MemoryDisk disk = new();
        Make.Open(disk).Dispose();
        Refused(disk, node, cluster, message);
    }

    [Fact]
    public void Another_format_is_refused()
    {
        MemoryDisk disk = new();
        Make.Open(disk).Dispose();
        using (IDiskFile file = disk.Open("/data/chronik.properties", DiskOpen.Replace))
            file.Write(Encoding.UTF8.GetBytes("format.version=3\ncluster.id=x\nnode.id=1\n"), 0);
        Refused(disk, 1, null, "format.version = 3, this program reads 1 to 2");
    }

    [Fact]
    public void Data_without_an_identity_is_refused()
    {
        MemoryDisk disk = new();
        disk.CreateDirectory("/data/wal");
        Refused(disk, 1, null, "no chronik.properties");
    }

    [Fact]
    public void A_directory_that_cannot_be_written_is_refused_in_one_line()
    {
        MemoryDisk disk = new();
        disk.CreateDirectory("/data");
        disk.Fault = (_, _, path) => new UnauthorizedAccessException($"Access to {path}\nis denied");
        StorageException e = Assert.Throws<StorageException>(() => Make.Open(disk));
        Assert.StartsWith("cannot use data directory /data: Access to /data/chronik.properties.tmp is denied", e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void WAL_files_longer_than_their_positions_can_say_are_refused()
    {
        StorageOptions huge = Make.Small() with { WalFileBytes = 8L << 30 };
        StorageException e = Assert.Throws<StorageException>(() => Make.Open(new MemoryDisk(), huge));
        Assert.Contains("not 8589934592", e.Message);
    }

    [Fact]
    public void A_damaged_checkpoint_is_reported()
    {
        MemoryDisk disk = new();
        using (NodeStorage storage = Make.Open(disk)) Checkpoint(storage, Make.GroupA, 0, "state");
        string path = $"/data/checkpoints/{Make.GroupA}.checkpoint";
        disk.FlipBit(path, 60, 2);
        Refused(disk, 1, null, path);
    }

    [Fact]
    public void A_group_without_a_log_is_checkpointed_with_its_state()
    {
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        writer.Append(3, [1], [2], [3]);
        storage.Wal.Append(new WalWrite { Group = Make.GroupA, HardState = new HardState(new Term(3), new NodeId(1)) });
        storage.RunQueued();
        Checkpoint(storage, Make.GroupA, 2, "what is older");
        Assert.Throws<StorageException>(() => storage.Wal.Read(Make.GroupA, new LogIndex(2)));

        NodeStorage again = Make.Open(disk.Crash(), pool: _pool);
        RecoveredGroup found = again.TakeRecovered(Make.GroupA)!;
        Assert.Equal("what is older", Encoding.UTF8.GetString(found.Checkpoint!.State.Span));
        Assert.Equal([3L], found.Entries.Select(e => e.Index.Value));
        Assert.Equal(new HardState(new Term(3), new NodeId(1)), found.HardState);
        Assert.Null(again.TakeRecovered(Make.GroupA));
        storage.Dispose();
        again.Dispose();
    }

    [Fact]
    public void A_deleted_group_never_comes_back_and_may_be_made_anew()
    {
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        byte[] batch = Make.Batch(0, 1);
        writer.Append(1, batch);
        storage.RunQueued();
        PartitionLog log = storage.OpenLog(Make.GroupA, LogOptions.Default);
        Make.AppendTo(log, _pool, batch);
        Checkpoint(storage, Make.GroupA, 1, "old", next: 1);
        Exception? failure = new InvalidOperationException("not done");
        storage.DeleteGroup(Make.GroupA, e => failure = e);
        storage.RunQueued();
        Assert.Null(failure);
        Assert.False(disk.DirectoryExists($"/data/logs/{Make.GroupA}"));
        Assert.Empty(disk.List("/data/checkpoints"));
        Assert.Throws<ObjectDisposedException>(() => Make.AppendTo(log, _pool, Make.Batch(1, 1)));

        new GroupWriter(storage, _pool, Make.GroupA).Append(9, Make.Batch(0, 1));
        storage.RunQueued();
        disk = disk.Crash();
        storage.Dispose();
        using NodeStorage again = Make.Open(disk, pool: _pool);
        RecoveredGroup found = again.Recovered[Make.GroupA];
        Assert.Null(found.Checkpoint);
        Assert.Equal([9L], found.Entries.Select(e => e.Term.Value));
        Assert.Equal(KafkaOffset.Zero, again.OpenLog(Make.GroupA, LogOptions.Default).NextOffset);
    }

    [Fact]
    public void A_deletion_that_a_crash_interrupted_is_finished_at_start()
    {
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, pool: _pool);
        new GroupWriter(storage, _pool, Make.GroupA).Append(1, Make.Batch(0, 1));
        storage.RunQueued();
        Make.AppendTo(storage.OpenLog(Make.GroupA, LogOptions.Default), _pool, Make.Batch(0, 1));
        Checkpoint(storage, Make.GroupA, 1, "old", next: 1);
        disk.Fault = (_, operation, _) => operation == DiskOperation.Delete ? new IOException("power lost") : null;
        storage.DeleteGroup(Make.GroupA);
        storage.RunQueued();
        MemoryDisk after = disk.Crash();
        storage.Dispose();
        using NodeStorage again = Make.Open(after, pool: _pool);
        Assert.Empty(again.Recovered);
        Assert.Empty(after.List("/data/checkpoints"));
        Assert.False(after.DirectoryExists($"/data/logs/{Make.GroupA}"));
    }

    [Fact]
    public void There_is_no_room_below_the_reserve()
    {
        Clock clock = new();
        MemoryDisk disk = new() { Free = 2 << 20 };
        using NodeStorage storage = Make.Open(disk, time: clock);
        List<bool> told = [];
        storage.RoomChanged += told.Add;
        Assert.True(storage.HasRoom);
        Assert.Empty(told);
        disk.Free = 1 << 20;
        clock.Ticks += TimeSpan.FromSeconds(2).Ticks;
        Assert.False(storage.HasRoom);
        Assert.False(storage.HasRoom);
        Assert.Equal([false], told);
        disk.Free = (1 << 20) + 1;
        clock.Ticks += TimeSpan.FromSeconds(2).Ticks;
        Assert.True(storage.HasRoom);
        Assert.Equal([false, true], told);
    }

    [Fact]
    public void A_group_deleted_while_its_checkpoint_is_under_way_may_be_made_anew()
    {
        using NodeStorage storage = Make.Open(new MemoryDisk(), pool: _pool);
        new GroupWriter(storage, _pool, Make.GroupA).Append(1, [1], [2], [3]);
        storage.RunQueued();
        Checkpoint checkpoint = new(new LogIndex(3), new Term(1), default, default, new HardState(new Term(1), NodeId.None), default);
        storage.Checkpoint(Make.GroupA, checkpoint, null);
        storage.DeleteGroup(Make.GroupA);
        storage.RunQueued();
        Outcome anew = new GroupWriter(storage, _pool, Make.GroupA).Append(2, [1]);
        storage.RunQueued();
        Assert.Null(anew.Failure);
        BufferSlice payload = storage.Wal.Read(Make.GroupA, new LogIndex(1));
        payload.Release();
    }

    [Fact]
    public void Who_asks_for_room_while_the_disk_is_asked_is_not_told_that_there_is_none()
    {
        HookedDisk disk = new(new MemoryDisk());
        using NodeStorage storage = Make.Open(disk);
        bool? meanwhile = null;
        disk.AskingForFreeBytes = () =>
        {
            disk.AskingForFreeBytes = null;
            meanwhile = storage.HasRoom;
        };
        Assert.True(storage.HasRoom);
        Assert.True(meanwhile);
    }

    [Fact]
    public void A_checkpoint_does_not_wait_until_all_zeros_are_written()
    {
        HookedDisk disk = new(new MemoryDisk());
        StorageOptions options = Make.Small() with { WalFileBytes = 16 << 20, WalFillAheadBytes = 8 << 20 };
        using NodeStorage storage = Make.Open(disk, options, _pool);
        int steps = 0;
        int? stepsBefore = null;
        disk.ZeroFilling = _ =>
        {
            if (steps++ > 0) return;
            Checkpoint any = new(LogIndex.Zero, Term.Zero, default, default, new HardState(Term.Zero, NodeId.None), default);
            storage.Checkpoint(Make.GroupA, any, _ => stepsBefore = steps);
        };
        storage.RunQueued();
        Assert.Equal(1, stepsBefore);
        Assert.Equal(8, steps);
    }

    [Fact]
    public void A_new_data_directory_is_made_durable_up_to_the_folder_that_was_there()
    {
        MemoryDisk inner = new();
        inner.CreateDirectory("/srv");
        HookedDisk disk = new(inner);
        List<string> synced = [];
        disk.SyncingDirectory = synced.Add;
        Make.Open(disk, Make.Small("/srv/chronik/data")).Dispose();
        Assert.Contains("/srv/chronik", synced);
        Assert.Contains("/srv", synced);
        Assert.DoesNotContain("/", synced);
    }

    [Fact]
    public void A_checkpoint_that_comes_after_the_end_is_told_so()
    {
        NodeStorage storage = Make.Open(new MemoryDisk());
        storage.Dispose();
        Exception? failure = null;
        Checkpoint any = new(LogIndex.Zero, Term.Zero, default, default, new HardState(Term.Zero, NodeId.None), default);
        storage.Checkpoint(Make.GroupA, any, e => failure = e);
        Assert.IsType<ObjectDisposedException>(failure);
    }

    [Fact]
    public async Task Closing_while_a_file_is_zero_filled_is_not_a_failure()
    {
        HookedDisk disk = new(new MemoryDisk());
        using ManualResetEventSlim filling = new();
        using ManualResetEventSlim closed = new();
        disk.ZeroFilling = _ =>
        {
            filling.Set();
            closed.Wait(TimeSpan.FromSeconds(30));
        };
        disk.Closed = file =>
        {
            if (file.Path.EndsWith(".wal", StringComparison.Ordinal)) closed.Set();
        };
        NodeStorage storage = Make.Open(disk, Make.Small() with { OwnThreads = true }, _pool);
        Assert.True(filling.Wait(TimeSpan.FromSeconds(30)));
        await Task.Run(storage.Dispose).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(closed.IsSet);
        Assert.Null(storage.Failure);
    }

    private static void Refused(MemoryDisk disk, int node, string? cluster, string message)
    {
        long before = disk.Operations;
        StorageException e = Assert.Throws<StorageException>(
            () => NodeStorage.Open(Make.Small(), new NodeId(node), cluster, disk, new BufferPool(), TimeProvider.System));
        Assert.Contains(message, e.Message);
        Assert.DoesNotContain('\n', e.Message);
        Assert.Equal(before, disk.Operations);
    }

    private static void Same(NodeIdentity expected, NodeIdentity actual)
    {
        Assert.Equal(expected.MetadataVoters, actual.MetadataVoters);
        Assert.Equal(expected, actual with { MetadataVoters = expected.MetadataVoters });
    }

    private static void Checkpoint(NodeStorage storage, GroupId group, long index, string state, long next = 0)
    {
        Exception? failure = new InvalidOperationException("not done");
        HardState hardState = new(Term.Zero, NodeId.None);
        Checkpoint checkpoint = new(
            new LogIndex(index), new Term(1), new KafkaOffset(next), KafkaOffset.Zero, hardState, Encoding.UTF8.GetBytes(state));
        storage.Checkpoint(group, checkpoint, e => failure = e);
        storage.RunQueued();
        Assert.Null(failure);
    }

    private sealed class Clock : TimeProvider
    {
        public long Ticks { get; set; } = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Ticks;
    }
}
