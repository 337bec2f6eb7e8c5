using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class MemberTests
{
    [Fact]
    public void A_heartbeat_keeps_the_session()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(1);
        for (int i = 0; i < 5; i++)
        {
            rig.Pass(9_999);
            Assert.Equal(KafkaError.None, rig.Beat(ids[0], generation));
        }

        rig.Pass(10_000);
        Assert.Equal("Empty", rig.StateOf());
        Assert.Equal(KafkaError.UnknownMemberId, rig.Beat(ids[0], generation));
    }

    [Fact]
    public void A_heartbeat_is_told_about_rebalances_generations_and_strangers()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.UnknownMemberId, rig.Beat("ghost", 0));
        (string[] ids, int generation) = rig.Stable(2);
        Assert.Equal(KafkaError.UnknownMemberId, rig.Beat("ghost", generation));
        Assert.Equal(KafkaError.IllegalGeneration, rig.Beat(ids[0], generation - 1));
        rig.Ask(JoinOf(ids[0]), JoinV);
        Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(ids[1], generation));
    }

    [Fact]
    public void A_heartbeat_before_the_assignment_counts()
    {
        var rig = new Rig();
        (string id, int token) = rig.Enter();
        Assert.Equal(KafkaError.None, rig.Beat(id, rig.Reply<JoinGroupResponse>(token).GenerationId));
    }

    [Fact]
    public void A_dead_member_costs_the_others_one_rebalance()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        rig.Pass(5_000);
        rig.Beat(ids[1], generation);
        rig.Pass(5_000);
        Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(ids[1], generation));
        rig.Join(out JoinGroupResponse joined, JoinOf(ids[1]));
        Assert.Equal(ids[1], joined.Leader);
        Assert.Equal(ids[1], joined.Members.Single().MemberId);
    }

    [Fact]
    public void Leaving_starts_a_rebalance_and_another_leader_is_found()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        var left = rig.Get<LeaveGroupResponse>(LeaveOf((ids[0], null)), 5);
        Assert.Equal(KafkaError.None, (KafkaError)left.Members.Single().ErrorCode);
        Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(ids[1], generation));
        rig.Join(out JoinGroupResponse joined, JoinOf(ids[1]));
        Assert.Equal(ids[1], joined.Leader);
    }

    [Fact]
    public void A_batch_of_departures_is_answered_one_by_one()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2);
        var left = rig.Get<LeaveGroupResponse>(LeaveOf((ids[0], null), ("ghost", null), ("", "no-such-instance"), (ids[1], null)), 5);
        Assert.Equal(
            [KafkaError.None, KafkaError.UnknownMemberId, KafkaError.UnknownMemberId, KafkaError.None],
            left.Members.Select(member => (KafkaError)member.ErrorCode));
        Assert.Equal("Empty", rig.StateOf());
    }

    [Fact]
    public void Before_version_3_one_member_leaves_and_the_error_is_the_responses()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(1);
        Assert.Equal(KafkaError.UnknownMemberId, Leave("ghost"));
        Assert.Equal(KafkaError.None, Leave(ids[0]));
        Assert.Equal("Empty", rig.StateOf());

        KafkaError Leave(string id) =>
            (KafkaError)rig.Get<LeaveGroupResponse>(new LeaveGroupRequest { GroupId = Rig.GroupName, MemberId = id }, 2).ErrorCode;
    }

    [Fact]
    public void Leaving_an_unknown_group_is_an_error_of_the_member()
    {
        var rig = new Rig();
        var left = rig.Get<LeaveGroupResponse>(LeaveOf(("ghost", null)), 5);
        Assert.Equal(KafkaError.None, (KafkaError)left.ErrorCode);
        Assert.Equal(KafkaError.UnknownMemberId, (KafkaError)left.Members.Single().ErrorCode);
        Assert.Equal(KafkaError.InvalidGroupId, (KafkaError)rig.Get<LeaveGroupResponse>(new LeaveGroupRequest(), 5).ErrorCode);
    }

    [Fact]
    public void A_member_id_that_was_handed_out_can_be_given_back()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse first, JoinOf());
        var left = rig.Get<LeaveGroupResponse>(LeaveOf((first.MemberId, null)), 5);
        Assert.Equal(KafkaError.None, (KafkaError)left.Members.Single().ErrorCode);
        Assert.Equal(0, rig.Core.GroupCount);
    }

    [Fact]
    public void A_departure_that_empties_the_group_is_answered_once_the_log_has_it()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(1);
        rig.HoldWrites = true;
        int token = rig.Ask(LeaveOf((ids[0], null)), 5);
        Assert.False(rig.IsAnswered(token));
        rig.Commit();
        Assert.Equal(KafkaError.None, (KafkaError)rig.Reply<LeaveGroupResponse>(token).ErrorCode);
    }

    [Fact]
    public void A_join_that_waits_is_answered_when_its_member_leaves()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2);
        int join = rig.Ask(JoinOf(ids[0]), JoinV);
        rig.Get<LeaveGroupResponse>(LeaveOf((ids[0], null)), 5);
        Assert.Equal(KafkaError.UnknownMemberId, (KafkaError)rig.Reply<JoinGroupResponse>(join).ErrorCode);
    }
}
