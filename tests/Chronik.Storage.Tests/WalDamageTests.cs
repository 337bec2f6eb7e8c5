using System.Buffers.Binary;
using Chronik.Model;
using Chronik.Protocol;
using Chronik.Storage.Testing;

namespace Chronik.Storage.Tests;

/// <summary>A WAL whose sync failed, or that a start finds cut off, damaged, or written by a newer program.</summary>
public class WalDamageTests
{
    private const string First = "/data/wal/0000000001.wal";

    private readonly BufferPool _pool = new();

    [Theory]
    [InlineData(24, 9, "type 9")]
    [InlineData(25, 7, "kind 7")]
    [InlineData(26, 1, "version 1")]
    public void A_record_of_a_newer_version_stops_the_start_and_is_not_taken_for_a_torn_end(int at, byte value, string found)
    {
        MemoryDisk disk = new();
        using (NodeStorage storage = Make.Open(disk, Make.Small() with { AwaitsCluster = true }, _pool))
        {
            storage.Form("c", [new MetadataVoter(new NodeId(1), Guid.NewGuid()), new MetadataVoter(new NodeId(2), Guid.NewGuid())], 1);
            new GroupWriter(storage, _pool, Make.GroupA).Append(1, [1]);
            storage.RunQueued();
        }

        byte[] record = new byte[WalFormat.HeaderBytes + 1];
        using (IDiskFile file = disk.Open(First, DiskOpen.ReadWrite))
        {
            file.Read(record, WalFormat.HeaderBytes);
            record[at] = value;
            BinaryPrimitives.WriteUInt32LittleEndian(record, Crc32C.Append(0, record.AsSpan(sizeof(uint))));
            file.Write(record, WalFormat.HeaderBytes);
            file.Sync();
        }

        StorageException e = Assert.Throws<StorageException>(() => Make.Open(disk, pool: _pool));
        Assert.Contains(First, e.Message);
        Assert.Contains(found, e.Message);
        Assert.Contains("this program reads types to 5, kinds to 3, version 0", e.Message);
        Assert.False(e.IsDamage); // A folder that is whole is never set aside.
    }

    [Fact]
    public void A_failed_sync_is_final()
    {
        MemoryDisk disk = new();
        using NodeStorage storage = Make.Open(disk, pool: _pool);
        List<Exception> told = [];
        storage.Failed += told.Add;
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        bool failNow = true;
        disk.Fault = (_, operation, _) => operation == DiskOperation.Sync && failNow ? new IOException("no luck") : null;
        Outcome during = writer.Append(1, [1]);
        storage.RunQueued();
        failNow = false;
        Outcome after = writer.Append(1, [2]);
        storage.RunQueued();
        Assert.Equal("no luck", during.Failure?.Message);
        Assert.Equal("no luck", after.Failure?.Message);
        Assert.Equal("no luck", storage.Failure?.Message);
        Assert.Single(told);
        Exception? checkpoint = null;
        Checkpoint any = new(LogIndex.Zero, Term.Zero, default, default, new HardState(Term.Zero, NodeId.None), default);
        storage.Checkpoint(Make.GroupA, any, e => checkpoint = e);
        storage.RunQueued();
        Assert.Equal("no luck", checkpoint?.Message);
    }

    [Fact]
    public void What_a_failed_sync_lost_is_not_taken_from_the_cache_by_the_next_start()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            MemoryDisk disk = new(seed);
            NodeStorage storage = Make.Open(disk, Make.Small() with { WalFillAheadBytes = 0 }, _pool);
            GroupWriter writer = new(storage, _pool, Make.GroupA);
            Assert.Null(RunWrite(storage, writer));
            disk.Fault = (_, operation, _) => operation == DiskOperation.Sync ? new IOException("no luck") : null;
            Assert.NotNull(RunWrite(storage, writer));

