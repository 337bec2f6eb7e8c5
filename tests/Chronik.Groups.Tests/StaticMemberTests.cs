using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class StaticMemberTests
{
    private static (Rig Rig, string Leader, string Follower, int Generation) Pair()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse first, JoinOf(instance: "i1"));
        rig.Ask(SyncOf(first.MemberId, 1), SyncV);
        int second = rig.Ask(JoinOf(instance: "i2"), JoinV);
        rig.Ask(JoinOf(first.MemberId, instance: "i1"), JoinV);
        var joined = rig.Reply<JoinGroupResponse>(second);
        rig.Ask(SyncOf(joined.MemberId, joined.GenerationId), SyncV);
        rig.Ask(SyncOf(first.MemberId, joined.GenerationId, (first.MemberId, [1]), (joined.MemberId, [2])), SyncV);
        Assert.Equal("Stable", rig.StateOf());
        return (rig, first.MemberId, joined.MemberId, joined.GenerationId);
    }

    [Fact]
    public void A_static_follower_that_restarts_keeps_its_assignment_without_a_rebalance()
    {
        (Rig rig, string leader, string follower, int generation) = Pair();
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse back, JoinOf(instance: "i2")));
        Assert.NotEqual(follower, back.MemberId);
        Assert.Equal(generation, back.GenerationId);
        Assert.Equal(leader, back.Leader);
        Assert.False(back.SkipAssignment);
        Assert.Equal("Stable", rig.StateOf());
        Assert.Equal([2], rig.Get<SyncGroupResponse>(SyncOf(back.MemberId, generation), SyncV).Assignment.ToArray());
        rig.Restart();
        Assert.Equal(KafkaError.None, rig.Beat(back.MemberId, generation, "i2"));
    }

    [Fact]
    public void A_static_leader_that_restarts_is_told_to_skip_the_assignment()
    {
        (Rig rig, string leader, _, int generation) = Pair();
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse back, JoinOf(instance: "i1")));
        Assert.Equal(generation, back.GenerationId);
        Assert.Equal(back.MemberId, back.Leader);
        Assert.NotEqual(leader, back.Leader);
        Assert.True(back.SkipAssignment);
        Assert.Equal(2, back.Members.Count);
    }

    [Fact]
    public void Before_version_9_a_static_leader_that_restarts_does_not_recognise_itself()
    {
        (Rig rig, string leader, _, _) = Pair();
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse back, JoinOf(instance: "i1"), 8));
        Assert.Equal(leader, back.Leader);
        Assert.NotEqual(back.MemberId, back.Leader);
        Assert.Empty(back.Members);
    }

    [Fact]
    public void The_older_of_two_members_with_one_instance_is_fenced()
    {
        (Rig rig, _, string follower, int generation) = Pair();
        rig.Join(out _, JoinOf(instance: "i2"));
        Assert.Equal(KafkaError.FencedInstanceId, rig.Beat(follower, generation, "i2"));
        Assert.Equal(KafkaError.UnknownMemberId, rig.Beat(follower, generation));
        SyncGroupRequest sync = SyncOf(follower, generation);
        sync.GroupInstanceId = "i2";
        Assert.Equal(KafkaError.FencedInstanceId, (KafkaError)rig.Get<SyncGroupResponse>(sync, SyncV).ErrorCode);
        Assert.Equal(KafkaError.FencedInstanceId, rig.Commit(CommitOf(1, follower, generation, instance: "i2")));
        Assert.Equal(KafkaError.FencedInstanceId, rig.Join(out _, JoinOf(follower, instance: "i2")));
        var left = rig.Get<LeaveGroupResponse>(LeaveOf((follower, "i2")), 5);
        Assert.Equal(KafkaError.FencedInstanceId, (KafkaError)left.Members.Single().ErrorCode);
    }

    [Fact]
    public void A_fenced_member_that_waits_in_a_join_is_told_at_once()
    {
        (Rig rig, _, string follower, _) = Pair();
        int waiting = rig.Ask(JoinOf(follower, instance: "i2", protocols: ("range", Subscription("returns"))), JoinV);
        Assert.False(rig.IsAnswered(waiting));
        rig.Ask(JoinOf(instance: "i2"), JoinV);
        Assert.Equal(KafkaError.FencedInstanceId, (KafkaError)rig.Reply<JoinGroupResponse>(waiting).ErrorCode);
    }

    [Fact]
    public void The_return_of_a_static_member_is_answered_once_the_log_has_its_new_id()
    {
        (Rig rig, _, _, _) = Pair();
        rig.HoldWrites = true;
        int token = rig.Ask(JoinOf(instance: "i2"), JoinV);
        Assert.False(rig.IsAnswered(token));
        rig.Commit();
        Assert.Equal(KafkaError.None, (KafkaError)rig.Reply<JoinGroupResponse>(token).ErrorCode);
    }

    [Fact]
    public void When_the_new_id_cannot_be_written_the_old_one_stays()
    {
        (Rig rig, _, string follower, int generation) = Pair();
        rig.HoldWrites = true;
        int token = rig.Ask(JoinOf(instance: "i2"), JoinV);
        rig.Fail(KafkaError.NotEnoughReplicas);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, (KafkaError)rig.Reply<JoinGroupResponse>(token).ErrorCode);
        Assert.Equal(KafkaError.None, rig.Beat(follower, generation, "i2"));
        Assert.Equal([2], rig.Get<SyncGroupResponse>(SyncOf(follower, generation), SyncV).Assignment.ToArray());
    }

    [Fact]
    public void A_rebalance_that_begins_meanwhile_takes_the_returning_member_along()
    {
        (Rig rig, string leader, _, int generation) = Pair();
        rig.HoldWrites = true;
        int back = rig.Ask(JoinOf(instance: "i2"), JoinV);
        int first = rig.Ask(JoinOf(leader, instance: "i1"), JoinV);
        Assert.Equal(generation + 1, rig.Reply<JoinGroupResponse>(first).GenerationId);
        Assert.Equal(generation + 1, rig.Reply<JoinGroupResponse>(back).GenerationId);
        rig.Commit();
        Assert.Equal("CompletingRebalance", rig.StateOf());
    }

    [Fact]
    public void A_static_member_that_comes_back_with_another_protocol_starts_a_rebalance()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse only, JoinOf(instance: "i1", protocols: [("range", []), ("sticky", [])]));
        rig.Ask(SyncOf(only.MemberId, 1), SyncV);
        JoinGroupRequest changed = JoinOf(instance: "i1", protocols: [("sticky", []), ("range", [])]);
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse back, changed));
        Assert.Equal(2, back.GenerationId);
        Assert.Equal("sticky", back.ProtocolName);
    }

    [Fact]
    public void A_static_member_that_returns_during_the_assignment_starts_a_new_rebalance()
    {
        (Rig rig, string leader, string follower, int generation) = Pair();
        rig.Ask(JoinOf(follower, instance: "i2", protocols: ("range", Subscription("returns"))), JoinV);
        rig.Ask(JoinOf(leader, instance: "i1"), JoinV);
        int sync = rig.Ask(SyncOf(leader, generation + 1, (leader, [1]), (follower, [2])), SyncV);
        Assert.True(rig.IsAnswered(sync));
        rig.Ask(JoinOf(leader, instance: "i1"), JoinV);
        rig.Ask(JoinOf(follower, instance: "i2", protocols: ("range", Subscription("returns"))), JoinV);
        Assert.Equal("CompletingRebalance", rig.StateOf());
        rig.Ask(JoinOf(instance: "i2", protocols: ("range", Subscription("returns"))), JoinV);
        Assert.Equal("PreparingRebalance", rig.StateOf());
    }

    [Fact]
    public void An_administrator_removes_a_static_member_by_its_instance()
    {
        (Rig rig, _, string follower, int generation) = Pair();
        Assert.Equal(KafkaError.None, (KafkaError)rig.Get<LeaveGroupResponse>(LeaveOf(("", "i2")), 5).Members.Single().ErrorCode);
        Assert.Equal(KafkaError.UnknownMemberId, rig.Beat(follower, generation, "i2"));
        Assert.Equal("PreparingRebalance", rig.StateOf());
    }

    [Fact]
    public void A_static_member_is_gone_when_its_session_ends()
    {
        (Rig rig, string leader, string follower, int generation) = Pair();
        rig.Pass(6_000);
        rig.Beat(leader, generation, "i1");
        rig.Pass(4_000);
        Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(leader, generation, "i1"));
        Assert.Equal(KafkaError.UnknownMemberId, rig.Beat(follower, generation, "i2"));
    }
}
