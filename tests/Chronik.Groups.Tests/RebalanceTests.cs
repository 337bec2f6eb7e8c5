using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class RebalanceTests
{
    [Fact]
    public void The_first_rebalance_waits_for_more_members()
    {
        var rig = new Rig(new GroupLimits());
        (_, int first) = rig.Enter();
        rig.Pass(2_000);
        (_, int second) = rig.Enter();
        rig.Pass(3_999);
        Assert.False(rig.IsAnswered(first));
        rig.Pass(1);
        Assert.Equal(2, rig.Reply<JoinGroupResponse>(first).Members.Count);
        Assert.Empty(rig.Reply<JoinGroupResponse>(second).Members);
        Assert.Equal(1, rig.Reply<JoinGroupResponse>(second).GenerationId);
    }

    [Fact]
    public void Without_newcomers_the_initial_delay_is_not_extended()
    {
        var rig = new Rig(new GroupLimits());
        (_, int first) = rig.Enter();
        rig.Pass(3_000);
        Assert.Equal(1, rig.Reply<JoinGroupResponse>(first).GenerationId);
    }

    [Fact]
    public void The_initial_delay_is_never_longer_than_the_rebalance_timeout()
    {
        var rig = new Rig(new GroupLimits());
        (_, int first) = rig.Enter(rebalance: 7_000);
        for (int i = 0; i < 6; i++)
        {
            rig.Pass(1_000);
            rig.Enter(rebalance: 7_000);
        }

        Assert.False(rig.IsAnswered(first));
        rig.Pass(1_000);
        Assert.Equal(7, rig.Reply<JoinGroupResponse>(first).Members.Count);
    }

    [Fact]
    public void A_rebalance_ends_when_all_members_have_joined_again()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(3);
        int first = rig.Ask(JoinOf(ids[0]), JoinV);
        int second = rig.Ask(JoinOf(ids[1]), JoinV);
        Assert.False(rig.IsAnswered(first));
        int third = rig.Ask(JoinOf(ids[2]), JoinV);
        foreach (int token in new[] { first, second, third })
            Assert.Equal(generation + 1, rig.Reply<JoinGroupResponse>(token).GenerationId);
        Assert.Equal(3, rig.Reply<JoinGroupResponse>(first).Members.Count);
    }

    [Fact]
    public void Members_that_do_not_join_again_in_time_are_evicted()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(3, rebalance: 20_000);
        int first = rig.Ask(JoinOf(ids[0], rebalance: 20_000), JoinV);
        for (int i = 0; i < 4; i++)
        {
            rig.Pass(5_000);
            if (i < 3) Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(ids[1], generation));
            if (i < 3) Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(ids[2], generation));
        }

        Assert.Equal(ids[0], rig.Reply<JoinGroupResponse>(first).Members.Single().MemberId);
        Assert.Equal(KafkaError.UnknownMemberId, rig.Beat(ids[1], generation));
    }

    [Fact]
    public void The_rebalance_timeout_is_the_longest_of_the_members()
    {
        var rig = new Rig(new GroupLimits { InitialRebalanceDelayMs = 1_000 });
        (string fast, int first) = rig.Enter(session: 1_800_000, rebalance: 10_000);
        (string slow, _) = rig.Enter(session: 1_800_000, rebalance: 90_000);
        rig.Pass(10_000);
        int generation = rig.Reply<JoinGroupResponse>(first).GenerationId;
        rig.Ask(SyncOf(slow, generation), SyncV);
        rig.Ask(SyncOf(fast, generation), SyncV);
        int again = rig.Ask(JoinOf(fast, session: 1_800_000, rebalance: 10_000), JoinV);
        rig.Pass(89_999);
        Assert.False(rig.IsAnswered(again));
        rig.Pass(1);
        Assert.Single(rig.Reply<JoinGroupResponse>(again).Members);
    }

    [Fact]
    public void When_the_leader_does_not_come_another_member_leads()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2, rebalance: 8_000);
        int second = rig.Ask(JoinOf(ids[1], rebalance: 8_000, protocols: ("range", Subscription("returns"))), JoinV);
        rig.Pass(8_000);
        var joined = rig.Reply<JoinGroupResponse>(second);
        Assert.Equal(ids[1], joined.Leader);
        Assert.Equal(ids[1], joined.Members.Single().MemberId);
    }

    [Fact]
    public void A_static_member_keeps_its_place_through_a_rebalance_it_misses()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse anchor, JoinOf(instance: "i1", session: 1_800_000, rebalance: 8_000));
        rig.Ask(SyncOf(anchor.MemberId, 1), SyncV);
        (string other, int token) = rig.Enter(rebalance: 8_000);
        rig.Pass(8_000);
        var joined = rig.Reply<JoinGroupResponse>(token);
        Assert.Equal(other, joined.Leader);
        Assert.Equal(2, joined.Members.Count);
    }

    [Fact]
    public void With_only_silent_static_members_a_rebalance_waits_until_their_sessions_end()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse one, JoinOf(instance: "i1", session: 30_000, rebalance: 8_000));
        rig.Ask(SyncOf(one.MemberId, 1), SyncV);
        (string dynamic, _) = rig.Enter(session: 30_000, rebalance: 8_000);
        rig.Get<LeaveGroupResponse>(LeaveOf((dynamic, null)), 5);
        Assert.Equal("PreparingRebalance", rig.StateOf());
        rig.Pass(16_000);
        Assert.Equal("PreparingRebalance", rig.StateOf());
        rig.Pass(30_000);
        Assert.Equal("Empty", rig.StateOf());
    }

    [Fact]
    public void A_group_that_everybody_has_left_is_empty_in_a_new_generation_and_the_log_says_so()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(1);
        rig.Get<LeaveGroupResponse>(LeaveOf((ids[0], null)), 5);
        Assert.Equal("Empty", rig.StateOf());
        rig.Restart();
        Assert.Equal("Empty", rig.StateOf());
        (_, int token) = rig.Enter();
        Assert.Equal(generation + 2, rig.Reply<JoinGroupResponse>(token).GenerationId);
    }

    [Fact]
    public void A_member_that_joins_while_others_wait_for_their_assignment_sends_them_back_to_join()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        rig.Ask(JoinOf(ids[0]), JoinV);
        rig.Ask(JoinOf(ids[1]), JoinV);
        int waiting = rig.Ask(SyncOf(ids[1], generation + 1), SyncV);
        Assert.False(rig.IsAnswered(waiting));
        rig.Enter();
        Assert.Equal(KafkaError.RebalanceInProgress, (KafkaError)rig.Reply<SyncGroupResponse>(waiting).ErrorCode);
        Assert.Equal("PreparingRebalance", rig.StateOf());
    }

    [Fact]
    public void A_new_member_that_waits_too_long_in_its_first_join_is_told_to_start_over()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(1, rebalance: 1_000_000);
        (_, int token) = rig.Enter(session: 10_000, rebalance: 1_000_000);
        for (int i = 0; i < 60; i++)
        {
            rig.Pass(4_999);
            Assert.False(rig.IsAnswered(token));
            rig.Beat(ids[0], generation);
        }

        rig.Pass(5_000);
        Assert.Equal(KafkaError.UnknownMemberId, (KafkaError)rig.Reply<JoinGroupResponse>(token).ErrorCode);
        Assert.Equal("", rig.Reply<JoinGroupResponse>(token).MemberId);
    }

    [Fact]
    public void A_member_that_waits_in_a_rebalance_need_not_heartbeat()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2, rebalance: 300_000);
        int token = rig.Ask(JoinOf(ids[0], session: 10_000, rebalance: 300_000), JoinV);
        for (int i = 0; i < 10; i++)
        {
            rig.Pass(9_000);
            Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(ids[1], generation));
        }

        Assert.False(rig.IsAnswered(token));
        rig.Ask(JoinOf(ids[1], rebalance: 300_000), JoinV);
        Assert.Equal(2, rig.Reply<JoinGroupResponse>(token).Members.Count);
    }
}
