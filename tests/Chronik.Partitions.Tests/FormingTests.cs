using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Forming;
using Chronik.Storage;
using Xunit;

namespace Chronik.Partitions.Tests;

public sealed class FormingTests : IAsyncDisposable
{
    private readonly FormingWorld _world = new();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Nodes_that_start_at_once_found_one_cluster()
    {
        FormingNode[] nodes = [_world.Start(2), _world.Start(1), _world.Start(3)];
        _world.Introduce(nodes);
        await FormingWorld.FormedAsync(nodes);
        Assert.Single(nodes.Select(node => node.ClusterId).Distinct());
        foreach (FormingNode node in nodes)
        {
            Assert.Equal([1, 2, 3], node.Founders);
            Assert.Equal((GroupId.Metadata, 3), (node.Assigned!.Group, node.Assigned.Voters.Count));
            Assert.False(node.Assigned.IsLostBy(node.Storage.Identity.NodeId, node.Storage.Identity.DirectoryId));
            await NodeFixture.UntilAsync(() => node.Others.All.Count == 2);
        }
    }

    [Fact]
    public async Task Nodes_that_start_one_by_one_found_one_cluster_and_say_meanwhile_what_they_wait_for()
    {
        FormingNode first = _world.Start(7);
        await SaysAsync(first, "waiting for 2 of 3 nodes");
        FormingNode second = _world.Start(3);
        _world.Introduce(first, second);
        await SaysAsync(first, "waiting for 1 of 3 nodes; met 3 at 127.0.0.1:7003");
        Assert.False(first.Storage.Identity.IsFormed);
        FormingNode third = _world.Start(5);
        _world.Introduce(first, second, third);
        await FormingWorld.FormedAsync(first, second, third);
        Assert.Equal([3, 5, 7], first.Founders);
        Assert.Single(new[] { first, second, third }.Select(node => node.ClusterId).Distinct());
    }

    [Fact]
    public async Task One_that_is_expected_alone_waits_for_nobody()
    {
        FormingNode node = _world.Start(4, expect: 1);
        _world.Introduce(node);
        await FormingWorld.FormedAsync(node);
        Assert.Equal([4], node.Founders);
    }

    [Fact]
    public async Task When_more_come_than_expected_those_with_the_lowest_ids_found_it_and_the_others_join()
    {
        _world.Patience = NodeFixture.Patience; // Without seed nodes it is all that keeps the others from founding one of their own.
        FormingNode[] nodes = [.. Enumerable.Range(1, 6).Reverse().Select(id => _world.Start(id))];
        _world.Introduce(nodes);
        await FormingWorld.FormedAsync(nodes);
        Assert.Single(nodes.Select(node => node.ClusterId).Distinct());
        Assert.All(nodes, node => Assert.Equal(3, node.Founders.Length));
        foreach (FormingNode node in nodes)
            Assert.Equal(node.Founders.Contains(node.Storage.Identity.NodeId.Value) ? 3 : 0, node.Assigned!.Voters.Count);
    }

    [Fact]
    public async Task A_later_node_joins_by_meeting_any_of_them()
    {
        FormingNode[] nodes = await ThreeAsync();
        _world.Patience = NodeFixture.Patience; // Without seed nodes it is all that keeps it from founding one of its own.
        FormingNode fourth = _world.Start(4, expect: 1);
        _world.Introduce(nodes[2], fourth);
        await FormingWorld.FormedAsync(fourth);
        Assert.Equal(nodes[0].ClusterId, fourth.ClusterId);
        Assert.Empty(fourth.Assigned!.Voters);
        await NodeFixture.UntilAsync(() => nodes[2].Others.Find(new NodeId(4)) is not null);
    }

    [Fact]
    public async Task All_killed_and_started_again_are_the_same_cluster()
    {
        FormingNode[] nodes = await ThreeAsync();
        string cluster = nodes[0].ClusterId;
        foreach (FormingNode node in nodes) await _world.StopAsync(node);
        FormingNode[] again = [.. nodes.Select((node, i) => _world.Start(i + 1, disk: node.Disk.Crash()))];
        await FormingWorld.FormedAsync(again);
        _world.Introduce(again);
        Assert.All(again, node => Assert.Equal(cluster, node.ClusterId));
        foreach (FormingNode node in again) await NodeFixture.UntilAsync(() => node.Others.All.Count == 2);
    }

    [Fact]
    public async Task A_node_that_nobody_introduces_meets_the_seed_nodes_all_the_same()
    {
        FormingNode[] nodes = await ThreeAsync();
        FormingNode stray = _world.Start(4, seeds: [7002, 7099]);
        await FormingWorld.FormedAsync(stray);
        Assert.Equal(nodes[1].ClusterId, stray.ClusterId);
        await NodeFixture.UntilAsync(() => stray.Others.Find(new NodeId(2)) is not null && nodes[1].Others.Find(new NodeId(4)) is not null);
    }

