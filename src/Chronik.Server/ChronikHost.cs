using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Configuration;
using Akka.Hosting;
using Chronik.Gateway;
using Chronik.Groups;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Partitions.Operating;
using Chronik.Server.Configuration;
using Chronik.Server.Page;
using Chronik.Storage;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Chronik.Server;

/// <summary>
/// One node within this process: the executable is a host and a command line, and a test or an application may host one, too.
/// </summary>
/// <remarks>
/// The order of a start is what makes a refused start harmless: the ports are bound first, then the storage is opened, which refuses a
/// folder that is locked or another node's before it writes, and only then is anything written. A Kafka client that connects in between
/// waits; health is served from the beginning. A stop begins with what this node leads: other nodes take it over while clients are still
/// connected. Then come clients, actors (CoordinatedShutdown), storage.
/// </remarks>
public sealed class ChronikHost : IAsyncDisposable
{
    private static readonly TimeSpan ClientsGrace = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan ActorsGrace = TimeSpan.FromSeconds(10);

    // After a hand-over: whoever asks this node in that time is told who leads now.
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(200);
    private const int KeptNamed = 5;

    /// <summary>
    /// For tests of upgrades, and not an option: a process that is told 1 speaks, writes and reads what the first version did.
    /// </summary>
    private const string NewestLevelVariable = "CHRONIK_TEST_MAX_LEVEL";

    private readonly ChronikOptions _options;
    private readonly TextWriter _progress;
    private readonly BufferPool _buffers = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<KafkaConnectionHandler> _handler = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<ListenOptions> _kafka = [];
    private readonly NodeMeters _meters = new();
    private readonly GatewayMetrics _gatewayMetrics;
    private ListenOptions? _http;
    private volatile NodeMetrics? _metrics;
    private volatile ClusterPage? _page;
    private Samples? _samples;
    private WebApplication? _app;
    private NodeStorage? _storage;
    private ChronikNode? _node;
    private Task? _stopping;

    private ChronikHost(ChronikOptions options, TextWriter progress)
    {
        // Two nodes of a process may be told the same.
        var groups = options.Groups with { Memory = new GroupMemory(options.Groups.Memory.MaxBytes) };
        (_options, _progress) = (options with { Groups = groups }, progress);
        _gatewayMetrics = new GatewayMetrics(_meters);
    }

    /// <summary>Completes when clients are served; fails when the node cannot start.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Completes when the node has stopped, by <see cref="StopAsync"/> or by itself.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Where Kafka clients connect, with the ports that were really taken.</summary>
    public IReadOnlyList<IPEndPoint> KafkaEndpoints => [.. _kafka.Select(l => l.IPEndPoint!)];

    /// <summary>Where health and metrics are.</summary>
    public Uri HttpAddress => new($"http://{_http!.IPEndPoint}");

    /// <summary>The port that was really taken for other nodes; null for a node that is alone.</summary>
    public int? AkkaPort =>
        _options.Cluster is null
            ? null
            : ((ExtendedActorSystem)_app!.Services.GetRequiredService<ActorSystem>()).Provider.DefaultAddress.Port;

    /// <summary>The node; null until the storage is open.</summary>
    public IBrokerNode? Node => _node;

    /// <summary>What the executable prints once it serves.</summary>
    public string ReadyLine
    {
        get
        {
            var age = (DateTime.Now - Process.GetCurrentProcess().StartTime).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
            var kafka = string.Join(',', KafkaEndpoints);
            var cluster = _options.Cluster is { } joined
                ? $", cluster {_node!.ClusterId} with {_node.Metadata.LiveCount} nodes at {joined.Listener.Endpoint.Address}:{AkkaPort}"
                : string.Empty;
            return $"chronik ready: kafka {kafka}, http http://{_http!.IPEndPoint}{cluster}, data {_options.Data} ({age} s)";
        }
    }

