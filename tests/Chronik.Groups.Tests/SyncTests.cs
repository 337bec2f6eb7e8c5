using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class SyncTests
{
    [Fact]
    public void Followers_wait_for_the_leaders_assignment_and_all_wait_for_the_log()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        rig.Ask(JoinOf(ids[0]), JoinV);
        rig.Ask(JoinOf(ids[1]), JoinV);
        rig.HoldWrites = true;
        int follower = rig.Ask(SyncOf(ids[1], generation + 1), SyncV);
        Assert.False(rig.IsAnswered(follower));
        int leader = rig.Ask(SyncOf(ids[0], generation + 1, (ids[0], [7]), (ids[1], [8])), SyncV);
        Assert.False(rig.IsAnswered(leader));
        Assert.Equal("CompletingRebalance", rig.StateOf());
        rig.Commit();
        Assert.Equal([7], rig.Reply<SyncGroupResponse>(leader).Assignment.ToArray());
        var answer = rig.Reply<SyncGroupResponse>(follower);
        Assert.Equal([8], answer.Assignment.ToArray());
        Assert.Equal("range", answer.ProtocolName);
        Assert.Equal("consumer", answer.ProtocolType);
        Assert.Equal("Stable", rig.StateOf());
    }

    [Fact]
    public void A_member_that_the_leader_left_out_gets_an_empty_assignment()
    {
        var rig = new Rig();
        (string id, int token) = rig.Enter();
        int generation = rig.Reply<JoinGroupResponse>(token).GenerationId;
        var synced = rig.Get<SyncGroupResponse>(SyncOf(id, generation, ("stranger", [1])), SyncV);
        Assert.Equal(KafkaError.None, (KafkaError)synced.ErrorCode);
        Assert.Empty(synced.Assignment.ToArray());
    }

    [Fact]
    public void In_a_stable_group_a_sync_repeats_the_assignment()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        Assert.Equal([1], rig.Get<SyncGroupResponse>(SyncOf(ids[1], generation), SyncV).Assignment.ToArray());
    }

    [Fact]
    public void A_sync_is_refused_for_strangers_other_generations_and_other_protocols()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.UnknownMemberId, Sync(SyncOf("ghost", 1)));
        (string[] ids, int generation) = rig.Stable(1);
        Assert.Equal(KafkaError.UnknownMemberId, Sync(SyncOf("ghost", generation)));
        Assert.Equal(KafkaError.IllegalGeneration, Sync(SyncOf(ids[0], generation - 1)));
        SyncGroupRequest other = SyncOf(ids[0], generation);
        other.ProtocolType = "connect";
        Assert.Equal(KafkaError.InconsistentGroupProtocol, Sync(other));
        other.ProtocolType = null;
        other.ProtocolName = "sticky";
        Assert.Equal(KafkaError.InconsistentGroupProtocol, Sync(other));
        Assert.Equal(KafkaError.InvalidGroupId, Sync(new SyncGroupRequest { GroupId = "" }));

        KafkaError Sync(SyncGroupRequest request) => (KafkaError)rig.Get<SyncGroupResponse>(request, SyncV).ErrorCode;
    }

    [Fact]
    public void During_a_rebalance_a_sync_is_told_to_join()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        rig.Ask(JoinOf(ids[0]), JoinV);
        Assert.Equal(KafkaError.RebalanceInProgress, (KafkaError)rig.Get<SyncGroupResponse>(SyncOf(ids[1], generation), SyncV).ErrorCode);
    }

    [Fact]
    public void When_the_assignment_cannot_be_written_everybody_is_told_and_joins_again()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        rig.Ask(JoinOf(ids[0]), JoinV);
        rig.Ask(JoinOf(ids[1]), JoinV);
        rig.HoldWrites = true;
        int follower = rig.Ask(SyncOf(ids[1], generation + 1), SyncV);
        int leader = rig.Ask(SyncOf(ids[0], generation + 1, (ids[0], [7])), SyncV);
        rig.Fail(KafkaError.NotEnoughReplicas);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, (KafkaError)rig.Reply<SyncGroupResponse>(leader).ErrorCode);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, (KafkaError)rig.Reply<SyncGroupResponse>(follower).ErrorCode);
        Assert.Equal("PreparingRebalance", rig.StateOf());
    }

    [Fact]
    public void An_assignment_that_reaches_the_log_after_a_new_rebalance_began_is_given_to_nobody()
    {
        var rig = new Rig();
        (string id, int token) = rig.Enter();
        int generation = rig.Reply<JoinGroupResponse>(token).GenerationId;
        rig.HoldWrites = true;
        int sync = rig.Ask(SyncOf(id, generation, (id, [9])), SyncV);
        rig.Enter();
        Assert.Equal(KafkaError.RebalanceInProgress, (KafkaError)rig.Reply<SyncGroupResponse>(sync).ErrorCode);
        rig.Commit();
        Assert.Equal("PreparingRebalance", rig.StateOf());
    }

    [Fact]
    public void An_assignment_of_a_generation_that_is_over_is_not_taken_for_the_next_ones()
    {
        var rig = new Rig();
        (string id, int token) = rig.Enter();
        int generation = rig.Reply<JoinGroupResponse>(token).GenerationId;
        rig.HoldWrites = true;
        rig.Ask(SyncOf(id, generation, (id, [9])), SyncV);
        (string other, int joined) = rig.Enter();
        rig.Ask(JoinOf(id), JoinV);
        Assert.Equal(generation + 1, rig.Reply<JoinGroupResponse>(joined).GenerationId);
        int sync = rig.Ask(SyncOf(other, generation + 1), SyncV);
        rig.Commit();
        Assert.Equal("CompletingRebalance", rig.StateOf());
        Assert.False(rig.IsAnswered(sync));
    }

    [Fact]
    public void A_leader_that_asks_twice_is_answered_twice()
    {
        var rig = new Rig();
        (string id, int token) = rig.Enter();
        int generation = rig.Reply<JoinGroupResponse>(token).GenerationId;
        rig.HoldWrites = true;
        int first = rig.Ask(SyncOf(id, generation, (id, [1])), SyncV);
        int second = rig.Ask(SyncOf(id, generation, (id, [1])), SyncV);
        Assert.Equal(KafkaError.RebalanceInProgress, (KafkaError)rig.Reply<SyncGroupResponse>(first).ErrorCode);
        rig.Commit();
        Assert.Equal(KafkaError.None, (KafkaError)rig.Reply<SyncGroupResponse>(second).ErrorCode);
        Assert.Equal("Stable", rig.StateOf());
    }

    [Fact]
    public void Members_that_do_not_sync_within_the_rebalance_timeout_are_evicted()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2, rebalance: 9_000);
        rig.Ask(JoinOf(ids[0], rebalance: 9_000), JoinV);
        rig.Ask(JoinOf(ids[1], rebalance: 9_000), JoinV);
        int leader = rig.Ask(SyncOf(ids[0], generation + 1, (ids[0], [1])), SyncV);
        Assert.True(rig.IsAnswered(leader));
        rig.Pass(4_500);
        rig.Beat(ids[0], generation + 1);
        rig.Beat(ids[1], generation + 1);
        rig.Pass(4_500);
        Assert.Equal("PreparingRebalance", rig.StateOf());
        Assert.Equal(KafkaError.UnknownMemberId, rig.Beat(ids[1], generation + 1));
        Assert.Equal(KafkaError.RebalanceInProgress, rig.Beat(ids[0], generation + 1));
    }

    [Fact]
    public void When_the_leader_does_not_sync_the_followers_are_sent_back_to_join()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2, rebalance: 9_000);
        rig.Ask(JoinOf(ids[0], rebalance: 9_000), JoinV);
        rig.Ask(JoinOf(ids[1], rebalance: 9_000), JoinV);
        int follower = rig.Ask(SyncOf(ids[1], generation + 1), SyncV);
        rig.Pass(9_000);
        Assert.Equal(KafkaError.RebalanceInProgress, (KafkaError)rig.Reply<SyncGroupResponse>(follower).ErrorCode);
        int again = rig.Ask(JoinOf(ids[1], rebalance: 9_000), JoinV);
        Assert.Equal(ids[1], rig.Reply<JoinGroupResponse>(again).Leader);
    }

    [Fact]
    public void A_member_that_names_no_rebalance_timeout_has_its_session_timeout_to_ask_for_its_assignment()
    {
        var rig = new Rig();
        (string id, int token) = rig.Enter(session: 10_000, rebalance: 0);
        int generation = rig.Reply<JoinGroupResponse>(token).GenerationId;
        rig.Pass(9_000);
        var synced = rig.Get<SyncGroupResponse>(SyncOf(id, generation, (id, [1])), SyncV);
        Assert.Equal(KafkaError.None, (KafkaError)synced.ErrorCode);
        Assert.Equal([1], synced.Assignment.ToArray());
    }
}