    [Fact]
    public async Task A_founder_whose_folder_was_wiped_joins_again_and_knows_what_it_lost()
    {
        FormingNode[] nodes = await ThreeAsync();
        await _world.StopAsync(nodes[1]);
        FormingNode wiped = _world.Start(2);
        _world.Introduce(nodes[0], wiped, nodes[2]);
        await FormingWorld.FormedAsync(wiped);
        Assert.Equal(nodes[0].ClusterId, wiped.ClusterId);
        Assert.True(wiped.Assigned!.IsLostBy(new NodeId(2), wiped.Storage.Identity.DirectoryId));
        await NodeFixture.UntilAsync(() => nodes[0].Others.Find(new NodeId(2))?.Directory == wiped.Storage.Identity.DirectoryId);
    }

    [Fact]
    public async Task A_node_of_another_cluster_is_refused_and_the_others_stay()
    {
        FormingNode[] nodes = await ThreeAsync();
        FormingNode stranger = _world.Start(4, alone: true, seeds: [7001]);
        _world.Introduce([.. nodes, stranger]);
        string reason = await stranger.Refused.Task.WaitAsync(NodeFixture.Patience);
        Assert.Contains(stranger.ClusterId, reason, StringComparison.Ordinal);
        Assert.Contains(nodes[0].ClusterId, reason, StringComparison.Ordinal);
        Assert.All(nodes, node => Assert.False(node.Refused.Task.IsCompleted));
    }

    [Fact]
    public async Task Nodes_of_another_cluster_that_come_by_mistake_drive_nobody_out()
    {
        FormingNode alone = _world.Start(9, alone: true);
        FormingNode[] nodes = await ThreeAsync();
        await _world.StopAsync(nodes[0]);
        FormingNode astray = _world.Start(1, disk: nodes[0].Disk.Crash(), seeds: [7009]);
        _world.Introduce(astray, nodes[1], nodes[2]);
        await astray.Refused.Task.WaitAsync(NodeFixture.Patience);
        Assert.False(alone.Refused.Task.IsCompleted);
    }

    [Fact]
    public async Task A_node_whose_id_is_taken_is_refused_and_the_one_that_has_it_stays()
    {
        FormingNode[] nodes = await ThreeAsync();
        FormingNode double2 = _world.Start(2, port: 7999);
        _world.Introduce(nodes[0], double2);
        _world.Introduce(nodes[1], double2);
        string reason = await double2.Refused.Task.WaitAsync(NodeFixture.Patience);
        Assert.Contains("node id 2 is taken", reason, StringComparison.Ordinal);
        Assert.False(nodes[1].Refused.Task.IsCompleted);
        Assert.False(double2.Storage.Identity.IsFormed && double2.Assigned is not null && nodes[1].Refused.Task.IsCompleted);
    }

    [Fact]
    public async Task A_node_that_speaks_another_version_is_refused_and_told_both()
    {
        FormingNode[] nodes = await ThreeAsync();
        FormingNode newer = _world.Start(4, protocol: new ProtocolVersions(8, 9));
        _world.Introduce(nodes[0], newer);
        string reason = await newer.Refused.Task.WaitAsync(NodeFixture.Patience);
        Assert.Contains("8 to 9", reason, StringComparison.Ordinal);
        Assert.Contains($"node 4 speaks chronik.level 8 to 9, node 1 {FeatureLevel.Newest}", reason, StringComparison.Ordinal);
        Assert.False(newer.Storage.Identity.IsFormed);
    }

    [Fact]
    public async Task When_the_one_that_proposes_dies_the_others_wait_for_another()
    {
        FormingNode first = _world.Start(1, expect: 4);
        FormingNode second = _world.Start(2, expect: 4);
        FormingNode third = _world.Start(3, expect: 4);
        _world.Introduce(first, second, third);
        await _world.StopAsync(first, isGone: true);
        FormingNode fourth = _world.Start(4, expect: 4);
        FormingNode fifth = _world.Start(5, expect: 4);
        _world.Introduce(second, third, fourth, fifth);
        await FormingWorld.FormedAsync(second, third, fourth, fifth);
        Assert.Single(new[] { second, third, fourth, fifth }.Select(node => node.ClusterId).Distinct());
        Assert.Equal([2, 3, 4, 5], second.Founders);
    }

