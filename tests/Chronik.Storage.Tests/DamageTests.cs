using System.Globalization;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage.Testing;

namespace Chronik.Storage.Tests;

/// <summary>Bits that change in a log, and those who read it other than by offset: all of it, by time, or in search of damage.</summary>
public sealed class DamageTests : IDisposable
{
    private static readonly LogOptions Tiny = new() { SegmentBytes = 1000, IndexIntervalBytes = 200 };
    private static readonly string Folder = $"/data/logs/{Make.GroupA}";

    private readonly BufferPool _pool = new();
    private readonly MemoryDisk _disk = new();
    private readonly NodeStorage _storage;
    private readonly PartitionLog _log;
    private readonly List<byte[]> _batches = [];

    public DamageTests()
    {
        _storage = Make.Open(_disk, pool: _pool);
        _log = _storage.OpenLog(Make.GroupA, Tiny);
    }

    public void Dispose() => _storage.Dispose();

    [Fact]
    public void Whoever_reads_a_whole_log_is_given_no_batch_at_or_behind_one_that_is_damaged()
    {
        Fill(25);
        Assert.Equal(_log.NextOffset, Walk(KafkaOffset.Zero, 25));
        int position = _batches[0].Length + _batches[1].Length;
        for (int at = 0; at < _batches[2].Length; at++)
        {
            if (at is >= 12 and < 16) continue; // The epoch, which no checksum covers.
            _disk.FlipBit(SegmentAt(0), position + at, at % 8);
            int given = 0;
            StorageException damage = Assert.Throws<StorageException>(
                () => _log.Walk(KafkaOffset.Zero, _log.NextOffset, 500, (in batch) => given++));
            Assert.True(damage.IsDamage);
            Assert.Equal(2, given);
            _disk.FlipBit(SegmentAt(0), position + at, at % 8);
        }

        Assert.Equal(_log.NextOffset, Walk(KafkaOffset.Zero, 25));
    }

    [Fact]
    public void A_walk_ends_where_the_log_was_cut_behind_it()
    {
        Fill(25);
        KafkaOffset next = _log.NextOffset;
        int given = 0;
        KafkaOffset end = _log.Walk(KafkaOffset.Zero, next, 1, (in batch) =>
        {
            if (++given == 3) _log.DeleteBefore(next);
        });
        Assert.Equal((3, new RecordBatchView(_batches[3]).BaseOffset), (given, end));
    }

    [Fact]
    public void A_batch_that_says_it_ends_earlier_hides_nothing_at_the_end_of_a_segment()
    {
        Fill(25);
        IEnumerable<string> segments =
            _disk.List(Folder).Select(e => e.Name).Where(name => name.EndsWith(".log", StringComparison.Ordinal));
        long[] bases = [.. segments.Select(name => long.Parse(name[..20], CultureInfo.InvariantCulture)).Order()];
        Assert.True(bases.Length > 3);
        foreach (long end in (long[])[bases[1], bases[2], _log.NextOffset.Value])
        {
            byte[] last = _batches.Single(batch => new RecordBatchView(batch).NextOffset.Value == end);
            if (new RecordBatchView(last).RecordCount == 1) continue;
            long segment = bases.Last(at => at < end);
            long position = _disk.List(Folder).Single(e => e.Name == $"{segment:D20}.log").Length - last.Length + 26; // The last byte.
            int bit = (new RecordBatchView(last).LastOffsetDelta & 1) != 0 ? 0 : 1;
            _disk.FlipBit(SegmentAt(segment), position, bit);
            KafkaOffset hidden = new(end - 1);
            Assert.True(Assert.Throws<StorageException>(() => _log.Read(hidden, _log.NextOffset, 10_000, true)).IsDamage);
            Assert.True(Assert.Throws<StorageException>(() => _log.ReadBatches(hidden, _log.NextOffset, 10_000)).IsDamage);
            _disk.FlipBit(SegmentAt(segment), position, bit);
        }

        Assert.Equal(_log.NextOffset, Walk(KafkaOffset.Zero, 25));
    }

