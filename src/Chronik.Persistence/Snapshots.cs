using System.Collections.Concurrent;
using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Persistence;

/// <summary>A snapshot as it is kept.</summary>
/// <param name="SequenceNr">The last event it covers.</param>
/// <param name="Ticks">When it was made, in ticks of UTC.</param>
/// <param name="Bytes">The snapshot.</param>
internal sealed record StoredSnapshot(long SequenceNr, long Ticks, byte[] Bytes);

/// <summary>
/// The snapshots of a node's own actors: for each persistence id a storage group without entries, whose checkpoint holds all its snapshots.
/// A checkpoint is replaced as a whole or not at all, so a snapshot is there, or the one before it is. Thread-safe.
/// </summary>
internal sealed class Snapshots
{
    private const byte StateVersion = 0;

    private readonly NodeStorage _storage;
    private readonly ConcurrentDictionary<GroupId, SnapshotSet> _sets = new();

    public Snapshots(NodeStorage storage)
    {
        _storage = storage;
        foreach (GroupId group in storage.Recovered.Keys.Where(group => group.Partition == PersistenceGroup.SnapshotsPartition))
            _sets[group] = new SnapshotSet { Stored = ReadState(group, storage.TakeRecovered(group)?.Checkpoint?.State ?? default) };
    }

    /// <summary>What there is of a persistence id, oldest first.</summary>
    public IReadOnlyList<StoredSnapshot> Of(string persistenceId) =>
        _sets.TryGetValue(PersistenceGroup.Of(persistenceId, PersistenceGroup.SnapshotsPartition), out SnapshotSet? set) ? set.Stored : [];

    /// <summary>Keeps a snapshot; one with the same sequence number is replaced. Completes when it is durable.</summary>
    public Task SaveAsync(string persistenceId, StoredSnapshot snapshot) => ChangeAsync(
        persistenceId,
        stored => [.. stored.Where(old => old.SequenceNr != snapshot.SequenceNr).Append(snapshot).OrderBy(old => old.SequenceNr)]);

    /// <summary>Deletes the snapshots that match. Completes when that is durable.</summary>
    public Task DeleteAsync(string persistenceId, Predicate<StoredSnapshot> match) =>
        ChangeAsync(persistenceId, stored => [.. stored.Where(snapshot => !match(snapshot))]);

    private async Task ChangeAsync(string persistenceId, Func<IReadOnlyList<StoredSnapshot>, StoredSnapshot[]> change)
    {
        GroupId group = PersistenceGroup.Of(persistenceId, PersistenceGroup.SnapshotsPartition);
        SnapshotSet set = _sets.GetOrAdd(group, static _ => new SnapshotSet());
        await set.Turn.WaitAsync().ConfigureAwait(false);
        try
        {
            StoredSnapshot[] changed = change(set.Stored);
            if (changed.SequenceEqual(set.Stored)) return;
            await _storage.CheckpointAsync(group, LogIndex.Zero, StateOf(changed)).ConfigureAwait(false);
            set.Stored = changed;
        }
        finally
        {
            set.Turn.Release();
        }
    }

    private static byte[] StateOf(StoredSnapshot[] snapshots)
    {
        using MemoryStream state = new();
        using BinaryWriter writer = new(state);
        writer.Write(StateVersion);
        writer.Write(snapshots.Length);
        foreach (StoredSnapshot snapshot in snapshots)
        {
            writer.Write(snapshot.SequenceNr);
            writer.Write(snapshot.Ticks);
            writer.Write(snapshot.Bytes.Length);
            writer.Write(snapshot.Bytes);
        }

        return state.ToArray();
    }

    private static StoredSnapshot[] ReadState(GroupId group, ReadOnlyMemory<byte> state)
    {
        using BinaryReader reader = new(new MemoryStream(state.ToArray()));
        byte version = reader.ReadByte();
        if (version > StateVersion)
            throw new StorageException($"the snapshots of group {group} are of version {version}; this broker reads up to {StateVersion}");
        StoredSnapshot[] snapshots = new StoredSnapshot[reader.ReadInt32()];
        for (int i = 0; i < snapshots.Length; i++)
            snapshots[i] = new StoredSnapshot(reader.ReadInt64(), reader.ReadInt64(), reader.ReadBytes(reader.ReadInt32()));
        return snapshots;
    }

    private sealed class SnapshotSet
    {
        public SemaphoreSlim Turn { get; } = new(1);

        public volatile StoredSnapshot[] Stored = [];
    }
}
