using System.Diagnostics.Metrics;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Protocol.Compression;
using Chronik.Protocol.RecordBatches;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>What the transfers of snapshots of a node share, and what their pieces are made of.</summary>
public sealed class SnapshotTransfersTests
{
    private static readonly TopicPartition Name = new("t", 0);
    private readonly HandTime _time = new();

    [Fact]
    public void So_many_are_sent_at_once_and_the_others_have_their_turns_in_order()
    {
        using SnapshotTransfers transfers = new(new NodeMeters(), new PartitionLimits { SnapshotsAtOnce = 2 }, _time);
        List<int> begun = [];
        List<SnapshotProgress> all = [.. Enumerable.Range(0, 4).Select(i => transfers.Send(Name, new NodeId(i), () => begun.Add(i)))];
        transfers.Receive(Name, new NodeId(9)); // Has had its turn elsewhere.
        Assert.Equal([0, 1], begun);
        Assert.Equal([false, false, true, true, false], transfers.All.Select(transfer => transfer.IsWaiting));

        all[2].Dispose(); // It never came to its turn.
        Assert.Equal([0, 1], begun);
        all[0].Dispose();
        all[0].Dispose();
        Assert.Equal([0, 1, 3], begun);
    }

    [Fact]
    public void A_transfer_says_how_far_it_is_and_how_long_it_will_take()
    {
        using SnapshotTransfers transfers = new(new NodeMeters(), new PartitionLimits(), _time);
        SnapshotProgress progress = transfers.Send(Name, new NodeId(2), () => { });
        Assert.Null(Assert.Single(transfers.All).Remaining);
        progress.Lacks(1_000);
        _time.Advance(TimeSpan.FromSeconds(2));
        progress.Advance(200);
        Assert.Equal(
            new SnapshotTransferStatus(Name, new NodeId(2), true, false, 200, 1_000, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(8)),
            Assert.Single(transfers.All));
        progress.Lacks(400); // It was cut off, and is asked again.
        Assert.Equal(600, Assert.Single(transfers.All).BytesTotal);
    }

    [Fact]
    public void Room_that_the_transfers_under_way_will_take_is_not_promised_once_more()
    {
        using SnapshotTransfers transfers = new(new NodeMeters(), new PartitionLimits(), _time);
        SnapshotProgress first = transfers.Receive(Name, new NodeId(2));
        SnapshotProgress second = transfers.Receive(Name, new NodeId(3));
        transfers.Send(Name, new NodeId(3), () => { }).Lacks(5_000); // Takes no room here.
        Assert.True(transfers.TryPromise(first, 1_000, free: 1_000, out long promised));
        Assert.Equal(0, promised);
        first.Advance(300);
        Assert.False(transfers.TryPromise(second, 301, free: 1_000, out promised));
        Assert.Equal(700, promised);
        Assert.True(transfers.TryPromise(second, 300, free: 1_000, out _));
        Assert.False(transfers.TryPromise(first, 701, free: 1_000, out promised));
        Assert.Equal(300, promised);
        Assert.True(transfers.TryPromise(first, 5_000, free: -1, out _));
        first.Dispose();
        Assert.True(transfers.TryPromise(second, 1_000, free: 1_000, out _));
    }

    [Fact]
    public async Task Of_many_transfers_that_want_the_same_room_at_once_one_gets_it()
    {
        using SnapshotTransfers transfers = new(new NodeMeters(), new PartitionLimits(), _time);
        SnapshotProgress[] all = [.. Enumerable.Range(0, 8).Select(_ => transfers.Receive(Name, new NodeId(2)))];
        bool[] promised = await Task.WhenAll(all.Select(one => Task.Run(() => transfers.TryPromise(one, 600, free: 1_000, out _))));
        Assert.Single(promised, got => got);
    }

    [Fact]
    public void Transfers_to_a_node_share_what_may_be_under_way_to_it()
    {
        using SnapshotTransfers transfers = new(
            new NodeMeters(), new PartitionLimits { SnapshotsAtOnce = 3, SnapshotWindow = 1_200_000 }, _time);
        using SnapshotProgress first = transfers.Send(Name, new NodeId(2), () => { });
        Assert.Equal(1_200_000, transfers.ShareOf(new NodeId(2)));
        using SnapshotProgress elsewhere = transfers.Send(Name, new NodeId(3), () => { });
        using SnapshotProgress received = transfers.Receive(Name, new NodeId(2));
        Assert.Equal(1_200_000, transfers.ShareOf(new NodeId(2)));
        SnapshotProgress second = transfers.Send(Name, new NodeId(2), () => { });
        using SnapshotProgress waits = transfers.Send(Name, new NodeId(2), () => { });
        Assert.Equal(600_000, transfers.ShareOf(new NodeId(2)));
        elsewhere.Dispose();
        Assert.Equal(400_000, transfers.ShareOf(new NodeId(2)));
        second.Dispose();
        Assert.Equal(600_000, transfers.ShareOf(new NodeId(2)));
    }

