using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;

namespace Akka.Persistence;

/// <summary>What a persistent actor says about itself.</summary>
public interface IPersistentIdentity
{
    /// <summary>Names the events and snapshots of this actor, for ever.</summary>
    string PersistenceId { get; }

    /// <summary>Configuration path of its journal; null or empty for the default one.</summary>
    string JournalPluginId { get; }

    /// <summary>Configuration path of its snapshot store; null or empty for the default one.</summary>
    string SnapshotPluginId { get; }
}

public interface IPersistenceRecovery
{
    Recovery Recovery { get; }
}

public interface IPersistenceStash : IWithUnboundedStash
{
    IStashOverflowStrategy InternalStashOverflowStrategy { get; }
}

/// <summary>Id of the <see cref="PersistenceExtension"/>.</summary>
public class Persistence : ExtensionIdProvider<PersistenceExtension>
{
    public static Persistence Instance { get; } = new();

    public override PersistenceExtension CreateExtension(ExtendedActorSystem system) => new(system);

    public static Config DefaultConfig() => ConfigurationFactory.FromResource<Persistence>("Akka.Persistence.persistence.conf");
}

/// <summary>
/// Starts each journal and each snapshot store that is asked for once, as a system actor. A plugin is the section at its path:
/// <c>class</c> names the actor type, whose constructor takes that section or nothing, and <c>plugin-dispatcher</c> where it runs.
/// </summary>
public class PersistenceExtension : IExtension
{
    private const string NoSnapshotStoreId = "akka.persistence.no-snapshot-store";
    private const string JournalFallback = "akka.persistence.journal-plugin-fallback";
    private const string SnapshotStoreFallback = "akka.persistence.snapshot-store-plugin-fallback";

    private readonly ExtendedActorSystem _system;
    private readonly Config _config;
    private readonly ConcurrentDictionary<string, Lazy<Plugin>> _plugins = new();
    private readonly Lazy<IActorRef> _recoveryPermitter;
    private readonly Lazy<IStashOverflowStrategy> _stashOverflowStrategy;
    private readonly Lazy<string> _defaultSnapshotStore;

    public PersistenceExtension(ExtendedActorSystem system)
    {
        _system = system;
        _system.Settings.InjectTopLevelFallback(Persistence.DefaultConfig());
        _config = system.Settings.Config.GetConfig("akka.persistence");
        _recoveryPermitter = new Lazy<IActorRef>(() =>
            system.SystemActorOf(RecoveryPermitterActor.Props(_config.GetInt("max-concurrent-recoveries")), "recoveryPermitter"));
        _stashOverflowStrategy = new Lazy<IStashOverflowStrategy>(() =>
        {
            var type = LoadType("akka.persistence.internal-stash-overflow-strategy", _config.GetString("internal-stash-overflow-strategy"));
            return ((IStashOverflowStrategyConfigurator)Activator.CreateInstance(type)).Create(system.Settings.Config);
        });
        _defaultSnapshotStore = new Lazy<string>(() =>
        {
            var path = _config.GetString("snapshot-store.plugin");
            if (!string.IsNullOrEmpty(path)) return path;
            Logging.GetLogger(system, this).Warning("akka.persistence.snapshot-store.plugin is not set: snapshots cannot be saved");
            return NoSnapshotStoreId;
        });

        foreach (var id in _config.GetStringList("journal.auto-start-journals", [])) JournalFor(id);
        foreach (var id in _config.GetStringList("snapshot-store.auto-start-snapshot-stores", [])) SnapshotStoreFor(id);
    }

    public IStashOverflowStrategy DefaultInternalStashOverflowStrategy => _stashOverflowStrategy.Value;

    /// <summary>A persistence id made of an actor's path.</summary>
    public string PersistenceId(IActorRef actor) => actor.Path.ToStringWithoutAddress();

    public IActorRef JournalFor(string journalPluginId) => PluginFor(JournalPath(journalPluginId), JournalFallback).Ref;

    public IActorRef SnapshotStoreFor(string snapshotPluginId) => PluginFor(
        string.IsNullOrEmpty(snapshotPluginId) ? _defaultSnapshotStore.Value : snapshotPluginId, SnapshotStoreFallback).Ref;

    internal IActorRef RecoveryPermitter() => _recoveryPermitter.Value;

    /// <summary>The section of a journal, completed by the fallback section.</summary>
    internal Config JournalConfigFor(string journalPluginId) => PluginFor(JournalPath(journalPluginId), JournalFallback).Config;

    private string JournalPath(string journalPluginId)
    {
        if (!string.IsNullOrEmpty(journalPluginId)) return journalPluginId;
        var path = _config.GetString("journal.plugin");
        return string.IsNullOrEmpty(path) ? throw new ConfigurationException("akka.persistence.journal.plugin is not set") : path;
    }

    private Plugin PluginFor(string path, string fallbackPath) =>
        _plugins.GetOrAdd(path, key => new Lazy<Plugin>(() => Start(key, fallbackPath))).Value;

    private Plugin Start(string path, string fallbackPath)
    {
        var all = _system.Settings.Config;
        if (!all.HasPath(path)) throw new ArgumentException($"the persistence plugin {path} is missing in the configuration");
        var config = all.GetConfig(path).WithFallback(all.GetConfig(fallbackPath));
        var type = LoadType($"{path}.class", config.GetString("class"));
        var props = type.GetConstructor([typeof(Config)]) != null ? new Props(type, [config]) : new Props(type);
        return new Plugin(_system.SystemActorOf(props.WithDispatcher(config.GetString("plugin-dispatcher")), path), config);
    }

    private static Type LoadType(string path, string name)
    {
        if (string.IsNullOrEmpty(name)) throw new ArgumentException($"{path} is not set");
        return Type.GetType(name) ?? throw new ConfigurationException($"{path} = {name}: there is no such type");
    }

    private sealed record Plugin(IActorRef Ref, Config Config);
}
