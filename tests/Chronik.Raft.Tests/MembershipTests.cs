using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>Membership changes and members without a memory: Raft paper, section 6; thesis, chapter 4.</summary>
public sealed class MembershipTests
{
    [Fact]
    public void A_membership_survives_its_bytes()
    {
        Membership membership = Of([1, 2, 3], [2, 5], [4, 7]);
        Assert.Equal(membership, Membership.Read(membership.ToBytes()));
        Assert.Equal(Membership.Empty, Membership.Read(Membership.Empty.ToBytes()));
        byte[] bytes = membership.ToBytes();
        for (int length = 0; length < bytes.Length; length++)
            Assert.Throws<InvalidDataException>(() => Membership.Read(bytes.AsSpan(0, length)));
        bytes[0]++;
        Assert.Throws<InvalidDataException>(() => Membership.Read(bytes));
    }

    [Fact]
    public void A_learner_receives_everything_and_counts_for_nothing_thesis_4_2_1()
    {
        Network network = new([1, 2, 3], [4]);
        Member leader = network.Elect();
        Change(network, Of([1, 2, 3], [], [4]));
        Assert.Equal(leader.Core.CommitIndex, network[4].Core.CommitIndex);
        Assert.Equal(leader.Core.Membership, network[4].Core.Membership);
        Assert.Equal([EntryKind.NoOp, EntryKind.Membership], leader.Disk.Select(entry => entry.Kind)); // No joint state.
        network.Cut(1, 2);
        network.Cut(1, 3);
        leader.Propose(1);
        LogIndex last = leader.Core.LastIndex;
        network.Settle();
        Assert.Equal(last, network[4].Core.DurableIndex);
        Assert.True(leader.Core.CommitIndex < last);
        network[4].Tick(100);
        Assert.Equal(RaftRole.Follower, network[4].Core.Role);
    }

    [Fact]
    public void Voters_change_through_the_joint_state_thesis_4_3()
    {
        Network network = new([1, 2, 3], [4, 5]);
        Member leader = network.Elect();
        Change(network, Of([1, 2, 3], [], [4, 5]));
        leader.Step(RaftInput.ChangeMembership(Of([1, 4, 5], [], [])));
        Assert.Equal(Of([1, 4, 5], [1, 2, 3], []), leader.Core.Membership);
        Assert.True(leader.Effects.MembershipChanged);
        network.Settle();
        network.Tick(5);
        foreach (int id in new[] { 1, 4, 5 }) Assert.Equal(Of([1, 4, 5], [], []), network[id].Core.Membership);
        Assert.Equal(leader.Core.LastIndex, leader.Core.CommitIndex);
    }

    [Fact]
    public void The_joint_state_needs_the_majority_of_the_old_and_of_the_new_voters_6()
    {
        Network network = new([1, 2, 3], [4, 5]);
        Member leader = network.Elect();
        Change(network, Of([1, 2, 3], [], [4, 5]));
        network.Isolate(4);
        network.Isolate(5);
        leader.Step(RaftInput.ChangeMembership(Of([1, 4, 5], [], [])));
        network.Settle();
        Assert.True(leader.Core.CommitIndex < leader.Core.LastIndex);
        Assert.True(leader.Core.Membership.IsJoint);
        network.Heal();
        network.Tick(15);
        Assert.Equal(Of([1, 4, 5], [], []), leader.Core.Membership);
    }

    [Fact]
    public void The_next_leader_finishes_a_change_that_the_last_one_began_thesis_4_3()
    {
        Network network = new([1, 2, 3], [4]);
        Member leader = network.Elect();
        Change(network, Of([1, 2, 3], [], [4]));
        leader.Step(RaftInput.ChangeMembership(Of([2, 3, 4], [], [])));
        network.Collect();
        foreach (RaftMessage message in network.InFlight) network.Deliver(message); // The joint state has spread, nothing is committed.
        network.InFlight.Clear();
        network.Isolate(1);
        foreach (int id in new[] { 2, 3, 4 })
        {
            network[id].Outbox.Clear();
            network[id].FinishAllWrites();
            network[id].Step(RaftInput.PeerLost(new NodeId(1)));
        }

        network.Tick(30);
        Assert.NotEqual(1, network.Leader!.Id.Value);
        Assert.Equal(Of([2, 3, 4], [], []), network.Leader.Core.Membership);
        Assert.Equal(network.Leader.Core.LastIndex, network.Leader.Core.CommitIndex);
    }

