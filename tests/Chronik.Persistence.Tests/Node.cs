using Akka.Actor;
using Akka.Configuration;
using Chronik.Model;
using Chronik.Storage;
using Chronik.Storage.Testing;

namespace Chronik.Persistence.Tests;

/// <summary>An actor system over a storage in memory, which can be ended in several ways and started again.</summary>
internal sealed class Node : IAsyncDisposable
{
    public const string Plugins = """
        akka.loglevel = OFF
        akka.persistence.journal.plugin = "chronik.journal"
        akka.persistence.snapshot-store.plugin = "chronik.snapshot-store"
        """;

    private readonly Func<IDisk, IDisk> _wrap;
    private readonly StorageOptions _options;
    private MemoryDisk _disk;

    public Node(int seed = 0, Func<IDisk, IDisk>? wrap = null, StorageOptions? options = null)
    {
        _disk = new MemoryDisk(seed);
        _wrap = wrap ?? (disk => disk);
        _options = options ?? Options;
        (Storage, System) = Start();
    }

    public static StorageOptions Options { get; } =
        new() { DataDirectory = "/data", WalFileBytes = 1 << 20, WalFillAheadBytes = 0, ReserveBytes = 0 };

    public BufferPool Pool { get; } = new();

    public NodeStorage Storage { get; private set; }

    public ActorSystem System { get; private set; }

    public EventLogs Events => ChronikPersistence.Of(System).Events;

    /// <summary>Ends in order and starts again.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        (Storage, System) = Start();
    }

    /// <summary>Loses power and starts again with what was synced.</summary>
    public async Task CrashAsync()
    {
        MemoryDisk after = _disk.Crash();
        await StopAsync();
        _disk = after;
        (Storage, System) = Start();
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private (NodeStorage Storage, ActorSystem System) Start()
    {
        NodeStorage storage = NodeStorage.Open(_options, new NodeId(1), "test", _wrap(_disk), Pool, TimeProvider.System);
        Config config = ConfigurationFactory.ParseString(Plugins).WithFallback(ConfigurationFactory.ParseString(HappenedSerializer.Config));
        ActorSystem system = ActorSystem.Create("test", config);
        ChronikPersistence.Install(system, storage, Pool);
        return (storage, system);
    }

    private async Task StopAsync()
    {
        await System.Terminate().WaitAsync(TimeSpan.FromSeconds(30));
        Storage.Dispose();
    }
}
