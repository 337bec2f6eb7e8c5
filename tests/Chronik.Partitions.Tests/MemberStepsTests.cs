using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Replicas;
using Chronik.Raft;
using Xunit;

namespace Chronik.Partitions.Tests;

/// <summary>What a leader does for the members that are wanted. It leads a group of its own, so nothing has to be waited for.</summary>
public sealed class MemberStepsTests
{
    private static readonly NodeId One = new(1);
    private static readonly NodeId Two = new(2);
    private static readonly KafkaOffset Offset = new(7);

    private readonly RaftCore _core = Leader();
    private readonly MemberSteps _steps;
    private KafkaOffset _followed = KafkaOffset.Unknown; // By node 2.

    public MemberStepsTests() => _steps = new MemberSteps(One, TimeProvider.System, _ => _followed);

    [Fact]
    public void Before_its_term_is_recorded_a_leader_neither_changes_its_members_nor_reports_that_a_move_is_done()
    {
        MembersWanted another = new([One, Two], []) { Move = Offset };
        Assert.Equal(MemberStep.Claim, _steps.Next(_core, another, isConfirmed: false, out _));
        Assert.Equal(MemberStep.Change, _steps.Next(_core, another, isConfirmed: true, out Membership target));
        Assert.Equal<NodeId>([Two], target.Learners);
        MembersWanted same = new([One], []) { Move = Offset };
        Assert.Equal(MemberStep.Claim, _steps.Next(_core, same, isConfirmed: false, out _));
        Assert.Equal(MemberStep.Reached, _steps.Next(_core, same, isConfirmed: true, out _));
    }

    [Fact]
    public void Members_that_are_there_without_a_move_need_no_record() =>
        Assert.Equal(MemberStep.Reached, _steps.Next(_core, new MembersWanted([One], []), isConfirmed: false, out _));

    [Fact]
    public void Members_that_are_not_those_of_the_metadata_become_so_without_a_move()
    {
        MembersWanted others = new([One, Two], []);
        Assert.Equal(MemberStep.Claim, _steps.Next(_core, others, isConfirmed: false, out _));
        Assert.Equal(MemberStep.Change, _steps.Next(_core, others, isConfirmed: true, out _));
    }

    [Fact]
    public void What_is_wanted_is_confirmed_by_metadata_that_want_the_same_and_know_of_the_term()
    {
        LeaderEpoch epoch = new(3);
        PartitionImage said = new([One, Two]) { Removing = [Two], Move = Offset, IsrEpoch = epoch };
        MembersWanted wanted = MembersWanted.By(said);
        Assert.True(wanted.IsConfirmedBy(said, epoch));
        Assert.False(wanted.IsConfirmedBy(null, epoch));
        Assert.False(wanted.IsConfirmedBy(said, new LeaderEpoch(4))); // A later leader cannot know what this one went by.
        Assert.False(wanted.IsConfirmedBy(said, new LeaderEpoch(2))); // A later one has been recorded: this one leads no longer.
        Assert.False(wanted.IsConfirmedBy(said with { Move = new KafkaOffset(8) }, epoch));
        Assert.False(wanted.IsConfirmedBy(said with { Removing = [], Move = KafkaOffset.Unknown }, epoch));
    }

    [Fact]
    public void A_node_votes_once_it_has_everything_and_knows_of_the_move()
    {
        MembersWanted wanted = new([One, Two], []) { Move = Offset };
        Assert.Equal(MemberStep.Change, _steps.Next(_core, wanted, isConfirmed: true, out Membership target));
        Do(_core, RaftInput.ChangeMembership(target));
        _followed = Offset + 1;
        Assert.Equal(MemberStep.Wait, _steps.Next(_core, wanted, isConfirmed: true, out _)); // It has nothing.
        Do(_core, RaftInput.Receive(new RaftMessage
        {
            Kind = MessageKind.AppendReply,
            From = Two,
            To = One,
            Term = _core.Term,
            Index = _core.LastIndex,
        }));
        _followed = Offset;
        Assert.Equal(MemberStep.Wait, _steps.Next(_core, wanted, isConfirmed: true, out _));
        _followed = Offset + 1;
        Assert.Equal(MemberStep.Change, _steps.Next(_core, wanted, isConfirmed: true, out target));
        Assert.Equal<NodeId>([One, Two], target.Voters);
    }

    private static RaftCore Leader()
    {
        RaftCore core = new(
            new RaftOptions { Self = One, Seed = 1 },
            new RaftRestart
            {
                HardState = new HardState(Term.Zero, NodeId.None),
                SnapshotIndex = LogIndex.Zero,
                SnapshotTerm = Term.Zero,
                SnapshotNextOffset = KafkaOffset.Zero,
                Membership = new Membership([One]),
                Entries = [],
            });
        Do(core, RaftInput.Tick());
        Assert.True(core.HasCommittedInTerm);
        return core;
    }

    /// <summary>Steps the core, and is its disk.</summary>
    private static void Do(RaftCore core, in RaftInput input)
    {
        RaftEffects effects = new();
        core.Step(input, effects);
        while (effects.HasWrite)
        {
            ulong written = effects.WriteNumber;
            effects.Clear();
            core.Step(RaftInput.DiskDone(written), effects);
        }
    }
}
