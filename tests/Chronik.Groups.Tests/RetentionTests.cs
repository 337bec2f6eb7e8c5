using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class RetentionTests
{
    private const long Day = 86_400_000;

    [Fact]
    public void A_group_that_only_keeps_offsets_loses_each_a_week_after_its_commit()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1));
        rig.Pass(4 * Day);
        rig.Commit(CommitOf(2, partition: 1));
        rig.Pass((3 * Day) + 600_000);
        Assert.Equal(-1, rig.Fetch());
        Assert.Equal(2, rig.Fetch(partition: 1));
        rig.Pass(4 * Day);
        Assert.Equal(0, rig.Core.GroupCount);
        rig.Restart();
        Assert.Equal(0, rig.Core.GroupCount);
    }

    [Fact]
    public void A_group_that_had_members_loses_all_offsets_a_week_after_the_last_one_left()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(1);
        rig.Commit(CommitOf(1, ids[0], generation));
        for (int i = 0; i < 9_000; i++)
        {
            rig.Pass(9_000);
            rig.Beat(ids[0], generation);
        }

        rig.Get<LeaveGroupResponse>(LeaveOf((ids[0], null)), 5);
        rig.Pass((7 * Day) - 1);
        Assert.Equal(1, rig.Fetch());
        rig.Pass(600_001);
        Assert.Equal(-1, rig.Fetch());
        Assert.Equal(0, rig.Core.GroupCount);
    }

    [Fact]
    public void A_stable_group_loses_old_offsets_of_topics_that_it_no_longer_reads_only()
    {
        var rig = new Rig(new GroupLimits { InitialRebalanceDelayMs = 0, OffsetsRetentionMs = 60_000, OffsetsRetentionCheckMs = 10_000 });
        (string[] ids, int generation) = rig.Stable(1);
        rig.Commit(CommitOf(1, ids[0], generation));
        rig.Commit(CommitOf(2, ids[0], generation, topic: "returns"));
        for (int i = 0; i < 20; i++)
        {
            rig.Pass(5_000);
            rig.Beat(ids[0], generation);
        }

        Assert.Equal(1, rig.Fetch());
        Assert.Equal(-1, rig.Fetch(topic: "returns"));
    }

    [Fact]
    public void An_offset_that_was_committed_with_a_retention_goes_when_it_said()
    {
        var rig = new Rig();
        OffsetCommitRequest request = CommitOf(1);
        request.RetentionTimeMs = 1_000_000;
        rig.Commit(request, 4);
        rig.Restart();
        rig.Pass(600_000);
        Assert.Equal(1, rig.Fetch());
        rig.Pass(600_000);
        Assert.Equal(-1, rig.Fetch());
    }

    [Fact]
    public void An_offset_that_is_being_moved_does_not_expire()
    {
        var rig = new Rig(new GroupLimits { OffsetsRetentionMs = 60_000, OffsetsRetentionCheckMs = 10_000 });
        rig.Commit(CommitOf(1));
        rig.Pass(59_000);
        rig.HoldWrites = true;
        rig.Ask(CommitOf(2), 9);
        rig.Pass(20_000);
        rig.Commit();
        Assert.Equal(2, rig.Fetch());
    }

    [Fact]
    public void An_empty_group_without_offsets_goes_at_the_next_look()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(1);
        rig.Get<LeaveGroupResponse>(LeaveOf((ids[0], null)), 5);
        Assert.Equal(1, rig.Core.GroupCount);
        rig.Pass(600_000);
        Assert.Equal(0, rig.Core.GroupCount);
        Assert.Equal(KafkaError.UnknownMemberId, rig.Join(out _, JoinOf(ids[0])));
    }
}