    [Fact]
    public void A_lookup_by_time_answers_what_is_right_or_says_that_it_cannot()
    {
        Fill(15);
        KafkaOffset end = _log.NextOffset;
        TimestampedOffset?[] right = [.. Lookups(end)];
        long length = _batches[..4].Sum(batch => (long)batch.Length);
        int refused = 0;
        for (long at = 0; at < length; at++)
        {
            if (IsEpoch(at)) continue;
            _disk.FlipBit(SegmentAt(0), at, (int)(at % 8));
            int i = 0;
            foreach (TimestampedOffset? found in Lookups(end, () => refused++))
                if (found is not null) Assert.Equal(right[i++], found);
                else i++;
            _disk.FlipBit(SegmentAt(0), at, (int)(at % 8));
        }

        Assert.True(refused > length);
        Assert.Equal(right, Lookups(end));

        bool IsEpoch(long at)
        {
            foreach (byte[] batch in _batches)
            {
                if (at < batch.Length) return at is >= 12 and < 16;
                at -= batch.Length;
            }

            return false;
        }
    }

    [Fact]
    public void A_flipped_bit_in_the_index_changes_no_answer_of_a_lookup_by_time()
    {
        Fill(12);
        Checkpoint(); // From now on the index is read from its file.
        TimestampedOffset?[] right = [.. Lookups(_log.NextOffset)];
        string index = $"{Folder}/{0:D20}.index";
        long length = _disk.List(Folder).Single(e => index.EndsWith(e.Name, StringComparison.Ordinal)).Length;
        Assert.InRange(length, 3 * IndexEntry.Bytes, 10 * IndexEntry.Bytes);
        for (int bit = 0; bit < 8 * length; bit++)
        {
            _disk.FlipBit(index, bit / 8, bit % 8);
            Assert.Equal(right, Lookups(_log.NextOffset));
            _disk.FlipBit(index, bit / 8, bit % 8);
        }
    }

    [Fact]
    public void What_a_lookup_by_time_found_damaged_is_given_to_nobody_though_this_process_wrote_it()
    {
        Fill(10);
        _disk.FlipBit(SegmentAt(0), 75, 1);
        Assert.True(Assert.Throws<StorageException>(() => _log.FindByTimestamp(0, _log.NextOffset)).IsDamage);
        Assert.True(Assert.Throws<StorageException>(() => _log.Read(KafkaOffset.Zero, _log.NextOffset, 10_000, true)).IsDamage);
    }

    [Fact]
    public void A_scan_reads_every_byte_leaves_no_file_open_and_nothing_in_memory()
    {
        Fill(40);
        Checkpoint();
        HookedDisk disk = new(_disk.Kill());
        using NodeStorage again = Make.Open(disk, pool: _pool);
        PartitionLog found = again.OpenLog(Make.GroupA, Tiny);
        Dictionary<string, long> dropped = [];
        HashSet<string> read = [];
        List<string> closed = [];
        disk.Reading = (file, _, _) => read.Add(file.Path);
        disk.Closed = file => closed.Add(file.Path);
        disk.DroppingCache = (file, at, bytes) =>
        {
            Assert.Equal(dropped.GetValueOrDefault(file.Path), at);
            dropped[file.Path] = at + bytes;
        };
        long lent = _pool.LentBytes;
        using (LogScan scan = found.Scan())
        {
            long bytes = 0;
            for (int done; (done = scan.CheckNext(300)) > 0;) bytes += done;
            Assert.Equal(found.SizeBytes, bytes);
        }

        Dictionary<string, long> segments = disk.List(Folder).Where(e => e.Name.EndsWith(".log", StringComparison.Ordinal))
            .ToDictionary(e => $"{Folder}/{e.Name}", e => e.Length);
        Assert.True(segments.Count > 5);
        Assert.Equal(segments.OrderBy(s => s.Key), dropped.OrderBy(s => s.Key));
        Assert.Equal(segments.Keys.Order(), read.Order()); // No index.
        Assert.Equal(segments.Keys.Order(), closed.Order());
        Assert.Equal(lent, _pool.LentBytes);
    }

