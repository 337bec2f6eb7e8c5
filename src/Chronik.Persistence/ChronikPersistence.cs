using Akka.Actor;
using Akka.Configuration;
using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Persistence;

/// <summary>
/// Hands a node's storage to the journal and the snapshot store of an actor system, and holds what both know between restarts of their
/// actors. <see cref="Install"/> it before the first persistent actor starts.
/// </summary>
public sealed class ChronikPersistence : IExtension
{
    private ChronikPersistence(NodeStorage storage, BufferPool pool)
    {
        Events = new EventLogs(storage, pool);
        Snapshots = new Snapshots(storage);
    }

    internal EventLogs Events { get; }

    internal Snapshots Snapshots { get; }

    /// <summary>
    /// Makes the plugins chronik.journal and chronik.snapshot-store known to an actor system. Once per storage: it takes what the storage
    /// recovered of its groups.
    /// </summary>
    /// <param name="system">The actor system; its plugins still have to be chosen in its configuration.</param>
    /// <param name="storage">The node's storage; disposed of by its owner, after the actor system has ended.</param>
    /// <param name="pool">Where buffers come from.</param>
    public static void Install(ActorSystem system, NodeStorage storage, BufferPool pool) => new Provider(storage, pool).Apply(system);

    /// <summary>The section of the configuration that names both plugins.</summary>
    public static Config DefaultConfig() =>
        ConfigurationFactory.FromResource<ChronikPersistence>("Chronik.Persistence.reference.conf");

    internal static ChronikPersistence Of(ActorSystem system) =>
        system.GetExtension<ChronikPersistence>()
        ?? throw new ConfigurationException("chronik.journal and chronik.snapshot-store need ChronikPersistence.Install");

    private sealed class Provider(NodeStorage storage, BufferPool pool) : ExtensionIdProvider<ChronikPersistence>
    {
        public override ChronikPersistence CreateExtension(ExtendedActorSystem system)
        {
            system.Settings.InjectTopLevelFallback(DefaultConfig());
            ChronikPersistence made = new(storage, pool);
            storage.CheckpointWanted += made.Events.CheckpointSoon;
            system.RegisterOnTermination(() => storage.CheckpointWanted -= made.Events.CheckpointSoon);
            return made;
        }
    }
}
