using Akka.Persistence;
using Akka.Persistence.Snapshot;

namespace Chronik.Persistence;

/// <summary>
/// The snapshot store of a node's own actors, over the node's storage. Selected by
/// <c>akka.persistence.snapshot-store.plugin = "chronik.snapshot-store"</c>.
/// </summary>
/// <remarks>
/// A snapshot that was confirmed survives a crash; one that was being saved leaves the earlier ones as they were. All snapshots of a
/// persistence id are written together, so an actor deletes the ones that it no longer needs.
/// </remarks>
public sealed class ChronikSnapshotStore : SnapshotStore
{
    private readonly Snapshots _snapshots = ChronikPersistence.Of(Context.System).Snapshots;
    private readonly PayloadCodec _codec = new(Context.System);

    /// <inheritdoc/>
    protected override Task<SelectedSnapshot> LoadAsync(string persistenceId, SnapshotSelectionCriteria criteria)
    {
        StoredSnapshot? latest = _snapshots.Of(persistenceId).LastOrDefault(snapshot => Matches(snapshot, criteria));
        if (latest is null) return Task.FromResult<SelectedSnapshot>(null!);
        SnapshotMetadata metadata = new(persistenceId, latest.SequenceNr, new DateTime(latest.Ticks, DateTimeKind.Utc));
        return Task.FromResult(new SelectedSnapshot(metadata, _codec.DecodeSnapshot(latest.Bytes)));
    }

    /// <inheritdoc/>
    protected override Task SaveAsync(SnapshotMetadata metadata, object snapshot)
    {
        StoredSnapshot stored = new(metadata.SequenceNr, metadata.Timestamp.Ticks, _codec.EncodeSnapshot(snapshot));
        return _snapshots.SaveAsync(metadata.PersistenceId, stored);
    }

    /// <inheritdoc/>
    protected override Task DeleteAsync(SnapshotMetadata metadata) => _snapshots.DeleteAsync(
        metadata.PersistenceId,
        snapshot => snapshot.SequenceNr == metadata.SequenceNr
                    && (metadata.Timestamp == DateTime.MinValue || metadata.Timestamp.Ticks == snapshot.Ticks));

    /// <inheritdoc/>
    protected override Task DeleteAsync(string persistenceId, SnapshotSelectionCriteria criteria) =>
        _snapshots.DeleteAsync(persistenceId, snapshot => Matches(snapshot, criteria));

    private static bool Matches(StoredSnapshot snapshot, SnapshotSelectionCriteria criteria) =>
        snapshot.SequenceNr <= criteria.MaxSequenceNr
        && snapshot.SequenceNr >= criteria.MinSequenceNr
        && snapshot.Ticks <= criteria.MaxTimeStamp.Ticks
        && (criteria.MinTimestamp is not { } min || snapshot.Ticks >= min.Ticks);
}