    /// <summary>
    /// Starts a node and returns once its ports are bound and its storage is open. <see cref="Ready"/> completes when it serves.
    /// </summary>
    /// <param name="options">Everything it is told.</param>
    /// <param name="progress">Where it says how a long recovery gets on, and what else an operator should read.</param>
    /// <exception cref="ChronikStartException">A port or the folder cannot be had. Nothing was changed on disk.</exception>
    public static Task<ChronikHost> StartAsync(ChronikOptions options, TextWriter progress) =>
        StartAsync(options, progress, new FileDisk());

    /// <summary>The same on a disk of the caller's.</summary>
    internal static async Task<ChronikHost> StartAsync(ChronikOptions options, TextWriter progress, IDisk disk)
    {
        var host = new ChronikHost(options, progress);
        try
        {
            await host.BindAsync(progress).ConfigureAwait(false);
            host.Open(progress, disk);
            host.Serve(progress);
            return host;
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Hands over what this node leads, stops serving, then the actors, then the storage. Takes two seconds at the most when there is
    /// nobody to hand over to, and some seconds more when there is. What was acknowledged is on disk whether or not this is called.
    /// </summary>
    public Task StopAsync()
    {
        lock (_kafka)
        {
            return _stopping ??= StopOnceAsync();
        }
    }

    /// <summary>Stops the node if it still runs.</summary>
    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    /// <summary>What operators ask of the cluster; null until the storage is open.</summary>
    internal ClusterOperator? Operator => _node?.Operator;

    /// <summary>How many replicas of this node lead, and how many there are.</summary>
    internal (int Led, int All) Progress => _node?.Progress ?? default;

    /// <summary>What the page for people shows; null while the node is starting.</summary>
    internal ClusterPage? Page => _page;

    /// <summary>What an operator should know of a node that serves; null when there is nothing.</summary>
    internal string? Remark => _node?.Progress is var (led, all) && led < all ? $"{all - led} of {all} partitions have no leader" : null;

    /// <summary>Why the node does not serve; null when it does.</summary>
    internal string? WhyNotReady
    {
        get
        {
            if (_stopping is not null)
            {
                return "the node is stopping";
            }

            if (_node is not { } node || _storage is not { } storage)
            {
                return "the storage is being opened";
            }

            if (storage.Failure is { } failure)
            {
                return $"the storage failed: {failure.Message}";
            }

            if (!_ready.Task.IsCompletedSuccessfully)
            {
                var (led, all) = node.Progress;
                return storage.Identity.IsFormed ? $"{led} of {all} partitions are ready" : "waiting for other nodes to form a cluster";
            }

            return storage.HasRoom
                ? null
                : $"produce is refused: {storage.FreeBytes} bytes free, chronik.storage.reserve-bytes = {_options.Storage.ReserveBytes}";
        }
    }

    private static int NewestLevel =>
        int.TryParse(Environment.GetEnvironmentVariable(NewestLevelVariable), CultureInfo.InvariantCulture, out var level)
            ? level
            : FeatureLevel.Newest;

    private async Task BindAsync(TextWriter progress)
    {
        foreach (var listener in _options.Kafka.Append(_options.Http).Concat(_options.Cluster is { } own ? [own.Listener] : []))
        {
            Probe(listener);
        }

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddProvider(new TextWriterLoggerProvider(progress));
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddAkka("chronik", akka => akka
            .AddHocon(_options.Akka, HoconAddMode.Prepend)
            .AddHocon(_options.Cluster?.ToHocon(_options.Gateway.Limits.MaxRequestBytes + (1 << 20)) ?? Config.Empty, HoconAddMode.Append)
            .AddHocon(ConfigurationFactory.FromResource("akka.conf", typeof(ChronikHost).Assembly), HoconAddMode.Append)
            .AddHocon(ChronikNode.DefaultConfig(), HoconAddMode.Append));
        builder.WebHost.UseChronikKafkaTransport().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(_options.Http.Endpoint, listener => _http = listener);
            foreach (var address in _options.Kafka)
            {
                kestrel.Listen(address.Endpoint, listener =>
                {
                    _kafka.Add(listener);
                    listener.Run(async connection =>
                    {
                        if (await HandlerAsync(connection.ConnectionClosed).ConfigureAwait(false) is { } handler)
                        {
                            await handler.OnConnectedAsync(connection).ConfigureAwait(false);
                        }
                    });
                });
            }
        });
        _app = builder.Build();
        _app.Run(context => HttpEndpoints.RespondAsync(this, _metrics is { } metrics ? metrics.ScrapeAsync : null, context));
        try
        {
            await _app.StartAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            throw new ChronikStartException(e.Message.ReplaceLineEndings(" "), e);
        }
    }

