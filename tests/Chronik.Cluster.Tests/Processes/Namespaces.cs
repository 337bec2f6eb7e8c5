using System.Globalization;

namespace Chronik.Cluster.Tests.Processes;

/// <summary>
/// A network namespace for each node, all on one bridge, on which this process has an address too. A path from one node to another is
/// cut in one direction by sending its frames to an address that nobody has: they vanish without an error, as in a real network.
/// </summary>
internal sealed class Namespaces : IAsyncDisposable
{
    private const string Nowhere = "02:00:00:00:00:01";

    private readonly string _name = $"chr{Random.Shared.Next(1_000_000).ToString(CultureInfo.InvariantCulture)}";
    private readonly string _network = $"10.{Random.Shared.Next(200, 250)}.{Random.Shared.Next(1, 250)}";
    private readonly int _count;

    private Namespaces(int count) => _count = count;

    public static async Task<Namespaces> CreateAsync(int count)
    {
        Namespaces all = new(count);
        string bridge = $"{all._name}b";
        await Ip("link", "add", bridge, "type", "bridge");
        await Ip("addr", "add", $"{all._network}.254/24", "dev", bridge);
        await Ip("link", "set", bridge, "up");
        for (int node = 1; node <= count; node++)
        {
            string space = all.SpaceOf(node), outside = $"{all._name}v{node}";
            await Ip("netns", "add", space);
            await Ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space);
            await Ip("link", "set", outside, "master", bridge, "up");
            await Ip("-n", space, "addr", "add", $"{all.HostOf(node)}/24", "dev", "eth0");
            await Ip("-n", space, "link", "set", "eth0", "up");
            await Ip("-n", space, "link", "set", "lo", "up");
        }

        return all;
    }

    /// <summary>The place of a node, from 1 on.</summary>
    public NodePlace PlaceOf(int node) => new(HostOf(node), 9092, 9192, 9644, ["ip", "netns", "exec", SpaceOf(node)]);

    /// <summary>Nothing gets from one node to another any more; the way back stays.</summary>
    public Task CutAsync(int from, int to) =>
        Ip("-n", SpaceOf(from), "neigh", "replace", HostOf(to), "lladdr", Nowhere, "dev", "eth0", "nud", "permanent");

    public Task HealAsync(int from, int to) => Ip("-n", SpaceOf(from), "neigh", "del", HostOf(to), "dev", "eth0");

    public async ValueTask DisposeAsync()
    {
        for (int node = 1; node <= _count; node++) await Ip("netns", "del", SpaceOf(node));
        await Ip("link", "del", $"{_name}b");
    }

    private static Task Ip(params string[] arguments) => Command.RunAsync("ip", arguments);

    private string SpaceOf(int node) => $"{_name}n{node}";

    private string HostOf(int node) => $"{_network}.{node}";
}
