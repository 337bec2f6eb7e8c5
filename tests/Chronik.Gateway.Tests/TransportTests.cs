using System.Buffers;
using Chronik.Gateway.Network;
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