    [Fact]
    public void A_truncated_membership_gives_way_to_the_one_before_thesis_4_1()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(1);
        leader.Step(RaftInput.ChangeMembership(Of([1, 2], [], [])));
        Assert.True(leader.Core.Membership.IsJoint);
        network[2].Step(RaftInput.PeerLost(new NodeId(1)));
        network[3].Step(RaftInput.PeerLost(new NodeId(1)));
        network.Tick(15);
        network.Heal();
        network.Tick(20);
        Assert.Equal(Of([1, 2, 3], [], []), leader.Core.Membership);
    }

    [Fact]
    public void A_leader_that_is_removed_leads_until_that_is_committed_thesis_4_2_2()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Step(RaftInput.ChangeMembership(Of([2, 3], [], [])));
        Assert.Equal(RaftRole.Leader, leader.Core.Role);
        network.Settle();
        Assert.Equal(RaftRole.Follower, leader.Core.Role);
        Assert.Equal(new NodeId(2), network.Leader!.Id); // It was asked to go on.
        leader.Tick(100);
        Assert.Equal(RaftRole.Follower, leader.Core.Role);
    }

    [Fact]
    public void One_change_at_a_time_and_only_by_a_leader_that_committed_in_its_term_thesis_4_1()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(1);
        leader.Step(RaftInput.ChangeMembership(Of([1, 2], [], [])));
        Assert.False(leader.Effects.ProposalRefused);
        leader.Step(RaftInput.ChangeMembership(Of([1, 3], [], [])));
        Assert.True(leader.Effects.ProposalRefused);
        network[2].Step(RaftInput.ChangeMembership(Of([1, 3], [], [])));
        Assert.True(network[2].Effects.ProposalRefused);
        Member alone = new(1);
        alone.Tick();
        alone.Step(RaftInput.ChangeMembership(Of([1], [], [2])));
        Assert.True(alone.Effects.ProposalRefused);
    }

    [Fact]
    public void A_change_of_preference_needs_no_joint_state()
    {
        Network network = new(3);
        network.Elect();
        Change(network, Of([3, 2, 1], [], []));
        Assert.False(network[2].Core.Membership.IsJoint);
        Assert.Equal(3, network[2].Core.Membership.Voters[0].Value);
    }

    [Fact]
    public void A_checkpoint_and_a_restart_keep_the_membership_of_their_index()
    {
        Network network = new([1, 2, 3], [4]);
        Member leader = network.Elect();
        Change(network, Of([1, 2, 3], [], [4]));
        Assert.Equal(Of([1, 2, 3], [], []), leader.Core.MembershipAt(new LogIndex(1)));
        leader.Checkpoint();
        leader.Crash();
        Assert.Equal(Of([1, 2, 3], [], [4]), leader.Core.Membership);
    }

    [Fact]
    public void A_learner_that_knows_nobody_yet_may_vote_for_whoever_counts_it_thesis_4_2_1()
    {
        Member member = new(new RaftOptions { Self = new NodeId(4) }, Membership.Empty);
        member.Step(RaftInput.Receive(new RaftMessage
        {
            Kind = MessageKind.Vote,
            From = new NodeId(1),
            To = new NodeId(4),
            Term = new Term(3),
            Index = new LogIndex(1),
            LogTerm = new Term(1),
        }));
        member.FinishAllWrites();
        Assert.False(Assert.Single(member.Outbox).Has(MessageFlags.Rejected));
    }

    [Fact]
    public void A_wiped_voter_neither_votes_nor_stands_nor_counts()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Propose(1);
        network.Settle();
        network[3].Wipe();
        network[3].Step(RaftInput.Receive(new RaftMessage
        {
            Kind = MessageKind.Vote,
            From = new NodeId(2),
            To = new NodeId(3),
            Term = new Term(8),
            Index = new LogIndex(9),
            LogTerm = new Term(7),
        }));
        network[3].FinishAllWrites();
        Assert.True(Assert.Single(network[3].Outbox).Has(MessageFlags.Rejected));
        network[3].Wipe();
        network[3].Tick(100);
        Assert.Equal(RaftRole.Follower, network[3].Core.Role);
        network.Cut(1, 2);
        network.Cut(2, 1);
        network.Tick(3);
        leader.Propose(1);
        LogIndex last = leader.Core.LastIndex;
        network.Settle();
        Assert.Equal(last, network[3].Core.DurableIndex);
        Assert.True(leader.Core.CommitIndex < last, "an acknowledgement without a memory was counted");
        Assert.True(network[3].Core.IsRecovering);
    }

    [Fact]
    public void A_wiped_voter_votes_again_once_it_has_everything_and_every_other_voter_answered()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Propose(1);
        network.Settle();
        network.Isolate(2);
        network[3].Wipe();
        network.Tick(8);
        Assert.Equal(leader.Core.LastIndex, network[3].Core.LastIndex);
        Assert.True(network[3].Core.IsRecovering);
        network.Heal();
        network.Tick(4);
        Assert.False(network[3].Core.IsRecovering);
        Assert.Equal(new HardState(leader.Core.Term, leader.Id), network[3].DurableState);
        network[3].Crash();
        Assert.False(network[3].Core.IsRecovering);
        network.Isolate(2);
        leader.Propose(1);
        network.Tick(15);
        Assert.Equal(leader.Core.LastIndex, leader.Core.CommitIndex);
    }

    [Fact]
    public void A_wiped_voter_that_is_slower_than_the_commits_votes_again_all_the_same()
    {
        Network network = new(3);
        Member leader = network.Elect();
        for (int i = 0; i < 5; i++) leader.Propose(1);
        network.Settle();
        network[3].Wipe();
        for (int i = 0; network[3].Core.IsRecovering; i++)
        {
            Assert.True(i < 200, "it never votes again");
            if (i % 3 == 0) network.Members.Values.ToList().ForEach(member => member.Tick());
            leader.Propose(1);
            DeliverTheOthersFirst(network);
            Assert.Equal(leader.Core.LastIndex, leader.Core.CommitIndex);
            if (network[3].Core.IsRecovering) Assert.True(network[3].Core.LastIndex < leader.Core.CommitIndex);
        }

        network.Tick(5);
        Assert.Equal(leader.Core.LastIndex, network[3].Core.CommitIndex);
    }

    /// <summary>What is for node 3, or from it, arrives one hop for all that is said between the others.</summary>
    private static void DeliverTheOthersFirst(Network network)
    {
        network.Collect();
        List<RaftMessage> late = [.. network.InFlight.Where(OfThird)];
        network.InFlight.RemoveAll(late.Contains);
        while (network.InFlight.Exists(message => !OfThird(message)) || network[1].WritesUnderWay + network[2].WritesUnderWay > 0)
        {
            List<RaftMessage> now = [.. network.InFlight.Where(message => !OfThird(message))];
            network.InFlight.RemoveAll(message => !OfThird(message));
            foreach (RaftMessage message in now) network.Deliver(message);
            network[1].FinishAllWrites();
            network[2].FinishAllWrites();
            network.Collect();
        }

        foreach (RaftMessage message in late) network.Deliver(message);
        network[3].FinishAllWrites();

        static bool OfThird(RaftMessage message) => message.From == new NodeId(3) || message.To == new NodeId(3);
    }

    [Fact]
    public void A_learner_that_forgot_everything_may_vote_again_though_a_voter_is_dead()
    {
        Network network = new(4);
        Member leader = network.Elect();
        Change(network, Of([1, 2, 3], [], [4]));
        leader.Propose(1);
        network.Settle();
        network.Isolate(3);
        network[4].Wipe();
        network.Tick(8);
        Assert.False(network[4].Core.IsRecovering);
        Assert.Equal(leader.Core.LastIndex, network[4].Core.LastIndex);
    }

    [Fact]
    public void A_leader_that_no_majority_answers_lets_no_learner_vote_again()
    {
        Network network = new(4);
        Member leader = network.Elect();
        Change(network, Of([1, 2, 3], [], [4]));
        leader.Propose(1);
        network.Settle();
        network.Isolate(2);
        network.Isolate(3);
        network[4].Wipe();
        network.Tick(8);
        Assert.Equal(leader.Core.LastIndex, network[4].Core.LastIndex);
        Assert.True(network[4].Core.IsRecovering);
    }

    private static void Change(Network network, Membership target)
    {
        network.Leader!.Step(RaftInput.ChangeMembership(target));
        Assert.False(network.Leader.Effects.ProposalRefused);
        network.Settle();
        network.Tick(5);
    }

    private static Membership Of(int[] voters, int[] outgoing, int[] learners) =>
        new(
            [.. voters.Select(id => new NodeId(id))], [.. outgoing.Select(id => new NodeId(id))],
            [.. learners.Select(id => new NodeId(id))]);
}
