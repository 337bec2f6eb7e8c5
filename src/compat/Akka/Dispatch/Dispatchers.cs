using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;

namespace Akka.Dispatch;

/// <summary>The dispatchers of a system by their configuration path.</summary>
public sealed class Dispatchers
{
    public const string DefaultBlockingDispatcherId = "akka.actor.default-blocking-io-dispatcher";
    public const string DefaultDispatcherId = "akka.actor.default-dispatcher";
    public const string SynchronizedDispatcherId = "akka.actor.synchronized-dispatcher";
    internal const string InternalDispatcherId = "akka.actor.internal-dispatcher";

    private readonly ConcurrentDictionary<string, Entry> _entries = new();
    private readonly ConcurrentDictionary<MessageDispatcher, bool> _pinned = new();
    private readonly Settings _settings;
    private readonly Lock _creation = new();
    private MessageDispatcher _default;

    internal Dispatchers(Settings settings) => _settings = settings;

    public Config DefaultDispatcherConfig => _settings.Config.GetConfig(DefaultDispatcherId);

    public MessageDispatcher DefaultGlobalDispatcher => _default ??= Lookup(DefaultDispatcherId);

    public bool HasDispatcher(string id) => _entries.ContainsKey(id) || _settings.Config.HasPath(id);

    /// <summary>The dispatcher of this id. A pinned one is new for every caller.</summary>
    /// <exception cref="ConfigurationException">It is not configured, or not well.</exception>
    public MessageDispatcher Lookup(string dispatcherName)
    {
        if (string.IsNullOrEmpty(dispatcherName))
            return DefaultGlobalDispatcher;
        if (!_entries.TryGetValue(dispatcherName, out Entry entry))
        {
            lock (_creation)
            {
                if (!_entries.TryGetValue(dispatcherName, out entry))
                    _entries[dispatcherName] = entry = Configure(dispatcherName, 0);
            }
        }

        if (entry.Shared is not null)
            return entry.Shared;
        var pinned = new PinnedDispatcher(dispatcherName, entry.Throughput, entry.Deadline);
        _pinned[pinned] = true;
        return pinned;
    }

    internal Config ConfigOf(string dispatcherName) =>
        _entries.GetValueOrDefault(string.IsNullOrEmpty(dispatcherName) ? DefaultDispatcherId : dispatcherName)?.Config;

    internal void Released(MessageDispatcher dispatcher)
    {
        if (dispatcher is PinnedDispatcher && _pinned.TryRemove(dispatcher, out _))
            dispatcher.Detach();
    }

    internal void Shutdown()
    {
        foreach (Entry entry in _entries.Values)
            entry.Shared?.Shutdown();
        foreach (MessageDispatcher pinned in _pinned.Keys)
            pinned.Shutdown();
    }

    private Entry Configure(string id, int depth)
    {
        // The value at the path may be the name of another dispatcher.
        Config config = _settings.Config.GetConfig(id);
        if (config.IsNullOrEmpty())
        {
            string alias = _settings.Config.GetString(id, null);
            if (string.IsNullOrEmpty(alias))
                throw new ConfigurationException($"Dispatcher [{id}] is not configured.");
            if (depth > 20)
                throw new ConfigurationException($"Dispatcher [{id}] is an alias that leads nowhere.");
            return Configure(alias, depth + 1);
        }

        if (id != DefaultDispatcherId)
            config = config.WithFallback(_settings.Config.GetConfig(DefaultDispatcherId));
        int throughput = config.GetInt("throughput", MessageDispatcher.DefaultThroughput);
        TimeSpan deadlineTime = config.GetTimeSpan("throughput-deadline-time", TimeSpan.Zero);
        long? deadline = deadlineTime > TimeSpan.Zero ? deadlineTime.Ticks : null;
        string type = ShortName(config.GetString("type", "Dispatcher"));
        return type switch
        {
            "PinnedDispatcher" => new Entry(config, throughput, deadline, null),
            "ForkJoinDispatcher" => new Entry(config, throughput, deadline, DedicatedThreads(id, config, throughput, deadline)),
            "SynchronizedDispatcher" =>
                new Entry(config, throughput, deadline, new SynchronizationContextDispatcher(id, throughput, deadline)),
            "TaskDispatcher" => new Entry(config, throughput, deadline, new ThreadPoolDispatcher(id, throughput, deadline)),
            "Dispatcher" => new Entry(config, throughput, deadline, ByExecutor(id, config, throughput, deadline)),
            _ => throw new ConfigurationException($"Dispatcher [{id}] has the unknown type [{type}]."),
        };
    }

    private static MessageDispatcher ByExecutor(string id, Config config, int throughput, long? deadline)
    {
        string executor = config.GetString("executor", "default-executor");
        switch (executor)
        {
            case "default-executor" or "thread-pool-executor" or "task-executor":
                return new ThreadPoolDispatcher(id, throughput, deadline);
            case "current-context-executor":
                return new SynchronizationContextDispatcher(id, throughput, deadline);
            case "fork-join-executor":
                Config section = config.GetConfig("fork-join-executor");
                int scaled = (int)Math.Ceiling(Environment.ProcessorCount * section.GetDouble("parallelism-factor", 1.0));
                int threads = Math.Min(Math.Max(scaled, section.GetInt("parallelism-min", 8)), section.GetInt("parallelism-max", 64));
                return new DedicatedThreadDispatcher(id, throughput, deadline, threads, background: true);
            default:
                throw new ConfigurationException($"Dispatcher [{id}] has the unknown executor [{executor}].");
        }
    }

    private static DedicatedThreadDispatcher DedicatedThreads(string id, Config config, int throughput, long? deadline)
    {
        Config pool = config.GetConfig("dedicated-thread-pool");
        if (pool.IsNullOrEmpty())
            throw new ConfigurationException($"Dispatcher [{id}] of type ForkJoinDispatcher needs a dedicated-thread-pool section.");
        bool background = !"foreground".Equals(pool.GetString("threadtype", "background"), StringComparison.OrdinalIgnoreCase);
        return new DedicatedThreadDispatcher(id, throughput, deadline, pool.GetInt("thread-count", Environment.ProcessorCount), background);
    }

    /// <summary>A dispatcher type may also be written in full, as Akka.Dispatch.DispatcherConfigurator.</summary>
    private static string ShortName(string type)
    {
        int comma = type.IndexOf(',', StringComparison.Ordinal);
        string name = (comma < 0 ? type : type[..comma]).Trim();
        name = name[(name.LastIndexOf('.') + 1)..];
        return name.EndsWith("Configurator", StringComparison.Ordinal) ? name[..^"Configurator".Length] : name;
    }

    private sealed record Entry(Config Config, int Throughput, long? Deadline, MessageDispatcher Shared);
}
