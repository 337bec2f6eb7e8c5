using System.Net;
using Chronik.Gateway.Network;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace Chronik.Gateway;

/// <summary>Puts the Kafka protocol on Kestrel.</summary>
public static class KafkaKestrelExtensions
{
    // What one connection may have in Kestrel's pipe, ahead of the request memory that is accounted for: two blocks.
    private const int PipeBytes = 2 * KafkaBlockPoolFactory.BlockBytes;
    private const int Backlog = 4_096;

    /// <summary>
    /// Puts Kestrel into the host, with its transport set up for Kafka: large blocks, small pipes, no delay. It holds for every listener
    /// of the
    /// host. A <see cref="KafkaConnectionHandler"/> must be registered as a singleton besides.
    /// </summary>
    /// <remarks>Kestrel comes first, because it registers a memory pool of its own, and the last one registered is taken.</remarks>
    public static IWebHostBuilder UseChronikKafkaTransport(this IWebHostBuilder builder) =>
        builder.UseKestrelCore().ConfigureServices(services =>
        {
            services.AddSingleton<IMemoryPoolFactory<byte>, KafkaBlockPoolFactory>();
            services.Configure<SocketTransportOptions>(Configure);
        });

    /// <summary>Listens for Kafka clients.</summary>
    /// <param name="options">Kestrel's options.</param>
    /// <param name="endpoint">Where to listen; port 0 takes a free one.</param>
    public static void UseChronikKafka(this KestrelServerOptions options, IPEndPoint endpoint) =>
        options.Listen(endpoint, listener => listener.UseConnectionHandler<KafkaConnectionHandler>());

    private static void Configure(SocketTransportOptions options)
    {
        options.NoDelay = true;
        options.Backlog = Backlog;
        options.MaxReadBufferSize = PipeBytes;
        options.WaitForDataBeforeAllocatingBuffer = true;

        // The reader only frames and hands over, so it may run where the socket's data arrived.
        options.UnsafePreferInlineScheduling = true;
    }
}
