using Chronik.Model;

namespace Chronik.Storage;

// Opening a data directory: everything is looked at before anything is changed.
public sealed partial class NodeStorage
{
    private const string WalName = "wal";
    private const string CheckpointsName = "checkpoints";
    private const string LogsName = "logs";
    private const string DamagedInfix = ".damaged-";

    /// <summary>Opens a data directory, or makes a new one, and recovers what it holds.</summary>
    /// <param name="options">Where, and all limits.</param>
    /// <param name="nodeId">The node's id; must be the directory's.</param>
    /// <param name="clusterId">The cluster's id; must be the directory's. Null takes the directory's, or makes one up for a new
    /// directory.</param>
    /// <param name="disk">The disk.</param>
    /// <param name="pool">Where buffers come from.</param>
    /// <param name="time">The clock, for ages and free space.</param>
    /// <param name="progress">Told while the WAL is read.</param>
    /// <exception cref="StorageException">
    /// The directory is locked, cannot be written, belongs to another node or cluster, has another format or is damaged. Nothing was
    /// changed. A damaged one of a node whose cluster has others begins anew instead, see <see cref="Damage"/>.
    /// </exception>
    public static NodeStorage Open(
        StorageOptions options, NodeId nodeId, string? clusterId, IDisk disk, BufferPool pool, TimeProvider time,
        Action<RecoveryProgress>? progress = null)
    {
        // A place in a file is kept as a 32-bit number.
        if (options.WalFileBytes is < WalFormat.BlockBytes or > int.MaxValue)
            throw new StorageException(
                $"a WAL file has between {WalFormat.BlockBytes} and {int.MaxValue} bytes, not {options.WalFileBytes}");
        string directory = options.DataDirectory;
        IDisposable? held = null;
        try
        {
            MakeDirectory(disk, directory);
            held = disk.TryLock(directory) ?? throw new StorageException(
                $"data directory {directory} is locked: another process is using it");
            NodeIdentity? identity = IdentityFile.Read(disk, directory, nodeId, clusterId, options.NewestLevel);
            if (identity is null) RefuseForeign(disk, directory);
            NodeStorage storage;
            try
            {
                storage = Recover(options, nodeId, clusterId, identity, disk, pool, time, held, progress);
            }
            catch (StorageException damage) when (damage.IsDamage && identity?.MetadataVoters.Count > 1)
            {
                identity = SetAside(disk, directory, identity);
                storage = Recover(options, nodeId, clusterId, identity, disk, pool, time, held, progress);
                storage.Damage = damage.Message;
            }

            held = null;
            return storage;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException and not StorageException)
        {
            throw new StorageException($"cannot use data directory {directory}: {OneLine(e)}", e);
        }
        finally
        {
            held?.Dispose();
        }
    }

    /// <summary>
    /// What a node of a cluster lost with a damaged WAL or checkpoint, others still have; which of its groups lost what, nobody can tell.
    /// So the directory begins anew, under another id, by which its peers know that it lost everything. What was there is kept beside it
    /// for whoever needs it, with a name that nothing reads.
    /// </summary>
    private static NodeIdentity SetAside(IDisk disk, string directory, NodeIdentity identity)
    {
        NodeIdentity anew = identity with { DirectoryId = Guid.NewGuid() };
        IdentityFile.Write(disk, directory, anew); // First: half of what was there must never pass for all of it.
        foreach (string folder in (string[])[Path.Combine(directory, CheckpointsName), Path.Combine(directory, WalName)])
        {
            foreach (DiskEntry entry in disk.List(folder))
            {
                if (entry.Name.Contains(DamagedInfix, StringComparison.Ordinal)) continue;
                disk.Rename(Path.Combine(folder, entry.Name), Path.Combine(folder, $"{entry.Name}{DamagedInfix}{anew.DirectoryId:N}"));
            }

            disk.SyncDirectory(folder);
        }

        return anew;
    }

