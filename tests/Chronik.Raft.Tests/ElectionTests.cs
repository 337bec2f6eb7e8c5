using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>Elections: Raft paper, 5.1, 5.2, 5.4.1; thesis, 3.10, 4.2.3, 6.2, 9.6.</summary>
public sealed class ElectionTests
{
    private static readonly NodeId One = new(1);
    private static readonly NodeId Two = new(2);
    private static readonly NodeId Three = new(3);

    [Fact]
    public void A_voter_that_hears_from_nobody_waits_between_one_and_two_election_timeouts_5_2()
    {
        HashSet<int> waits = [];
        for (ulong seed = 0; seed < 50; seed++)
        {
            Member member = new(Options(2) with { Seed = seed }, 1, 2, 3);
            int ticks = 0;
            for (; member.Core.Role == RaftRole.Follower; ticks++) member.Tick();
            waits.Add(ticks);
            Assert.InRange(ticks, 10, 19);
        }

        Assert.True(waits.Count > 1, "every member waits equally long");
    }

    [Fact]
    public void The_preferred_voter_of_a_new_group_does_not_wait()
    {
        Member member = new(Options(1), 1, 2, 3);
        member.Tick();
        Assert.Equal(RaftRole.PreCandidate, member.Core.Role);
    }

    [Fact]
    public void The_preferred_voters_wait_less_while_nothing_failed()
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            int[] waits = new int[4];
            for (int id = 2; id <= 4; id++)
            {
                Member member = new(Options(id) with { Seed = seed, ElectionTimeoutTicks = 100 }, 1, 2, 3, 4);
                for (; member.Core.Role == RaftRole.Follower; waits[id - 1]++) member.Tick();
            }

