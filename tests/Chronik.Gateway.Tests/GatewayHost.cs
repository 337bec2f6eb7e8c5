using System.Collections.Concurrent;
using System.Net;
using Akka.Actor;
using Chronik.Model;
using Chronik.Storage;
using Chronik.Storage.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Chronik.Gateway.Tests;

/// <summary>A gateway over a fake node, on a real socket of the loopback interface.</summary>
internal sealed class GatewayHost : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly ActorSystem _system;
    private readonly GatewayMetrics _metrics;
    private readonly string? _folder;

    private GatewayHost(
        WebApplication application, ActorSystem system, FakeNode node, GatewayServices services, GatewayMetrics metrics, BufferPool buffers,
        Lines log, IDisk disk, string? folder)
    {
        _application = application;
        _system = system;
        _metrics = metrics;
        _folder = folder;
        Disk = disk;
        Node = node;
        Services = services;
        Buffers = buffers;
        Log = log;
        string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Endpoint = new IPEndPoint(IPAddress.Loopback, new Uri(address).Port);
    }

    public FakeNode Node { get; }

    public IDisk Disk { get; }

    public GatewayServices Services { get; }

    public BufferPool Buffers { get; }

    public Lines Log { get; }

    public IPEndPoint Endpoint { get; }

    public static async Task<GatewayHost> StartAsync(
        GatewayLimits? limits = null, bool onDisk = false, Action<IServiceCollection>? configure = null, bool withoutSocket = false,
        GatewaySettings? settings = null, SlowActors? slowly = null)
    {
        string? folder = onDisk ? Directory.CreateTempSubdirectory("chronik-gateway-").FullName : null;
        IDisk disk = onDisk ? new FileDisk() : new MemoryDisk();
        var buffers = new BufferPool();
        var log = new Lines();
        var metrics = new GatewayMetrics(new NodeMeters());
        ActorSystem system = ActorSystem.Create("gateway-test");
        var node = new FakeNode(system, buffers, disk, folder ?? "/data");
        settings ??= new GatewaySettings { Limits = limits ?? new GatewayLimits() };
        var services = new GatewayServices(
            node, settings, buffers, system.Scheduler, metrics, log, TimeProvider.System);
        IActorRef connections = system.ActorOf(ConnectionsActor.Props(services), "connections");

        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseChronikKafkaTransport();
        configure?.Invoke(builder.Services);
        if (slowly is not null) connections = system.ActorOf(Props.Create(() => new SlowActors.Relay(slowly, connections)));
        builder.Services.AddSingleton(new KafkaConnectionHandler(services, connections));
        builder.WebHost.ConfigureKestrel(options =>
        {
            var any = new IPEndPoint(IPAddress.Loopback, 0);
            if (slowly is not null) options.Listen(any, listener => slowly.Watch(listener).UseConnectionHandler<KafkaConnectionHandler>());
            else if (!withoutSocket) options.UseChronikKafka(any);
            else options.Listen(any, listener => HideSockets(listener).UseConnectionHandler<KafkaConnectionHandler>());
        });
        WebApplication application = builder.Build();
        await application.StartAsync();
        return new GatewayHost(application, system, node, services, metrics, buffers, log, disk, folder);
    }

    /// <summary>What a transport looks like that has no socket: TLS, or one in memory.</summary>
    private static IConnectionBuilder HideSockets(IConnectionBuilder listener) => listener.Use(next => connection =>
    {
        connection.Features.Set<IConnectionSocketFeature>(null);
        return next(connection);
    });

    public Task<KafkaClient> ConnectAsync() => KafkaClient.ConnectAsync(Endpoint);

    /// <summary>Waits until a condition holds that comes true by itself.</summary>
    public static Task Until(Func<bool> condition, string what) => Until(() => Task.FromResult(condition()), what);

    /// <inheritdoc cref="Until(Func{bool}, string)"/>
    public static async Task Until(Func<Task<bool>> condition, string what)
    {
        for (int i = 0; i < 3_000; i++)
        {
            if (await condition()) return;
            await Task.Delay(10);
        }

        Assert.Fail($"waited 30 s in vain until {what}");
    }

    public Task UntilMemoryIsFree() => Until(
        () => Services.RequestBytesInUse == 0 && Buffers.LentBytes == 0,
        $"all memory was given back ({Services.RequestBytesInUse} bytes of requests, {Buffers.LentBytes} of buffers are out)");

    public async ValueTask DisposeAsync()
    {
        using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30)))
            await _application.StopAsync(patience.Token);
        await _application.DisposeAsync();
        await _system.Terminate();
        Node.Dispose();
        _metrics.Dispose();
        if (_folder is not null) Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>Connections whose actors are made when a test says so.</summary>
internal sealed class SlowActors
{
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _mayGo = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the end of what a client sends has been read from its socket.</summary>
    public Task ClientClosed => _closed.Task;

    public void Go() => _mayGo.TrySetResult();

    public IConnectionBuilder Watch(IConnectionBuilder listener) => listener.Use(next => connection =>
    {
        connection.ConnectionClosed.Register(() => _closed.TrySetResult());
        return next(connection);
    });

    internal sealed class Relay : ReceiveActor
    {
        public Relay(SlowActors slowly, IActorRef connections) => ReceiveAnyAsync(async message =>
        {
            await slowly._mayGo.Task;
            connections.Tell(message);
        });
    }
}

/// <summary>Keeps what is logged.</summary>
internal sealed class Lines : ILogger
{
    public ConcurrentQueue<string> All { get; } = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        All.Enqueue(formatter(state, exception) + (exception is null ? "" : $" {exception}"));

    public bool Has(string part) => All.Any(line => line.Contains(part, StringComparison.Ordinal));
}
