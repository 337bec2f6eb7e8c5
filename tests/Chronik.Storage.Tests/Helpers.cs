using Chronik.Model;
using Chronik.Protocol.Compression;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Storage.Tests;

internal static class Make
{
    public static readonly GroupId GroupA = new(new TopicId(new Guid("aaaaaaaa-0000-0000-0000-000000000001")), 0);
    public static readonly GroupId GroupB = new(new TopicId(new Guid("bbbbbbbb-0000-0000-0000-000000000001")), 7);

    /// <summary>Small files, so that a few writes see rolls and reuse; no threads, so that a seed is the whole story.</summary>
    public static StorageOptions Small(string directory = "/data") => new()
    {
        DataDirectory = directory,
        WalFileBytes = 64 << 10,
        WalWriteBytes = 16 << 10,
        WalMaxBytes = 160 << 10,
        WalMaxFiles = 6,
        WalSpareFiles = 1,
        WalFillAheadBytes = 16 << 10,
        CheckpointBytes = 32 << 10,
        ReserveBytes = 1 << 20,
        OwnThreads = false,
    };

    public static NodeStorage Open(IDisk disk, StorageOptions? options = null, BufferPool? pool = null, TimeProvider? time = null) =>
        NodeStorage.Open(options ?? Small(), new NodeId(1), null, disk, pool ?? new BufferPool(), time ?? TimeProvider.System);

    public static byte[] Batch(
        long baseOffset, int records, long firstTimestamp = 1000, int valueBytes = 20, CompressionType compression = CompressionType.None,
        int epoch = 0, long timestampStep = 1)
    {
        RecordBatchBuilder builder = new()
        {
            Compression = compression,
            BaseOffset = new KafkaOffset(baseOffset),
            LeaderEpoch = new LeaderEpoch(epoch),
        };
        for (int i = 0; i < records; i++)
        {
            byte[] value = new byte[valueBytes];
            new Random((int)baseOffset + i).NextBytes(value);
            builder.Add(firstTimestamp + (i * timestampStep), null, value);
        }

        return builder.Build();
    }

    public static void AppendTo(PartitionLog log, BufferPool pool, params ReadOnlySpan<byte[]> batches) =>
        AppendTo(log, pool, areCold: false, batches);

    public static void AppendTo(PartitionLog log, BufferPool pool, bool areCold, params ReadOnlySpan<byte[]> batches)
    {
        BufferSlice[] slices = new BufferSlice[batches.Length];
        for (int i = 0; i < slices.Length; i++) slices[i] = pool.Copy(batches[i]);
        log.Append(slices, areCold);
        foreach (BufferSlice slice in slices) slice.Release();
    }

    public static byte[] ReadAll(PartitionLog log, KafkaOffset from)
    {
        using MemoryStream all = new();
        while (from < log.NextOffset)
        {
            using FileRecords records = log.Read(from, log.NextOffset, 64 << 10, atLeastOneBatch: true)!;
            byte[] bytes = new byte[records.Length];
            records.CopyTo(bytes);
            all.Write(bytes);
            for (int at = 0; at < bytes.Length;)
            {
                RecordBatchView batch = new(bytes.AsSpan(at));
                from = batch.NextOffset;
                at += (int)batch.Size;
            }
        }

        return all.ToArray();
    }
}

/// <summary>Remembers how a write ended.</summary>
internal sealed class Outcome(Action? onDone = null) : IWalCompletion
{
    public bool Done { get; private set; }

    public Exception? Failure { get; private set; }

    public void Completed(WalWrite write, Exception? failure)
    {
        Assert.False(Done, "completed twice");
        Failure = failure;
        Done = true;
        onDone?.Invoke();
    }
}

/// <summary>Appends entries whose payload is made of the given bytes.</summary>
internal sealed class GroupWriter(NodeStorage storage, BufferPool pool, GroupId group)
{
    public long Next { get; set; } = 1;

    public Outcome Append(long term, params ReadOnlySpan<byte[]> payloads)
    {
        Outcome outcome = new();
        List<LogEntry> entries = [];
        foreach (byte[] payload in payloads)
        {
            LogIndex index = new(Next++);
            entries.Add(new LogEntry(index, new Term(term), EntryKind.Batch, new KafkaOffset(Next), pool.Copy(payload)));
        }

        storage.Wal.Append(new WalWrite { Group = group, Entries = entries, Completion = outcome });
        foreach (LogEntry entry in entries) entry.Payload.Release();
        return outcome;
    }
}
