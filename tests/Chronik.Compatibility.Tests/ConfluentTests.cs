using System.Runtime.InteropServices;
using Confluent.Kafka;
using Confluent.Kafka.Admin;
using Xunit;

namespace Chronik.Compatibility.Tests;

[Collection(BrokerCollection.Name)]
public sealed class ConfluentTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly string _topic = BrokerFixture.NewName("confluent");
    private readonly string _bootstrap;

    static ConfluentTests()
    {
        if (Clients.WhyNot(Client.Confluent) is null)
        {
            // Library.Load would ask for a libdl.so, which newer systems do not have.
            NativeLibrary.SetDllImportResolver(typeof(Library).Assembly, static (name, _, _) =>
                name == "librdkafka" ? NativeLibrary.Load(Clients.Librdkafka) : 0);
        }
    }

    public ConfluentTests(BrokerFixture broker) => _bootstrap = broker.Bootstrap;

    [ClientFact(Client.Confluent)]
    public async Task An_idempotent_producers_values_arrive_once_and_in_order()
    {
        using (var producer = Producer(new() { EnableIdempotence = true, LingerMs = 2, CompressionType = CompressionType.Zstd }))
        {
            for (var i = 0; i < 5000; i++)
            {
                producer.Produce(_topic, Message(i));
            }

            Assert.Equal(0, producer.Flush(Patience));
        }

        Assert.Equal(Enumerable.Range(0, 5000).Select(i => $"v{i}"), await ReadAsync(BrokerFixture.NewName("group"), 5000));
    }

    [ClientFact(Client.Confluent)]
    public async Task Two_members_share_the_partitions_of_a_topic()
    {
        using var admin = Admin();
        await admin.CreateTopicsAsync([new TopicSpecification { Name = _topic, NumPartitions = 4 }]);
        var group = BrokerFixture.NewName("group");
        using var first = Consumer(group, PartitionAssignmentStrategy.CooperativeSticky);
        using var second = Consumer(group, PartitionAssignmentStrategy.CooperativeSticky);
        first.Subscribe(_topic);
        second.Subscribe(_topic);

        // Members only get on with a rebalance while they are polled.
        using var patience = new CancellationTokenSource(Patience);
        while (first.Assignment.Count != 2 || second.Assignment.Count != 2)
        {
            patience.Token.ThrowIfCancellationRequested();
            first.Consume(50);
            second.Consume(50);
        }

        Assert.Equal([0, 1, 2, 3], first.Assignment.Concat(second.Assignment).Select(p => p.Partition.Value).Order());
        first.Close();
        second.Close();
    }

    [ClientFact(Client.Confluent)]
    public async Task Committed_offsets_are_where_a_group_goes_on()
    {
        await ProduceAsync(10);
        var group = BrokerFixture.NewName("group");
        Assert.Equal(["v0", "v1", "v2"], await ReadAsync(group, 3));
        Assert.Equal(["v3", "v4"], await ReadAsync(group, 2));

        using var admin = Admin();
        var offsets = await admin.ListConsumerGroupOffsetsAsync([new ConsumerGroupTopicPartitions(group, null)]);
        Assert.Equal(5, Assert.Single(offsets[0].Partitions).Offset.Value);
        await admin.DeleteGroupsAsync([group]);
    }

    [ClientFact(Client.Confluent)]
    public async Task Settings_are_described_and_altered()
    {
        using var admin = Admin();
        await admin.CreateTopicsAsync(
        [
            new TopicSpecification { Name = _topic, Configs = new() { ["retention.ms"] = "3600000" } },
        ]);
        var resource = new ConfigResource { Type = ResourceType.Topic, Name = _topic };
        Assert.Equal("3600000", (await admin.DescribeConfigsAsync([resource]))[0].Entries["retention.ms"].Value);
        await admin.IncrementalAlterConfigsAsync(new()
        {
            [resource] = [new ConfigEntry { Name = "retention.ms", Value = "7200000", IncrementalOperation = AlterConfigOpType.Set }],
        });
        Assert.Equal("7200000", (await admin.DescribeConfigsAsync([resource]))[0].Entries["retention.ms"].Value);
    }

    [ClientFact(Client.Confluent)]
    public async Task Deleted_records_are_gone_and_the_others_keep_their_offsets()
    {
        await ProduceAsync(10);
        using var admin = Admin();
        await admin.DeleteRecordsAsync([new TopicPartitionOffset(_topic, 0, 6)]);
        var start = await admin.ListOffsetsAsync(
            [new TopicPartitionOffsetSpec { TopicPartition = new(_topic, 0), OffsetSpec = OffsetSpec.Earliest() }]);
        Assert.Equal(6, start.ResultInfos[0].TopicPartitionOffsetError.Offset.Value);
        Assert.Equal(["v6", "v7"], await ReadAsync(BrokerFixture.NewName("group"), 2));
        await admin.DeleteTopicsAsync([_topic]);
    }

    [ClientFact(Client.Confluent)]
    public async Task Timestamps_find_offsets()
    {
        await ProduceAsync(5);
        using var consumer = Consumer(BrokerFixture.NewName("group"));
        var asked = new TopicPartitionTimestamp(_topic, 0, new Timestamp(1003, TimestampType.CreateTime));
        var found = consumer.OffsetsForTimes([asked], Patience);
        Assert.Equal(3, found[0].Offset.Value);
    }

    private static Message<string, string> Message(int i) =>
        new() { Key = "k", Value = $"v{i}", Timestamp = new Timestamp(1000 + i, TimestampType.CreateTime) };

    private async Task ProduceAsync(int count)
    {
        using var producer = Producer(new ProducerConfig());
        for (var i = 0; i < count; i++)
        {
            await producer.ProduceAsync(_topic, Message(i));
        }
    }

    private async Task<List<string>> ReadAsync(string group, int count)
    {
        using var consumer = Consumer(group);
        consumer.Subscribe(_topic);
        using var patience = new CancellationTokenSource(Patience);
        var values = await Task.Run(() => Enumerable.Range(0, count).Select(_ => consumer.Consume(patience.Token).Message.Value).ToList());
        consumer.Commit();
        consumer.Close();
        return values;
    }

    private IProducer<string, string> Producer(ProducerConfig config)
    {
        config.BootstrapServers = _bootstrap;
        return new ProducerBuilder<string, string>(config).Build();
    }

    private IConsumer<string, string> Consumer(
        string group, PartitionAssignmentStrategy strategy = PartitionAssignmentStrategy.Range)
    {
        var config = new ConsumerConfig
        {
            BootstrapServers = _bootstrap,
            GroupId = group,
            AutoOffsetReset = AutoOffsetReset.Earliest,
            EnableAutoCommit = false,
            PartitionAssignmentStrategy = strategy,
        };
        return new ConsumerBuilder<string, string>(config).Build();
    }

    private IAdminClient Admin() => new AdminClientBuilder(new AdminClientConfig { BootstrapServers = _bootstrap }).Build();
}
