using Akka.Actor;

namespace Akka.Persistence.Snapshot;

/// <summary>
/// The base of a snapshot store plugin, which implements the four methods without thinking of the protocol. They are called in the actor's
/// thread; what they await goes on elsewhere. A snapshot whose saving failed is deleted again.
/// </summary>
public abstract class SnapshotStore : ActorBase
{
    protected sealed override bool Receive(object message) => ReceiveSnapshotStore(message) || ReceivePluginInternal(message);

    /// <summary>The latest snapshot that fits, or null.</summary>
    protected abstract Task<SelectedSnapshot> LoadAsync(string persistenceId, SnapshotSelectionCriteria criteria);

    protected abstract Task SaveAsync(SnapshotMetadata metadata, object snapshot);

    /// <summary>Deletes one snapshot; a time of <see cref="DateTime.MinValue"/> stands for any time.</summary>
    protected abstract Task DeleteAsync(SnapshotMetadata metadata);

    protected abstract Task DeleteAsync(string persistenceId, SnapshotSelectionCriteria criteria);

    /// <summary>Messages of the plugin's own, and the outcome of each save and deletion.</summary>
    protected virtual bool ReceivePluginInternal(object message) => false;

    private bool ReceiveSnapshotStore(object message)
    {
        var sender = Sender;
        switch (message)
        {
            case LoadSnapshot load when load.Criteria.Equals(SnapshotSelectionCriteria.None):
                sender.Tell(new LoadSnapshotResult(null, load.ToSequenceNr));
                break;
            case LoadSnapshot load:
                _ = Run(
                    async () => new LoadSnapshotResult(
                        await LoadAsync(load.PersistenceId, load.Criteria.Limit(load.ToSequenceNr)).ConfigureAwait(false),
                        load.ToSequenceNr),
                    static e => new LoadSnapshotFailed(e),
                    sender,
                    Self);
                break;
            case SaveSnapshot save:
                var metadata = save.Metadata.Timestamp == DateTime.MinValue
                    ? new SnapshotMetadata(save.Metadata.PersistenceId, save.Metadata.SequenceNr, DateTime.UtcNow)
                    : save.Metadata;
                _ = Run(
                    async () =>
                    {
                        await SaveAsync(metadata, save.Snapshot).ConfigureAwait(false);
                        return new SaveSnapshotSuccess(metadata);
                    },
                    e => new SaveSnapshotFailure(metadata, e),
                    Self,
                    sender);
                break;
            case DeleteSnapshot delete:
                _ = Run(
                    async () =>
                    {
                        await DeleteAsync(delete.Metadata).ConfigureAwait(false);
                        return new DeleteSnapshotSuccess(delete.Metadata);
                    },
                    e => new DeleteSnapshotFailure(delete.Metadata, e),
                    Self,
                    sender);
                break;
            case DeleteSnapshots delete:
                _ = Run(
                    async () =>
                    {
                        await DeleteAsync(delete.PersistenceId, delete.Criteria).ConfigureAwait(false);
                        return new DeleteSnapshotsSuccess(delete.Criteria);
                    },
                    e => new DeleteSnapshotsFailure(delete.Criteria, e),
                    Self,
                    sender);
                break;
            case ISnapshotResponse:
                Forward(message, sender);
                break;
            default:
                return false;
        }

        return true;
    }

    /// <summary>The outcome passes the plugin on its way to the persistent actor.</summary>
    private void Forward(object message, IActorRef persistentActor)
    {
        try
        {
            ReceivePluginInternal(message);
            // Half a snapshot shall not be found later. What comes of the deletion changes nothing about the answer.
            if (message is SaveSnapshotFailure failure) _ = DeleteAsync(failure.Metadata);
        }
        finally
        {
            persistentActor.Tell(message);
        }
    }

    private static async Task Run(
        Func<Task<ISnapshotResponse>> action, Func<Exception, ISnapshotResponse> failed, IActorRef receiver, IActorRef sender)
    {
        ISnapshotResponse response;
        try
        {
            response = await action().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            response = failed(e);
        }

        receiver.Tell(response, sender);
    }
}

/// <summary>Keeps snapshots in the memory of one store actor. They are gone with the actor system.</summary>
public class MemorySnapshotStore : SnapshotStore
{
    private readonly Lock _lock = new();
    private readonly List<SelectedSnapshot> _snapshots = [];

    protected override Task<SelectedSnapshot> LoadAsync(string persistenceId, SnapshotSelectionCriteria criteria)
    {
        SelectedSnapshot latest = null;
        lock (_lock)
        {
            foreach (var snapshot in _snapshots)
            {
                if (snapshot.Metadata.PersistenceId == persistenceId && criteria.IsMatch(snapshot.Metadata)
                    && (latest == null || SnapshotMetadata.Comparer.Compare(snapshot.Metadata, latest.Metadata) > 0))
                    latest = snapshot;
            }
        }

        return Task.FromResult(latest);
    }

    protected override Task SaveAsync(SnapshotMetadata metadata, object snapshot)
    {
        lock (_lock)
        {
            _snapshots.RemoveAll(s => s.Metadata.Equals(metadata));
            _snapshots.Add(new SelectedSnapshot(metadata, snapshot));
        }

        return Task.CompletedTask;
    }

    protected override Task DeleteAsync(SnapshotMetadata metadata)
    {
        lock (_lock)
        {
            _snapshots.RemoveAll(s => s.Metadata.PersistenceId == metadata.PersistenceId && s.Metadata.SequenceNr == metadata.SequenceNr
                && (metadata.Timestamp == DateTime.MinValue || s.Metadata.Timestamp == metadata.Timestamp));
        }

        return Task.CompletedTask;
    }

    protected override Task DeleteAsync(string persistenceId, SnapshotSelectionCriteria criteria)
    {
        lock (_lock) _snapshots.RemoveAll(s => s.Metadata.PersistenceId == persistenceId && criteria.IsMatch(s.Metadata));
        return Task.CompletedTask;
    }
}

/// <summary>Stands in where no store is configured: loading finds nothing, saving and deleting fail.</summary>
public sealed class NoSnapshotStore : SnapshotStore
{
    protected override Task<SelectedSnapshot> LoadAsync(string persistenceId, SnapshotSelectionCriteria criteria) =>
        Task.FromResult<SelectedSnapshot>(null);

    protected override Task SaveAsync(SnapshotMetadata metadata, object snapshot) => Fail();

    protected override Task DeleteAsync(SnapshotMetadata metadata) => Fail();

    protected override Task DeleteAsync(string persistenceId, SnapshotSelectionCriteria criteria) => Fail();

    private static Task Fail() => Task.FromException(new NoSnapshotStoreException("No snapshot store is configured."));

    public class NoSnapshotStoreException : Exception
    {
        public NoSnapshotStoreException()
        {
        }

        public NoSnapshotStoreException(string message) : base(message)
        {
        }

        public NoSnapshotStoreException(string message, Exception innerException) : base(message, innerException)
        {
        }
    }
}
