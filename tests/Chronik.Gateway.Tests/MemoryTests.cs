using Chronik.Protocol.Compression;
using Chronik.Protocol.Messages;
using Chronik.Protocol.RecordBatches;

namespace Chronik.Gateway.Tests;

/// <summary>Measures the memory of the whole process, so nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
[Collection(nameof(MemoryTests))]
public sealed class MemoryTests
{
    private const int IdleConnections = 1_000;
    private const int BytesPerConnection = 30 << 10;

    [Fact]
    public async Task A_decompression_bomb_costs_bounded_memory_and_its_own_answer()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        var builder = new RecordBatchBuilder { Compression = CompressionType.Gzip };
        builder.Add(1, null, new byte[300 << 20]);
        byte[] bomb = builder.Build();
        Assert.True(bomb.Length < 1 << 20);
        long before = GC.GetTotalMemory(true);
        using KafkaClient client = await host.ConnectAsync();
        ProduceResponse response = await client.CallAsync(KafkaClient.Produce("t", bomb), 9);
        Assert.NotEqual(0, response.Responses[0].PartitionResponses[0].ErrorCode);
        Assert.True(GC.GetTotalMemory(false) - before < 100 << 20);
        await BadInputTests.AssertServesAsync(host);
    }

    // The client's side is in the same process and counted, too.
    [Fact]
    public async Task A_thousand_idle_connections_need_less_than_30_KiB_each()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        await BadInputTests.AssertServesAsync(host);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var clients = new List<KafkaClient>();
        for (int i = 0; i < IdleConnections; i++)
        {
            KafkaClient client = await host.ConnectAsync();
            clients.Add(client);
            await client.CallAsync(new Protocol.Messages.MetadataRequest { Topics = [] }, 9);
        }

        long each = (GC.GetTotalMemory(forceFullCollection: true) - before) / IdleConnections;
        Assert.True(each <= BytesPerConnection, $"{each} bytes per connection");
        foreach (KafkaClient client in clients) client.Dispose();
    }
}
