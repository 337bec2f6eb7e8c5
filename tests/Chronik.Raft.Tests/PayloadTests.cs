using System.Runtime.CompilerServices;
using Chronik.Model;

namespace Chronik.Raft.Tests;

/// <summary>Payloads are handed through untouched, counted by the shell alone, forgotten once applied; steps allocate nothing.</summary>
public sealed class PayloadTests
{
    [Fact]
    public void A_payload_comes_back_as_the_slice_that_was_proposed_and_is_never_counted()
    {
        BufferPool pool = new();
        PooledBuffer buffer = pool.Rent(100);
        Member member = new(1);
        member.Tick();
        member.Step(RaftInput.Propose([new ProposedEntry(EntryKind.Batch, new KafkaOffset(1), buffer.Slice(10, 20))]));
        Assert.Equal(buffer.Slice(10, 20), member.Effects.Append[0].Payload);
        member.FinishAllWrites();
        Assert.Equal(buffer.Slice(10, 20), member.Effects.Committed[0].Payload);
        buffer.Release(); // The only reference: a second one inside the core would keep it lent.
        Assert.Equal(0, pool.LentBytes);
    }

    [Fact]
    public void An_applied_payload_is_forgotten()
    {
        RaftCore core = new(new RaftOptions { Self = new NodeId(1) }, new RaftRestart { Membership = new Membership([new NodeId(1)]) });
        WeakReference buffer = CommitOne(core);
        core.Applied(core.CommitIndex);
        GC.Collect();
        Assert.False(buffer.IsAlive);
        GC.KeepAlive(core);
    }

    [Fact]
    public void Steps_in_the_steady_state_allocate_nothing()
    {
        RaftCore core = new(new RaftOptions { Self = new NodeId(1) }, new RaftRestart { Membership = new Membership([new NodeId(1)]) });
        RaftEffects effects = new();
        core.Step(RaftInput.Tick(), effects);
        ProposedEntry[] proposal = new ProposedEntry[1];
        for (int i = 0; i < 1000; i++) Round(core, effects, proposal);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) Round(core, effects, proposal);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_step_of_a_leader_with_followers_allocates_only_the_array_that_it_sends()
    {
        RaftCore core = new(
            new RaftOptions { Self = new NodeId(1) },
            new RaftRestart { Membership = new Membership([new NodeId(1), new NodeId(2), new NodeId(3)]) });
        RaftEffects effects = new();
        core.Step(RaftInput.Tick(), effects);
        Answer(core, effects, MessageKind.PreVoteReply, 2, new Term(1), LogIndex.Zero);
        core.Step(RaftInput.DiskDone(effects.WriteNumber), effects);
        Answer(core, effects, MessageKind.VoteReply, 2, new Term(1), LogIndex.Zero);
        Assert.Equal(RaftRole.Leader, core.Role);
        ProposedEntry[] proposal = new ProposedEntry[8];
        for (int i = 0; i < 1000; i++) RoundOfThree(core, effects, proposal);
        long before = GC.GetAllocatedBytesForCurrentThread();
        const int Rounds = 1000;
        for (int i = 0; i < Rounds; i++) RoundOfThree(core, effects, proposal);
        long perRound = (GC.GetAllocatedBytesForCurrentThread() - before) / Rounds;
        Assert.InRange(perRound, 1, 24 + (proposal.Length * Unsafe.SizeOf<LogEntry>()));
    }

    private static void RoundOfThree(RaftCore core, RaftEffects effects, ProposedEntry[] proposal)
    {
        for (int i = 0; i < proposal.Length; i++)
            proposal[i] = new ProposedEntry(EntryKind.Batch, core.NextOffset + i + 1, BufferSlice.Empty);
        effects.Clear();
        core.Step(RaftInput.Propose(proposal), effects);
        ulong write = effects.WriteNumber;
        Answer(core, effects, MessageKind.AppendReply, 2, core.Term, core.LastIndex);
        effects.Clear();
        core.Step(RaftInput.DiskDone(write), effects);
        Answer(core, effects, MessageKind.AppendReply, 3, core.Term, core.LastIndex);
        core.Applied(core.CommitIndex);
        core.Compact(core.CommitIndex);
    }

    private static void Answer(RaftCore core, RaftEffects effects, MessageKind kind, int from, Term term, LogIndex index)
    {
        effects.Clear();
        RaftMessage answer = new() { Kind = kind, From = new NodeId(from), To = new NodeId(1), Term = term, Index = index };
        core.Step(RaftInput.Receive(answer), effects);
    }

    private static void Round(RaftCore core, RaftEffects effects, ProposedEntry[] proposal)
    {
        proposal[0] = new ProposedEntry(EntryKind.Batch, core.NextOffset + 16, BufferSlice.Empty);
        effects.Clear();
        core.Step(RaftInput.Propose(proposal), effects);
        ulong write = effects.WriteNumber;
        effects.Clear();
        core.Step(RaftInput.DiskDone(write), effects);
        core.Applied(core.CommitIndex);
        core.Compact(core.CommitIndex);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference CommitOne(RaftCore core)
    {
        PooledBuffer buffer = new BufferPool(keepBytes: 0).Rent(10);
        RaftEffects effects = new();
        core.Step(RaftInput.Tick(), effects);
        core.Step(RaftInput.Propose([new ProposedEntry(EntryKind.Batch, new KafkaOffset(1), buffer.Slice(0, 10))]), effects);
        core.Step(RaftInput.DiskDone(effects.WriteNumber), effects);
        return new WeakReference(buffer);
    }
}
