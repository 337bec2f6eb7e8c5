using Akka.Actor;
using Xunit;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster.Tests;

public class JoiningTests : ClusterTest
{
    [Fact]
    public async Task Three_nodes_that_join_the_first_agree_on_members_leader_and_age()
    {
        Node[] nodes = await Form(3);
        foreach (Node node in nodes)
        {
            await node.Until(state => state.SeenBy.Count == 3);
            Assert.Equal(
                nodes.Select(n => n.Cluster.SelfUniqueAddress).Order(),
                node.Cluster.State.Members.Select(m => m.UniqueAddress).Order());
            Assert.Equal(nodes.Select(n => n.Address).Min(Member.AddressOrdering), node.Cluster.State.Leader);
            Assert.Equal(nodes[0].Address, node.Cluster.State.Members.Min(Member.AgeOrdering).Address);
            Assert.True(node.Cluster.IsUp);
            Assert.Equal(MemberStatus.Up, node.Cluster.SelfMember.Status);
        }
    }

    [Fact]
    public async Task A_node_is_removed_as_long_as_it_is_no_member_and_joins_itself_to_form_a_cluster()
    {
        Node node = Start();
        Assert.Equal(MemberStatus.Removed, node.Cluster.SelfMember.Status);
        Assert.Empty(node.Cluster.State.Members);
        await node.Cluster.JoinAsync(node.Address).WaitAsync(Long);
        Assert.Equal(node.Address, node.Cluster.State.Leader);
    }

    [Fact]
    public async Task Nodes_that_are_given_seed_nodes_and_start_all_at_once_form_one_cluster()
    {
        Node[] nodes = [Start(), Start(), Start(), Start()];
        Address[] seeds = [.. nodes.Take(3).Select(n => n.Address)];
        await Task.WhenAll(nodes.Reverse().Select(n => n.Cluster.JoinSeedNodesAsync(seeds))).WaitAsync(Long);
        await AllSee(nodes, 4);
    }

    [Fact]
    public async Task Seed_nodes_in_the_configuration_are_joined_at_the_start()
    {
        Node first = Start();
        first.Cluster.Join(first.Address);
        string seeds = $"akka.cluster.seed-nodes = [\"{first.Address}\"]";
        await AllSee([first, Start(seeds), Start(seeds)], 3);
    }

    [Fact]
    public async Task The_first_seed_node_forms_a_cluster_when_the_others_are_not_there_and_joins_one_that_is()
    {
        Node first = Start(), second = Start();
        var nobody = new Address("akka.tcp", "sys", "127.0.0.1", 1);
        await first.Cluster.JoinSeedNodesAsync([first.Address, nobody]).WaitAsync(Long);
        await second.Cluster.JoinSeedNodesAsync([second.Address, first.Address]).WaitAsync(Long);
        await AllSee([first, second], 2);
    }

    [Fact]
    public async Task A_node_that_is_not_the_first_seed_waits_until_one_of_the_others_lets_it_in()
    {
        Node first = Start(), second = Start();
        Task joined = second.Cluster.JoinSeedNodesAsync([first.Address, second.Address]);
        using var soon = new CancellationTokenSource();
        Task gaveUp = second.Cluster.JoinSeedNodesAsync([first.Address, second.Address], soon.Token);
        soon.Cancel();
        await Assert.ThrowsAsync<ClusterJoinFailedException>(() => gaveUp);
        Assert.False(joined.IsCompleted);
        await first.Cluster.JoinAsync(first.Address).WaitAsync(Long);
        await joined.WaitAsync(Long);
        await AllSee([first, second], 2);
    }

    [Fact]
    public async Task A_system_of_another_name_is_not_let_in()
    {
        Node first = Start();
        await first.Cluster.JoinAsync(first.Address).WaitAsync(Long);
        first.Cluster.Join(first.Address.WithSystem("other"));
        Node second = Start();
        second.Cluster.Join(first.Address.WithSystem("other"));
        await second.Cluster.JoinAsync(first.Address).WaitAsync(Long);
        await AllSee([first, second], 2);
    }

