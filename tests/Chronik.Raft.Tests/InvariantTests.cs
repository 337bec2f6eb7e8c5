using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>What the shell or the disk does wrong is found at once.</summary>
public sealed class InvariantTests
{
    [Fact]
    public void The_disk_cannot_have_what_was_never_appended()
    {
        Member member = new(1);
        member.Tick();
        Assert.Throws<InvariantViolationException>(() => member.Step(RaftInput.DiskDone(2)));
    }

    [Fact]
    public void Writes_become_durable_in_order()
    {
        Member member = new(1);
        member.Tick();
        member.Propose(1);
        member.Step(RaftInput.DiskDone(2));
        Assert.Throws<InvariantViolationException>(() => member.Step(RaftInput.DiskDone(1)));
    }

    [Fact]
    public void Nothing_is_applied_before_it_is_committed()
    {
        Member member = new(1);
        member.Tick();
        Assert.Throws<InvariantViolationException>(() => member.Core.Applied(new LogIndex(1)));
    }

    [Fact]
    public void Nothing_is_compacted_before_it_is_applied()
    {
        Member member = new(1);
        member.Tick();
        member.FinishAllWrites();
        Assert.Throws<InvariantViolationException>(() => member.Core.Compact(new LogIndex(1)));
    }

    [Fact]
    public void A_batch_moves_the_log_end_and_a_no_op_does_not()
    {
        Member member = new(1);
        member.Tick();
        Assert.Throws<InvariantViolationException>(() =>
            member.Step(RaftInput.Propose([new ProposedEntry(EntryKind.Batch, KafkaOffset.Zero, BufferSlice.Empty)])));
        Member other = new(1);
        other.Tick();
        Assert.Throws<InvariantViolationException>(() =>
            other.Step(RaftInput.Propose([new ProposedEntry(EntryKind.NoOp, new KafkaOffset(1), BufferSlice.Empty)])));
    }

    [Fact]
    public void A_restart_with_a_hole_in_the_log_is_refused()
    {
        LogEntry second = new(new LogIndex(2), new Term(1), EntryKind.NoOp, KafkaOffset.Zero, BufferSlice.Empty);
        Assert.Throws<InvariantViolationException>(() => Restarted(new Term(1), second));
    }

    [Fact]
    public void A_restart_with_an_entry_of_a_later_term_than_the_hard_state_is_refused()
    {
        LogEntry first = new(new LogIndex(1), new Term(2), EntryKind.NoOp, KafkaOffset.Zero, BufferSlice.Empty);
        Assert.Throws<InvariantViolationException>(() => Restarted(new Term(1), first));
    }

    [Fact]
    public void Voters_are_distinct_nodes()
    {
        Assert.Throws<ArgumentException>(() => new Member(1, 1));
        Assert.Throws<ArgumentException>(() => new Member(1, -1));
        Assert.Throws<ArgumentException>(() => new Membership([], [], [new NodeId(1)]));
    }

    private static RaftCore Restarted(Term term, params LogEntry[] entries) => new(
        new RaftOptions { Self = new NodeId(1) },
        new RaftRestart
        {
            Membership = new Membership([new NodeId(1)]),
            HardState = new HardState(term, new NodeId(1)),
            Entries = entries,
        });
}
