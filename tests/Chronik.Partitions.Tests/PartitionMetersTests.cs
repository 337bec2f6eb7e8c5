using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Chronik.Protocol.RecordBatches;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>What a node's partitions measure.</summary>
public sealed class PartitionMetersTests
{
    [Fact]
    public async Task Batches_records_duplicates_refusals_and_producers_are_counted()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        Partition partition = await node.CreateAsync("t");
        ConcurrentDictionary<string, double> seen = new();
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (node.Storage.Meters.Owns(instrument)) self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
            seen.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value));
        listener.SetMeasurementEventCallback<double>((instrument, _, _, _) => seen.AddOrUpdate(instrument.Name, 1, (_, sum) => sum + 1));
        listener.Start();
        await node.AppendAsync(partition, Batch(0, 3));
        await node.AppendAsync(partition, Batch(3, 2));
        await node.AppendAsync(partition, Batch(3, 2));
        await node.AppendAsync(partition, Batch(99, 1));
        listener.RecordObservableInstruments();

        // Those of the metadata count, too.
        Assert.True(seen["chronik.partition.appended.batches"] >= 2);
        Assert.True(seen["chronik.partition.appended.records"] >= 5);
        Assert.True(seen["chronik.partition.appended.bytes"] > 2 * RecordBatchView.HeaderSize);
        Assert.True(seen["chronik.raft.commit.latency.ms"] >= 2);
        Assert.Equal(1, seen["chronik.partition.duplicates"]);
        Assert.Equal(1, seen["chronik.partition.refused.batches"]);
        Assert.Equal(1, seen["chronik.partition.producers"]);
        Assert.True(seen["chronik.partition.log.end"] >= 5);
    }

    private static RecordBatchBuilder Batch(int sequence, int records)
    {
        RecordBatchBuilder batch = new() { ProducerId = 1, ProducerEpoch = 0, BaseSequence = sequence };
        for (int i = 0; i < records; i++) batch.Add(1_000, null, "x"u8.ToArray());
        return batch;
    }
}
