using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>A whole node over a disk in memory: topics, appends, restarts after power loss.</summary>
public sealed class NodeTests
{
    [Fact]
    public async Task Offsets_are_dense_from_zero_whatever_elections_came_before()
    {
        await using NodeFixture first = await NodeFixture.StartAsync();
        Partition partition = await first.CreateAsync("t");
        Assert.Equal(KafkaOffset.Zero, (await first.AppendAsync(partition, "a", "b")).BaseOffset);
        await using NodeFixture second = await first.CrashAsync();
        Partition again = second.Node.Find(partition.Name)!;
        Assert.Equal(new KafkaOffset(2), (await second.AppendAsync(again, "c")).BaseOffset);
        Assert.Equal(["a", "b", "c"], NodeFixture.Values(again));
    }

    [Fact]
    public async Task Every_acknowledged_record_is_there_after_power_loss()
    {
        await using NodeFixture first = await NodeFixture.StartAsync(checkpointBytes: 4 << 10);
        Partition partition = await first.CreateAsync("t", partitions: 3);
        List<string> acknowledged = [];
        for (int i = 0; i < 200; i++)
        {
            string value = $"{i}-{new string('x', 100)}";
            Assert.Equal(KafkaError.None, (await first.AppendAsync(partition, value)).Error);
            acknowledged.Add(value);
        }

        await using NodeFixture second = await first.CrashAsync();
        Assert.Equal(acknowledged, NodeFixture.Values(second.Node.Find(partition.Name)!));
    }

    [Fact]
    public async Task The_leader_epoch_grows_with_every_start_and_its_history_is_kept()
    {
        await using NodeFixture first = await NodeFixture.StartAsync();
        Partition partition = await first.CreateAsync("t");
        await first.AppendAsync(partition, "a", "b");
        LeaderEpoch epoch = partition.View.Epoch;
        await using NodeFixture second = await first.CrashAsync();
        Partition again = second.Node.Find(partition.Name)!;
        await second.AppendAsync(again, "c");
        Assert.True(again.View.Epoch.Value > epoch.Value);
        Assert.Equal((epoch, new KafkaOffset(2)), again.View.Epochs.EndOffsetFor(epoch, again.View.Epoch, again.View.LogEndOffset));
    }

    [Fact]
    public async Task A_duplicate_is_answered_with_the_offset_of_the_original_also_after_a_restart()
    {
        await using NodeFixture first = await NodeFixture.StartAsync();
        Partition partition = await first.CreateAsync("t");
        await first.AppendAsync(partition, Idempotent(0, "a"));
        Assert.Equal(new KafkaOffset(1), (await first.AppendAsync(partition, Idempotent(1, "b"))).BaseOffset);
        Assert.Equal(new KafkaOffset(1), (await first.AppendAsync(partition, Idempotent(1, "b"))).BaseOffset);
        await using NodeFixture second = await first.CrashAsync();
        Partition again = second.Node.Find(partition.Name)!;
        Assert.Equal(new KafkaOffset(0), (await second.AppendAsync(again, Idempotent(0, "a"))).BaseOffset);
        Assert.Equal(KafkaError.OutOfOrderSequenceNumber, (await second.AppendAsync(again, Idempotent(7, "x"))).Error);
        Assert.Equal(new KafkaOffset(2), (await second.AppendAsync(again, Idempotent(2, "c"))).BaseOffset);
        Assert.Equal(["a", "b", "c"], NodeFixture.Values(again));
    }

    [Fact]
    public async Task What_was_passed_on_begins_with_a_producers_first_batch()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        Partition partition = await fixture.CreateAsync("t");
        Assert.Equal(KafkaError.NotLeaderOrFollower, await PassOnAsync(1));
        Assert.Equal(KafkaError.None, await PassOnAsync(0));
        Assert.Equal(KafkaError.None, await PassOnAsync(1));
        Assert.Equal(KafkaError.OutOfOrderSequenceNumber, await PassOnAsync(3));
        Assert.Equal(["0", "1"], NodeFixture.Values(partition));

