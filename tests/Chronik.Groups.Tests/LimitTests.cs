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

    [Fact]
    public void What_members_say_about_themselves_is_counted_and_a_group_may_have_a_quarter()
    {
        GroupMemory memory = new(1 << 20);
        var rig = new Rig(NoDelay with { Memory = memory });
        Assert.Equal(KafkaError.MemberIdRequired, rig.Join(out JoinGroupResponse first, Large()));
        Assert.Equal(KafkaError.None, rig.Join(out _, Large(first.MemberId)));
        Assert.InRange(memory.Bytes, 100_000, 110_000);
        rig.Ask(SyncOf(first.MemberId, 1), SyncV);
        Assert.Equal(KafkaError.MemberIdRequired, rig.Join(out JoinGroupResponse second, Large()));
        rig.Ask(Large(second.MemberId), JoinV);
        int token = rig.Ask(Large(), JoinV);
        Assert.Equal(KafkaError.GroupMaxSizeReached, (KafkaError)rig.Reply<JoinGroupResponse>(token).ErrorCode);
        Assert.Contains("chronik.groups.max-member-memory = 1048576", rig.Refusal(token));
        rig.Get<LeaveGroupResponse>(LeaveOf((first.MemberId, null), (second.MemberId, null)), 5);
        Assert.Equal(0, memory.Bytes);
    }

    [Fact]
    public void A_member_that_grows_is_counted_too()
    {
        GroupMemory memory = new(1 << 20);
        var rig = new Rig(NoDelay with { Memory = memory });
        (string[] ids, _) = rig.Stable(1);
        int token = rig.Ask(Large(ids[0], bytes: 300_000), JoinV);
        Assert.Equal(KafkaError.GroupMaxSizeReached, (KafkaError)rig.Reply<JoinGroupResponse>(token).ErrorCode);
        Assert.Equal(KafkaError.None, rig.Join(out _, JoinOf(ids[0])));
    }

    [Fact]
    public void Coordinators_share_the_memory_and_give_it_back()
    {
        GroupMemory memory = new(400_000);
        Rig[] rigs = [.. Enumerable.Range(0, 5).Select(_ => new Rig(NoDelay with { Memory = memory }))];
        for (int i = 0; i < 4; i++)
        {
            rigs[i].Join(out JoinGroupResponse given, Large(bytes: 90_000));
            Assert.Equal(KafkaError.None, rigs[i].Join(out _, Large(given.MemberId, bytes: 90_000)));
        }

        int token = rigs[4].Ask(Large(bytes: 90_000), JoinV);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, (KafkaError)rigs[4].Reply<JoinGroupResponse>(token).ErrorCode);
        Assert.Contains("chronik.groups.max-member-memory = 400000", rigs[4].Refusal(token));
        rigs[0].Unload();
        Assert.Equal(KafkaError.MemberIdRequired, rigs[4].Join(out _, Large(bytes: 90_000)));
        for (int i = 1; i < 4; i++) rigs[i].Core.Abandon();
        rigs[4].Unload();
        Assert.Equal(0, memory.Bytes);
    }

    [Fact]
    public void Assignments_are_counted_and_what_is_too_large_is_refused_to_everybody()
    {
        GroupMemory memory = new(1 << 20);
        var rig = new Rig(NoDelay with { Memory = memory });
        rig.Join(out JoinGroupResponse given, JoinOf());
        rig.Join(out JoinGroupResponse joined, JoinOf(given.MemberId));
        int token = rig.Ask(SyncOf(joined.MemberId, joined.GenerationId, (joined.MemberId, new byte[300_000])), SyncV);
        Assert.Equal(KafkaError.UnknownServerError, (KafkaError)rig.Reply<SyncGroupResponse>(token).ErrorCode);
        Assert.Contains("chronik.groups.max-member-memory = 1048576", rig.Refusal(token));
    }

    [Fact]
    public void A_restart_counts_what_the_log_holds()
    {
        GroupMemory memory = new(1 << 20);
        var rig = new Rig(NoDelay with { Memory = memory });
        rig.Join(out JoinGroupResponse given, Large());
        rig.Join(out JoinGroupResponse joined, Large(given.MemberId));
        rig.Get<SyncGroupResponse>(SyncOf(joined.MemberId, joined.GenerationId), SyncV);
        long before = memory.Bytes;
        rig.Core.Abandon();
        Assert.Equal(0, memory.Bytes);
        rig.Restart();
        Assert.InRange(memory.Bytes, before - 200, before);
        rig.Unload();
        Assert.Equal(0, memory.Bytes);
    }

    private static JoinGroupRequest Large(string memberId = "", int bytes = 100_000) =>
        JoinOf(memberId, protocols: ("range", new byte[bytes]));
}
