using System.Text;
using Chronik.Model;
using Chronik.Protocol.Compression;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Protocol.Tests;

public class RecordBatchTests
{
    [Theory]
    [InlineData("none", CompressionType.None)]
    [InlineData("gzip", CompressionType.Gzip)]
    [InlineData("snappy", CompressionType.Snappy)]
    [InlineData("lz4", CompressionType.Lz4)]
    [InlineData("zstd", CompressionType.Zstd)]
    public void Batches_of_Kafka_are_read_with_every_codec(string name, CompressionType type)
    {
        byte[] bytes = GoldenBatches.Get(name);
        var batch = new RecordBatchView(bytes);

        Assert.True(batch.IsIntact);
        Assert.Equal(type, batch.Compression);
        Assert.Equal((0L, -1), (batch.BaseOffset.Value, batch.LeaderEpoch.Value));
        Assert.Equal((bytes.Length, RecordBatchView.CurrentMagic), (batch.Size, batch.Magic));
        Assert.Equal((42L, (short)3, 17), (batch.ProducerId, batch.ProducerEpoch, batch.BaseSequence));
        Assert.Equal(17 + GoldenBatches.Records - 1, batch.LastSequence);
        Assert.Equal((GoldenBatches.Records - 1L, (long)GoldenBatches.Records), (batch.LastOffset.Value, batch.NextOffset.Value));
        Assert.Equal(GoldenBatches.FirstTimestamp, batch.BaseTimestamp);
        Assert.Equal(GoldenBatches.FirstTimestamp + GoldenBatches.Records - 1, batch.MaxTimestamp);
        Assert.False(batch.IsTransactional || batch.IsControl || batch.IsLogAppendTime || batch.HasDeleteHorizon);

        int i = 0;
        foreach (RecordView record in batch.Records())
        {
            Assert.Equal(i, record.Offset.Value);
            Assert.Equal(GoldenBatches.FirstTimestamp + i, record.Timestamp);
            Assert.Equal($"k{i}", Encoding.UTF8.GetString(record.Key));
            Assert.Equal(GoldenBatches.Value(i), Encoding.UTF8.GetString(record.Value));
            i++;
        }

        Assert.Equal(GoldenBatches.Records, i);
    }

    [Fact]
    public void A_batch_that_is_built_is_the_one_that_Kafka_builds()
    {
        var many = new RecordBatchBuilder { ProducerId = 42, ProducerEpoch = 3, BaseSequence = 17 };
        for (int i = 0; i < GoldenBatches.Records; i++)
        {
            many.Add(GoldenBatches.FirstTimestamp + i, Encoding.UTF8.GetBytes($"k{i}"), Encoding.UTF8.GetBytes(GoldenBatches.Value(i)));
        }

        Assert.Equal(GoldenBatches.Get("none"), many.Build());

        byte[] few = new RecordBatchBuilder { BaseOffset = new KafkaOffset(1000), LeaderEpoch = new LeaderEpoch(6) }
            .Add(GoldenBatches.FirstTimestamp + 500, null, "only a value"u8.ToArray())
            .Add(GoldenBatches.FirstTimestamp + 400, "tombstone"u8.ToArray(), null)
            .Add(GoldenBatches.FirstTimestamp + 600, "key"u8.ToArray(), "value"u8.ToArray(),
                new("a", "1"u8.ToArray()), new("none", null), new("a", []))
            .Build();
        Assert.Equal(GoldenBatches.Get("few"), few);
    }

    [Fact]
    public void Nulls_headers_and_timestamps_that_go_down_are_read()
    {
        RecordSequence records = new RecordBatchView(GoldenBatches.Get("few")).Records();

        Assert.True(records.MoveNext());
        Assert.True(records.Current.IsKeyNull);
        Assert.Equal(1000, records.Current.Offset.Value);
        Assert.True(records.MoveNext());
        Assert.True(records.Current.IsValueNull);
        Assert.Equal(GoldenBatches.FirstTimestamp + 400, records.Current.Timestamp);
        Assert.True(records.MoveNext());
        var headers = new List<string>();
        foreach (RecordHeaderView header in records.Current.Headers)
        {
            headers.Add($"{Encoding.UTF8.GetString(header.Key)}={(header.IsValueNull ? "null" : Encoding.UTF8.GetString(header.Value))}");
        }

        Assert.Equal(["a=1", "none=null", "a="], headers);
        Assert.False(records.MoveNext());
    }