    [Fact]
    public async Task A_node_that_gets_in_nowhere_in_time_shuts_down()
    {
        Node node = Start("akka.cluster.shutdown-after-unsuccessful-join-seed-nodes = 1s");
        node.Cluster.JoinSeedNodes([new Address("akka.tcp", "sys", "127.0.0.1", 1)]);
        await node.System.WhenTerminated.WaitAsync(Long);
        Assert.IsType<CoordinatedShutdown.ClusterJoinUnsuccessfulReason>(CoordinatedShutdown.Get(node.System).ShutdownReason);
    }

    [Fact]
    public async Task Members_wait_for_each_other_when_there_have_to_be_so_many()
    {
        const string Three = "akka.cluster { min-nr-of-members = 3, role.x.min-nr-of-members = 1 }";
        Node[] nodes = [Start(Three), Start(Three), Start(Three)];
        nodes[0].Cluster.Join(nodes[0].Address);
        nodes[1].Cluster.Join(nodes[0].Address);
        nodes[2].Cluster.Join(nodes[0].Address);
        await nodes[0].Until(state => state.Members.Count == 3 && state.SeenBy.Count == 3);
        Assert.All(nodes[0].Cluster.State.Members, m => Assert.Equal(MemberStatus.Joining, m.Status));
        Node withRole = Start(Three + "\nakka.cluster.roles = [x]");
        withRole.Cluster.Join(nodes[1].Address);
        await AllSee([.. nodes, withRole], 4);
    }

    [Fact]
    public async Task Roles_are_known_everywhere_and_have_leaders()
    {
        Node[] nodes = [Start("akka.cluster.roles = [a, b]"), Start("akka.cluster.roles = [b]"), Start()];
        foreach (Node node in nodes)
            node.Cluster.Join(nodes[0].Address);
        await AllSee(nodes, 3);
        foreach (CurrentClusterState state in nodes.Select(n => n.Cluster.State))
        {
            Assert.True(state.AllRoles.SetEquals(["a", "b"]));
            Assert.Equal(nodes[0].Address, state.RoleLeader("a"));
            Assert.Null(state.RoleLeader("c"));
        }

        Assert.True(nodes[0].Cluster.SelfRoles.SetEquals(["a", "b"]));
        Assert.True(nodes[2].Cluster.State.Members.Single(m => m.Address.Equals(nodes[1].Address)).HasRole("b"));
    }

    [Fact]
    public async Task Subscribers_get_the_state_first_and_then_what_changes()
    {
        Node[] nodes = await Form(1);
        var snapshots = new Mailbox();
        IActorRef subscriber = nodes[0].System.ActorOf(Props.Create(() => new Collector(snapshots)));
        nodes[0].Cluster.Subscribe(subscriber, typeof(IMemberEvent));
        Assert.Single((await snapshots.Next<CurrentClusterState>()).Members);
        Node second = Start();
        second.Cluster.Join(nodes[0].Address);
        Assert.Equal(second.Address, (await snapshots.Next<MemberJoined>()).Member.Address);
        Assert.Equal(second.Address, (await snapshots.Next<MemberUp>()).Member.Address);
        nodes[0].Cluster.Unsubscribe(subscriber);
        nodes[0].Cluster.SendCurrentClusterState(subscriber);
        Assert.Equal(2, (await snapshots.Next<CurrentClusterState>()).Members.Count);
        Assert.Throws<ArgumentException>(() => nodes[0].Cluster.Subscribe(subscriber, typeof(string)));
    }

    [Fact]
    public async Task Callbacks_run_when_this_node_is_up()
    {
        Node node = Start();
        var up = new TaskCompletionSource();
        node.Cluster.RegisterOnMemberUp(up.SetResult);
        Assert.False(up.Task.IsCompleted);
        node.Cluster.Join(node.Address);
        await up.Task.WaitAsync(Long);
        bool ranAtOnce = false;
        node.Cluster.RegisterOnMemberUp(() => ranAtOnce = true);
        Assert.True(ranAtOnce);
    }

    [Fact]
    public void A_path_gets_the_address_by_which_others_find_the_actor()
    {
        Node node = Start();
        IActorRef actor = node.System.ActorOf(Props.Create(() => new Collector(new Mailbox())), "x");
        ActorPath path = node.Cluster.RemotePathOf(actor);
        Assert.Equal(node.Address, path.Address);
        Assert.Equal(["user", "x"], path.Elements);
        Assert.Equal(actor.Path.Uid, path.Uid);
    }
}