        async Task<KafkaError> PassOnAsync(int sequence) =>
            (await fixture.AppendAsync(partition, Idempotent(sequence, $"{sequence}"), isForwarded: true)).Error;
    }

    [Fact]
    public async Task A_read_that_nobody_is_there_to_confirm_any_more_is_not_confirmed()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        Partition partition = await fixture.CreateAsync("t");
        await fixture.Node.SubmitAsync(new DeleteTopics([TopicReference.ByName("t")]), NodeFixture.Patience);
        while (await ConfirmAsync()) await Task.Yield(); // It takes a moment until the replica stops.
        Assert.False(await ConfirmAsync());

        Task<bool> ConfirmAsync() => partition.ConfirmReadAsync().WaitAsync(NodeFixture.Patience);
    }

    [Fact]
    public async Task Deleted_records_never_come_back()
    {
        await using NodeFixture first = await NodeFixture.StartAsync();
        Partition partition = await first.CreateAsync("t");
        for (int i = 0; i < 10; i++) await first.AppendAsync(partition, $"{i}");
        DeleteRecordsResult result = await partition.DeleteRecordsAsync(new KafkaOffset(4));
        Assert.Equal(new DeleteRecordsResult(KafkaError.None, new KafkaOffset(4)), result);
        Assert.Equal(KafkaError.OffsetOutOfRange, (await partition.DeleteRecordsAsync(new KafkaOffset(11))).Error);
        await using NodeFixture second = await first.CrashAsync();
        Partition again = second.Node.Find(partition.Name)!;
        Assert.Equal(new KafkaOffset(4), again.View.LogStartOffset);
        Assert.Equal(["4", "5", "6", "7", "8", "9"], NodeFixture.Values(again));
    }

    [Fact]
    public async Task A_deleted_topic_is_gone_and_one_of_the_same_name_starts_empty()
    {
        await using NodeFixture first = await NodeFixture.StartAsync();
        Partition partition = await first.CreateAsync("t");
        await first.AppendAsync(partition, "old");
        await first.Node.SubmitAsync(new DeleteTopics([TopicReference.ByName("t")]), NodeFixture.Patience);
        Assert.Null(first.Node.Find(partition.Name));
        Partition anew = await first.CreateAsync("t");
        Assert.NotEqual(partition.Group, anew.Group);
        await first.AppendAsync(anew, "new");
        await using NodeFixture second = await first.CrashAsync();
        Assert.Equal(["new"], NodeFixture.Values(second.Node.Find(anew.Name)!));
    }

    [Fact]
    public async Task An_append_to_a_replica_that_is_gone_is_refused_and_its_buffer_returned()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        Partition partition = await node.CreateAsync("t");
        Woken stopped = new();
        partition.Waiters.Add(stopped, new KafkaOffset(long.MaxValue));
        await node.Node.SubmitAsync(new DeleteTopics([TopicReference.ByName("t")]), NodeFixture.Patience);
        await stopped.Task.WaitAsync(NodeFixture.Patience);
        await NodeFixture.UntilAsync(() => !partition.Published.IsLeader); // It may have been woken by who began to lead only then.
        AppendResult result = await node.AppendAsync(partition, "late");
        Assert.Contains(result.Error, new[] { KafkaError.NotLeaderOrFollower, KafkaError.UnknownTopicOrPartition });
    }

    [Fact]
    public async Task LogAppendTime_is_stamped_and_the_checksum_is_right()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        Partition partition = await node.CreateAsync(
            "t", 1, KeyValuePair.Create<string, string?>(TopicConfigs.MessageTimestampType, "LogAppendTime"));
        AppendResult result = await node.AppendAsync(partition, "a");
        Assert.True(result.LogAppendTimeMs > 1_000);
        BufferSlice batch = partition.View.Log.ReadBatches(KafkaOffset.Zero, partition.View.HighWatermark, 1 << 20);
        RecordBatchView view = new(batch.Span);
        Assert.True(view.IsIntact);
        Assert.True(view.IsLogAppendTime);
        Assert.Equal(result.LogAppendTimeMs, view.MaxTimestamp);
        batch.Release();
    }

    [Fact]
    public async Task More_in_sync_replicas_than_there_are_replicas_are_not_asked_for()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        Partition partition = await node.CreateAsync("t", 1, KeyValuePair.Create<string, string?>(TopicConfigs.MinInsyncReplicas, "2"));
        Assert.Equal(KafkaError.None, (await node.AppendAsync(partition, "a")).Error);
    }

    [Fact]
    public async Task A_failed_sync_stops_the_partition_and_nothing_is_acknowledged_after_it()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        Partition partition = await node.CreateAsync("t");
        await node.AppendAsync(partition, "before");
        node.Disk.Fault = (_, operation, _) => operation == Storage.Testing.DiskOperation.Sync ? new IOException("injected") : null;
        Assert.Equal(KafkaError.KafkaStorageError, (await node.AppendAsync(partition, "during")).Error);
        node.Disk.Fault = null;
        Assert.NotEqual(KafkaError.None, (await node.AppendAsync(partition, "after")).Error);
        Assert.Equal(["before"], NodeFixture.Values(partition));
        Assert.False(partition.View.IsLeader);
    }

    [Fact]
    public async Task Appends_from_many_callers_are_each_answered_once_and_all_there()
    {
        await using NodeFixture node = await NodeFixture.StartAsync();
        Partition partition = await node.CreateAsync("t");
        AppendResult[] results = await Task.WhenAll(Enumerable.Range(0, 500).Select(i => node.AppendAsync(partition, $"{i}")));
        Assert.Equal(Enumerable.Range(0, 500).Select(i => (long)i), results.Select(result => result.BaseOffset.Value).Order());
        Assert.Equal(500, NodeFixture.Values(partition).Distinct().Count());
    }

    [Fact]
    public async Task The_metadata_log_is_shortened_when_most_of_it_is_dead_and_says_the_same_after_a_restart()
    {
        await using NodeFixture first = await NodeFixture.StartAsync(metadataLogRecords: 20);
        Partition kept = await first.CreateAsync("kept", 3, KeyValuePair.Create<string, string?>(TopicConfigs.RetentionMs, "7"));
        await first.AppendAsync(kept, "a");
        for (int i = 0; i < 30; i++)
        {
            await first.CreateAsync("gone");
            await first.Node.SubmitAsync(new DeleteTopics([TopicReference.ByName("gone")]), NodeFixture.Patience);
            await first.Node.SubmitAsync(new AllocateProducerIds(1_000), NodeFixture.Patience);
        }

        Partition log = first.Node.Find(GroupId.Metadata.Topic, GroupId.Metadata.Partition)!;
        await NodeFixture.UntilAsync(() => log.View.HighWatermark.Value - log.View.LogStartOffset.Value < 40);
        Assert.True(log.View.LogStartOffset.Value > 50);
        MetadataImage before = first.Node.Metadata;
        await using NodeFixture second = await first.CrashAsync();
        MetadataImage after = second.Node.Metadata;
        Assert.Equal(["kept"], after.Topics.Keys);
        Assert.Equal(before.Topics["kept"].Id, after.Topics["kept"].Id);
        Assert.Equal("7", after.Topics["kept"].Configs[TopicConfigs.RetentionMs]);
        Assert.Equal((before.ClusterId, 30_000), (after.ClusterId, after.NextProducerId));
        Assert.Equal(before.Brokers.Keys, after.Brokers.Keys);
        Assert.Equal(["a"], NodeFixture.Values(second.Node.Find(kept.Name)!));
    }

    private sealed class Woken : IFetchWaiter
    {
        private readonly TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Task => _woken.Task;

        public void Wake() => _woken.TrySetResult();
    }

    private static RecordBatchBuilder Idempotent(int sequence, string value) =>
        new RecordBatchBuilder { ProducerId = 7, ProducerEpoch = 0, BaseSequence = sequence }
            .Add(1_000, null, System.Text.Encoding.UTF8.GetBytes(value));
}
