using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Chronik.Cluster.Tests.Wire;
using Chronik.Model;

namespace Chronik.Cluster.Tests.Processes;

/// <summary>A cluster of real processes with folders of their own; all of it is gone when it is disposed of.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private static readonly ConcurrentBag<Socket> Holders = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("chronik-cluster-").FullName;
    private readonly List<NodeProcess> _nodes = [];
    private readonly string[] _extra;
    private readonly List<string> _mounts = [];
    private readonly int _expected;

    /// <summary>Describes a cluster; nothing runs yet.</summary>
    /// <param name="nodes">How many nodes form it.</param>
    /// <param name="places">Where they run; null for the loopback interface.</param>
    /// <param name="extra">More arguments for every node.</param>
    public TestCluster(int nodes = 3, Func<int, NodePlace>? places = null, params string[] extra)
    {
        _expected = nodes;
        _extra = extra;
        for (int i = 1; i <= nodes; i++) Add(i, places?.Invoke(i) ?? OnLoopback());
        Client = new ClusterClient([.. _nodes.Select(node => node.Kafka)]);
    }

    public IReadOnlyList<NodeProcess> Nodes => _nodes;

    public ClusterClient Client { get; }

    public NodeProcess this[NodeId id] => _nodes.Find(node => node.Id == id) ?? throw new ArgumentException($"there is no node {id}");

    /// <summary>A cluster that runs and serves.</summary>
    public static async Task<TestCluster> StartAsync(int nodes = 3, params string[] extra)
    {
        TestCluster cluster = new(nodes, null, extra);
        await cluster.StartAllAsync();
        return cluster;
    }

    /// <summary>Starts whatever does not run, and waits until all of it serves.</summary>
    public async Task StartAllAsync()
    {
        foreach (NodeProcess node in _nodes.Where(node => !node.IsRunning)) node.Start();
        try
        {
            foreach (NodeProcess node in _nodes) await node.ReadyAsync();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"the cluster did not start: {e.Message}\n{Story()}", e);
        }
    }

    /// <summary>Another node, which names the first ones as its seeds. It is not started.</summary>
    public NodeProcess Add(int id, NodePlace? place = null, string name = "", IReadOnlyList<string>? arguments = null)
    {
        NodeProcess node = new(
            new NodeId(id), place ?? OnLoopback(), Path.Combine(_folder, $"{id}{name}"), () => arguments ?? Arguments());
        Directory.CreateDirectory(Path.GetDirectoryName(node.Data)!);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Gives a node a disk of its own for its data, before its first start.</summary>
    public async Task MountAsync(NodeProcess node, string size)
    {
        Directory.CreateDirectory(node.Data);
        await Command.RunAsync("mount", "-t", "tmpfs", "-o", $"size={size}", "tmpfs", node.Data);
        _mounts.Add(node.Data);
    }

    /// <summary>What the nodes said last, for a test that failed.</summary>
    public string Story() => string.Join(
        '\n', _nodes.Select(node => $"== node {node.Id} at {node.Kafka.Port}\n{string.Join('\n', node.Lines.TakeLast(30))}"));

    public async ValueTask DisposeAsync()
    {
        foreach (NodeProcess node in _nodes) node.Kill();
        foreach (string mount in _mounts) await Command.RunAsync("umount", mount);
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>A place on the loopback interface with ports that nobody else gets, whether its node runs or not.</summary>
    public static NodePlace OnLoopback() => new("127.0.0.1", HeldPort(), HeldPort(), HeldPort(), []);

    /// <summary>
    /// A port that is held as long as this process runs: nobody gets it who asks for any port, or connects to somewhere. As its holder
    /// never listens, the operating system lets another socket that asks for this very port listen beside it.
    /// </summary>
    private static int HeldPort()
    {
        Socket holder = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        holder.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Holders.Add(holder);
        return ((IPEndPoint)holder.LocalEndPoint!).Port;
    }

    private List<string> Arguments()
    {
        List<string> arguments = ["--bootstrap-expect", $"{_expected}"];
        foreach (NodeProcess seed in _nodes.Take(_expected)) arguments.AddRange(["--seed", seed.Akka]);
        arguments.AddRange(_extra);
        return arguments;
    }
}