    [Fact]
    public async Task One_that_has_not_met_more_than_half_of_the_seed_nodes_founds_nothing()
    {
        FormingNode first = _world.Start(1, expect: 1, seeds: [7001, 7002]);
        _world.Introduce(first);
        await SaysAsync(first, "waiting for more than half of the seed nodes; nobody was met yet; nothing is heard of 127.0.0.1:7002");
        Assert.False(first.Storage.Identity.IsFormed);
        FormingNode second = _world.Start(2, expect: 1, seeds: [7001, 7002]);
        await FormingWorld.FormedAsync(first, second);
        Assert.Equal(first.ClusterId, second.ClusterId);
    }

    [Fact]
    public async Task A_founding_that_was_called_off_unheard_stands_in_no_other_ones_way()
    {
        // Said by hand, so that the word that it is off is surely lost.
        _world.Patience = NodeFixture.Patience;
        FormingNode second = _world.Start(2, expect: 2);
        FormingNode first = _world.Start(1, expect: 3);
        NodeFacts facts = new(
            new NodeId(1), first.Storage.Identity.DirectoryId, Guid.NewGuid(), $"{first.Address}", ProtocolVersions.Current, 2, 0, "", []);
        MetadataVoter[] voters = [new(new NodeId(1), facts.Directory), new(new NodeId(2), second.Storage.Identity.DirectoryId)];
        Assert.IsType<Accepted>(await second.Forming.Ask<IRpcMessage>(new Propose(facts, "former", voters), NodeFixture.Patience));
        Propose anew = new(facts, "latter", voters) { Round = 1 };
        Assert.IsType<Accepted>(await second.Forming.Ask<IRpcMessage>(anew, NodeFixture.Patience));

        // The first knows nothing of the latter, and says so when the second says once more what it promised; then it is free for a third.
        NodeFacts third = facts with { Id = new NodeId(3), Directory = Guid.NewGuid(), Address = $"{FormingWorld.AddressOf(7003)}" };
        for (object? answer = null; answer is not Accepted;)
            answer = await second.Forming.Ask<IRpcMessage>(new Propose(third, "another", voters), NodeFixture.Patience);
    }

    [Fact]
    public async Task A_node_that_says_too_little_of_itself_is_not_heard()
    {
        FormingNode node = _world.Start(1, expect: 1);
        NodeFacts facts = new(new NodeId(2), Guid.NewGuid(), Guid.NewGuid(), null!, ProtocolVersions.Current, 1, 0, null!, null!);
        node.Forming.Tell(new Hello(facts));
        node.Forming.Tell(new Propose(facts, null!, null!));
        node.Forming.Tell(new Formed(null!, null!));
        _world.Introduce(node);
        await FormingWorld.FormedAsync(node);
        Assert.Equal([1], node.Founders);
    }

    [Fact]
    public async Task A_node_whose_folder_cannot_be_made_part_of_the_cluster_says_so()
    {
        FormingNode node = _world.Start(1, expect: 1);
        node.Disk.Fault = (_, _, _) => new IOException("injected");
        _world.Introduce(node);
        Assert.Contains("injected", await node.Refused.Task.WaitAsync(NodeFixture.Patience), StringComparison.Ordinal);
        node.Disk.Fault = null;
    }

    [Fact]
    public async Task Nodes_that_were_told_to_wait_for_different_numbers_say_so()
    {
        FormingNode first = _world.Start(1, expect: 2);
        FormingNode second = _world.Start(2, expect: 3);
        _world.Introduce(first, second);
        await SaysAsync(first, "node 2 was told to wait for 3");
        Assert.False(first.Storage.Identity.IsFormed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task Whatever_is_lost_on_the_way_there_is_one_cluster(int seed)
    {
        await using FormingWorld world = new(seed) { Loss = 0.5, Patience = NodeFixture.Patience };
        Random random = new(seed);
        List<FormingNode> nodes = [world.Start(10)];
        while (nodes.Count < 6)
        {
            // Each joins through the first; who is there already hears of it later, in any order.
            FormingNode next = world.Start(nodes.Count + 1);
            nodes.Add(next);
            world.Introduce(nodes[0], next);
            foreach (FormingNode node in nodes.Where(_ => random.Next(2) == 0)) world.Introduce(node, next);
        }

        world.Introduce([.. nodes]);
        await FormingWorld.FormedAsync([.. nodes]);
        Assert.True(nodes.Select(node => node.ClusterId).Distinct().Count() == 1, $"seed {seed}");
        Assert.True(nodes.All(node => node.Founders.SequenceEqual(nodes[0].Founders)), $"seed {seed}");
    }

    private static Task SaysAsync(FormingNode node, string words) =>
        NodeFixture.UntilAsync(() => node.Progress.Any(line => line.Contains(words, StringComparison.Ordinal)));

    private async Task<FormingNode[]> ThreeAsync()
    {
        FormingNode[] nodes = [_world.Start(1), _world.Start(2), _world.Start(3)];
        _world.Introduce(nodes);
        await FormingWorld.FormedAsync(nodes);
        return nodes;
    }
}
