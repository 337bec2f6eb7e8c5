using System.Text;
using Chronik.Model;
using Chronik.Protocol.Compression;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage.Testing;

namespace Chronik.Storage.Tests;

public sealed class PartitionLogTests : IDisposable
{
    private static readonly LogOptions Tiny = new() { SegmentBytes = 1000, IndexIntervalBytes = 200 };

    private readonly BufferPool _pool = new();
    private readonly MemoryDisk _disk = new();
    private readonly Clock _clock = new();
    private readonly NodeStorage _storage;

    public PartitionLogTests() => _storage = Make.Open(_disk, pool: _pool, time: _clock);

    public void Dispose() => _storage.Dispose();

    [Fact]
    public void No_file_is_made_before_the_first_append()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        Assert.False(_disk.DirectoryExists($"/data/logs/{Make.GroupA}"));
        Assert.Null(log.Read(KafkaOffset.Zero, new KafkaOffset(10), 1000, true));
        Assert.Null(log.FindByTimestamp(0, new KafkaOffset(10)));
        Assert.Null(log.MaxTimestamp(new KafkaOffset(10)));
        Make.AppendTo(log, _pool, Make.Batch(0, 1));
        Assert.True(_disk.FileExists($"/data/logs/{Make.GroupA}/00000000000000000000.log"));
    }

    [Fact]
    public void What_is_appended_is_read_back_across_segments_from_every_offset()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> batches = Fill(log, 60);
        Assert.True(_disk.List($"/data/logs/{Make.GroupA}").Count > 10);
        Assert.Equal(batches.SelectMany(b => b), Make.ReadAll(log, KafkaOffset.Zero));
        foreach (byte[] batch in batches)
        {
            RecordBatchView view = new(batch);
            for (KafkaOffset offset = view.BaseOffset; offset <= view.LastOffset; offset += 1)
            {
                using FileRecords records = log.Read(offset, log.NextOffset, 1, atLeastOneBatch: true)!;
                byte[] read = new byte[records.Length];
                records.CopyTo(read);
                Assert.Equal(batch, read);
            }
        }
    }

    [Fact]
    public void A_read_ends_at_a_batch_below_the_limit_and_within_the_size()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, LogOptions.Default with { IndexIntervalBytes = 300 });
        List<byte[]> batches = Fill(log, 40);
        Random random = new(3);
        for (int i = 0; i < 500; i++)
        {
            int from = random.Next(batches.Count);
            int to = random.Next(from, batches.Count);
            int maxBytes = random.Next(1, 3000);
            KafkaOffset limit = new RecordBatchView(batches[to]).BaseOffset + random.Next(0, 2);
            using FileRecords? records = log.Read(new RecordBatchView(batches[from]).BaseOffset, limit, maxBytes, atLeastOneBatch: false);
            int length = records?.Length ?? 0;
            int count = 0;
            while (length > 0) length -= batches[from + count++].Length;
            Assert.Equal(0, length);
            Assert.InRange(count, 0, Math.Max(0, to - from + 1));
            if (count > 0) Assert.True(new RecordBatchView(batches[from + count - 1]).LastOffset < limit);
            Assert.True((records?.Length ?? 0) <= maxBytes);
            if (batches[from].Length <= maxBytes && new RecordBatchView(batches[from]).LastOffset < limit) Assert.True(count > 0);
        }
    }

    [Fact]
    public void A_batch_that_does_not_continue_the_log_is_refused()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        Make.AppendTo(log, _pool, Make.Batch(0, 2));
        Assert.Throws<InvariantViolationException>(() => Make.AppendTo(log, _pool, Make.Batch(3, 1)));
        Assert.Throws<InvariantViolationException>(() => Make.AppendTo(log, _pool, Make.Batch(2, 1), Make.Batch(2, 1)));
        Assert.Equal(2, log.NextOffset.Value);
        Make.AppendTo(log, _pool, Make.Batch(2, 1));
    }

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public void A_timestamp_finds_its_record_exactly(CompressionType compression)
    {
        if (!Codecs.IsAvailable(compression, out _)) return;
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        long offset = 0;
        for (int i = 0; i < 30; i++, offset += 10)
            Make.AppendTo(log, _pool, Make.Batch(offset, 10, 1000 + (offset * 10), compression: compression, epoch: i, timestampStep: 10));
        for (long record = 0; record < offset; record++)
        {
            TimestampedOffset want = new(new KafkaOffset(record), 1000 + (record * 10), new LeaderEpoch((int)record / 10));
            Assert.Equal(want, log.FindByTimestamp(want.TimestampMs, log.NextOffset));
            Assert.Equal(want, log.FindByTimestamp(want.TimestampMs - 9, log.NextOffset));
            Assert.Null(log.FindByTimestamp(want.TimestampMs, new KafkaOffset(record)));
        }

        Assert.Null(log.FindByTimestamp(1001 + ((offset - 1) * 10), log.NextOffset));
        Assert.Equal(offset - 1, log.MaxTimestamp(log.NextOffset)?.Offset.Value);
    }

    [Fact]
    public void The_largest_timestamp_is_the_first_of_its_kind_and_within_what_counts()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        long[] timestamps = [10, 50, 20, 50, 30, 90, 40, 5];
        for (int i = 0; i < timestamps.Length; i++)
            Make.AppendTo(log, _pool, Make.Batch(i * 2, 2, timestamps[i], valueBytes: 150, timestampStep: 0));
        Assert.Equal((10L, 90L), Found(log.MaxTimestamp(log.NextOffset)));
        Assert.Equal((2L, 50L), Found(log.MaxTimestamp(new KafkaOffset(10))));
        log.DeleteBefore(new KafkaOffset(3));
        Assert.Equal((3L, 50L), Found(log.MaxTimestamp(new KafkaOffset(10))));
        log.DeleteBefore(new KafkaOffset(12));
        Assert.Equal((12L, 40L), Found(log.MaxTimestamp(log.NextOffset)));
        Assert.Equal(12, log.FindByTimestamp(0, log.NextOffset)?.Offset.Value);

        static (long, long) Found(TimestampedOffset? found) => (found!.Value.Offset.Value, found.Value.TimestampMs);
    }

    [Fact]
    public void Retention_by_size_keeps_enough_and_never_the_last_segment()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        Fill(log, 60);
        Assert.False(log.ApplyRetention(0, null, 1 << 30, log.NextOffset));
        Assert.False(log.ApplyRetention(0, null, 0, KafkaOffset.Zero));
        Assert.True(log.ApplyRetention(0, null, 3000, log.NextOffset));
        Assert.InRange(log.SizeBytes, 3000, 4000);
        Assert.True(log.LogStartOffset > KafkaOffset.Zero);
        Assert.Null(log.Read(KafkaOffset.Zero, log.NextOffset, 1000, true));
        log.ApplyRetention(0, null, 0, log.NextOffset);
        Assert.True(log.SizeBytes > 0);
    }

    [Fact]
    public void Retention_by_time_takes_the_last_segment_too_and_offsets_go_on()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        Fill(log, 20);
        KafkaOffset next = log.NextOffset;
        Assert.False(log.ApplyRetention(5000, 4000, null, next));
        Assert.True(log.ApplyRetention(6000, 4000, null, next));
        Assert.Equal(next, log.LogStartOffset);
        Assert.Equal(0, log.SizeBytes);
        Make.AppendTo(log, _pool, Make.Batch(next.Value, 3));
        Assert.Equal(next + 3, log.NextOffset);
        Assert.Equal(Make.Batch(next.Value, 3), Make.ReadAll(log, next));
    }

    [Fact]
    public void A_segment_is_rolled_by_age()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, LogOptions.Default with { SegmentAge = TimeSpan.FromHours(1) });
        Make.AppendTo(log, _pool, Make.Batch(0, 1));
        _clock.Now += TimeSpan.FromMinutes(59);
        Make.AppendTo(log, _pool, Make.Batch(1, 1));
        Assert.Equal(2, _disk.List($"/data/logs/{Make.GroupA}").Count);
        _clock.Now += TimeSpan.FromMinutes(2);
        Make.AppendTo(log, _pool, Make.Batch(2, 1));
        Assert.Equal(4, _disk.List($"/data/logs/{Make.GroupA}").Count);
    }

    [Fact]
    public void Deleting_records_survives_a_restart_through_a_checkpoint()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> batches = Fill(log, 30);
        log.DeleteBefore(new KafkaOffset(25));
        Assert.Equal(25, log.LogStartOffset.Value);
        log.DeleteBefore(new KafkaOffset(3));
        Assert.Equal(25, log.LogStartOffset.Value);
        int before = _disk.List($"/data/logs/{Make.GroupA}").Count;
        Checkpoint(log, index: 30);
        Assert.True(_disk.List($"/data/logs/{Make.GroupA}").Count < before);

        MemoryDisk after = _disk.Crash();
        using NodeStorage again = Make.Open(after, pool: _pool);
        PartitionLog reopened = again.OpenLog(Make.GroupA, Tiny);
        Assert.Equal(25, reopened.LogStartOffset.Value);
        Assert.Equal(log.NextOffset, reopened.NextOffset);
        Assert.Equal(
            batches.Where(b => new RecordBatchView(b).LastOffset.Value >= 25).SelectMany(b => b),
            Make.ReadAll(reopened, new KafkaOffset(25)));
    }

    [Fact]
    public void After_a_crash_the_log_ends_where_its_checkpoint_says()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> kept = Fill(log, 25);
        Checkpoint(log, index: 25);
        KafkaOffset end = log.NextOffset;
        Fill(log, 20);
        using NodeStorage again = Make.Open(_disk.Kill(), pool: _pool);
        PartitionLog reopened = again.OpenLog(Make.GroupA, Tiny);
        Assert.Equal(end, reopened.NextOffset);
        Assert.Equal(kept.SelectMany(b => b), Make.ReadAll(reopened, KafkaOffset.Zero));
        Assert.Equal(end.Value - 1, reopened.MaxTimestamp(end)?.Offset.Value);
        Fill(reopened, 20);
        Assert.Equal(log.SizeBytes, reopened.SizeBytes);
    }

    [Fact]
    public void A_lost_index_is_made_anew()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> kept = Fill(log, 25);
        Checkpoint(log, index: 25);
        MemoryDisk after = _disk.Kill();
        foreach (DiskEntry entry in after.List($"/data/logs/{Make.GroupA}").Where(e => e.Name.EndsWith(".index")))
            after.Delete($"/data/logs/{Make.GroupA}/{entry.Name}");
        using NodeStorage again = Make.Open(after, pool: _pool);
        PartitionLog reopened = again.OpenLog(Make.GroupA, Tiny);
        Assert.Equal(kept.SelectMany(b => b), Make.ReadAll(reopened, KafkaOffset.Zero));
    }

    [Theory]
    [InlineData(3)] // The offset of a batch, which its checksum does not cover.
    [InlineData(30)]
    [InlineData(75)]
    public void What_a_start_found_is_never_given_out_damaged(int at)
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> kept = Fill(log, 25);
        Checkpoint(log, index: 25);
        string path = $"/data/logs/{Make.GroupA}/00000000000000000000.log";
        _disk.FlipBit(path, kept[0].Length + at, 2);
        KafkaOffset second = new RecordBatchView(kept[1]).BaseOffset;
        KafkaOffset later = new RecordBatchView(kept[15]).BaseOffset; // In another segment.

        using NodeStorage again = Make.Open(_disk.Kill(), pool: _pool);
        PartitionLog found = again.OpenLog(Make.GroupA, Tiny);
        Assert.Equal(kept[15..].SelectMany(b => b), Make.ReadAll(found, later));
        for (int i = 0; i < 2; i++)
        {
            StorageException damage = Assert.Throws<StorageException>(() => found.Read(second, found.NextOffset, 10_000, true));
            Assert.True(damage.IsDamage);
            Assert.Contains($"{path} is damaged at position {kept[0].Length}, offset", damage.Message);
            foreach (KafkaOffset limit in (KafkaOffset[])[second, found.NextOffset])
            {
                using FileRecords first = found.Read(KafkaOffset.Zero, limit, 10_000, true)!;
                Assert.Equal(kept[0].Length, first.Length);
            }
        }

        List<byte[]> more = Fill(found, 10);
        Assert.Equal(kept[15..].Concat(more).SelectMany(b => b), Make.ReadAll(found, later));
    }

    [Fact]
    public void What_lies_around_a_damaged_batch_is_given_and_the_message_says_where_it_goes_on()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> kept = Fill(log, 25);
        Checkpoint(log, index: 25);
        int position = kept[..2].Sum(batch => batch.Length);
        _disk.FlipBit($"/data/logs/{Make.GroupA}/00000000000000000000.log", position + 75, 2);

        using NodeStorage again = Make.Open(_disk.Kill(), pool: _pool);
        PartitionLog found = again.OpenLog(Make.GroupA, Tiny);
        KafkaOffset bad = new RecordBatchView(kept[2]).BaseOffset;
        KafkaOffset last = new RecordBatchView(kept[2]).LastOffset;
        for (int i = 0; i < 2; i++)
        {
            using FileRecords before = found.Read(KafkaOffset.Zero, found.NextOffset, 10_000, true)!;
            byte[] bytes = new byte[before.Length];
            before.CopyTo(bytes);
            Assert.Equal(kept[..2].SelectMany(b => b), bytes);
            StorageException damage = Assert.Throws<StorageException>(() => found.Read(bad, found.NextOffset, 10_000, true));
            Assert.EndsWith($"position {position}, offsets {bad} to {last}: a checksum is wrong", damage.Message, StringComparison.Ordinal);
            Assert.Equal(kept[3..].SelectMany(b => b), Make.ReadAll(found, last + 1));
        }
    }

    [Fact]
    public void A_sector_that_the_disk_has_lost_is_damage_and_a_file_that_cannot_be_opened_is_not()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> kept = Fill(log, 25);
        Checkpoint(log, index: 25);
        int lost = kept[..2].Sum(batch => batch.Length) + 70;
        HookedDisk disk = new(_disk.Kill());
        using NodeStorage again = Make.Open(disk, pool: _pool);
        PartitionLog found = again.OpenLog(Make.GroupA, Tiny);
        KafkaOffset bad = new RecordBatchView(kept[2]).BaseOffset;
        disk.Reading = (file, _, _) =>
        {
            if (file.Path.EndsWith($"/{0:D20}.log", StringComparison.Ordinal)) throw new IOException("Too many open files", 24);
        };
        Assert.IsNotType<StorageException>(Assert.ThrowsAny<IOException>(() => found.Read(bad, found.NextOffset, 10_000, true)));

        disk.Reading = (file, at, bytes) =>
        {
            if (!file.Path.EndsWith($"/{0:D20}.log", StringComparison.Ordinal) || at > lost || at + bytes <= lost) return;
            throw new IOException("Input/output error", 5);
        };
        Assert.True(Assert.Throws<StorageException>(() => found.Read(bad, found.NextOffset, 10_000, true)).IsDamage);
        Assert.True(Assert.Throws<StorageException>(() => found.ReadBatches(bad, found.NextOffset, 10_000)).IsDamage);
        using FileRecords before = found.Read(KafkaOffset.Zero, found.NextOffset, 10_000, true)!;
        Assert.Equal(kept[..2].Sum(batch => batch.Length), before.Length);
        Assert.Equal(kept[3..].SelectMany(b => b), Make.ReadAll(found, new RecordBatchView(kept[2]).NextOffset));
    }

    [Fact]
    public void A_segment_that_is_distrusted_is_looked_at_again_whoever_wrote_it()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, LogOptions.Default);
        List<byte[]> kept = Fill(log, 10);
        using (FileRecords trusted = log.Read(KafkaOffset.Zero, log.NextOffset, 10_000, true)!)
            Assert.Equal(kept.Sum(batch => batch.Length), trusted.Length);
        _disk.FlipBit($"/data/logs/{Make.GroupA}/{0:D20}.log", kept[0].Length + 75, 2);
        RecordBatchView bad = new(kept[1]);
        KafkaOffset behind = bad.NextOffset;
        log.Distrust(KafkaOffset.Zero);
        using FileRecords first = log.Read(KafkaOffset.Zero, log.NextOffset, 10_000, true)!;
        Assert.Equal(kept[0].Length, first.Length);
        KafkaOffset from = bad.BaseOffset;
        Assert.True(Assert.Throws<StorageException>(() => log.Read(from, log.NextOffset, 10_000, true)).IsDamage);
        kept.AddRange(Fill(log, 10));
        Assert.Equal(kept[2..].SelectMany(b => b), Make.ReadAll(log, behind));
    }

    [Fact]
    public void A_batch_whose_offset_has_changed_is_reported_and_not_skipped()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> kept = Fill(log, 25);
        string path = $"/data/logs/{Make.GroupA}/00000000000000000000.log";
        for (int victim = 0, position = 0; victim < 6; position += kept[victim++].Length)
        {
            RecordBatchView batch = new(kept[victim]);
            for (int bit = 0; bit < 64; bit++)
            {
                _disk.FlipBit(path, position + (bit / 8), bit % 8);
                for (KafkaOffset offset = batch.BaseOffset; offset <= batch.LastOffset; offset += 1)
                {
                    Assert.True(Assert.Throws<StorageException>(() => log.Read(offset, log.NextOffset, 1, true)).IsDamage);
                    Assert.True(Assert.Throws<StorageException>(() => log.ReadBatches(offset, log.NextOffset, 1)).IsDamage);
                }

                _disk.FlipBit(path, position + (bit / 8), bit % 8);
            }
        }

        Assert.Equal(kept.SelectMany(b => b), Make.ReadAll(log, KafkaOffset.Zero));
    }

    [Fact]
    public void A_flipped_bit_in_the_index_hides_nothing()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> kept = Fill(log, 25);
        Checkpoint(log, index: 25);
        string path = $"/data/logs/{Make.GroupA}/00000000000000000000.index";
        long length = _disk.List($"/data/logs/{Make.GroupA}").First(entry => path.EndsWith(entry.Name, StringComparison.Ordinal)).Length;
        Assert.InRange(length, 3 * IndexEntry.Bytes, 10 * IndexEntry.Bytes);
        for (int bit = 0; bit < 8 * length; bit++)
        {
            _disk.FlipBit(path, bit / 8, bit % 8);
            foreach (byte[] batch in kept[..15])
            {
                BufferSlice read = log.ReadBatches(new RecordBatchView(batch).LastOffset, log.NextOffset, 300);
                Assert.True(read.Span.StartsWith(batch));
                for (int at = 0; at < read.Length; at += (int)new RecordBatchView(read.Span[at..]).Size)
                    Assert.True(new RecordBatchView(read.Span[at..]).IsIntact, $"bit {bit}");
                read.Release();
            }

            Assert.Equal(kept.SelectMany(b => b), Make.ReadAll(log, KafkaOffset.Zero));
            _disk.FlipBit(path, bit / 8, bit % 8);
        }
    }

    [Fact]
    public void A_flipped_bit_in_the_last_entry_of_the_index_keeps_no_log_from_opening()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> kept = Fill(log, 25);
        Checkpoint(log, index: 25);
        DiskEntry last = _disk.List($"/data/logs/{Make.GroupA}").Where(e => e.Name.EndsWith(".index")).MaxBy(e => e.Name);
        MemoryDisk disk = _disk;
        for (int bit = 0; bit < 64; bit++)
        {
            disk = disk.Kill();
            long position = last.Length - IndexEntry.Bytes + (bit / 8);
            disk.FlipBit($"/data/logs/{Make.GroupA}/{last.Name}", position, bit % 8);
            using NodeStorage again = Make.Open(disk, pool: _pool);
            PartitionLog found = again.OpenLog(Make.GroupA, Tiny);
            Assert.Equal(kept.SelectMany(b => b), Make.ReadAll(found, KafkaOffset.Zero));
            disk.FlipBit($"/data/logs/{Make.GroupA}/{last.Name}", position, bit % 8);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_missing_or_short_segment_is_reported(bool missing)
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        Fill(log, 25);
        Checkpoint(log, index: 25);
        MemoryDisk after = _disk.Kill();
        string path = $"/data/logs/{Make.GroupA}/00000000000000000000.log";
        if (missing)
        {
            after.Delete(path);
        }
        else
        {
            using IDiskFile file = after.Open(path, DiskOpen.ReadWrite);
            file.Truncate(file.Length - 1);
        }

        using NodeStorage again = Make.Open(after, pool: _pool);
        StorageException e = Assert.Throws<StorageException>(() => again.OpenLog(Make.GroupA, Tiny));
        Assert.Contains(path, e.Message);
    }

    [Fact]
    public void A_reader_keeps_what_it_has_while_the_segment_is_deleted()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> batches = Fill(log, 30);
        FileRecords records = log.Read(KafkaOffset.Zero, log.NextOffset, 1, atLeastOneBatch: true)!;
        log.DeleteBefore(log.NextOffset);
        Checkpoint(log, index: 30);
        Assert.Empty(_disk.List($"/data/logs/{Make.GroupA}"));
        byte[] bytes = new byte[records.Length];
        records.CopyTo(bytes);
        Assert.Equal(batches[0], bytes);
        records.Dispose();
        Assert.Throws<ObjectDisposedException>(() => records.CopyTo(bytes));
    }

    [Fact]
    public async Task Readers_see_whole_batches_in_order_while_the_writer_appends_rolls_and_deletes()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        using CancellationTokenSource stop = new(TimeSpan.FromSeconds(60));
        Task<long>[] readers = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(() => ReadUntil(log, stop.Token)))];
        for (int i = 0; i < 1500; i++)
        {
            Make.AppendTo(log, _pool, Make.Batch(log.NextOffset.Value, 1 + (i % 4), valueBytes: 30 + (i % 90)));
            if (i % 50 == 49) log.ApplyRetention(0, null, 5000, log.NextOffset);
            if (i % 200 == 199) Checkpoint(log, index: i);
        }

        await stop.CancelAsync();
        foreach (long batches in await Task.WhenAll(readers)) Assert.True(batches >= 0);

        static long ReadUntil(PartitionLog log, CancellationToken stop)
        {
            long batches = 0;
            KafkaOffset from = KafkaOffset.Zero;
            byte[] bytes = new byte[4096];
            while (!stop.IsCancellationRequested)
            {
                if (from < log.LogStartOffset) from = log.LogStartOffset;
                using FileRecords? records = log.Read(from, log.NextOffset, bytes.Length, atLeastOneBatch: true);
                if (records is null) continue;
                records.CopyTo(bytes);
                for (int at = 0; at < records.Length;)
                {
                    RecordBatchView batch = new(bytes.AsSpan(at, records.Length - at));
                    Assert.True(batch.IsIntact);
                    Assert.True(batch.BaseOffset <= from && batch.LastOffset >= from, $"batch {batch.BaseOffset} where {from} is next");
                    from = batch.NextOffset;
                    at += (int)batch.Size;
                    batches++;
                }
            }

            return batches;
        }
    }

    [Fact]
    public void Batches_are_copied_for_replay()
    {
        PartitionLog log = _storage.OpenLog(Make.GroupA, Tiny);
        List<byte[]> batches = Fill(log, 3);
        BufferSlice copy = log.ReadBatches(KafkaOffset.Zero, log.NextOffset, 1 << 20);
        Assert.Equal(batches.SelectMany(b => b), copy.Span.ToArray());
        copy.Release();
        Assert.Equal(BufferSlice.Empty, log.ReadBatches(log.NextOffset, log.NextOffset, 1 << 20));
        Assert.True(_pool.LentBytes < 1 << 20);
    }

    private void Checkpoint(PartitionLog log, long index)
    {
        Exception? failure = new InvalidOperationException("not done");
        HardState hardState = new(new Term(1), NodeId.None);
        _storage.Checkpoint(
            Make.GroupA,
            new Checkpoint(new LogIndex(index), new Term(1), log.NextOffset, log.LogStartOffset, hardState, default), e => failure = e);
        _storage.RunQueued();
        Assert.Null(failure);
    }

    private List<byte[]> Fill(PartitionLog log, int count)
    {
        List<byte[]> batches = [];
        for (int i = 0; i < count; i++)
        {
            byte[] batch = Make.Batch(log.NextOffset.Value, 1 + (i % 3), 1000 + log.NextOffset.Value, valueBytes: 20 + (i * 7 % 60));
            batches.Add(batch);
            Make.AppendTo(log, _pool, batch);
        }

        return batches;
    }

    [Fact]
    public void A_checkpoint_may_say_that_the_log_reaches_further_than_its_entries()
    {
        MemoryDisk disk = new();
        BufferPool pool = new();
        using (NodeStorage storage = Make.Open(disk, pool: pool))
        {
            PartitionLog log = storage.OpenLog(Make.GroupA, LogOptions.Default);
            Make.AppendTo(log, pool, Make.Batch(0, 2), Make.Batch(2, 3));
            Checkpoint(storage, 2, log.NextOffset.Value);
            Make.AppendTo(log, pool, Make.Batch(5, 1));
            disk = disk.Crash();
        }

        using (NodeStorage storage = Make.Open(disk, pool: pool))
        {
            Checkpoint found = storage.Recovered[Make.GroupA].Checkpoint!;
            Assert.Equal((2, 5, "state"), (found.NextOffset.Value, found.LogEndOffset.Value, Encoding.UTF8.GetString(found.State.Span)));
            PartitionLog log = storage.OpenLog(Make.GroupA, LogOptions.Default);
            Assert.Equal(5, log.NextOffset.Value);
            Assert.Equal([.. Make.Batch(0, 2), .. Make.Batch(2, 3)], Make.ReadAll(log, KafkaOffset.Zero));
            Assert.Equal([new LogRange(new KafkaOffset(2), Make.Batch(2, 3).Length)], log.RangesFrom(new KafkaOffset(2)));
            Assert.Empty(log.RangesFrom(new KafkaOffset(5)));
            Checkpoint(storage, 5, 5);
        }

        using NodeStorage last = Make.Open(disk, pool: pool);
        Checkpoint plain = last.Recovered[Make.GroupA].Checkpoint!;
        Assert.Equal(plain.NextOffset, plain.LogEndOffset);

        static void Checkpoint(NodeStorage storage, long next, long end)
        {
            Exception? failure = null;
            Checkpoint checkpoint = new(
                LogIndex.Zero, Term.Zero, new KafkaOffset(next), KafkaOffset.Zero, new HardState(Term.Zero, NodeId.None),
                "state"u8.ToArray())
            {
                LogEndOffset = new KafkaOffset(end),
            };
            storage.Checkpoint(Make.GroupA, checkpoint, e => failure = e);
            storage.RunQueued();
            Assert.Null(failure);
        }
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