    [Fact]
    public void A_transaction_marker_is_read_and_built()
    {
        byte[] golden = GoldenBatches.Get("commit");
        var batch = new RecordBatchView(golden);
        Assert.True(batch.IsControl && batch.IsTransactional);
        RecordSequence records = batch.Records();
        Assert.True(records.MoveNext());
        Assert.Equal([0, 0, 0, 1], records.Current.Key.ToArray());
        var value = new KafkaReader(records.Current.Value.ToArray());
        Assert.Equal(0, value.ReadInt16());
        Assert.Equal(9, EndTxnMarker.Read(ref value, 0).CoordinatorEpoch);

        byte[] built = new RecordBatchBuilder
        {
            BaseOffset = new KafkaOffset(77),
            LeaderEpoch = new LeaderEpoch(3),
            ProducerId = 4711,
            ProducerEpoch = 5,
            IsControl = true,
            IsTransactional = true,
        }.Add(GoldenBatches.FirstTimestamp, [0, 0, 0, 1], [0, 0, 0, 0, 0, 9]).Build();
        Assert.Equal(golden, built);
    }

    [Fact]
    public void Placing_a_batch_leaves_its_checksum_right()
    {
        byte[] bytes = GoldenBatches.Get("lz4");
        uint crc = new RecordBatchView(bytes).Crc;
        RecordBatchStamp.Place(bytes, new KafkaOffset(1L << 40), new LeaderEpoch(12));
        var batch = new RecordBatchView(bytes);
        Assert.True(batch.IsIntact);
        Assert.Equal((1L << 40, 12, crc), (batch.BaseOffset.Value, batch.LeaderEpoch.Value, batch.Crc));
    }

    [Fact]
    public void Log_append_time_is_stamped_as_Kafka_does_it()
    {
        byte[] bytes = GoldenBatches.Get("none");
        RecordBatchStamp.SetLogAppendTime(bytes, 1_700_000_009_999);
        Assert.Equal(GoldenBatches.Get("log-append-time"), bytes);
        foreach (RecordView record in new RecordBatchView(bytes).Records()) Assert.Equal(1_700_000_009_999, record.Timestamp);
    }

    [Fact]
    public void Sequence_numbers_wrap_to_0()
    {
        byte[] bytes = new RecordBatchBuilder { ProducerId = 1, ProducerEpoch = 0, BaseSequence = int.MaxValue - 1 }
            .Add(0, null, []).Add(0, null, []).Add(0, null, []).Build();
        Assert.Equal(0, new RecordBatchView(bytes).LastSequence);
    }

    [Fact]
    public void Every_flipped_bit_behind_the_epoch_is_noticed()
    {
        byte[] golden = GoldenBatches.Get("few");
        for (int bit = 16 * 8; bit < golden.Length * 8; bit++)
        {
            byte[] bytes = (byte[])golden.Clone();
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            var batch = new RecordBatchView(bytes);
            Assert.False(batch.IsIntact && batch.Magic == RecordBatchView.CurrentMagic, $"bit {bit}");
        }
    }

    [Fact]
    public void Walking_records_allocates_nothing()
    {
        byte[] bytes = GoldenBatches.Get("few");
        long sum = Walk();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) sum += Walk();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(sum > 0);

        long Walk()
        {
            long total = 0;
            foreach (RecordView record in new RecordBatchView(bytes).Records())
            {
                total += record.Key.Length;
                foreach (RecordHeaderView header in record.Headers) total += header.Value.Length;
            }

            return total;
        }
    }

    [Fact]
    public void Coordinator_records_have_their_type_and_version_in_front()
    {
        byte[] key = CoordinatorRecords.EncodeKey(new OffsetCommitKey { Group = "g", Topic = "t", Partition = 3 });
        Assert.Equal("0001" + "000167" + "000174" + "00000003", Convert.ToHexString(key));
        Assert.Equal(OffsetCommitKey.RecordType, CoordinatorRecords.TypeOf(key));
        Assert.Equal("t", CoordinatorRecords.DecodeKey<OffsetCommitKey>(key).Topic);
        Assert.Throws<ProtocolException>(() => CoordinatorRecords.DecodeKey<GroupMetadataKey>(key));

        var value = new OffsetCommitValue { Offset = 5, LeaderEpoch = 2, Metadata = "m", CommitTimestamp = 9 };
        byte[] bytes = CoordinatorRecords.EncodeValue(value, 3);
        Assert.Equal("0003" + "0000000000000005" + "00000002" + "00016D" + "0000000000000009", Convert.ToHexString(bytes));
        Assert.Equal(2, CoordinatorRecords.DecodeValue<OffsetCommitValue>(bytes).LeaderEpoch);
    }
}
