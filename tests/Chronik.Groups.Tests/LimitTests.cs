using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class LimitTests
{
    private static readonly GroupLimits NoDelay = new() { InitialRebalanceDelayMs = 0 };

    [Fact]
    public void A_full_group_takes_nobody_else()
    {
        var rig = new Rig(NoDelay with { GroupSizeMax = 2 });
        (string[] ids, _) = rig.Stable(2);
        int token = rig.Ask(JoinOf(), JoinV);
        Assert.Equal(KafkaError.GroupMaxSizeReached, (KafkaError)rig.Reply<JoinGroupResponse>(token).ErrorCode);
        Assert.Contains("group.max.size = 2", rig.Refusal(token));
        Assert.Equal(KafkaError.None, rig.Join(out _, JoinOf(ids[1])));
    }

    [Fact]
    public void Only_so_many_ids_are_handed_out()
    {
        var rig = new Rig(NoDelay with { PendingMembersMax = 1 });
        Assert.Equal(KafkaError.MemberIdRequired, rig.Join(out _, JoinOf()));
        int token = rig.Ask(JoinOf(), JoinV);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, (KafkaError)rig.Reply<JoinGroupResponse>(token).ErrorCode);
        Assert.Contains("groups.max-pending-members = 1", rig.Refusal(token));
    }

    [Fact]
    public void Only_so_many_groups_are_kept()
    {
        var rig = new Rig(NoDelay with { GroupsMax = 1 });
        rig.Commit(CommitOf(1));
        int join = rig.Ask(JoinOf(group: "other"), JoinV);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, (KafkaError)rig.Reply<JoinGroupResponse>(join).ErrorCode);
        Assert.Contains("groups.max-groups = 1", rig.Refusal(join));
        Assert.Equal(KafkaError.CoordinatorNotAvailable, rig.Commit(CommitOf(1, group: "other")));
        Assert.Equal(KafkaError.None, rig.Commit(CommitOf(2)));
    }

    [Fact]
    public void Only_so_many_offsets_are_kept_but_those_that_are_can_move()
    {
        var rig = new Rig(NoDelay with { OffsetsMax = 1 });
        Assert.Equal(KafkaError.None, rig.Commit(CommitOf(1)));
        int token = rig.Ask(CommitOf(1, partition: 1), 9);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, rig.Reply<OffsetCommitResponse>(token).Code());
        Assert.Contains("groups.max-offsets = 1", rig.Refusal(token));
        Assert.Equal(KafkaError.None, rig.Commit(CommitOf(2)));
    }

    [Fact]
    public void Only_so_many_writes_are_on_their_way()
    {
        var rig = new Rig(NoDelay with { WritesInFlightMax = 1 }) { HoldWrites = true };
        int first = rig.Ask(CommitOf(1), 9);
        int second = rig.Ask(CommitOf(2), 9);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, rig.Reply<OffsetCommitResponse>(second).Code());
        Assert.Contains("groups.max-writes-in-flight = 1", rig.Refusal(second));
        rig.Commit();
        Assert.Equal(KafkaError.None, rig.Reply<OffsetCommitResponse>(first).Code());
    }

    [Fact]
    public void A_rebalance_timeout_beyond_the_limit_is_cut()
    {
        var rig = new Rig(NoDelay with { RebalanceTimeoutMaxMs = 20_000 });
        (string[] ids, _) = rig.Stable(2, rebalance: int.MaxValue);
        int token = rig.Ask(JoinOf(ids[0], rebalance: int.MaxValue), JoinV);
        rig.Pass(20_000);
        Assert.True(rig.IsAnswered(token));
    }

    [Fact]
    public void A_rebalance_timeout_of_zero_or_less_does_no_harm()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse only, JoinOf(instance: "i1", rebalance: 0));
        rig.Ask(SyncOf(only.MemberId, 1), SyncV);
        (string other, _) = rig.Enter(rebalance: 0);
        rig.Get<LeaveGroupResponse>(LeaveOf((other, null)), 5);
        rig.Pass(120_000);
        Assert.Equal("Empty", rig.StateOf());
    }
}