    /// <summary>Who serves a client; null when the client went away before anybody could, or nobody will.</summary>
    private async Task<KafkaConnectionHandler?> HandlerAsync(CancellationToken closed)
    {
        try
        {
            return await _handler.Task.WaitAsync(closed).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Tries an address, because Kestrel does not say which of several it could not bind.</summary>
    private static void Probe(Listener listener)
    {
        try
        {
            using var socket = new Socket(listener.Endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(listener.Endpoint);
            socket.Listen();
        }
        catch (SocketException e)
        {
            throw new ChronikStartException($"{listener.Key} = {listener.Text}: {e.Message}", e);
        }
    }

    private void Open(TextWriter progress, IDisk disk)
    {
        var said = Stopwatch.GetTimestamp();
        try
        {
            var options = _options.Storage with { NewestLevel = NewestLevel, Meters = _meters };
            _storage = NodeStorage.Open(options, _options.NodeId, null, disk, _buffers, TimeProvider.System, step =>
            {
                if (Stopwatch.GetElapsedTime(said) > TimeSpan.FromSeconds(1))
                {
                    said = Stopwatch.GetTimestamp();
                    progress.WriteLine($"chronik: reading the write-ahead log, {step.BytesRead >> 20} of {step.BytesTotal >> 20} MiB");
                }
            });
            _storage.Failed += failure => progress.WriteLine(
                $"chronik: the storage failed, nothing is written until the next start: {failure.Message.ReplaceLineEndings(" ")}");
            _storage.RoomChanged += hasRoom => progress.WriteLine(
                $"chronik: produce is {(hasRoom ? "accepted again" : "refused")}: {_storage.FreeBytes} bytes are free, "
                + $"chronik.storage.reserve-bytes = {_options.Storage.ReserveBytes}");
        }
        catch (StorageException e)
        {
            // Which of the two keys is to blame the storage's own words say; it does not know what they are called.
            throw new ChronikStartException(
                $"chronik.data = {_options.Data}, chronik.node-id = {_options.NodeId}: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private void Serve(TextWriter progress)
    {
        var system = _app!.Services.GetRequiredService<ActorSystem>();
        var endpoints = KafkaEndpoints.Select(e => new BrokerEndpoint(
            "PLAINTEXT", _options.Gateway.AdvertisedHost ?? e.Address.ToString(), _options.Gateway.AdvertisedPort ?? e.Port));
        _node = ChronikNode.Start(system, _storage!, _buffers, TimeProvider.System, _options.Storage.DataDirectory, new ChronikNodeOptions
        {
            Endpoints = [.. endpoints],
            Rack = _options.Gateway.Rack,
            Settings = _options.Broker,
            Limits = _options.Partitions,
            GroupLimits = _options.Groups,
            ElectionTimeout = _options.ElectionTimeout,
            Balances = _options.Balances,
            NewestLevel = NewestLevel,
            Cluster = _options.Cluster is { } cluster
                ? new ClusterOptions
                {
                    BootstrapExpect = cluster.BootstrapExpect,
                    Seeds = cluster.Seeds,
                    Progress = line => progress.WriteLine($"chronik: {line}"),
                }
                : null,
        });
        _samples = new Samples(() => Reading.Of(_node, _gatewayMetrics, _storage!), TimeProvider.System);
        _node.Answers = new NodeReporter(this, _node, _storage!, _gatewayMetrics, _samples).AnswerAsync;
        _page = new ClusterPage(_node);
        _ = AdmitClientsAsync(system, _node);
        _ = StopWhenRefusedAsync(_node);
        _ = StopWhenLeftAsync(_node);
    }

    private async Task AdmitClientsAsync(ActorSystem system, ChronikNode node)
    {
        try
        {
            await node.Ready.ConfigureAwait(false);
            var log = _app!.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Chronik.Gateway");
            var services = new GatewayServices(
                node, _options.Gateway, _buffers, system.Scheduler, _gatewayMetrics, log, TimeProvider.System);
            var connections = await node.ActorOfAsync(ConnectionsActor.Props(services), "connections").ConfigureAwait(false);
            _handler.SetResult(new KafkaConnectionHandler(services, connections));
            _ready.TrySetResult();

            // Last, because nothing waits for it: what is measured before is little, and building it takes a tenth of a second.
            lock (_kafka)
            {
                // A host that is being stopped would never end them.
                if (_stopping is null)
                    _metrics = new NodeMetrics(this, node, _storage!, services, _options, _buffers, system, _app.Services);
            }
        }
        catch (Exception e)
        {
            _ready.TrySetException(new ChronikStartException($"the node cannot serve: {e.Message}", e));
        }
    }

    /// <summary>A node that its cluster refuses is of no use to anybody; whoever started it reads why.</summary>
    private async Task StopWhenRefusedAsync(ChronikNode node)
    {
        var refused = new ChronikStartException($"the node cannot serve: {await node.Refused.ConfigureAwait(false)}");
        _ready.TrySetException(refused);
        await StopAsync().ConfigureAwait(false);
        _ended.TrySetException(refused);
    }

    /// <summary>Only a node of a cluster has anybody to hand over to.</summary>
    private async Task HandOverAsync()
    {
        if (_node is not { Refused.IsCompleted: false } node || _options.Cluster is null) return;
        HandOverReport report = await node.HandOverAsync((left, all) =>
            _progress.WriteLine($"chronik: stopping: {all - left} of {all} leaderships are handed over")).ConfigureAwait(false);
        var named = string.Join("; ", report.Kept.Take(KeptNamed).Concat(report.Kept.Count > KeptNamed ? ["..."] : []));
        var kept = report.Kept.Count == 0 ? string.Empty : $", {report.Kept.Count} not: {named}";
        var took = report.Took.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        _progress.WriteLine($"chronik: stopping: {report.Moved} leaderships were handed over in {took} s{kept}");
        if (report.Moved > 0)
        {
            await Task.Delay(Farewell).ConfigureAwait(false);
        }
    }

    /// <summary>An operator removed the node: it holds nothing, and its process ends as if it had been told to.</summary>
    private async Task StopWhenLeftAsync(ChronikNode node)
    {
        await node.Left.ConfigureAwait(false);
        await _progress.WriteLineAsync("chronik: this node was removed from its cluster and holds nothing any more; it stops")
            .ConfigureAwait(false);
        await StopAsync().ConfigureAwait(false);
    }

    private async Task StopOnceAsync()
    {
        await AttemptAsync(HandOverAsync).ConfigureAwait(false);
        _handler.TrySetCanceled();
        _samples?.Dispose();
        if (_app is { } app) await AttemptAsync(() => StopServingAsync(app)).ConfigureAwait(false);
        _ready.TrySetException(new ChronikStartException("the node was stopped before it could serve"));
        _storage?.Dispose();
        _metrics?.Dispose();
        _gatewayMetrics.Dispose();
        if (_node?.Refused.IsCompleted != true)
        {
            _ended.TrySetResult();
        }
    }

    /// <summary>A part of stopping. Whatever fails or does not end in time keeps nothing else from ending, nor the folder locked.</summary>
    private async Task AttemptAsync(Func<Task> part)
    {
        try
        {
            await part().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await _progress.WriteLineAsync($"chronik: stopping: {e.Message.ReplaceLineEndings(" ")}").ConfigureAwait(false);
        }
    }

    private static async Task StopServingAsync(WebApplication app)
    {
        try
        {
            // Clients that keep their connections open are not waited for.
            using (var grace = new CancellationTokenSource(ClientsGrace))
            {
                await app.Services.GetRequiredService<IServer>().StopAsync(grace.Token).ConfigureAwait(false);
            }

            using (var grace = new CancellationTokenSource(ActorsGrace))
            {
                await app.StopAsync(grace.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            await app.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Whoever hosts a node decides what its process does about signals.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