    [Fact]
    public void A_scan_finds_any_bit_that_has_changed_and_goes_on_with_what_was_appended_meanwhile()
    {
        Fill(10);
        using (LogScan scan = _log.Scan())
        {
            while (scan.CheckNext(300) > 0)
            {
            }

            Fill(10);
            Assert.True(scan.CheckNext(300) > 0);
        }

        for (int at = 0; at < _batches[0].Length; at++)
        {
            if (at is >= 12 and < 16) continue;
            _disk.FlipBit(SegmentAt(0), at, at % 8);
            using LogScan scan = _log.Scan();
            Assert.True(Assert.Throws<StorageException>(() => scan.CheckNext(10_000)).IsDamage);
            _disk.FlipBit(SegmentAt(0), at, at % 8);
        }
    }

    [Fact]
    public void A_scan_goes_on_where_the_log_begins_when_it_was_cut_meanwhile()
    {
        Fill(40);
        using LogScan scan = _log.Scan();
        Assert.True(scan.CheckNext(1) > 0);
        KafkaOffset cut = new RecordBatchView(_batches[30]).BaseOffset;
        _log.DeleteBefore(cut);
        Checkpoint(); // The files are gone; the one that is open can be read to its end.
        long bytes = 0;
        for (int done; (done = scan.CheckNext(300)) > 0;) bytes += done;
        Assert.InRange(bytes, _log.SizeBytes, _log.SizeBytes + 1000);
    }

    [Fact]
    public void A_scan_goes_on_where_the_log_begins_when_a_file_is_deleted_that_it_is_about_to_open()
    {
        HookedDisk disk = new(new MemoryDisk());
        using NodeStorage storage = Make.Open(disk, pool: _pool);
        PartitionLog log = storage.OpenLog(Make.GroupA, Tiny);
        for (int i = 0; i < 40; i++) Make.AppendTo(log, _pool, Make.Batch(i, 1, valueBytes: 60));
        using LogScan scan = log.Scan();
        disk.Opening = path =>
        {
            if (!path.EndsWith($"/{0:D20}.log", StringComparison.Ordinal)) return;
            disk.Opening = null;
            log.DeleteBefore(new KafkaOffset(30));
            disk.Delete(path);
        };
        long bytes = 0;
        for (int done; (done = scan.CheckNext(300)) > 0;) bytes += done;
        Assert.Equal(log.SizeBytes, bytes);
    }

    private static string SegmentAt(long offset) => $"{Folder}/{offset:D20}.log";

    private KafkaOffset Walk(KafkaOffset from, int batches)
    {
        int given = 0;
        KafkaOffset end = _log.Walk(from, _log.NextOffset, 500, (in batch) => Assert.Equal(_batches[given++], batch.Bytes.ToArray()));
        Assert.Equal(batches, given);
        return end;
    }

    /// <summary>By every timestamp that there is, and the largest below every offset; null where damage is met.</summary>
    private IEnumerable<TimestampedOffset?> Lookups(KafkaOffset end, Action? refused = null)
    {
        for (KafkaOffset offset = KafkaOffset.Zero; offset < end; offset += 1)
        {
            KafkaOffset limit = offset + 1;
            yield return Try(() => _log.FindByTimestamp(1000 + limit.Value - 1, end));
            yield return Try(() => _log.MaxTimestamp(limit));
        }

        TimestampedOffset? Try(Func<TimestampedOffset?> look)
        {
            try
            {
                return look() ?? throw new InvalidOperationException("every one of them is there");
            }
            catch (StorageException damage) when (damage.IsDamage && refused is not null)
            {
                refused();
                return null;
            }
        }
    }

    private void Fill(int count)
    {
        for (int i = 0; i < count; i++)
        {
            long next = _log.NextOffset.Value;
            byte[] batch = Make.Batch(next, 1 + (_batches.Count % 3), 1000 + next, valueBytes: 20 + (_batches.Count * 7 % 60));
            _batches.Add(batch);
            Make.AppendTo(_log, _pool, batch);
        }
    }

    private void Checkpoint()
    {
        Exception? failure = new InvalidOperationException("not done");
        HardState hardState = new(new Term(1), NodeId.None);
        Checkpoint checkpoint = new(new LogIndex(1), new Term(1), _log.NextOffset, _log.LogStartOffset, hardState, default);
        _storage.Checkpoint(Make.GroupA, checkpoint, e => failure = e);
        _storage.RunQueued();
        Assert.Null(failure);
    }
}
