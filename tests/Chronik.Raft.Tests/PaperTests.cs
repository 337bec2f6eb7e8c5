using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>One test for each rule that holds now. Sections are of the Raft paper (extended version) or of Ongaro's thesis.</summary>
public sealed class PaperTests
{
    [Fact]
    public void A_node_starts_as_a_follower_that_knows_no_leader_5_2()
    {
        Member member = new(1);
        Assert.Equal(RaftRole.Follower, member.Core.Role);
        Assert.Equal(NodeId.None, member.Core.Leader);
        Assert.Equal(Term.Zero, member.Core.Term);
    }

    [Fact]
    public void The_only_voter_elects_itself_on_its_first_tick_5_2()
    {
        Member member = new(1);
        member.Tick();
        Assert.Equal(RaftRole.Leader, member.Core.Role);
        Assert.Equal(new Term(1), member.Core.Term);
        Assert.Equal(new NodeId(1), member.Core.Leader);
        Assert.True(member.Effects.RoleChanged);
    }

    [Fact]
    public void Term_and_vote_share_one_disk_write_with_the_first_entry_figure_2()
    {
        Member member = new(1);
        member.Tick();
        Assert.Equal(new HardState(new Term(1), new NodeId(1)), member.Effects.HardState);
        LogEntry noOp = Assert.Single(member.Effects.Append);
        Assert.Equal(new LogEntry(new LogIndex(1), new Term(1), EntryKind.NoOp, KafkaOffset.Zero, BufferSlice.Empty), noOp);
        Assert.Equal(1, member.WritesUnderWay);
    }

    [Fact]
    public void A_leader_ticks_without_effect()
    {
        Member member = new(1);
        member.Tick();
        member.Tick();
        Assert.False(member.Effects.HasWrite);
        Assert.False(member.Effects.RoleChanged);
    }

    [Fact]
    public void An_entry_is_committed_only_once_it_is_durable_5_3()
    {
        Member member = new(1);
        member.Tick();
        Assert.Equal(LogIndex.Zero, member.Core.CommitIndex);
        Assert.Empty(member.Effects.Committed);
        member.FinishWrite();
        Assert.Equal(new LogIndex(1), member.Core.CommitIndex);
        Assert.Equal(EntryKind.NoOp, Assert.Single(member.Effects.Committed).Kind);
    }

    [Fact]
    public void A_leader_takes_proposals_before_its_first_entry_is_durable_thesis_10_2_1()
    {
        Member member = new(1);
        member.Tick();
        member.Propose(3);
        Assert.False(member.Effects.ProposalRefused);
        Assert.Equal(2, member.WritesUnderWay);
        member.FinishAllWrites();
        Assert.Equal(new LogIndex(2), member.Core.CommitIndex);
        Assert.Equal(new KafkaOffset(3), member.Core.NextOffset);
    }

    [Fact]
    public void One_proposal_is_one_disk_write_in_its_order()
    {
        Member member = new(1);
        member.Tick();
        member.Propose(1, 2, 3);
        Assert.Equal([2L, 3, 4], member.Effects.Append.Select(entry => entry.Index.Value));
        Assert.Equal([1L, 3, 6], member.Effects.Append.Select(entry => entry.NextOffset.Value));
        Assert.Null(member.Effects.HardState);
        Assert.Equal(2, member.WritesUnderWay);
    }

    [Fact]
    public void Writes_under_way_commit_one_after_the_other()
    {
        Member member = new(1);
        member.Tick();
        member.Propose(1);
        member.Propose(1);
        member.FinishWrite();
        Assert.Equal(new LogIndex(1), member.Core.CommitIndex);
        member.FinishWrite();
        Assert.Equal(new LogIndex(2), member.Core.CommitIndex);
        member.FinishWrite();
        Assert.Equal(new LogIndex(3), member.Core.CommitIndex);
    }

    [Fact]
    public void One_answer_of_the_disk_covers_every_write_before_it()
    {
        Member member = new(1);
        member.Tick();
        member.Propose(1);
        member.Propose(1);
        member.Step(RaftInput.DiskDone(3));
        Assert.Equal([1L, 2, 3], member.Effects.Committed.Select(entry => entry.Index.Value));
    }

    [Fact]
    public void A_node_that_does_not_lead_refuses_proposals_and_keeps_nothing_of_them_5_1()
    {
        Member member = new(1);
        member.Propose(1);
        Assert.True(member.Effects.ProposalRefused);
        Assert.False(member.Effects.HasWrite);
        Assert.Equal(LogIndex.Zero, member.Core.LastIndex);
    }

