using Chronik.Model;

namespace Chronik.Storage.Tests;

public sealed class FileDiskTests : IDisposable
{
    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"chronik-test-{Guid.NewGuid():N}");
    private readonly BufferPool _pool = new();

    private StorageOptions Options => Make.Small(_directory) with { OwnThreads = true };

    public void Dispose()
    {
        if (Directory.Exists(_directory)) Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task Appends_from_many_threads_survive_a_restart_with_own_threads()
    {
        const int Groups = 20;
        const int Entries = 50;
        List<Exception> failures = [];
        using (NodeStorage storage = Make.Open(new FileDisk(), Options, _pool))
        {
            storage.Failed += failures.Add;
            Task[] writers = [.. Enumerable.Range(0, Groups).Select(g => Task.Run(() => Write(storage, g)))];
            await Task.WhenAll(writers).WaitAsync(TimeSpan.FromSeconds(60));
        }

        Assert.Empty(failures);
        using NodeStorage again = Make.Open(new FileDisk(), Options, _pool);
        Assert.Equal(Groups, again.Recovered.Count);
        foreach ((GroupId group, RecoveredGroup found) in again.Recovered)
        {
            Assert.Equal(Entries, found.Entries.Count);
            BufferSlice payload = again.Wal.Read(group, new LogIndex(Entries));
            Assert.Equal(Payload(group.Partition, Entries), payload.Span.ToArray());
            payload.Release();
        }

        async Task Write(NodeStorage storage, int number)
        {
            GroupWriter writer = new(storage, _pool, Make.GroupA with { Partition = number });
            for (int i = 1; i <= Entries; i++)
            {
                TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
                BufferSlice payload = _pool.Copy(Payload(number, i));
                storage.Wal.Append(new WalWrite
                {
                    Group = Make.GroupA with { Partition = number },
                    Entries = [new LogEntry(new LogIndex(i), new Term(1), EntryKind.Batch, default, payload)],
                    Completion = new Outcome(done.SetResult),
                });
                payload.Release();
                await done.Task.WaitAsync(TimeSpan.FromSeconds(30));
            }
        }

        static byte[] Payload(int group, int entry) => [.. Enumerable.Repeat((byte)(group + entry), 100 * (1 + (entry % 60)))];
    }

    [Fact]
    public async Task Segments_are_checkpointed_and_read_from_files()
    {
        byte[] batch = Make.Batch(0, 5);
        using (NodeStorage storage = Make.Open(new FileDisk(), Options, _pool))
        {
            PartitionLog log = storage.OpenLog(Make.GroupA, LogOptions.Default);
            Make.AppendTo(log, _pool, batch);
            using FileRecords records = log.Read(KafkaOffset.Zero, log.NextOffset, 1 << 20, atLeastOneBatch: true)!;
            Assert.NotNull(records.Handle);
            Assert.False(records.Handle.IsInvalid);
            TaskCompletionSource<Exception?> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
            HardState hardState = new(new Term(1), NodeId.None);
            storage.Checkpoint(
                Make.GroupA,
                new Checkpoint(new LogIndex(1), new Term(1), log.NextOffset, log.LogStartOffset, hardState, default), done.SetResult);
            Assert.Null(await done.Task.WaitAsync(TimeSpan.FromSeconds(30)));
        }

        using NodeStorage again = Make.Open(new FileDisk(), Options, _pool);
        Assert.Equal(batch, Make.ReadAll(again.OpenLog(Make.GroupA, LogOptions.Default), KafkaOffset.Zero));
        Assert.True(again.FreeBytes > 0);
        Assert.True(again.TotalBytes > again.FreeBytes);
    }

    [Fact]
    public void A_directory_is_locked_by_one_at_a_time()
    {
        using (Make.Open(new FileDisk(), Options))
        {
            StorageException e = Assert.Throws<StorageException>(() => Make.Open(new FileDisk(), Options));
            Assert.Contains($"{_directory} is locked", e.Message);
        }

        Make.Open(new FileDisk(), Options).Dispose();
    }

    [Fact]
    public void A_file_in_the_way_of_the_directory_is_named()
    {
        File.WriteAllText(_directory, "");
        try
        {
            StorageException e = Assert.Throws<StorageException>(() => Make.Open(new FileDisk(), Options));
            Assert.Contains(_directory, e.Message);
        }
        finally
        {
            File.Delete(_directory);
        }
    }

    [Fact]
    public void A_gathered_write_of_many_slices_is_whole()
    {
        FileDisk disk = new();
        disk.CreateDirectory(_directory);
        using IDiskFile file = disk.Open(Path.Combine(_directory, "f"), DiskOpen.CreateNew);
        BufferSlice[] slices = [.. Enumerable.Range(0, 2500).Select(i => _pool.Copy([(byte)i, (byte)(i >> 8)]))];
        file.Write(slices, 10);
        byte[] read = new byte[5010];
        Assert.Equal(read.Length, file.Read(read, 0));
        for (int i = 0; i < slices.Length; i++) Assert.Equal(slices[i].Span.ToArray(), read.AsSpan(10 + (i * 2), 2).ToArray());
    }
}
