using System.Buffers;
using System.Net.Sockets;
using Chronik.Gateway.Network;
using Chronik.Protocol.Messages;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Chronik.Gateway.Tests;

public sealed class TransportTests
{
    [Fact]
    public async Task Kestrel_takes_its_memory_from_the_large_blocks()
    {
        var counting = new CountingFactory();
        await using GatewayHost host = await GatewayHost.StartAsync(
            configure: services => services.AddSingleton<IMemoryPoolFactory<byte>>(counting));
        await BadInputTests.AssertServesAsync(host);
        Assert.True(counting.Rented > 0);
    }

    [Fact]
    public void The_transport_is_set_up_for_many_connections()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseChronikKafkaTransport();
        using WebApplication application = builder.Build();
        Assert.IsType<KafkaBlockPoolFactory>(application.Services.GetRequiredService<IMemoryPoolFactory<byte>>());
        SocketTransportOptions options = application.Services.GetRequiredService<IOptions<SocketTransportOptions>>().Value;
        Assert.True(options.NoDelay && options.WaitForDataBeforeAllocatingBuffer);
        Assert.Equal(2 * KafkaBlockPoolFactory.BlockBytes, options.MaxReadBufferSize);
    }

    [Fact]
    public async Task Without_a_socket_answers_go_through_the_transport_in_order_and_whole()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(onDisk: true, withoutSocket: true);
        host.Node.CreateTopic("t");
        using KafkaClient client = await host.ConnectAsync();
        byte[] batch = KafkaClient.Batch(new string('x', 300_000));
        for (int i = 0; i < 10; i++) await client.SendAsync(KafkaClient.Produce("t", batch), 9);
        for (int i = 0; i < 10; i++)
            Assert.Equal(i, (await client.ReceiveAsync<ProduceResponse>()).Responses[0].PartitionResponses[0].BaseOffset);

        // All of it comes from the segment's file, in pieces larger than what the transport takes at once.
        FetchRequest fetch = KafkaClient.Fetch("t", 0, partitionMaxBytes: 16 << 20);
        await client.SendAsync(fetch, 12);
        await client.SendAsync(fetch, 12);
        for (int answer = 0; answer < 2; answer++)
        {
            var response = await client.ReceiveAsync<FetchResponse>();
            byte[] records = new byte[response.Responses[0].Partitions[0].Records!.Length];
            response.Responses[0].Partitions[0].Records!.CopyTo(records);
            Assert.Equal(10 * batch.Length, records.Length);
            for (int i = 0; i < 10; i++)
                Assert.Equal(batch.AsSpan(16), records.AsSpan((i * batch.Length) + 16, batch.Length - 16));
        }

        await host.UntilMemoryIsFree();
    }

    [Fact]
    public async Task Without_a_socket_too_a_client_that_leaves_in_the_middle_of_an_answer_leaves_nothing()
    {
        await using GatewayHost host = await GatewayHost.StartAsync(onDisk: true, withoutSocket: true);
        host.Node.CreateTopic("t");
        using (KafkaClient client = await host.ConnectAsync())
        {
            for (int i = 0; i < 40; i++) await client.CallAsync(KafkaClient.Produce("t", KafkaClient.Batch(new string('x', 900_000))), 9);
            await client.SendAsync(KafkaClient.Fetch("t", 0, partitionMaxBytes: 50 << 20), 12);
            await client.Socket.ReceiveAsync(new byte[10_000]);
            client.Socket.LingerState = new LingerOption(true, 0);
        }

        await GatewayHost.Until(() => host.Services.Metrics.Connections == 0, "it is gone");
        await host.UntilMemoryIsFree();
        await BadInputTests.AssertServesAsync(host);
        Assert.False(host.Log.Has("its connection failed"));
    }

    private sealed class CountingFactory : IMemoryPoolFactory<byte>
    {
        private readonly KafkaBlockPoolFactory _inner = new();
        private int _rented;

        public int Rented => Volatile.Read(ref _rented);

        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new CountingPool(_inner.Create(options), this);

        private sealed class CountingPool(MemoryPool<byte> inner, CountingFactory factory) : MemoryPool<byte>
        {
            public override int MaxBufferSize => inner.MaxBufferSize;

            public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
            {
                IMemoryOwner<byte> block = inner.Rent(minBufferSize);
                Assert.Equal(KafkaBlockPoolFactory.BlockBytes, block.Memory.Length);
                Interlocked.Increment(ref factory._rented);
                return block;
            }

            protected override void Dispose(bool disposing) => inner.Dispose();
        }
    }
}
