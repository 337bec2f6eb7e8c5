using System.Globalization;
using System.Text;
using Chronik.Model;

namespace Chronik.Storage;

/// <summary>chronik.properties in the data directory: whose it is and in which format.</summary>
internal static class IdentityFile
{
    public const string Name = "chronik.properties";

    private const string FormatKey = "format.version";
    private const string ClusterKey = "cluster.id";
    private const string NodeKey = "node.id";
    private const string DirectoryKey = "directory.id";
    private const string VotersKey = "metadata.voters";
    private const string LevelKey = "cluster.level";
    private const string PromisesKey = "founding.promises";
    private const int OldestFormat = 1;
    private const int NewestFormat = 2; // 2: has cluster.level, which is above the oldest one.

    /// <summary>The identity of a directory that has one; throws when it is another than expected.</summary>
    public static NodeIdentity? Read(IDisk disk, string directory, NodeId nodeId, string? clusterId, int newestLevel)
    {
        string path = Path.Combine(directory, Name);
        if (!disk.FileExists(path)) return null;
        Dictionary<string, string> values = Parse(disk, path);
        string format = Value(values, FormatKey, path);
        if (!int.TryParse(format, NumberStyles.None, CultureInfo.InvariantCulture, out int version)
            || version is < OldestFormat or > NewestFormat)
            throw new StorageException($"{path} has {FormatKey} = {format}, this program reads {OldestFormat} to {NewestFormat}");
        int level = Level(version < 2 ? "1" : Value(values, LevelKey, path));
        string node = Value(values, NodeKey, path);
        if (node != nodeId.Value.ToString(CultureInfo.InvariantCulture))
            throw new StorageException(
                $"{path} has {NodeKey} = {node}, but this node's id is {nodeId}: it is another node's data directory");
        if (!values.TryGetValue(DirectoryKey, out string? id))
            return new NodeIdentity(Cluster(Value(values, ClusterKey, path)), nodeId, Guid.Empty, []);
        if (!Guid.TryParse(id, out Guid directoryId)) throw new StorageException($"{path} has {DirectoryKey} = {id}, which is not an id");
        return values.TryGetValue(ClusterKey, out string? formed)
            ? new NodeIdentity(Cluster(formed), nodeId, directoryId, Voters(Value(values, VotersKey, path), VotersKey, path))
            {
                Level = level,
            }
            : new NodeIdentity("", nodeId, directoryId, [])
            {
                Promises = values.TryGetValue(PromisesKey, out string? promises) ? Promises(promises, path) : [],
            };

        int Level(string text) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int level)
            && level >= FeatureLevel.Oldest && level <= newestLevel
                ? level
                : throw new StorageException(
                    $"{path} has {LevelKey} = {text}, this program speaks {FeatureLevel.Name} {FeatureLevel.Oldest} to {newestLevel}");

        string Cluster(string cluster) => clusterId is null || clusterId == cluster
            ? cluster
            : throw new StorageException($"{path} has {ClusterKey} = {cluster}, but this node's cluster is {clusterId}");
    }

    /// <summary>The identity of a new directory, or of one that has none of its own yet.</summary>
    public static NodeIdentity Make(NodeId nodeId, string? clusterId, bool awaitsCluster, int level)
    {
        Guid directoryId = Guid.NewGuid();
        return awaitsCluster
            ? new NodeIdentity("", nodeId, directoryId, [])
            : new NodeIdentity(clusterId ?? NodeIdentity.NewClusterId(), nodeId, directoryId, [new MetadataVoter(nodeId, directoryId)])
            {
                Level = level,
            };
    }

    /// <summary>Writes an identity, as a whole or not at all.</summary>
    public static void Write(IDisk disk, string directory, NodeIdentity identity)
    {
        int format = identity.Level > FeatureLevel.Oldest ? NewestFormat : OldestFormat;
        StringBuilder text = new();
        text.Append($"{FormatKey}={format}\n{NodeKey}={identity.NodeId}\n{DirectoryKey}={identity.DirectoryId}\n");
        if (identity.IsFormed)
        {
            text.Append($"{ClusterKey}={identity.ClusterId}\n{VotersKey}={Text(identity.MetadataVoters)}\n");
            if (format > OldestFormat) text.Append($"{LevelKey}={identity.Level}\n");
        }
        else if (identity.Promises.Count > 0)
        {
            IEnumerable<string> promises = identity.Promises.Select(
                promise => $"{promise.Round} {promise.ClusterId} {promise.Proposer} {Text(promise.Voters)}");
            text.Append($"{PromisesKey}={string.Join(';', promises)}\n");
        }

        string path = Path.Combine(directory, Name);
        using (IDiskFile file = disk.Open(path + ".tmp", DiskOpen.Replace))
        {
            file.Write(Encoding.UTF8.GetBytes(text.ToString()), 0);
            file.Sync();
        }

        disk.Rename(path + ".tmp", path);
        disk.SyncDirectory(directory);
    }

    private static string Text(IReadOnlyList<MetadataVoter> voters) =>
        string.Join(',', voters.Select(voter => $"{voter.Id}:{voter.Directory}"));

    private static List<FoundingPromise> Promises(string text, string path)
    {
        List<FoundingPromise> promises = [];
        foreach (string promise in text.Split(';'))
        {
            string[] parts = promise.Split(' ');
            if (parts.Length != 4
                || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out long round)
                || !Guid.TryParse(parts[2], out Guid proposer))
                throw new StorageException($"{path} has {PromisesKey} = {text}, which is not a list of ROUND CLUSTER DIRECTORY VOTERS");
            promises.Add(new FoundingPromise(round, parts[1], proposer, Voters(parts[3], PromisesKey, path)));
        }

        return promises;
    }

    private static List<MetadataVoter> Voters(string text, string key, string path)
    {
        List<MetadataVoter> voters = [];
        foreach (string voter in text.Split(','))
        {
            int colon = voter.IndexOf(':');
            if (colon < 0
                || !int.TryParse(voter.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                || !Guid.TryParse(voter.AsSpan(colon + 1), out Guid directory))
                throw new StorageException($"{path} has {key} = {text}, which is not a list of NODE:DIRECTORY");
            voters.Add(new MetadataVoter(new NodeId(id), directory));
        }

        return voters;
    }

    private static Dictionary<string, string> Parse(IDisk disk, string path)
    {
        using IDiskFile file = disk.Open(path, DiskOpen.Read);
        byte[] bytes = new byte[Math.Min(file.Length, 64 << 10)];
        int read = file.Read(bytes, 0);
        Dictionary<string, string> values = [];
        foreach (string line in Encoding.UTF8.GetString(bytes, 0, read).Split('\n'))
        {
            int equals = line.IndexOf('=');
            if (equals > 0 && line[0] != '#') values[line[..equals].Trim()] = line[(equals + 1)..].Trim();
        }

        return values;
    }

    private static string Value(Dictionary<string, string> values, string key, string path) =>
        values.TryGetValue(key, out string? value) ? value : throw new StorageException($"{path} lacks {key}");
}
