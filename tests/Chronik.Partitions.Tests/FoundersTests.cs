using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Forming;
using Chronik.Storage;
using Chronik.Storage.Testing;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>Founders that die before the cluster is formed, come back, or do not.</summary>
public sealed class FoundersTests : IAsyncDisposable
{
    private static readonly int[] Seeds = [7001, 7002, 7003];
    private readonly FormingWorld _world = new();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task One_that_died_before_anything_was_proposed_is_replaced_by_another_node()
    {
        FormingNode first = _world.Start(1, seeds: Seeds);
        FormingNode second = _world.Start(2, seeds: Seeds);
        _world.Introduce(first, second);
        await SaysAsync(second, "met 1 at");
        await _world.StopAsync(first);
        FormingNode third = _world.Start(3, seeds: Seeds);
        FormingNode fourth = _world.Start(4, seeds: Seeds);
        foreach (FormingNode later in (FormingNode[])[third, fourth]) later.Forming.Tell(new MemberSeen(first.Address));
        _world.Introduce(second, third, fourth);
        await FormingWorld.FormedAsync(second, third, fourth);
        Assert.Single(new[] { second, third, fourth }.Select(node => node.ClusterId).Distinct());
        Assert.Equal([2, 3, 4], second.Founders);

        // It is back: one of the cluster that there is, and no founder.
        FormingNode again = _world.Start(1, disk: first.Disk.Crash(), seeds: Seeds);
        await FormingWorld.FormedAsync(again);
        Assert.Equal(second.ClusterId, again.ClusterId);
    }

    [Fact]
    public async Task Without_the_first_seed_node_the_others_meet_all_the_same()
    {
        FormingNode[] nodes = [.. Enumerable.Range(2, 3).Select(id => _world.Start(id, seeds: Seeds))];
        await FormingWorld.FormedAsync(nodes); // Nobody was introduced: without the first seed node there are no members.
        Assert.Single(nodes.Select(node => node.ClusterId).Distinct());
        Assert.Equal([2, 3, 4], nodes[0].Founders);
    }

    [Fact]
    public async Task One_that_died_before_the_others_were_members_is_missed_all_the_same()
    {
        FormingNode first = _world.Start(1, seeds: Seeds);
        FormingNode second = _world.Start(2, seeds: Seeds);
        await SaysAsync(second, "met 1 at");
        await _world.StopAsync(first, isNoticed: false);
        FormingNode third = _world.Start(3, seeds: Seeds);
        FormingNode fourth = _world.Start(4, seeds: Seeds);
        await FormingWorld.FormedAsync(second, third, fourth);
        Assert.Equal([2, 3, 4], third.Founders);
    }

