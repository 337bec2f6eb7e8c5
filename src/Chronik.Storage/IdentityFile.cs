using System.Buffers.Text;
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
    private const string Format = "1";

    /// <summary>The identity of a directory that has one; throws when it is another than expected.</summary>
    public static NodeIdentity? Read(IDisk disk, string directory, NodeId nodeId, string? clusterId)
    {
        string path = Path.Combine(directory, Name);
        if (!disk.FileExists(path)) return null;
        Dictionary<string, string> values = Parse(disk, path);
        string format = Value(values, FormatKey, path);
        if (format != Format) throw new StorageException($"{path} has {FormatKey} = {format}, this program reads and writes {Format}");
        string node = Value(values, NodeKey, path);
        if (node != nodeId.Value.ToString(CultureInfo.InvariantCulture))
            throw new StorageException(
                $"{path} has {NodeKey} = {node}, but this node's id is {nodeId}: it is another node's data directory");
        string cluster = Value(values, ClusterKey, path);
        if (clusterId is not null && clusterId != cluster)
            throw new StorageException($"{path} has {ClusterKey} = {cluster}, but this node's cluster is {clusterId}");
        return new NodeIdentity(cluster, nodeId);
    }

    /// <summary>Writes the identity of a new directory, as a whole or not at all.</summary>
    public static NodeIdentity Create(IDisk disk, string directory, NodeId nodeId, string? clusterId)
    {
        NodeIdentity identity = new(clusterId ?? Base64Url.EncodeToString(Guid.NewGuid().ToByteArray()), nodeId);
        string text = $"{FormatKey}={Format}\n{ClusterKey}={identity.ClusterId}\n{NodeKey}={nodeId}\n";
        string path = Path.Combine(directory, Name);
        using (IDiskFile file = disk.Open(path + ".tmp", DiskOpen.Replace))
        {
            file.Write(Encoding.UTF8.GetBytes(text), 0);
            file.Sync();
        }

        disk.Rename(path + ".tmp", path);
        disk.SyncDirectory(directory);
        return identity;
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
