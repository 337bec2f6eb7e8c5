using System.Text;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Storage;
using Chronik.Storage.Testing;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>Nodes of different versions in one cluster, and one node that is started with one version and then another.</summary>
public sealed class LevelTests : IAsyncDisposable
{
    private static readonly ProtocolVersions Old = new(FeatureLevel.Oldest, FeatureLevel.Oldest);

    private readonly FormingWorld _world = new();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task A_cluster_is_formed_at_the_highest_level_that_all_speak()
    {
        FormingNode[] nodes = [_world.Start(1), _world.Start(2), _world.Start(3)];
        _world.Introduce(nodes);
        await FormingWorld.FormedAsync(nodes);
        Assert.All(nodes, node => Assert.Equal(FeatureLevel.Newest, node.Storage.Identity.Level));

        FormingNode later = _world.Start(4);
        _world.Introduce(nodes[1], later);
        await FormingWorld.FormedAsync(later);
        Assert.Equal(FeatureLevel.Newest, later.Storage.Identity.Level);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task One_old_node_among_the_founders_keeps_the_level_down(int old)
    {
        FormingNode[] nodes = [.. Enumerable.Range(1, 3).Select(id => _world.Start(id, protocol: id == old ? Old : null))];
        _world.Introduce(nodes);
        await FormingWorld.FormedAsync(nodes);
        Assert.All(nodes, node => Assert.Equal(FeatureLevel.Oldest, node.Storage.Identity.Level));
        foreach (FormingNode node in nodes) await NodeFixture.UntilAsync(() => node.Others.All.Count == 2);
        await NodeFixture.UntilAsync(() => nodes[1].Hub.LevelWith(new NodeId(old == 3 ? 1 : 3)) == FeatureLevel.Newest);
        int level = nodes[0].Hub.LevelWith(new NodeId(3));
        Assert.Equal(FeatureLevel.Oldest, old == 3 ? level : nodes[2].Hub.LevelWith(new NodeId(1)));
    }

    [Fact]
    public async Task A_new_node_that_is_too_old_for_the_cluster_is_refused_with_one_reason()
    {
        FormingNode[] nodes = await ThreeAsync();
        FormingNode late = _world.Start(4, protocol: Old);
        _world.Introduce(nodes[0], late);
        Assert.Equal(
            "the cluster is at chronik.level 2, node 4 speaks 1: it needs a newer version",
            await late.Refused.Task.WaitAsync(NodeFixture.Patience));
        Assert.False(late.Storage.Identity.IsFormed);
        Assert.All(nodes, node => Assert.False(node.Refused.Task.IsCompleted));
    }

    [Fact]
    public async Task A_node_that_missed_the_raise_goes_however_long_it_has_been_there()
    {
        FormingNode[] nodes = [.. Enumerable.Range(1, 3).Select(id => _world.Start(id, protocol: Old))];
        _world.Introduce(nodes);
        await FormingWorld.FormedAsync(nodes);
        foreach (FormingNode node in nodes) await _world.StopAsync(node);

        FormingNode old = _world.Start(3, disk: nodes[2].Disk.Crash(), protocol: Old);
        FormingNode[] raised = [.. nodes.Take(2).Select((node, i) => _world.Start(i + 1, disk: node.Disk.Crash()))];
        foreach (FormingNode node in raised) node.Storage.Raise(FeatureLevel.Newest);
        _world.Introduce([old, .. raised]);
        Assert.Contains("chronik.level 2", await old.Refused.Task.WaitAsync(NodeFixture.Patience), StringComparison.Ordinal);
        foreach (FormingNode node in raised) await NodeFixture.UntilAsync(() => node.Others.All.Count > 0);
        Assert.All(raised, node => Assert.False(node.Refused.Task.IsCompleted));
    }

    [Fact]
    public async Task A_node_of_an_older_version_is_upgraded_and_goes_back_until_the_level_is_raised()
    {
        MemoryDisk disk = new();
        await using (NodeFixture old = await NodeFixture.StartAsync(disk, newestLevel: FeatureLevel.Oldest))
        {
            Assert.Equal(FeatureLevel.Oldest, old.Node.Metadata.Level);
            ItemResult refused = Assert.Single(await old.Node.SubmitAsync(new ChangeLevel(FeatureLevel.Newest), NodeFixture.Patience));
            Assert.Equal(KafkaError.InvalidUpdateVersion, refused.Error);
            await old.AppendAsync(await old.CreateAsync("t"), "a");
            Assert.Contains("format.version=1\n", Properties(disk), StringComparison.Ordinal);
        }

        await using (NodeFixture upgraded = await NodeFixture.StartAsync(disk))
        {
            Assert.Equal(FeatureLevel.Oldest, upgraded.Node.Metadata.Level);
            await upgraded.AppendAsync(upgraded.Node.Find(new TopicPartition("t", 0))!, "b");
        }

        await using (NodeFixture back = await NodeFixture.StartAsync(disk, newestLevel: FeatureLevel.Oldest))
            await back.AppendAsync(back.Node.Find(new TopicPartition("t", 0))!, "c");

        await using (NodeFixture raised = await NodeFixture.StartAsync(disk))
        {
            ItemResult granted = Assert.Single(await raised.Node.SubmitAsync(new ChangeLevel(FeatureLevel.Newest), NodeFixture.Patience));
            Assert.Equal(KafkaError.None, granted.Error);
            Assert.Equal(FeatureLevel.Newest, raised.Node.Metadata.Level);
            Assert.Equal(["a", "b", "c"], NodeFixture.Values(raised.Node.Find(new TopicPartition("t", 0))!));
            Assert.Contains("format.version=2\n", Properties(disk), StringComparison.Ordinal);
        }

        StorageException tooOld = await Assert.ThrowsAsync<StorageException>(
            () => NodeFixture.StartAsync(disk, newestLevel: FeatureLevel.Oldest));
        Assert.Equal("/data/chronik.properties has cluster.level = 2, this program speaks chronik.level 1 to 1", tooOld.Message);
        await using NodeFixture again = await NodeFixture.StartAsync(disk);
        Assert.Equal(FeatureLevel.Newest, again.Node.Metadata.Level);
    }

    private static string Properties(MemoryDisk disk)
    {
        using IDiskFile file = disk.Open("/data/chronik.properties", DiskOpen.Read);
        byte[] bytes = new byte[file.Length];
        file.Read(bytes, 0);
        return Encoding.UTF8.GetString(bytes);
    }

    private async Task<FormingNode[]> ThreeAsync()
    {
        FormingNode[] nodes = [_world.Start(1), _world.Start(2), _world.Start(3)];
        _world.Introduce(nodes);
        await FormingWorld.FormedAsync(nodes);
        return nodes;
    }
}