    [Fact]
    public async Task One_that_proposed_and_died_is_replaced_and_its_cluster_is_none()
    {
        FormingNode first = _world.Start(1);
        await _world.StopAsync(first);
        NodeFacts dead = Stranger(1) with { Directory = first.Storage.Identity.DirectoryId };
        FormingNode second = _world.Start(2);
        FormingNode third = _world.Start(3);
        MetadataVoter[] founders = [Voter(dead), Voter(second), Voter(third)];
        foreach (FormingNode node in (FormingNode[])[second, third])
            Assert.IsType<Accepted>(await ProposeAsync(node, new Propose(dead, "former", founders) { Round = 1 }));
        foreach (FormingNode node in (FormingNode[])[second, third]) Lose(node, dead);
        FormingNode fourth = _world.Start(4);
        _world.Introduce(second, third, fourth);
        await FormingWorld.FormedAsync(second, third, fourth);
        Assert.Equal([2, 3, 4], fourth.Founders);

        // It had written what all had accepted, and comes back: it is alone with it, says so and goes.
        MemoryDisk disk = first.Disk.Crash();
        using (FormingNode writing = new(disk, new NodeId(1), first.Address, alone: false))
            writing.Storage.Form("former", founders, FeatureLevel.Oldest);
        FormingNode again = _world.Start(1, disk: disk.Crash(), seeds: [7002, 7003, 7004]);
        Assert.Contains("belongs to cluster former", await again.Refused.Task.WaitAsync(NodeFixture.Patience), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_founding_that_may_have_come_to_be_is_waited_for()
    {
        FormingNode second = _world.Start(2);
        NodeFacts first = Stranger(1);
        NodeFacts third = Stranger(3);
        MetadataVoter[] founders = [Voter(first), Voter(second), Voter(third)];
        Assert.IsType<Accepted>(await ProposeAsync(second, new Propose(first, "former", founders) { Round = 1 }));
        Lose(second, first);
        FormingNode fourth = _world.Start(4);
        FormingNode fifth = _world.Start(5);
        _world.Introduce(second, fourth, fifth);
        await SaysAsync(second, "waiting for more of 1, 2, 3, which may have formed a cluster");
        Assert.False(second.Storage.Identity.IsFormed);

        // They have: whoever meets one of them joins.
        NodeFacts formed = third with { ClusterId = "former", MetadataVoters = founders };
        second.Forming.Tell(new Hello(formed));
        await FormingWorld.FormedAsync(second, fourth, fifth);
        Assert.Equal("former", fifth.ClusterId);
    }

    [Fact]
    public async Task What_a_node_agreed_to_holds_when_it_was_killed_and_started_again()
    {
        FormingNode second = _world.Start(2);
        NodeFacts first = Stranger(1);
        NodeFacts other = Stranger(5);
        MetadataVoter[] founders = [Voter(first), Voter(Stranger(3)), Voter(second)];
        Assert.IsType<Accepted>(await ProposeAsync(second, new Propose(first, "former", founders) { Round = 3 }));
        await _world.StopAsync(second);
        FormingNode again = _world.Start(2, disk: second.Disk.Crash());
        Propose later = new(other, "later", [Voter(other), Voter(Stranger(6)), Voter(again)]) { Round = 4 };
        Withdrawn no = Assert.IsType<Withdrawn>(await ProposeAsync(again, later));
        Assert.Equal((again.Storage.Identity.DirectoryId, 4L), (no.Directory, no.Round));

        // Its proposer takes it back, and nobody else can.
        again.Forming.Tell(new Withdrawn($"{FormingWorld.AddressOf(7001)}", "former") { Directory = Guid.NewGuid() });
        Assert.IsType<Withdrawn>(await ProposeAsync(again, later));
        again.Forming.Tell(new Withdrawn($"{FormingWorld.AddressOf(7001)}", "former") { Directory = first.Directory });
        Assert.IsType<Accepted>(await ProposeAsync(again, later));
    }

    [Fact]
    public async Task Who_agreed_to_a_later_founding_joins_no_earlier_one_until_the_later_one_is_off()
    {
        FormingNode second = _world.Start(2);
        NodeFacts first = Stranger(1);
        NodeFacts third = Stranger(3);
        NodeFacts fourth = Stranger(4);
        MetadataVoter[] founders = [Voter(first), Voter(second), Voter(third)];
        await AgreesToBothAsync(second, first, founders, third, [Voter(second), Voter(third), Voter(fourth)]);

        NodeFacts formed = first with { ClusterId = "former", MetadataVoters = founders };
        second.Forming.Tell(new Formed("former", founders));
        Assert.IsType<Welcome>(await second.Forming.Ask<IRpcMessage>(new Hello(formed), NodeFixture.Patience));
        Assert.False(second.Storage.Identity.IsFormed);
        second.Forming.Tell(new Withdrawn(third.Address, "latter") { Directory = third.Directory });
        second.Forming.Tell(new Hello(formed));
        await FormingWorld.FormedAsync(second);
        Assert.Equal("former", second.ClusterId);
    }

    [Fact]
    public async Task A_later_founding_whose_own_voters_joined_the_earlier_one_keeps_nobody_from_it()
    {
        _world.Patience = NodeFixture.Patience;
        FormingNode third = _world.Start(3);
        (NodeFacts first, NodeFacts second, NodeFacts fourth) = (Stranger(1), Stranger(2), Stranger(4));
        MetadataVoter[] founders = [Voter(first), Voter(second), Voter(third)];
        await AgreesToBothAsync(third, first, founders, second, [Voter(second), Voter(third), Voter(fourth)]);
        Lose(third, second); // For good: nobody ever says that the latter is off.

        // The first had written it. With two voters of the latter outside it may still lead.
        third.Forming.Tell(new Hello(first with { ClusterId = "former", MetadataVoters = founders }));
        await SaysAsync(third, "waiting for more of 2, 3, 4, which may have formed a cluster, before cluster former is joined");
        Assert.False(third.Storage.Identity.IsFormed);
        third.Forming.Tell(new Hello(fourth with { ClusterId = "former", MetadataVoters = founders }));
        await FormingWorld.FormedAsync(third);
        Assert.Equal("former", third.ClusterId);
    }

    [Fact]
    public async Task Who_is_no_voter_of_a_cluster_joins_it_whatever_it_agreed_to_later()
    {
        FormingNode fourth = _world.Start(4);
        (NodeFacts first, NodeFacts second, NodeFacts third) = (Stranger(1), Stranger(2), Stranger(3));
        MetadataVoter[] founders = [Voter(first), Voter(second), Voter(third)];
        await AgreesToBothAsync(fourth, first, founders, second, [Voter(second), Voter(third), Voter(fourth)]);
        Lose(fourth, second);
        fourth.Forming.Tell(new Hello(first with { ClusterId = "former", MetadataVoters = founders }));
        await FormingWorld.FormedAsync(fourth);
        Assert.Equal("former", fourth.ClusterId);
    }

    [Fact]
    public async Task Who_takes_part_in_a_founding_joins_no_other_cluster_while_the_proposer_is_there()
    {
        _world.Patience = NodeFixture.Patience;
        FormingNode second = _world.Start(2);
        (NodeFacts first, NodeFacts third, NodeFacts fifth) = (Stranger(1), Stranger(3), Stranger(5));
        MetadataVoter[] founders = [Voter(first), Voter(second), Voter(third)];
        Assert.IsType<Accepted>(await ProposeAsync(second, new Propose(first, "own", founders) { Round = 1 }));
        NodeFacts formed = fifth with { ClusterId = "other", MetadataVoters = [Voter(fifth)] };
        Assert.IsType<Welcome>(await second.Forming.Ask<IRpcMessage>(new Hello(formed), NodeFixture.Patience));
        Assert.False(second.Storage.Identity.IsFormed);
        second.Forming.Tell(new Withdrawn(first.Address, "own") { Directory = first.Directory });
        second.Forming.Tell(new Hello(formed));
        await FormingWorld.FormedAsync(second);
        Assert.Equal("other", second.ClusterId);
    }

    [Fact]
    public async Task One_that_joined_another_cluster_says_that_what_it_proposed_is_off()
    {
        FormingNode second = _world.Start(2);
        second.Forming.Tell(new Hello(Stranger(1) with { ClusterId = "former", MetadataVoters = [Voter(Stranger(1))] }));
        await FormingWorld.FormedAsync(second);
        Withdrawn off = Assert.IsType<Withdrawn>(
            await second.Forming.Ask<IRpcMessage>(new Accepted(Stranger(3).Address, "latter"), NodeFixture.Patience));
        Assert.Equal(("latter", second.Storage.Identity.DirectoryId), (off.ClusterId, off.Directory));
    }

    [Fact]
    public async Task Former_voters_outvote_a_founding_by_taking_part_though_others_are_the_voters()
    {
        FormingNode fourth = _world.Start(4);
        FormingNode fifth = _world.Start(5);
        NodeFacts dead = Stranger(3);
        Propose former = new(dead, "former", [Voter(dead), Voter(fourth), Voter(fifth)]) { Round = 1 };
        foreach (FormingNode node in (FormingNode[])[fourth, fifth])
        {
            Assert.IsType<Accepted>(await ProposeAsync(node, former));
            Lose(node, dead);
        }

        FormingNode first = _world.Start(1);
        FormingNode second = _world.Start(2);
        _world.Introduce(first, second, fourth, fifth);
        await FormingWorld.FormedAsync(first, second, fourth, fifth);
        Assert.Single(new[] { first, second, fourth, fifth }.Select(node => node.ClusterId).Distinct());
        Assert.DoesNotContain(3, fifth.Founders);
    }

    [Fact]
    public async Task A_node_accepts_nothing_in_the_name_of_a_folder_that_it_lost()
    {
        FormingNode third = _world.Start(3);
        (NodeFacts first, NodeFacts second) = (Stranger(1), Stranger(2));
        MetadataVoter[] founders = [Voter(first), Voter(second), Voter(Stranger(3))];
        Assert.IsType<Withdrawn>(await ProposeAsync(third, new Propose(first, "one", founders) { Round = 1 }));

        // Nor when it would be no voter, and nobody counts on it.
        Propose besides = new(first, "two", [Voter(first), Voter(second)]) { Round = 2, Participants = founders };
        Assert.IsType<Withdrawn>(await ProposeAsync(third, besides));
        besides = besides with { ClusterId = "three", Participants = [.. founders, Voter(third)] };
        Assert.IsType<Accepted>(await ProposeAsync(third, besides));
        Assert.Equal("three", Assert.Single(third.Storage.Identity.Promises).ClusterId);
    }

    [Fact]
    public async Task Of_two_foundings_of_one_proposer_in_one_round_the_one_that_was_accepted_stays()
    {
        FormingNode second = _world.Start(2);
        NodeFacts first = Stranger(1);
        MetadataVoter[] founders = [Voter(first), Voter(second), Voter(Stranger(3))];
        Assert.IsType<Accepted>(await ProposeAsync(second, new Propose(first, "one", founders) { Round = 5 }));
        Assert.IsType<Withdrawn>(await ProposeAsync(second, new Propose(first, "another", founders) { Round = 5 }));
        Assert.Equal("one", Assert.Single(second.Storage.Identity.Promises).ClusterId);
    }

    [Fact]
    public async Task A_founding_that_comes_late_is_refused_and_its_proposer_told_how_far_the_others_are()
    {
        FormingNode second = _world.Start(2);
        NodeFacts first = Stranger(1);
        NodeFacts third = Stranger(3);
        MetadataVoter[] founders = [Voter(first), Voter(second), Voter(third)];
        Assert.IsType<Accepted>(await ProposeAsync(second, new Propose(first, "latter", founders) { Round = 7 }));
        Lose(second, first);
        Withdrawn no = Assert.IsType<Withdrawn>(await ProposeAsync(second, new Propose(third, "former", founders) { Round = 6 }));
        Assert.Equal(7, no.Round);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Whoever_dies_and_comes_back_one_cluster_at_most_has_a_majority(int seed)
    {
        await using FormingWorld world = new(seed) { Loss = 0.3, Patience = TimeSpan.FromMilliseconds(60) };
        Random random = new(seed);
        int[] seeds = [7001, 7002, 7003, 7004, 7005];
        FormingNode Begin(int id, MemoryDisk? disk = null) => world.Start(id, disk: disk, seeds: seeds);
        List<FormingNode> folders = []; // Those of the spare node too that it no longer has.
        List<FormingNode> nodes = [.. Enumerable.Range(1, 6).Select(id => Begin(id))];
        HashSet<int> down = [];
        world.Introduce([.. nodes]);
        for (int round = 0; round < 30; round++)
        {
            for (int yields = random.Next(30_000); yields > 0; yields--) await Task.Yield();
            int at = random.Next(nodes.Count);
            if (down.Remove(at)) nodes[at] = Begin(at + 1, nodes[at].Disk.Crash());
            else if (at == 5 && random.Next(3) == 0) await EmptyAsync();
            else await StopAsync(at);
            world.Introduce([.. nodes.Where((_, index) => !down.Contains(index) && random.Next(3) > 0)]);
        }

        // Now they are to find each other, also where a busy machine keeps one waiting for longer than it took to be given up until now.
        world.Patience = TimeSpan.FromSeconds(1);
        for (int at = 0; at < nodes.Count; at++)
            if (!down.Contains(at) && !nodes[at].Storage.Identity.IsFormed) await StopAsync(at);
        foreach (int at in down) nodes[at] = Begin(at + 1, nodes[at].Disk.Crash());
        world.Introduce([.. nodes]);
        for (long began = Environment.TickCount64; !nodes.All(node => node.Storage.Identity.IsFormed); await Task.Yield())
        {
            Assert.True(Environment.TickCount64 - began < NodeFixture.Patience.TotalMilliseconds, $"seed {seed}");
            int gone = nodes.FindIndex(node => node.Refused.Task.IsCompleted); // It found another cluster, and is started again.
            if (gone < 0) continue;
            await world.StopAsync(nodes[gone]);
            nodes[gone] = Begin(gone + 1, nodes[gone].Disk.Crash());
        }

        List<NodeIdentity> written =
            [.. folders.Concat(nodes).Select(node => node.Storage.Identity).Where(identity => identity.IsFormed)];
        IEnumerable<string> able = written.GroupBy(identity => identity.ClusterId).Where(cluster =>
        {
            IReadOnlyList<MetadataVoter> voters = cluster.First().MetadataVoters;
            return voters.Count(voter => cluster.Any(by => by.NodeId == voter.Id && by.DirectoryId == voter.Directory)) > voters.Count / 2;
        }).Select(cluster => cluster.Key);
        Assert.True(able.Count() <= 1, $"seed {seed}: {string.Join(", ", able)} can both lead");

        async Task StopAsync(int at)
        {
            down.Add(at);
            await world.StopAsync(nodes[at], isNoticed: random.Next(2) == 0);
        }

        async Task EmptyAsync()
        {
            await world.StopAsync(nodes[5]);
            folders.Add(nodes[5]);
            nodes[5] = Begin(6);
        }
    }

    private static NodeFacts Stranger(int id) => new(
        new NodeId(id), Guid.NewGuid(), Guid.NewGuid(), $"{FormingWorld.AddressOf(7000 + id)}", ProtocolVersions.Current, 3, 0, "", []);

    private static MetadataVoter Voter(NodeFacts facts) => new(facts.Id, facts.Directory);

    private static MetadataVoter Voter(FormingNode node) => new(node.Storage.Identity.NodeId, node.Storage.Identity.DirectoryId);

    private static Task<IRpcMessage> ProposeAsync(FormingNode node, Propose proposal) =>
        node.Forming.Ask<IRpcMessage>(proposal, NodeFixture.Patience);

    /// <summary>A node agrees to a founding, loses sight of who proposed it, and agrees to a later one.</summary>
    private static async Task AgreesToBothAsync(
        FormingNode node, NodeFacts former, MetadataVoter[] formerVoters, NodeFacts latter, MetadataVoter[] latterVoters)
    {
        Assert.IsType<Accepted>(await ProposeAsync(node, new Propose(former, "former", formerVoters) { Round = 1 }));
        Lose(node, former);
        Assert.IsType<Accepted>(await ProposeAsync(node, new Propose(latter, "latter", latterVoters) { Round = 2 }));
    }

    /// <summary>A node is told that nothing is heard of another one any more.</summary>
    private static void Lose(FormingNode node, NodeFacts lost) => node.Forming.Tell(new MemberUnreachable(Address.Parse(lost.Address)));

    private static Task SaysAsync(FormingNode node, string words) =>
        NodeFixture.UntilAsync(() => node.Progress.Any(line => line.Contains(words, StringComparison.Ordinal)));
}