            Assert.True(waits[1] < waits[2] && waits[2] < waits[3], $"seed {seed}: {string.Join(", ", waits)}");
        }
    }

    [Fact]
    public void Priority_decays_so_that_another_voter_leads_when_the_preferred_one_cannot()
    {
        Network network = new(3);
        network.Elect();
        Assert.Equal(One, network.Leader!.Id);
        network.Isolate(1);
        network.Tick(60);
        Assert.Contains(new[] { network[2], network[3] }, member => member.Core.HasCommittedInTerm);
    }

    [Fact]
    public void A_pre_vote_changes_neither_term_nor_vote_thesis_9_6()
    {
        Member member = new(Options(2), 1, 2, 3);
        member.Tick(30);
        Assert.Equal(RaftRole.PreCandidate, member.Core.Role);
        Assert.Equal(new HardState(Term.Zero, NodeId.None), member.Core.HardState);
        Assert.Equal(0, member.WritesUnderWay);
        Assert.All(member.Outbox, message => Assert.Equal((MessageKind.PreVote, new Term(1)), (message.Kind, message.Term)));
        Member other = new(Options(3), 1, 2, 3);
        other.Step(RaftInput.Receive(member.Outbox.First(message => message.To == Three)));
        Assert.Equal(Term.Zero, other.Core.Term);
        RaftMessage reply = Assert.Single(other.Outbox);
        Assert.Equal((MessageKind.PreVoteReply, MessageFlags.None, new Term(1)), (reply.Kind, reply.Flags, reply.Term));
    }

    [Fact]
    public void A_member_that_was_cut_off_does_not_raise_the_term_thesis_9_6()
    {
        Network network = new(3);
        Term term = network.Elect().Core.Term;
        network.Isolate(3);
        network.Tick(100);
        Assert.Equal(term, network[3].Core.Term);
        network.Heal();
        network.Tick(30);
        Assert.Equal(term, network.Leader!.Core.Term);
        Assert.Equal(RaftRole.Follower, network[3].Core.Role);
    }

    [Fact]
    public void Votes_are_asked_for_once_the_candidates_own_is_durable_5_2()
    {
        Member member = PreCandidate();
        Grant(member, MessageKind.PreVoteReply, Two);
        Assert.Equal(RaftRole.Candidate, member.Core.Role);
        Assert.Equal(new HardState(new Term(1), One), member.Effects.HardState);
        Assert.Empty(member.Outbox);
        member.FinishWrite();
        Assert.Equal([Two, Three], member.Outbox.Select(message => message.To));
        Assert.All(member.Outbox, message => Assert.Equal(MessageKind.Vote, message.Kind));
    }

    [Fact]
    public void A_majority_elects_and_a_minority_does_not_5_2()
    {
        Member member = new(Options(1), 1, 2, 3, 4, 5);
        member.Tick();
        Grant(member, MessageKind.PreVoteReply, Two);
        Grant(member, MessageKind.PreVoteReply, Three);
        member.FinishAllWrites();
        Grant(member, MessageKind.VoteReply, Two);
        Grant(member, MessageKind.VoteReply, Two);
        Assert.Equal(RaftRole.Candidate, member.Core.Role);
        Grant(member, MessageKind.VoteReply, Three);
        Assert.Equal(RaftRole.Leader, member.Core.Role);
    }

    [Fact]
    public void A_vote_is_given_once_a_term_and_leaves_only_when_it_is_durable_5_2()
    {
        Member member = new(Options(3), 1, 2, 3);
        member.Step(RaftInput.Receive(Vote(1, One)));
        Assert.Empty(member.Outbox);
        member.FinishWrite();
        Assert.Equal((MessageKind.VoteReply, MessageFlags.None), (member.Outbox[0].Kind, member.Outbox[0].Flags));
        Assert.Equal(new HardState(new Term(1), One), member.DurableState);
        member.Crash();
        member.Step(RaftInput.Receive(Vote(1, Two)));
        Assert.Equal(MessageFlags.Rejected, Assert.Single(member.Outbox).Flags);
        member.Outbox.Clear();
        member.Step(RaftInput.Receive(Vote(1, One)));
        Assert.Equal(MessageFlags.None, Assert.Single(member.Outbox).Flags);
    }

    [Fact]
    public void A_vote_that_is_never_written_would_be_given_twice()
    {
        Member member = new(Options(3) with { PlantedFault = PlantedFault.ForgetVote }, 1, 2, 3);
        member.Step(RaftInput.Receive(Vote(1, One)));
        member.FinishAllWrites();
        member.Crash();
        member.Step(RaftInput.Receive(Vote(1, Two)));
        member.FinishAllWrites();
        Assert.False(Assert.Single(member.Outbox).Has(MessageFlags.Rejected));
    }

    [Theory]
    [InlineData(1, 9, false)]
    [InlineData(2, 1, false)]
    [InlineData(2, 2, true)]
    [InlineData(2, 3, true)]
    [InlineData(3, 1, true)]
    public void A_vote_needs_a_log_that_is_up_to_date_5_4_1(long logTerm, long index, bool granted)
    {
        Member member = new(Options(3), 1, 2, 3);
        member.Step(RaftInput.Receive(Append(2, Two, 0, 0, 2, 2)));
        member.FinishAllWrites();
        member.Tick(10); // The leader is silent: its follower is no longer loyal.
        member.Outbox.Clear();
        member.Step(RaftInput.Receive(Vote(5, One) with { LogTerm = new Term(logTerm), Index = new LogIndex(index) }));
        member.FinishAllWrites();
        Assert.Equal(granted, !Assert.Single(member.Outbox).Has(MessageFlags.Rejected));
        Assert.Equal(new Term(5), member.Core.Term);
    }

    [Fact]
    public void Whoever_hears_from_a_leader_votes_for_nobody_else_thesis_4_2_3()
    {
        Member member = new(Options(3), 1, 2, 3);
        member.Step(RaftInput.Receive(Append(2, Two, 0, 0)));
        member.FinishAllWrites();
        member.Outbox.Clear();
        member.Step(RaftInput.Receive(Vote(9, One)));
        Assert.Equal(new Term(2), member.Core.Term);
        Assert.Empty(member.Outbox);
        member.Step(RaftInput.Receive(Vote(9, One) with { Flags = MessageFlags.Transfer }));
        member.FinishAllWrites();
        Assert.Equal(MessageFlags.None, Assert.Single(member.Outbox).Flags);
    }

    [Fact]
    public void A_later_term_makes_a_leader_a_follower_5_1()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Step(RaftInput.Receive(new RaftMessage
        {
            Kind = MessageKind.HeartbeatReply,
            From = Two,
            To = leader.Id,
            Term = new Term(7),
        }));
        Assert.Equal(RaftRole.Follower, leader.Core.Role);
        Assert.Equal(new HardState(new Term(7), NodeId.None), leader.Effects.HardState);
    }

    [Fact]
    public void A_leader_of_an_older_term_learns_of_the_later_one_5_1()
    {
        Member member = new(Options(3), 1, 2, 3);
        member.Step(RaftInput.Receive(Append(5, Two, 0, 0)));
        member.FinishAllWrites();
        member.Outbox.Clear();
        member.Step(RaftInput.Receive(Append(3, One, 0, 0, 3)));
        Assert.Equal(new Term(5), Assert.Single(member.Outbox).Term);
        Assert.Equal(LogIndex.Zero, member.Core.LastIndex);
    }

    [Fact]
    public void A_leader_that_no_majority_answers_steps_down_thesis_6_2()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(leader.Id.Value);
        network.Tick(12);
        Assert.NotEqual(RaftRole.Leader, leader.Core.Role);
        Assert.False(leader.Core.HasQuorumContact);
    }

    [Fact]
    public void A_lost_leader_is_replaced_without_waiting_for_the_election_timeout()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(leader.Id.Value);
        foreach (int id in new[] { 2, 3 }) network[id].Step(RaftInput.PeerLost(leader.Id));
        network.Settle();
        network.Tick(3);
        Assert.Equal(Two, network.Leader!.Id);
        Assert.NotEqual(leader, network.Leader);
    }

    [Fact]
    public void A_leader_that_only_one_follower_lost_leads_on()
    {
        Network network = new(3);
        Member leader = network.Elect();
        Term term = leader.Core.Term;
        network[2].Step(RaftInput.PeerLost(leader.Id));
        network.Settle();
        network.Tick(30);
        Assert.Equal(term, leader.Core.Term);
        Assert.Equal(RaftRole.Leader, leader.Core.Role);
        Assert.Equal(leader.Id, network[2].Core.Leader);
    }

    [Fact]
    public void Leadership_is_handed_over_at_once_thesis_3_10()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Propose(1);
        network.Settle();
        leader.Step(RaftInput.TransferTo(Three));
        leader.Propose(1);
        Assert.True(leader.Effects.ProposalRefused);
        network.Settle();
        Assert.Equal(Three, network.Leader!.Id);
        Assert.Equal(new Term(2), network.Leader.Core.Term);
        Assert.Equal(Three, leader.Core.Leader);
    }

    [Fact]
    public void A_transfer_to_a_voter_that_is_behind_refuses_nothing_until_it_has_caught_up_thesis_3_10()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(3);
        leader.Propose(1);
        network.Settle();
        leader.Step(RaftInput.TransferTo(Three));
        network.Tick(3);
        Assert.False(leader.Core.IsHandingOver);
        leader.Propose(1);
        Assert.False(leader.Effects.ProposalRefused);
        network.Tick(7);
        network.Heal();
        network.Tick(20);
        Assert.Equal(leader, network.Leader); // It was given up long ago.
        Assert.Equal(new Term(1), leader.Core.Term);
    }

    [Fact]
    public void What_was_appended_before_a_transfer_is_committed_by_the_old_leader_thesis_3_10()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(2);
        leader.Propose(1);
        leader.Step(RaftInput.TransferTo(Three));
        Exchange(network);
        network[3].FinishAllWrites(); // Three has it, this leader's own disk does not: nobody may stand yet.
        Exchange(network);
        Exchange(network);
        Assert.True(leader.Core.IsHandingOver);
        Assert.Equal(RaftRole.Follower, network[3].Core.Role);
        network.Heal();
        network.Settle();
        Assert.Equal(leader.Core.LastIndex.Value, leader.Core.CommitIndex.Value);
        Assert.Contains(leader.Committed, entry => entry is { Kind: EntryKind.Batch, Term.Value: 1 });
        Assert.Equal(Three, network.Leader!.Id);
    }

    [Fact]
    public void A_successor_that_never_hears_of_it_costs_a_term_and_nothing_else()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Tick(2);
        network.Cut(1, 3);
        leader.Step(RaftInput.TransferTo(Three));
        Assert.True(leader.Core.IsHandingOver);
        network.Tick(7);
        Assert.Equal(leader, network.Leader);
        Assert.Equal(new Term(2), leader.Core.Term);
        network.Tick(3);
        Assert.True(leader.Core.ContactTicks >= 0); // Leases hold again.
        leader.Propose(1);
        Assert.False(leader.Effects.ProposalRefused);
    }

    [Fact]
    public void A_successor_that_dies_ends_the_transfer_at_once()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Tick(2);
        network.Isolate(3);
        leader.Step(RaftInput.TransferTo(Three));
        leader.Step(RaftInput.PeerLost(Three));
        network.Settle();
        Assert.Equal(leader, network.Leader);
        leader.Propose(1);
        Assert.False(leader.Effects.ProposalRefused);
    }

    [Fact]
    public void Who_was_told_to_stand_is_told_again_when_that_was_lost()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Tick(2);
        network.Isolate(3);
        leader.Step(RaftInput.TransferTo(Three));
        network.Settle();
        network.Heal();
        network.Tick(2);
        Assert.Equal(Three, network.Leader!.Id);
    }

    [Fact]
    public void When_a_successor_dies_in_its_election_the_others_soon_stand()
    {
        Network network = new(3);
        Member leader = network.Elect();
        leader.Step(RaftInput.TransferTo(Three));
        Exchange(network);
        network[3].FinishAllWrites();
        Exchange(network); // Its requests for votes.
        Assert.Equal(new Term(2), network[2].Core.Term);
        network.Isolate(3);
        foreach (int id in new[] { 1, 2 }) network[id].Step(RaftInput.PeerLost(Three));
        network.Tick(5);
        Assert.Contains(network.Leader!.Id, new[] { One, Two });
    }

    [Fact]
    public void A_transfer_to_nobody_in_particular_goes_to_whoever_holds_most()
    {
        Network network = new(3);
        Member leader = network.Elect();
        network.Isolate(2);
        leader.Propose(1);
        network.Settle();
        network.Heal();
        leader.Step(RaftInput.TransferTo(NodeId.None));
        network.Settle();
        Assert.Equal(Three, network.Leader!.Id);
    }

    [Fact]
    public void Leadership_goes_only_to_a_voter_that_can_be_reached()
    {
        Network network = new([1, 2, 3], [4]);
        Member leader = network.Elect();
        foreach (NodeId target in new NodeId[] { One, new(4), new(9) })
        {
            leader.Step(RaftInput.TransferTo(target));
            Assert.True(leader.Effects.ProposalRefused);
        }

        leader.Step(RaftInput.PeerLost(Two));
        leader.Step(RaftInput.TransferTo(Two));
        Assert.True(leader.Effects.ProposalRefused);
    }

    [Fact]
    public void A_node_without_a_vote_never_stands_6()
    {
        Member member = new(2);
        member.Tick(100);
        Assert.Equal(RaftRole.Follower, member.Core.Role);
        Assert.Equal(Term.Zero, member.Core.Term);
        Member unknown = new(Options(1), Membership.Empty);
        unknown.Tick(100);
        Assert.Equal(RaftRole.Follower, unknown.Core.Role);
    }

    /// <summary>Messages arrive, while the disks take their time.</summary>
    private static void Exchange(Network network)
    {
        network.Collect();
        List<RaftMessage> now = [.. network.InFlight];
        network.InFlight.Clear();
        foreach (RaftMessage message in now) network.Deliver(message);
    }

    private static RaftOptions Options(int self) => new() { Self = new NodeId(self), Seed = 3 };

    private static Member PreCandidate()
    {
        Member member = new(Options(1), 1, 2, 3);
        member.Tick();
        member.Outbox.Clear();
        return member;
    }

    private static void Grant(Member member, MessageKind kind, NodeId from) => member.Step(RaftInput.Receive(new RaftMessage
    {
        Kind = kind,
        From = from,
        To = member.Id,
        Term = new Term(1),
    }));

    private static RaftMessage Vote(long term, NodeId from) =>
        new() { Kind = MessageKind.Vote, From = from, To = Three, Term = new Term(term) };

    private static RaftMessage Append(long term, NodeId from, long previous, long previousTerm, params long[] terms) => new()
    {
        Kind = MessageKind.Append,
        From = from,
        To = Three,
        Term = new Term(term),
        Index = new LogIndex(previous),
        LogTerm = new Term(previousTerm),
        Entries = [.. terms.Select((entryTerm, i) =>
            new LogEntry(new LogIndex(previous + i + 1), new Term(entryTerm), EntryKind.NoOp, KafkaOffset.Zero, BufferSlice.Empty))],
    };
}
