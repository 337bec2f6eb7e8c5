using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>Linearizable reads: thesis, 6.4.</summary>
public sealed class ReadingTests
{
    [Fact]
    public void A_read_is_granted_at_the_commit_index_of_its_arrival_once_a_majority_answered_thesis_6_4()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Step(RaftInput.ReadIndex(1));
        Assert.Empty(leader.ReadsGranted);
        network.Settle();
        Assert.Equal([new ReadGrant(1, leader.Core.CommitIndex)], leader.ReadsGranted);
    }

    [Fact]
    public void The_only_voter_grants_at_once()
    {
        Member member = new(1);
        member.Tick();
        member.Step(RaftInput.ReadIndex(1));
        Assert.Empty(member.ReadsGranted); // Nothing of its term is committed yet.
        member.FinishWrite();
        member.Step(RaftInput.ReadIndex(2));
        Assert.Equal([1UL, 2], member.ReadsGranted.Select(grant => grant.Id));
    }

    [Fact]
    public void One_round_confirms_every_read_that_waits_thesis_6_4()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Outbox.Clear();
        for (ulong id = 1; id <= 100; id++) leader.Step(RaftInput.ReadIndex(id));
        Assert.Equal(2, leader.Outbox.Count); // The first read's round, to two followers.
        network.Collect();
        Assert.Equal(2, network.InFlight.Count);
        network.Settle();
        Assert.Equal(100, leader.ReadsGranted.Count);
    }

    [Fact]
    public void A_leader_that_was_replaced_grants_nothing_thesis_6_4()
    {
        Network network = new(3);
        Member old = network.Elect();
        network.Isolate(old.Id.Value);
        network[2].Step(RaftInput.PeerLost(old.Id));
        network[3].Step(RaftInput.PeerLost(old.Id));
        network.Settle();
        network.Tick(2);
        Assert.NotEqual(old, network.Leader);
        network.Leader!.Propose(1);
        Assert.Equal(RaftRole.Leader, old.Core.Role);
        old.Step(RaftInput.ReadIndex(1));
        network.Tick(12);
        Assert.Empty(old.ReadsGranted);
        Assert.Equal([1UL], old.ReadsRefused);
    }

    [Fact]
    public void Without_a_round_a_leader_that_was_replaced_would_grant()
    {
        Network network = new(3, options => options with { PlantedFault = PlantedFault.ReadWithoutRound });
        Member old = network.Elect();
        network.Isolate(old.Id.Value);
        network[2].Step(RaftInput.PeerLost(old.Id));
        network[3].Step(RaftInput.PeerLost(old.Id));
        network.Tick(2);
        network.Leader!.Propose(1);
        network.Settle();
        old.Step(RaftInput.ReadIndex(1));
        Assert.True(Assert.Single(old.ReadsGranted).Index < network.Leader.Core.CommitIndex);
    }

    [Fact]
    public void A_follower_asks_the_leader_thesis_6_4()
    {
        Network network = new(3);
        Member leader = network.Elect();
        Member follower = network[3];
        follower.Step(RaftInput.ReadIndex(1));
        follower.Step(RaftInput.ReadIndex(2));
        follower.Step(RaftInput.ReadIndex(3));
        Assert.Equal(MessageKind.ReadIndex, Assert.Single(follower.Outbox).Kind); // The later ones share the next question.
        network.Settle();
        Assert.Equal([1UL, 2, 3], follower.ReadsGranted.Select(grant => grant.Id));
        Assert.All(follower.ReadsGranted, grant => Assert.Equal(leader.Core.CommitIndex, grant.Index));
    }

    [Fact]
    public void A_question_that_is_lost_is_asked_again_and_refused_in_the_end()
    {
        Network network = new(3);
        network.Elect();
        network.Isolate(3);
        network[3].Step(RaftInput.ReadIndex(1));
        network.Tick(25);
        Assert.Equal([1UL], network[3].ReadsRefused);
        network.Heal();
        network.Elect();
        network.Tick(5);
        network[3].Step(RaftInput.ReadIndex(2));
        network[3].Outbox.Clear();
        network.Tick(6);
        Assert.Equal([2UL], network[3].ReadsGranted.Select(grant => grant.Id));
    }

    [Fact]
    public void An_answer_that_takes_longer_than_the_question_is_waited_for_counts_all_the_same()
    {
        Network network = new(3);
        Member leader = network.Elect();
        Member follower = network[3];
        follower.Step(RaftInput.ReadIndex(1));
        RaftMessage question = Assert.Single(follower.Outbox);
        follower.Outbox.Clear();
        for (int i = 0; i < 2 * new RaftOptions { Self = follower.Id }.HeartbeatTicks; i++) follower.Tick();
        RaftMessage copy = Assert.Single(follower.Outbox, message => message.Kind == MessageKind.ReadIndex);
        Assert.Equal(question.Round, copy.Round);
        follower.Step(RaftInput.ReadIndex(2)); // It began after the copy was sent, so no answer to that is one to it.
        follower.Step(RaftInput.Receive(AnswerTo(question)));
        Assert.Equal([1UL], follower.ReadsGranted.Select(grant => grant.Id));
        follower.Step(RaftInput.Receive(AnswerTo(copy)));
        Assert.Equal([1UL], follower.ReadsGranted.Select(grant => grant.Id));
        network.Settle();
        Assert.Equal([1UL, 2], follower.ReadsGranted.Select(grant => grant.Id));

        RaftMessage AnswerTo(in RaftMessage asked) => new()
        {
            Kind = MessageKind.ReadIndexReply,
            From = leader.Id,
            To = follower.Id,
            Term = leader.Core.Term,
            Index = leader.Core.CommitIndex,
            Round = asked.Round,
        };
    }

    [Fact]
    public void A_late_answer_to_an_earlier_start_grants_nothing()
    {
        Network network = new(3);
        network.Elect();
        Member follower = network[3];
        follower.Step(RaftInput.ReadIndex(1));
        network.Collect();
        RaftMessage question = Assert.Single(network.InFlight);
        follower.Crash();
        network.Leader!.Step(RaftInput.Wake());
        network.Tick(3);
        follower.Step(RaftInput.ReadIndex(2));
        follower.Step(RaftInput.Receive(new RaftMessage
        {
            Kind = MessageKind.ReadIndexReply,
            From = network.Leader.Id,
            To = follower.Id,
            Term = follower.Core.Term,
            Index = new LogIndex(1),
            Round = question.Round,
        }));
        Assert.Empty(follower.ReadsGranted);
    }

    [Fact]
    public void Reads_of_a_leader_that_steps_down_are_refused()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Step(RaftInput.ReadIndex(1));
        leader.Step(RaftInput.Receive(new RaftMessage
        {
            Kind = MessageKind.HeartbeatReply,
            From = new NodeId(2),
            To = leader.Id,
            Term = new Term(9),
        }));
        Assert.Equal([1UL], leader.ReadsRefused);
    }

    [Fact]
    public void A_lease_grants_without_a_round_until_it_runs_out_thesis_6_4_1()
    {
        Network network = new(3, options => options with { LeaseTicks = 5 });
        Member leader = network.Elect();
        network.Tick(3);
        leader.Outbox.Clear();
        leader.Step(RaftInput.ReadIndex(1));
        Assert.Single(leader.ReadsGranted);
        Assert.Empty(leader.Outbox);
        network.Isolate(leader.Id.Value);
        network.Tick(6);
        leader.Step(RaftInput.ReadIndex(2));
        Assert.Single(leader.ReadsGranted);
    }

    [Fact]
    public void A_lease_ends_with_a_transfer_thesis_6_4_1()
    {
        Network network = new(3, options => options with { LeaseTicks = 5 });
        Member leader = network.Elect();
        network.Tick(3);
        leader.Step(RaftInput.TransferTo(new NodeId(2)));
        leader.Step(RaftInput.ReadIndex(1));
        Assert.Empty(leader.ReadsGranted);
    }

    [Fact]
    public void Under_leases_a_leader_that_seems_lost_keeps_its_time()
    {
        Network network = new(3, options => options with { LeaseTicks = 5 });
        Member leader = network.Elect();
        network.Tick(2);
        foreach (int id in new[] { 2, 3 }) network[id].Step(RaftInput.PeerLost(leader.Id));
        network.Settle();
        Assert.Equal(leader, network.Leader);
        Assert.Equal(new Term(1), network[2].Core.Term);
    }

    [Fact]
    public void Under_leases_a_voter_that_becomes_the_only_one_waits_for_the_removed_leaders_time_to_pass()
    {
        Network network = new(3, options => options with { LeaseTicks = 5 });
        Member leader = network.Elect();
        Member last = network[leader.Id.Value == 2 ? 3 : 2];
        network.Tick(2);
        leader.Step(RaftInput.ChangeMembership(new Membership([last.Id], [], [])));
        while (last.Core.Membership.IsJoint || last.Core.Membership.Voters.Length > 1)
        {
            network.Collect();
            RaftMessage[] now = [.. network.InFlight];
            network.InFlight.Clear();
            foreach (RaftMessage message in now) network.Deliver(message);
            foreach (Member member in network.Members.Values) member.FinishAllWrites();
        }

        network.Isolate(last.Id.Value); // So that the leader does not hear that it is removed.
        bool granted;
        int ticks = 0;
        do
        {
            leader.ReadsGranted.Clear();
            leader.Step(RaftInput.ReadIndex((ulong)++ticks));
            granted = leader.ReadsGranted.Count > 0;
            Assert.False(granted && last.Core.Role == RaftRole.Leader);
            network.Tick();
        }
        while (granted);
        Assert.True(ticks > 3);
        network.Tick(10);
        Assert.Equal(RaftRole.Leader, last.Core.Role);
    }

    [Fact]
    public void A_lease_must_be_shorter_than_the_election_timeout() =>
        Assert.Throws<ArgumentException>(() => new Member(new RaftOptions { Self = new NodeId(1), LeaseTicks = 10 }, 1));
}