    [Fact]
    public void What_is_sent_is_measured()
    {
        NodeMeters meters = new();
        using SnapshotTransfers transfers = new(meters, new PartitionLimits { SnapshotsAtOnce = 1 }, _time);
        Dictionary<string, double> seen = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (meters.Owns(instrument)) own.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Add(instrument, value));
        listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => Add(instrument, value));
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => Add(instrument, value));
        listener.Start();
        SnapshotProgress first = transfers.Send(Name, new NodeId(2), () => { });
        transfers.Send(Name, new NodeId(3), () => { });
        first.Lacks(1_000);
        _time.Advance(TimeSpan.FromSeconds(1));
        first.Advance(250);
        listener.RecordObservableInstruments();
        Assert.Equal(1, seen["chronik.snapshot.running"]);
        Assert.Equal(1, seen["chronik.snapshot.waiting"]);
        Assert.Equal(750, seen["chronik.snapshot.remaining.bytes"]);
        Assert.Equal(3, seen["chronik.snapshot.remaining.seconds"]);
        first.IsDone = true;
        first.Dispose();
        Assert.Equal(250, seen["chronik.snapshot.bytes"]);
        Assert.Equal(1, seen["chronik.snapshot.transfers"]);
        Assert.Equal(1, seen["chronik.snapshot.duration"]);

        void Add(Instrument instrument, double value) => seen[instrument.Name] = seen.GetValueOrDefault(instrument.Name) + value;
    }

    [Fact]
    public void A_bucket_lets_so_many_bytes_pass_in_a_second_however_large_the_pieces()
    {
        TokenBucket bucket = new(1_000_000, _time);
        long passed = 0;
        for (int step = 0; step < 10_000; step++)
        {
            while (bucket.Take(256 << 10) == TimeSpan.Zero) passed += 256 << 10;
            _time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.InRange(passed, 10_000_000, 10_000_000 + 100_000 + (256 << 10));
        Assert.True(bucket.Take(1 << 20) is var wait && (wait > TimeSpan.Zero || bucket.Take(1) > TimeSpan.Zero));
        Assert.Equal(TimeSpan.Zero, new TokenBucket(0, _time).Take(int.MaxValue));
    }

    [Fact]
    public void Who_waits_as_long_as_it_was_told_finds_something()
    {
        TokenBucket bucket = new(1_000, _time);
        Assert.Equal(TimeSpan.Zero, bucket.Take(5_000));
        TimeSpan wait = bucket.Take(1);
        Assert.InRange(wait, TimeSpan.FromSeconds(4.8), TimeSpan.FromSeconds(5));
        _time.Advance(wait);
        Assert.Equal(TimeSpan.Zero, bucket.Take(5_000));
    }

    [Fact]
    public void Chunks_are_compressed_where_that_helps_and_come_out_as_they_were()
    {
        if (!Codecs.IsAvailable(CompressionType.Zstd, out _)) return;
        BufferPool pool = new();
        SnapshotPacker packer = new(pool);
        byte[] text = Batches(40, _ => [.. Enumerable.Repeat((byte)'x', 5_000)]);
        BufferSlice raw = pool.Copy(text);
        (BufferSlice packed, int rawBytes) = packer.Pack(raw);
        Assert.Equal(text.Length, rawBytes);
        Assert.True(packed.Length < text.Length / 10);
        BufferSlice unpacked = SnapshotChunk.Unpack(packed, rawBytes, pool);
        Assert.Equal(text, unpacked.Span.ToArray());
        Assert.Equal(new KafkaOffset(40), SnapshotChunk.EndOf(unpacked.Span, KafkaOffset.Zero));
        Assert.Throws<InvalidDataException>(() => SnapshotChunk.Unpack(packed, rawBytes + 1, pool));
        Assert.Throws<InvalidDataException>(() => SnapshotChunk.Unpack(raw, 100, pool));
        foreach (BufferSlice slice in (BufferSlice[])[raw, packed, unpacked]) slice.Release();

        BufferSlice random = pool.Copy(Batches(40, i => RandomBytes(i, 5_000)));
        (BufferSlice sent, int none) = packer.Pack(random);
        Assert.Equal((random, 0), (sent, none));
        sent.Release();
        random.Release();
        Assert.Equal(0, pool.LentBytes);
    }

    [Fact]
    public void A_chunk_is_read_only_if_every_batch_is_whole_and_follows_the_one_before()
    {
        byte[] good = Batches(3, i => RandomBytes(i, 50));
        Assert.Equal(new KafkaOffset(3), SnapshotChunk.EndOf(good, KafkaOffset.Zero));
        byte[] flipped = [.. good];
        flipped[^1] ^= 1;
        byte[] gap = [.. good.AsSpan(0, good.Length / 3), .. good.AsSpan(2 * (good.Length / 3))];
        foreach (byte[] bad in (byte[][])[flipped, gap, good[..^1], []])
            Assert.Throws<InvalidDataException>(() => SnapshotChunk.EndOf(bad, KafkaOffset.Zero));
        Assert.Throws<InvalidDataException>(() => SnapshotChunk.EndOf(good, new KafkaOffset(1))); // It is not what was asked for.
    }

    [Fact]
    public void A_manifest_is_read_as_it_was_written_and_no_other()
    {
        SnapshotManifest manifest = new("cluster", new KafkaOffset(7), [new(new KafkaOffset(7), 30), new(new KafkaOffset(100), 12)]);
        byte[] bytes = manifest.Write();
        SnapshotManifest read = SnapshotManifest.Read(bytes);
        Assert.Equal((manifest.ClusterId, manifest.From, 42), (read.ClusterId, read.From, read.Bytes));
        Assert.Equal(manifest.Ranges, read.Ranges);
        Assert.Throws<InvalidDataException>(() => SnapshotManifest.Read(bytes.AsSpan(0, bytes.Length - 1)));
        bytes[0]++;
        Assert.Throws<InvalidDataException>(() => SnapshotManifest.Read(bytes));
    }

    private static byte[] Batches(int count, Func<int, byte[]> value)
    {
        List<byte> all = [];
        for (int i = 0; i < count; i++)
            all.AddRange(new RecordBatchBuilder { BaseOffset = new KafkaOffset(i) }.Add(1_000, null, value(i)).Build());
        return [.. all];
    }

    private static byte[] RandomBytes(int seed, int count)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
