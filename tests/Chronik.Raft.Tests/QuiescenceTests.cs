using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>Groups without work sleep, and wake for anything.</summary>
public sealed class QuiescenceTests
{
    [Fact]
    public void A_group_without_work_sleeps_after_a_while_and_says_nothing_any_more()
    {
        Network network = Asleep();
        network.Tick(500);
        Assert.All(network.Members.Values, member => Assert.Equal((true, new Term(1)), (member.Core.IsAsleep, member.Core.Term)));
        network.Collect();
        Assert.Empty(network.InFlight);
        Assert.True(network.Leader!.Core.HasQuorumContact);
    }

    [Fact]
    public void A_proposal_wakes_everybody()
    {
        Network network = Asleep();
        network.Leader!.Propose(1);
        Assert.True(network.Leader.Effects.AwakeChanged);
        network.Settle();
        Assert.All(network.Members.Values, member => Assert.False(member.Core.IsAsleep));
        Assert.All(network.Members.Values, member => Assert.Equal(new LogIndex(2), member.Core.CommitIndex));
    }

    [Fact]
    public void A_read_wakes_the_group_and_is_confirmed_by_a_round()
    {
        Network network = Asleep();
        network[3].Step(RaftInput.ReadIndex(1));
        network.Settle();
        Assert.Single(network[3].ReadsGranted);
        Assert.False(network.Leader!.Core.IsAsleep);
    }

    [Fact]
    public void The_loss_of_the_leader_wakes_its_followers_and_they_elect_another()
    {
        Network network = Asleep();
        network.Isolate(1);
        foreach (int id in new[] { 2, 3 }) network[id].Step(RaftInput.PeerLost(new NodeId(1)));
        network.Settle();
        network.Tick(3);
        Assert.Equal(new NodeId(2), network.Leader!.Id);
    }

    [Fact]
    public void The_loss_of_a_majority_wakes_the_leader_and_it_steps_down()
    {
        Network network = Asleep();
        network.Isolate(1);
        Member leader = network[1];
        leader.Step(RaftInput.PeerLost(new NodeId(2)));
        Assert.False(leader.Core.IsAsleep);
        Assert.True(leader.Core.HasQuorumContact);
        leader.Step(RaftInput.PeerLost(new NodeId(3)));
        Assert.False(leader.Core.HasQuorumContact);
        leader.Tick(12);
        Assert.NotEqual(RaftRole.Leader, leader.Core.Role);
    }

    [Fact]
    public void A_follower_that_did_not_hear_it_wakes_the_others_again()
    {
        Network network = new(3, options => options with { QuiesceTicks = 20 });
        network.Elect();
        while (!network.Leader!.Core.IsAsleep)
        {
            network[1].Tick();
            network[1].Outbox.RemoveAll(message => message.To.Value == 3 && message.Has(MessageFlags.Quiesce));
            network.Settle();
        }

        Assert.True(network[2].Core.IsAsleep);
        Assert.False(network[3].Core.IsAsleep);
        Term term = network[1].Core.Term;
        network.Tick(60);
        Assert.All(network.Members.Values, member => Assert.Equal((true, term), (member.Core.IsAsleep, member.Core.Term)));
    }

    [Fact]
    public void A_group_does_not_sleep_while_a_voter_is_lost_or_behind()
    {
        Network network = new(3, options => options with { QuiesceTicks = 20 });
        Member leader = network.Elect();
        network.Isolate(3);
        leader.Step(RaftInput.PeerLost(new NodeId(3)));
        network.Tick(100);
        Assert.False(leader.Core.IsAsleep);
        network.Heal();
        leader.Step(RaftInput.PeerBack(new NodeId(3)));
        network.Tick(60);
        Assert.True(leader.Core.IsAsleep);
    }

    [Fact]
    public void A_learner_that_is_away_does_not_keep_the_group_awake_and_wakes_it_when_it_is_back()
    {
        Network network = new([1, 2, 3], [4], options => options with { QuiesceTicks = 20 });
        Member leader = network.Elect();
        leader.Step(RaftInput.ChangeMembership(new Membership([new(1), new(2), new(3)], [], [new(4)])));
        network.Settle();
        network.Isolate(4);
        leader.Step(RaftInput.PeerLost(new NodeId(4)));
        leader.Propose(1);
        network.Tick(60);
        Assert.True(leader.Core.IsAsleep);
        network.Heal();
        leader.Step(RaftInput.PeerBack(new NodeId(4)));
        network.Settle();
        Assert.Equal(leader.Core.LastIndex, network[4].Core.CommitIndex);
    }

    [Fact]
    public void A_voter_that_lost_its_disk_while_the_group_slept_wakes_it_and_recovers()
    {
        Network network = Asleep();
        network[3].Wipe();
        network.Tick(100);
        Assert.False(network[3].Core.IsRecovering);
        Assert.Equal(network[1].Core.CommitIndex, network[3].Core.CommitIndex);
        Assert.All(network.Members.Values, member => Assert.Equal((true, new Term(1)), (member.Core.IsAsleep, member.Core.Term)));
    }

    [Fact]
    public void A_learner_that_started_again_while_the_group_slept_wakes_it()
    {
        Network network = new([1, 2, 3], [4], options => options with { QuiesceTicks = 20 });
        Member leader = network.Elect();
        leader.Step(RaftInput.ChangeMembership(new Membership([new(1), new(2), new(3)], [], [new(4)])));
        network.Tick(60);
        Assert.True(network[4].Core.IsAsleep);
        network[4].Crash();
        network.Tick(100);
        Assert.Equal(leader.Core.CommitIndex, network[4].Core.CommitIndex);
        Assert.All(network.Members.Values, member => Assert.Equal((true, new Term(1)), (member.Core.IsAsleep, member.Core.Term)));
    }

    [Fact]
    public void Late_answers_do_not_wake_a_leader()
    {
        Network network = Asleep();
        Member leader = network.Leader!;
        leader.Step(RaftInput.Receive(new RaftMessage
        {
            Kind = MessageKind.HeartbeatReply,
            From = new NodeId(2),
            To = leader.Id,
            Term = leader.Core.Term,
            Round = 1,
        }));
        Assert.True(leader.Core.IsAsleep);
    }

    private static Network Asleep()
    {
        Network network = new(3, options => options with { QuiesceTicks = 20 });
        network.Elect();
        network.Tick(40);
        Assert.All(network.Members.Values, member => Assert.True(member.Core.IsAsleep));
        return network;
    }
}
