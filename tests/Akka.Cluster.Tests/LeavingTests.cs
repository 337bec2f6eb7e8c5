using Akka.Actor;
using Xunit;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster.Tests;

public class LeavingTests : ClusterTest
{
    /// <summary>
    /// Only what the nodes say to each other ends a membership here: nobody takes a busy machine's pause for a death, and what is said last
    /// is waited for.
    /// </summary>
    private const string Patient = """
        akka.cluster.failure-detector.acceptable-heartbeat-pause = 60s
        akka.remote.flush-wait-on-shutdown = 30s
        """;

    [Fact]
    public async Task A_member_that_leaves_is_exiting_then_removed_without_ever_being_unreachable_or_down()
    {
        Node[] nodes = await Form(3, Patient);
        await nodes[2].Cluster.LeaveAsync().WaitAsync(Long);
        Assert.True(nodes[2].Cluster.IsTerminated);
        Assert.Equal(MemberStatus.Removed, nodes[2].Cluster.SelfMember.Status);
        await AllSee(nodes[..2], 2);
        foreach (Node node in nodes[..2])
        {
            IClusterDomainEvent[] events = [.. node.Events];
            MemberStatus[] ofLeaver = [.. events.OfType<IMemberEvent>()
                .Where(e => e.Member.Address.Equals(nodes[2].Address)).Select(e => e.Member.Status)];
            Assert.Equal([MemberStatus.Leaving, MemberStatus.Exiting, MemberStatus.Removed], ofLeaver[^3..]);
            Assert.Equal(MemberStatus.Exiting, events.OfType<MemberRemoved>().Single().PreviousStatus);
            Assert.DoesNotContain(events, e => e is UnreachableMember);
        }

        // The coordinated shutdown that comes with leaving ends the system as well.
        await nodes[2].System.WhenTerminated.WaitAsync(Long);
        Assert.IsType<CoordinatedShutdown.ClusterLeavingReason>(CoordinatedShutdown.Get(nodes[2].System).ShutdownReason);
    }

    [Fact]
    public async Task The_leader_can_leave_too()
    {
        Node[] nodes = await Form(3);
        Node leader = nodes.Single(n => n.Address.Equals(n.Cluster.State.Leader));
        leader.Cluster.Leave(leader.Address);
        await AllSee(nodes.Where(n => n != leader), 2);
        await leader.System.WhenTerminated.WaitAsync(Long);
    }

    [Fact]
    public async Task A_member_can_be_made_to_leave_by_another()
    {
        Node[] nodes = await Form(3);
        var removed = new TaskCompletionSource();
        nodes[1].Cluster.RegisterOnMemberRemoved(removed.SetResult);
        nodes[0].Cluster.Leave(nodes[1].Address);
        await removed.Task.WaitAsync(Long);
        await AllSee([nodes[0], nodes[2]], 2);
        bool ranAtOnce = false;
        nodes[1].Cluster.RegisterOnMemberRemoved(() => ranAtOnce = true);
        Assert.True(ranAtOnce);
    }

    [Fact]
    public async Task Terminating_the_system_leaves_first()
    {
        Node[] nodes = await Form(3, Patient);
        await nodes[1].System.Terminate().WaitAsync(Long);
        await AllSee([nodes[0], nodes[2]], 2);
        Assert.DoesNotContain(nodes[0].Events, e => e is UnreachableMember or MemberDowned);
    }

    [Fact]
    public async Task The_last_member_and_a_node_that_never_joined_can_end_as_well()
    {
        Node alone = (await Form(1))[0], outside = Start();
        await Task.WhenAll(alone.System.Terminate(), outside.System.Terminate()).WaitAsync(Long);
        Assert.True(alone.Cluster.IsTerminated);
        await Assert.ThrowsAsync<ClusterJoinFailedException>(() => alone.Cluster.JoinAsync(outside.Address));
    }

    [Fact]
    public async Task A_downed_node_says_that_its_membership_ends_and_its_system_goes_on_if_that_is_wanted()
    {
        Node[] nodes = await Form(2, "akka.cluster.run-coordinated-shutdown-when-down = off");
        var seen = new Mailbox();
        IActorRef subscriber = nodes[1].System.ActorOf(Props.Create(() => new Collector(seen)));
        nodes[1].Cluster.Subscribe(subscriber, typeof(ClusterShuttingDown), typeof(MemberRemoved));
        await seen.Next<CurrentClusterState>();
        nodes[0].Cluster.Down(nodes[1].Address);
        await seen.Next<ClusterShuttingDown>();
        await seen.Next<MemberRemoved>();
        await seen.Next<MemberRemoved>();
        await AllSee([nodes[0]], 1);
        Assert.False(nodes[1].System.WhenTerminated.IsCompleted);
        Assert.Empty(nodes[1].Cluster.State.Members);
    }

    [Fact]
    public async Task All_can_leave_at_once()
    {
        Node[] nodes = await Form(3);
        await Task.WhenAll(nodes.Select(n => n.System.Terminate())).WaitAsync(Long);
    }
}
