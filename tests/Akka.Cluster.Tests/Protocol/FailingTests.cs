using Akka.Actor;
using Akka.Remote;
using Akka.Remote.Tests;
using Xunit;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster.Tests.Protocol;

/// <summary>Nodes that die. What dies is the network of a system in this process, all at once and without a word.</summary>
public class FailingTests : ClusterTest
{
    [Fact]
    public async Task A_member_that_dies_is_unreachable_then_downed_then_removed()
    {
        Node[] nodes = await Form(3);
        await CutOff(nodes[2]);
        foreach (Node node in nodes[..2])
        {
            await node.UntilGone(nodes[2].Address);
            Assert.Equal(MemberStatus.Down, node.Events.OfType<MemberRemoved>().Single().PreviousStatus);
            Assert.Contains(node.Events, e => e is UnreachableMember u && u.Member.Address.Equals(nodes[2].Address));
        }

        await AllSee(nodes[..2], 2);
    }

    [Fact]
    public async Task A_member_that_sees_nobody_any_more_downs_itself_and_its_system_ends()
    {
        Node[] nodes = await Form(3);
        await CutOff(nodes[0]);
        await nodes[0].System.WhenTerminated.WaitAsync(Long);
        Assert.IsType<CoordinatedShutdown.ClusterDowningReason>(CoordinatedShutdown.Get(nodes[0].System).ShutdownReason);
        await AllSee(nodes[1..], 2);
    }

    [Fact]
    public async Task Nobody_is_downed_without_a_downing_provider_until_somebody_says_so()
    {
        Node[] nodes = await Form(3, "akka.cluster { downing-provider-class = \"\", allow-weakly-up-members = 1s }");
        await CutOff(nodes[2]);
        await Task.WhenAll(nodes[..2].Select(node => node.Until(state => state.Unreachable.Count == 1)));

        // Members that come meanwhile are weakly up only, because the version cannot settle.
        Node fourth = Start("akka.cluster.downing-provider-class = \"\"");
        fourth.Cluster.Join(nodes[0].Address);
        await nodes[1].UntilStatus(fourth.Address, MemberStatus.WeaklyUp);
        nodes[1].Cluster.Down(nodes[2].Address);
        await AllSee([nodes[0], nodes[1], fourth], 3);
    }

    [Fact]
    public async Task A_node_that_starts_again_at_the_same_address_replaces_what_it_was()
    {
        using var port = new ReservedPort();
        Node[] nodes = await Form(3, lastPort: port.Number);
        Address address = nodes[2].Address;
        await CutOff(nodes[2]);
        Node again = Start(port: port.Number);
        again.Cluster.JoinSeedNodes([nodes[0].Address, nodes[1].Address]);
        Assert.Equal(address, again.Address);
        Assert.NotEqual(nodes[2].Cluster.SelfUniqueAddress, again.Cluster.SelfUniqueAddress);
        await Task.WhenAll(new[] { nodes[0], nodes[1], again }.Select(node => node.Until(state => state.Unreachable.Count == 0
            && state.Members.Count == 3 && state.Members.Any(m =>
                m.UniqueAddress.Equals(again.Cluster.SelfUniqueAddress) && m.Status == MemberStatus.Up))));
    }

    [Fact]
    public async Task An_actor_of_a_member_is_dead_for_its_watchers_when_the_member_is_removed_and_not_before()
    {
        Node[] nodes = await Form(
            3, "akka.remote.watch-failure-detector { acceptable-heartbeat-pause = 500ms, heartbeat-interval = 100ms }");
        nodes[2].System.ActorOf(Props.Create(() => new Collector(new Mailbox())), "watched");
        IActorRef watched = await nodes[0].System
            .ActorSelection(new RootActorPath(nodes[2].Address) / "user" / "watched").ResolveOne(Long);
        var terminated = new Mailbox();
        nodes[0].System.ActorOf(Props.Create(() => new Watcher(nodes[0].Cluster, watched, terminated)));
        await terminated.Next<string>();
        await CutOff(nodes[2]);
        Assert.Equal(2, (await terminated.Next<CurrentClusterState>()).Members.Count);
    }

    [Fact]
    public async Task Two_of_five_that_die_at_once_are_removed_and_the_others_go_on()
    {
        Node[] nodes = await Form(5);
        await Task.WhenAll(CutOff(nodes[0]), CutOff(nodes[3]));
        await AllSee([nodes[1], nodes[2], nodes[4]], 3);
    }

    private static Task CutOff(Node node) => ((RemoteActorRefProvider)((ExtendedActorSystem)node.System).Provider).Shutdown();

    private sealed class Watcher : UntypedActor
    {
        private readonly Cluster _cluster;
        private readonly Mailbox _mailbox;

        public Watcher(Cluster cluster, IActorRef watched, Mailbox mailbox)
        {
            _cluster = cluster;
            _mailbox = mailbox;
            Context.Watch(watched);
            mailbox.Add("watching");
        }

        protected override void OnReceive(object message)
        {
            if (message is Terminated)
                _mailbox.Add(_cluster.State);
        }
    }
}