    [Fact]
    public void Entries_of_older_terms_are_committed_only_with_one_of_the_leaders_own_5_4_2()
    {
        Member member = new(1);
        member.Tick();
        member.Propose(1);
        member.FinishAllWrites();
        member.Crash();

        member.Tick();
        Assert.Equal(new Term(2), member.Core.Term);
        Assert.Equal(new LogIndex(2), member.Core.DurableIndex);
        Assert.Equal(LogIndex.Zero, member.Core.CommitIndex);
        Assert.False(member.Core.HasCommittedInTerm);
        member.FinishWrite();
        Assert.Equal([1L, 2, 3], member.Effects.Committed.Select(entry => entry.Index.Value));
        Assert.True(member.Core.HasCommittedInTerm);
    }

    [Fact]
    public void A_leader_answers_no_reads_before_it_committed_in_its_term_thesis_6_4()
    {
        Member member = new(1);
        Assert.False(member.Core.HasCommittedInTerm);
        member.Tick();
        Assert.False(member.Core.HasCommittedInTerm);
        member.FinishWrite();
        Assert.True(member.Core.HasCommittedInTerm);
    }

    [Fact]
    public void A_restart_begins_a_later_term_than_the_durable_one_5_1()
    {
        Member member = new(1);
        member.Tick();
        member.FinishAllWrites();
        for (int term = 2; term < 5; term++)
        {
            member.Crash();
            Assert.Equal(RaftRole.Follower, member.Core.Role);
            member.Tick();
            Assert.Equal(new Term(term), member.Core.Term);
            member.FinishAllWrites();
        }
    }

    [Fact]
    public void A_term_that_never_became_durable_left_no_trace_and_is_begun_again_figure_2()
    {
        Member member = new(1);
        member.Tick();
        member.Crash();
        Assert.Equal(Term.Zero, member.Core.Term);
        Assert.Equal(LogIndex.Zero, member.Core.LastIndex);
        member.Tick();
        Assert.Equal(new Term(1), member.Core.Term);
        Assert.Equal(new LogIndex(1), member.Core.LastIndex);
    }

    [Fact]
    public void A_write_that_was_durable_although_nobody_heard_of_it_is_kept()
    {
        Member member = new(1);
        member.Tick();
        member.FinishWrite();
        member.Propose(5);
        member.Persist();
        member.Crash();
        Assert.Equal(new LogIndex(2), member.Core.LastIndex);
        Assert.Equal(new KafkaOffset(5), member.Core.NextOffset);
    }

    [Fact]
    public void Offsets_are_dense_whatever_elections_came_before()
    {
        Member member = new(1);
        for (int i = 0; i < 3; i++)
        {
            member.Tick();
            Assert.Equal(new KafkaOffset(i * 10), member.Core.NextOffset);
            member.Propose(10);
            member.FinishAllWrites();
            member.Crash();
        }

        Assert.Equal(new KafkaOffset(30), member.Core.NextOffset);
        Assert.Equal(new LogIndex(6), member.Core.LastIndex);
    }

    [Fact]
    public void A_restart_from_a_checkpoint_hands_out_only_what_lies_behind_it_7()
    {
        Member member = new(1);
        member.Tick();
        member.Propose(4);
        member.FinishAllWrites();
        member.Core.Applied(new LogIndex(2));
        member.Checkpoint();
        Assert.Equal(new LogIndex(3), member.Core.FirstIndex);
        member.Propose(1);
        member.FinishAllWrites();
        member.Crash();

        Assert.Equal(new LogIndex(2), member.Core.CommitIndex);
        Assert.Equal(new LogIndex(2), member.Core.AppliedIndex);
        Assert.Equal(new Term(1), member.Core.TermAt(new LogIndex(2)));
        member.Tick();
        member.FinishAllWrites();
        Assert.Equal([3L, 4], member.Committed.Select(entry => entry.Index.Value));
        Assert.Equal(new KafkaOffset(5), member.Core.NextOffset);
    }

    [Fact]
    public void A_checkpoint_of_the_whole_log_keeps_offset_and_term()
    {
        Member member = new(1);
        member.Tick();
        member.Propose(7);
        member.FinishAllWrites();
        member.Core.Applied(member.Core.CommitIndex);
        member.Checkpoint();
        Assert.Equal(member.Core.LastIndex.Next, member.Core.FirstIndex);
        member.Crash();
        Assert.Equal(new KafkaOffset(7), member.Core.NextOffset);
        member.Tick();
        member.Propose(1);
        member.FinishAllWrites();
        Assert.Equal(new LogIndex(4), member.Core.CommitIndex);
        Assert.Equal(new KafkaOffset(8), member.Core.NextOffset);
    }
}
