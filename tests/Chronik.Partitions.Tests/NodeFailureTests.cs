using System.Diagnostics.Metrics;
using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage.Testing;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>What becomes of a node, its topics and whoever waits when something is missing, damaged, full or too quick.</summary>
public sealed class NodeFailureTests
{
    [Fact]
    public async Task Every_partition_has_its_topics_settings_after_a_restart()
    {
        await using NodeFixture first = await NodeFixture.StartAsync();
        await first.CreateAsync("t", 400, KeyValuePair.Create<string, string?>(TopicConfigs.MaxMessageBytes, "12345"));
        await using NodeFixture second = await first.CrashAsync();
        for (int i = 0; i < 400; i++)
        {
            Partition partition = second.Node.Find(new TopicPartition("t", i))!;
            await NodeFixture.UntilAsync(() => partition.View.Config.MaxMessageBytes == 12345);
        }
    }

    [Fact]
    public async Task A_topic_that_is_deleted_while_its_partitions_start_leaves_none_of_them()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        await node.Node.SubmitAsync(new CreateTopics([new NewTopic { Name = "t", PartitionCount = 400 }]), TimeSpan.Zero);
        await node.Node.SubmitAsync(new DeleteTopics([TopicReference.ByName("t")]), NodeFixture.Patience);
        await node.CreateAsync("after");
        await NodeFixture.UntilAsync(() => node.Node.Progress == (2, 2));
    }

    [Fact]
    public async Task Topics_can_be_deleted_when_the_disk_has_reached_its_reserve()
    {
        await using NodeFixture first = await NodeFixture.StartAsync();
        await first.CreateAsync("t");
        await using NodeFixture second = await first.CrashAsync(disk => disk.Free = 0);
        Partition partition = second.Node.Find(new TopicPartition("t", 0))!;
        Assert.Equal(KafkaError.KafkaStorageError, (await second.AppendAsync(partition, "too much")).Error);
        IReadOnlyList<ItemResult> results =
            await second.Node.SubmitAsync(new DeleteTopics([TopicReference.ByName("t")]), NodeFixture.Patience);
        Assert.Equal(KafkaError.None, results.Single().Error);
    }

    [Fact]
    public async Task Producers_are_held_back_while_as_much_as_may_waits_for_the_disk()
    {
        await using NodeFixture node = await NodeFixture.StartAsync(walQueueBytes: 1);
        Partition partition = await node.CreateAsync("t");
        ManualResetEventSlim disk = new(); // Not disposed of: the disk asks it to the node's end.
        node.Disk.Fault = (_, operation, _) =>
        {
            if (operation == DiskOperation.Sync) disk.Wait(NodeFixture.Patience);
            return null;
        };
        Task<AppendResult> first = node.AppendAsync(partition, "on its way");
        await NodeFixture.UntilAsync(() => node.Storage.Wal.IsFull);
        Assert.Equal(KafkaError.KafkaStorageError, (await node.AppendAsync(partition, "too much")).Error);
        disk.Set();
        Assert.Equal(KafkaError.None, (await first).Error);
        Assert.Equal(KafkaError.None, (await node.AppendAsync(partition, "in time")).Error);
    }

    [Fact]
    public async Task Metadata_commands_are_refused_at_once_when_storage_has_failed()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        node.Disk.Fault = (_, operation, _) => operation == DiskOperation.Sync ? new IOException("injected") : null;
        CreateTopics create = new([new NewTopic { Name = "t", PartitionCount = 1 }]);
        for (int i = 0; i < 3; i++)
        {
            MetadataAppendException refused = await Assert.ThrowsAsync<MetadataAppendException>(
                () => node.Node.SubmitAsync(create, NodeFixture.Patience).WaitAsync(NodeFixture.Patience));
            Assert.Equal(KafkaError.KafkaStorageError, refused.Error);
        }
    }

    [Fact]
    public async Task A_node_whose_metadata_cannot_be_read_says_so_instead_of_never_being_ready()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        Partition metadata = node.Node.Find(GroupId.Metadata.Topic, GroupId.Metadata.Partition)!;
        await node.AppendAsync(metadata, "\u007fno record");
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(() => node.CrashAsync());
        Assert.Contains("type 127", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_partition_stops_no_other_and_can_be_deleted()
    {
        await using NodeFixture first = await NodeFixture.StartAsync();
        Partition damaged = await first.CreateAsync("damaged");
        await first.AppendAsync(damaged, "a", "b");
        await damaged.DeleteRecordsAsync(new KafkaOffset(1)); // Makes a checkpoint.
        await first.CreateAsync("whole");
        await using NodeFixture second = await first.CrashAsync(disk =>
            disk.Delete($"/data/logs/{damaged.Group}/00000000000000000000.log"));
        Partition whole = second.Node.Find(new TopicPartition("whole", 0))!;
        Assert.Equal(KafkaError.None, (await second.AppendAsync(whole, "c")).Error);
        await second.Node.SubmitAsync(new DeleteTopics([TopicReference.ByName("damaged")]), NodeFixture.Patience);
        await NodeFixture.UntilAsync(() => !second.Disk.DirectoryExists($"/data/logs/{damaged.Group}"));
    }

    [Fact]
    public async Task Batches_that_are_applied_in_parts_are_each_answered_once_when_the_disk_fails_between_them()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        Partition partition = await node.CreateAsync("t");
        using ManualResetEventSlim goOn = new();
        Task<AppendResult> held = AppendAsync(node, partition, 10, () => goOn.Wait(NodeFixture.Patience));
        Assert.Equal(KafkaError.None, (await held.WaitAsync(NodeFixture.Patience)).Error);

        // The replica is held in the answer above, so that these two are gathered, written and applied together, in two parts.
        Task<AppendResult> large = AppendAsync(node, partition, 2 << 20);
        Task<AppendResult> small = AppendAsync(node, partition, 10);
        string log = $"/data/logs/{partition.Group}/";
        int writes = 0;
        node.Disk.Fault = (_, operation, path) =>
            operation == DiskOperation.Write && path.StartsWith(log, StringComparison.Ordinal) && Interlocked.Increment(ref writes) == 2
                ? new IOException("injected")
                : null;
        goOn.Set();
        Assert.Equal(KafkaError.KafkaStorageError, (await large.WaitAsync(NodeFixture.Patience)).Error);
        Assert.Equal(KafkaError.KafkaStorageError, (await small.WaitAsync(NodeFixture.Patience)).Error);
        Assert.NotEqual(KafkaError.None, (await node.AppendAsync(partition, "late")).Error);
        Assert.Contains("injected", partition.View.Failure!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_whose_actors_do_not_end_in_time_lets_go_of_everything_else_all_the_same()
    {
        NodeFixture node = await NodeFixture.StartAsync();
        TaskCompletionSource over = new();
        using MeterListener listener = new(); // The meter of snapshots is the last thing that is let go of.
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == "Chronik.Snapshots" && node.Storage.Meters.Owns(instrument))
                self.EnableMeasurementEvents(instrument);
        };
        listener.MeasurementsCompleted = (_, _) => over.TrySetResult();
        listener.Start();
        ManualResetEventSlim goOn = new(); // Not disposed of: the actor asks it to its end.
        (await node.Node.ActorOfAsync(Props.Create(() => new Busy()), "busy")).Tell(goOn);
        Task stopped = node.DisposeAsync().AsTask();
        await Task.WhenAny(over.Task, stopped).WaitAsync(NodeFixture.Patience);
        goOn.Set();
        await stopped;
        Assert.True(over.Task.IsCompletedSuccessfully);
    }

    private static Task<AppendResult> AppendAsync(NodeFixture node, Partition partition, int bytes, Action? whenAnswered = null)
    {
        byte[] batch = new RecordBatchBuilder().Add(1_000, null, new byte[bytes]).Build();
        return partition.AppendAsync(node.Buffers, batch, whenAnswered: whenAnswered);
    }

    /// <summary>Does one thing for as long as it is not told to go on.</summary>
    private sealed class Busy : ReceiveActor
    {
        public Busy() => Receive<ManualResetEventSlim>(goOn => goOn.Wait(NodeFixture.Patience));
    }
}
