using System.Net.Sockets;
using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Tests;

public sealed class ConnectionTests
{
    [Fact]
    public async Task Produce_requests_overlap_and_are_answered_in_their_order()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("slow");
        host.Node.CreateTopic("fast");
        host.Node.Hold("slow");
        using KafkaClient client = await host.ConnectAsync();
        await client.SendAsync(KafkaClient.Produce("slow", KafkaClient.Batch("1")), 9);
        await client.SendAsync(KafkaClient.Produce("fast", KafkaClient.Batch("2")), 9);
        await client.SendAsync(KafkaClient.Produce("slow", KafkaClient.Batch("3")), 9);
        await GatewayHost.Until(() => host.Node.Appends == 3, "all three were handed to their partitions");
        Assert.Equal(0, client.Socket.Available);
        host.Node.LetGo("slow");
        Assert.Equal("slow", (await client.ReceiveAsync<ProduceResponse>()).Responses[0].Name);
        Assert.Equal("fast", (await client.ReceiveAsync<ProduceResponse>()).Responses[0].Name);
        Assert.Equal(1, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].BaseOffset);
    }

    [Fact]
    public async Task Another_request_starts_when_all_before_it_are_answered()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.Hold("t");
        using KafkaClient client = await host.ConnectAsync();
        await client.SendAsync(KafkaClient.Produce("t", KafkaClient.Batch("1")), 9);
        await client.SendAsync(KafkaClient.Fetch("t", 0), 12);
        await client.SendAsync(KafkaClient.Produce("t", KafkaClient.Batch("2")), 9);
        await GatewayHost.Until(() => host.Node.Appends == 1, "the first was handed over");
        host.Node.LetGo("t");
        Assert.Equal(0, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].BaseOffset);
        Assert.Equal(1, (await client.ReceiveAsync<FetchResponse>()).Responses[0].Partitions[0].HighWatermark);
        Assert.Equal(1, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].BaseOffset);
    }

    [Fact]
    public async Task A_thousand_pipelined_requests_are_answered_in_order()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        Task sending = Task.Run(async () =>
        {
            for (int i = 0; i < 1_000; i++) await client.SendAsync(new MetadataRequest { Topics = [] }, 9);
        });
        await sending;
        for (int i = 0; i < 1_000; i++) Assert.Single((await client.ReceiveAsync<MetadataResponse>()).Brokers);
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task Requests_that_arrive_byte_by_byte_are_put_together()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        byte[] frame = KafkaClient.Frame(new MetadataRequest { Topics = [] }, 9, 77);
        foreach (byte one in frame) await client.SendRawAsync(new[] { one });
        byte[]? answer = await client.ReceiveFrameAsync();
        Assert.Equal(77, answer![3]);
    }

    [Fact]
    public async Task Batches_sent_before_the_client_closed_its_side_are_appended_and_answered()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.Hold("t");
        using KafkaClient client = await host.ConnectAsync();
        for (int i = 0; i < 5; i++) await client.SendAsync(KafkaClient.Produce("t", KafkaClient.Batch("x")), 9);
        client.Socket.Shutdown(SocketShutdown.Send);
        await GatewayHost.Until(() => host.Node.Appends == 5, "all were handed over");
        host.Node.LetGo("t");
        for (int i = 0; i < 5; i++)
            Assert.Equal(i, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].BaseOffset);
        await client.AssertClosedAsync();
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task A_client_that_closed_its_side_before_its_connection_had_an_actor_is_answered()
    {
        var slowly = new SlowActors();
        await using GatewayHost host = await GatewayHost.StartAsync(slowly: slowly);
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        await client.SendAsync(KafkaClient.Produce("t", KafkaClient.Batch("x")), 9);
        client.Socket.Shutdown(SocketShutdown.Send);
        await slowly.ClientClosed.WaitAsync(TimeSpan.FromSeconds(30));
        slowly.Go();
        Assert.Equal(0, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].BaseOffset);
        await client.AssertClosedAsync();
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task A_client_that_goes_away_during_a_long_poll_leaves_nothing_behind()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        for (int i = 0; i < 20; i++)
        {
            using KafkaClient client = await host.ConnectAsync();
            await client.SendAsync(KafkaClient.Fetch("t", 0, maxWaitMs: 600_000), 12);
        }

        await GatewayHost.Until(() => host.Services.Metrics.Connections == 0, "all connections are gone");
        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task A_client_that_goes_away_before_its_batch_is_committed_leaves_nothing_behind()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        host.Node.Hold("t");
        using (KafkaClient client = await host.ConnectAsync())
        {
            await client.SendAsync(KafkaClient.Produce("t", KafkaClient.Batch("x")), 9);
            await GatewayHost.Until(() => host.Node.Appends == 1, "it was handed over");
            client.Socket.LingerState = new LingerOption(true, 0);
        }

        host.Node.LetGo("t");
        await host.UntilMemoryIsFree();
        await GatewayHost.Until(() => host.Services.Metrics.Connections == 0, "the connection is gone");
    }

    [Fact]
    public async Task An_idle_connection_is_closed_and_a_busy_one_is_not()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(new GatewayLimits { MaxIdle = TimeSpan.FromSeconds(1) });
        using KafkaClient idle = await host.ConnectAsync();
        await idle.AssertClosedAsync();
        await GatewayHost.Until(() => BadInputTests.ServesAsync(host), "a connection is used before it is idle for too long");
    }

    [Fact]
    public async Task Files_and_memory_arrive_whole_whatever_their_size()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(onDisk: true);
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        var random = new Random(5);
        foreach (int size in new[] { 10, 5_000, 15_000, 40_000, 300_000, 900_000, 17_000, 100, 700_000, 700_000, 700_000, 700_000 })
        {
            byte[] batch = KafkaClient.Batch(Convert.ToBase64String(Bytes(random, size * 3 / 4)));
            await client.CallAsync(KafkaClient.Produce("t", batch), 9);
        }

        using KafkaClient slow = await host.ConnectAsync();
        slow.Socket.ReceiveBufferSize = 256 << 10;
        foreach (int limit in new[] { 1, 20_000, 100_000, 2_000_000, 50_000_000 })
        {
            long offset = 0;
            while (offset < 12)
            {
                FetchResponse.PartitionData data =
                    (await slow.CallAsync(KafkaClient.Fetch("t", offset, partitionMaxBytes: limit), 12)).Responses[0].Partitions[0];
                Assert.Equal(0, data.ErrorCode);
                byte[] records = new byte[data.Records!.Length];
                data.Records.CopyTo(records);
                Assert.NotEmpty(records);
                for (int at = 0; at < records.Length;)
                {
                    var view = new Protocol.RecordBatches.RecordBatchView(records.AsSpan(at));
                    Assert.True(view.IsIntact);
                    Assert.Equal(offset, view.BaseOffset.Value);
                    offset = view.NextOffset.Value;
                    at += (int)view.Size;
                }
            }
        }
    }

    [Fact]
    public async Task Stopping_the_server_does_not_wait_for_idle_clients_or_long_polls()
    {
        GatewayHost host = await GatewayHost.StartAsync();
        host.Node.CreateTopic("t");
        using KafkaClient idle = await host.ConnectAsync();
        using KafkaClient polling = await host.ConnectAsync();
        await polling.SendAsync(KafkaClient.Fetch("t", 0, maxWaitMs: 600_000), 12);
        await GatewayHost.Until(() => host.Services.Metrics.Connections == 2, "both are connected");
        Task stopping = host.DisposeAsync().AsTask();
        await idle.AssertClosedAsync();
        await polling.AssertClosedAsync();
        await stopping;
    }

    [Fact]
    public async Task The_advertised_address_is_the_one_the_client_reached()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        using KafkaClient client = await host.ConnectAsync();
        MetadataResponse response = await client.CallAsync(new MetadataRequest { Topics = [] }, 12);
        Assert.Equal(
            (7, "127.0.0.1", host.Endpoint.Port), (response.Brokers[0].NodeId, response.Brokers[0].Host, response.Brokers[0].Port));
        Assert.Equal(7, response.ControllerId);
    }

    [Fact]
    public async Task A_handler_that_fails_costs_its_own_answer()
    {
        await using GatewayHost host = await GatewayHost.StartAsync();
        host.Node.SubmitFails = new InvalidOperationException("boom");
        using KafkaClient client = await host.ConnectAsync();
        var create =
            new CreateTopicsRequest { Topics = [new() { Name = "a", NumPartitions = 1, ReplicationFactor = 1 }], TimeoutMs = 1_000 };
        CreateTopicsResponse failed = await client.CallAsync(create, 7);
        Assert.Equal((short)KafkaError.UnknownServerError, failed.Topics[0].ErrorCode);
        Assert.True(host.Log.Has("API CreateTopics version 7 failed"));
        host.Node.SubmitFails = new TimeoutException();
        Assert.Equal((short)KafkaError.RequestTimedOut, (await client.CallAsync(create, 7)).Topics[0].ErrorCode);
        host.Node.SubmitFails = null;
        Assert.Equal(0, (await client.CallAsync(create, 7)).Topics[0].ErrorCode);
    }

    private static byte[] Bytes(Random random, int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