    private static NodeStorage Recover(
        StorageOptions options, NodeId nodeId, string? clusterId, NodeIdentity? identity, IDisk disk, BufferPool pool, TimeProvider time,
        IDisposable held, Action<RecoveryProgress>? progress)
    {
        string directory = options.DataDirectory;
        WalFiles walFiles = new(disk, Path.Combine(directory, WalName), options);
        WalRecovery recovery = new(walFiles, disk, progress);
        try
        {
            recovery.Read(ReadCheckpoints(disk, Path.Combine(directory, CheckpointsName)));
            if (identity is null)
                identity = WriteNew(clusterId, options.AwaitsCluster, options.NewestLevel);
            else if (identity.DirectoryId == Guid.Empty) // Made before directories had an id, by a cluster of one.
                identity = WriteNew(identity.ClusterId, awaitsCluster: false, FeatureLevel.Oldest);
            foreach (string name in (string[])[WalName, CheckpointsName, LogsName]) disk.CreateDirectory(Path.Combine(directory, name));
            disk.SyncDirectory(directory);
            recovery.Finish();
            foreach (GroupId deleted in recovery.Deleted) RemoveDeleted(disk, directory, deleted, recovery);
            NodeStorage storage = new(options, disk, pool, time, held, identity, walFiles, recovery);
            return storage;
        }
        catch
        {
            recovery.CloseFiles();
            throw;
        }

        NodeIdentity WriteNew(string? cluster, bool awaitsCluster, int level)
        {
            NodeIdentity made = IdentityFile.Make(nodeId, cluster, awaitsCluster, level);
            IdentityFile.Write(disk, directory, made);
            return made;
        }
    }

    /// <summary>Makes the data directory and those above it, and their names durable: what lies in it is promised to be.</summary>
    private static void MakeDirectory(IDisk disk, string directory)
    {
        List<string> changed = [];
        string at = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        for (; !disk.DirectoryExists(at) && Path.GetDirectoryName(at) is { } above; at = above) changed.Add(above);
        if (changed.Count == 0) return;
        disk.CreateDirectory(directory);
        foreach (string above in changed) disk.SyncDirectory(above);
    }

    private static Dictionary<GroupId, StoredCheckpoint> ReadCheckpoints(IDisk disk, string directory)
    {
        Dictionary<GroupId, StoredCheckpoint> checkpoints = [];
        foreach (DiskEntry entry in disk.List(directory))
        {
            if (!entry.Name.EndsWith(CheckpointFile.Suffix, StringComparison.Ordinal)) continue;
            StoredCheckpoint stored = CheckpointFile.Read(disk, Path.Combine(directory, entry.Name));
            if (entry.Name != stored.Group + CheckpointFile.Suffix)
                throw new StorageException($"{Path.Combine(directory, entry.Name)} is the checkpoint of group {stored.Group}");
            checkpoints.Add(stored.Group, stored);
        }

        return checkpoints;
    }

    /// <summary>Finishes a deletion that a crash interrupted.</summary>
    private static void RemoveDeleted(IDisk disk, string directory, GroupId group, WalRecovery recovery)
    {
        if (recovery.Found.TryGetValue(group, out RecoveringGroup? anew) && anew.Stored is not null) return;
        RemoveFiles(disk, directory, group);
    }

    private static void RemoveFiles(IDisk disk, string directory, GroupId group)
    {
        string checkpoints = Path.Combine(directory, CheckpointsName);
        string checkpoint = CheckpointFile.PathOf(checkpoints, group);
        if (disk.FileExists(checkpoint))
        {
            disk.Delete(checkpoint);
            disk.SyncDirectory(checkpoints);
        }

        string log = Path.Combine(directory, LogsName, group.ToString());
        if (!disk.DirectoryExists(log)) return;
        foreach (DiskEntry entry in disk.List(log)) disk.Delete(Path.Combine(log, entry.Name));
        disk.DeleteDirectory(log);
        disk.SyncDirectory(Path.Combine(directory, LogsName));
    }

    private static void RefuseForeign(IDisk disk, string directory)
    {
        foreach (DiskEntry entry in disk.List(directory))
        {
            if (entry.IsDirectory && entry.Name is WalName or CheckpointsName or LogsName)
                throw new StorageException($"data directory {directory} has a folder {entry.Name}, but no {IdentityFile.Name}");
        }
    }

    private static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ");
}