            // The process ends; what the system holds in memory stays.
            disk = disk.Kill();
            storage.Dispose();
            storage = Make.Open(disk, pool: _pool);
            int found = storage.Recovered[Make.GroupA].Entries.Count;
            writer = new(storage, _pool, Make.GroupA) { Next = found + 1 };
            Assert.Null(RunWrite(storage, writer));
            storage = Make.Open(disk.Crash(), pool: _pool);
            Assert.True(storage.Recovered[Make.GroupA].Entries.Count == found + 1, $"seed {seed}");
            storage.Dispose();
        }

        static Exception? RunWrite(NodeStorage storage, GroupWriter writer)
        {
            Outcome outcome = writer.Append(1, new byte[3000]);
            storage.RunQueued();
            return outcome.Failure;
        }
    }

    [Fact]
    public void Every_flipped_bit_below_the_end_is_reported_with_file_and_position()
    {
        Random random = new(7);
        for (int round = 0; round < 200; round++)
        {
            MemoryDisk disk = Filled(round, cleanly: true, out long end, out List<(long Start, long Length)> writes);
            long position = random.NextInt64(end);
            // Padding behind a write is never looked at, so damage there harms nobody.
            if (!writes.Any(w => position >= w.Start && position < w.Start + w.Length)) continue;
            disk.FlipBit(First, position, random.Next(8));
            StorageException e = Assert.Throws<StorageException>(() => Make.Open(disk, pool: _pool));
            Assert.Contains(First, e.Message);
            Assert.Contains("position", e.Message);
        }
    }

    [Fact]
    public void A_damaged_node_of_a_cluster_begins_anew_under_another_id_and_keeps_what_was_there_beside_it()
    {
        MemoryDisk disk = new();
        Guid directory;
        using (NodeStorage storage = Make.Open(disk, Make.Small() with { AwaitsCluster = true }, _pool))
        {
            directory = storage.Identity.DirectoryId;
            storage.Form("c", [new MetadataVoter(new NodeId(1), directory), new MetadataVoter(new NodeId(2), Guid.NewGuid())], 1);
            new GroupWriter(storage, _pool, Make.GroupA).Append(1, [1]);
            storage.RunQueued();
        }

        disk = disk.Kill();
        disk.FlipBit(First, 20, 0);
        using NodeStorage anew = Make.Open(disk, Make.Small() with { AwaitsCluster = true }, _pool);
        Assert.Contains(First, anew.Damage);
        Assert.NotEqual(directory, anew.Identity.DirectoryId);
        Assert.Equal(("c", 2), (anew.Identity.ClusterId, anew.Identity.MetadataVoters.Count));
        Assert.Empty(anew.Recovered);
        Assert.Contains(disk.List("/data/wal"), entry => entry.Name.StartsWith("0000000001.wal.damaged-", StringComparison.Ordinal));
    }

    [Fact]
    public void Damage_at_the_start_of_the_oldest_file_is_reported()
    {
        MemoryDisk disk = new();
        foreach (GroupId group in (GroupId[])[Make.GroupA, Make.GroupB])
        {
            NodeStorage storage = Make.Open(disk, pool: _pool);
            new GroupWriter(storage, _pool, group).Append(1, [1]);
            storage.RunQueued();
            disk = disk.Kill();
            storage.Dispose();
        }

        disk.FlipBit(First, 20, 0);
        StorageException e = Assert.Throws<StorageException>(() => Make.Open(disk, pool: _pool));
        Assert.Contains($"{First}, which is damaged at position 0", e.Message);
    }

    [Fact]
    public void Damage_that_cannot_be_told_from_a_torn_end_loses_only_the_last_write()
    {
        MemoryDisk disk = Filled(1, cleanly: false, out long end, out List<(long Start, long Length)> writes);
        disk.FlipBit(First, writes[^1].Start + 100, 3);
        using NodeStorage storage = Make.Open(disk, pool: _pool);
        Assert.Equal(writes.Count - 1, storage.Recovered[Make.GroupA].Entries.Count);
        Assert.True(end > 0);
    }

    [Fact]
    public void A_missing_file_is_reported()
    {
        MemoryDisk disk = Filled(writes: 40);
        disk.Delete("/data/wal/0000000003.wal");
        StorageException e = Assert.Throws<StorageException>(() => Make.Open(disk, pool: _pool));
        Assert.Contains("WAL file 3", e.Message);
    }

    [Fact]
    public void A_missing_oldest_file_is_reported()
    {
        MemoryDisk disk = Filled(writes: 20);
        disk.Delete(First);
        StorageException e = Assert.Throws<StorageException>(() => Make.Open(disk, pool: _pool));
        Assert.Contains("cannot follow entry 0", e.Message);
    }

    [Fact]
    public void Recovery_tells_how_far_it_is()
    {
        MemoryDisk disk = Filled(3, cleanly: true, out long end, out _);
        List<RecoveryProgress> told = [];
        NodeStorage.Open(Make.Small(), new NodeId(1), null, disk, _pool, TimeProvider.System, told.Add).Dispose();
        Assert.Equal(told[^1].BytesTotal, told[^1].BytesRead);
        Assert.True(told[^1].BytesTotal >= end);
    }

    /// <summary>A disk whose WAL has files full of writes of one entry each; the process was killed.</summary>
    private MemoryDisk Filled(int writes)
    {
        MemoryDisk disk = new();
        NodeStorage storage = Make.Open(disk, pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        for (int i = 0; i < writes; i++)
        {
            writer.Append(1, new byte[8000]);
            storage.RunQueued();
        }

        MemoryDisk killed = disk.Kill();
        storage.Dispose();
        return killed;
    }

    /// <summary>A disk whose first WAL file has ten writes of one entry each.</summary>
    private MemoryDisk Filled(int seed, bool cleanly, out long end, out List<(long Start, long Length)> writes)
    {
        MemoryDisk disk = new(seed);
        NodeStorage storage = Make.Open(disk, pool: _pool);
        GroupWriter writer = new(storage, _pool, Make.GroupA);
        writes = [];
        end = 0;
        for (int i = 0; i < 10; i++)
        {
            int payload = 100 * (i + 1);
            writer.Append(1, new byte[payload]);
            storage.RunQueued();
            long length = WalFormat.HeaderBytes + WalFormat.RecordBytes(payload);
            writes.Add((end, length - (-payload & 7)));
            end += WalFormat.AlignToBlock(length);
        }

        if (cleanly)
        {
            storage.Dispose();
            return disk;
        }

        MemoryDisk killed = disk.Kill();
        storage.Dispose();
        return killed;
    }
}
