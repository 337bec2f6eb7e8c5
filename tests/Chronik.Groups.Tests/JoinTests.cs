using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class JoinTests
{
    [Fact]
    public void A_new_member_is_given_its_id_first()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.MemberIdRequired, rig.Join(out JoinGroupResponse first, JoinOf()));
        Assert.Equal("c-00000001-0000-0000-0000-000000000000", first.MemberId);
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse second, JoinOf(first.MemberId)));
        Assert.Equal(1, second.GenerationId);
        Assert.Equal(first.MemberId, second.Leader);
        Assert.Equal("consumer", second.ProtocolType);
        Assert.Equal("range", second.ProtocolName);
        Assert.Equal(first.MemberId, second.Members.Single().MemberId);
        Assert.Equal(Subscription("orders"), second.Members.Single().Metadata.ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void Before_version_4_a_new_member_joins_at_once(short version)
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse joined, JoinOf(), version));
        Assert.NotEqual("", joined.MemberId);
        Assert.Equal(1, joined.GenerationId);
    }

    [Fact]
    public void A_static_member_joins_at_once_under_its_instance_name()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse joined, JoinOf(instance: "i1")));
        Assert.StartsWith("i1-", joined.MemberId);
        Assert.Equal("i1", joined.Members.Single().GroupInstanceId);
    }

    [Fact]
    public void A_member_id_that_nobody_handed_out_is_unknown()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.UnknownMemberId, rig.Join(out _, JoinOf("ghost")));
        rig.Stable(1);
        Assert.Equal(KafkaError.UnknownMemberId, rig.Join(out _, JoinOf("ghost")));
    }

    [Fact]
    public void A_pending_id_cannot_be_used_by_a_static_member()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse first, JoinOf());
        Assert.Equal(KafkaError.UnknownMemberId, rig.Join(out _, JoinOf(first.MemberId, instance: "i1")));
    }

    [Fact]
    public void An_id_that_is_not_used_expires_with_its_session()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse first, JoinOf(session: 6_000));
        Assert.Equal(1, rig.Core.GroupCount);
        rig.Pass(6_000);
        Assert.Equal(0, rig.Core.GroupCount);
        Assert.Equal(KafkaError.UnknownMemberId, rig.Join(out _, JoinOf(first.MemberId)));
    }

    [Fact]
    public void A_rebalance_waits_for_ids_that_were_handed_out()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(1);
        rig.Join(out JoinGroupResponse pending, JoinOf(session: 6_000));
        int leader = rig.Ask(JoinOf(ids[0]), JoinV);
        Assert.False(rig.IsAnswered(leader));
        rig.Pass(5_999);
        Assert.False(rig.IsAnswered(leader));
        rig.Pass(1);
        Assert.Equal(2, rig.Reply<JoinGroupResponse>(leader).GenerationId);
    }

    [Theory]
    [InlineData(5_999)]
    [InlineData(1_800_001)]
    [InlineData(-1)]
    public void A_session_timeout_outside_the_limits_is_refused_and_the_key_named(int session)
    {
        var rig = new Rig();
        int token = rig.Ask(JoinOf(session: session), JoinV);
        Assert.Equal(KafkaError.InvalidSessionTimeout, (KafkaError)rig.Reply<JoinGroupResponse>(token).ErrorCode);
        Assert.Contains("group.min.session.timeout.ms = 6000", rig.Refusal(token));
        Assert.Equal(0, rig.Core.GroupCount);
    }

    [Fact]
    public void An_empty_group_id_is_invalid()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.InvalidGroupId, rig.Join(out _, JoinOf(group: "")));
    }

    [Fact]
    public void An_empty_group_refuses_a_member_without_protocol_or_type_and_is_forgotten()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.InconsistentGroupProtocol, rig.Join(out _, JoinOf(type: "")));
        var noProtocols = JoinOf();
        noProtocols.Protocols.Clear();
        Assert.Equal(KafkaError.InconsistentGroupProtocol, rig.Join(out _, noProtocols));
        Assert.Equal(0, rig.Core.GroupCount);
    }

    [Fact]
    public void A_member_without_a_common_protocol_or_of_another_type_is_refused()
    {
        var rig = new Rig();
        rig.Stable(1);
        Assert.Equal(KafkaError.InconsistentGroupProtocol, rig.Join(out _, JoinOf(protocols: ("sticky", []))));
        Assert.Equal(KafkaError.InconsistentGroupProtocol, rig.Join(out _, JoinOf(type: "connect")));
    }

    [Fact]
    public void The_protocol_with_most_votes_among_those_that_all_support_is_chosen()
    {
        var rig = new Rig(new GroupLimits { InitialRebalanceDelayMs = 3_000 });
        (_, int first) = rig.Enter(protocols: [("range", []), ("sticky", []), ("only-mine", [])]);
        rig.Enter(protocols: [("sticky", []), ("range", [])]);
        rig.Enter(protocols: [("sticky", []), ("range", [])]);
        rig.Pass(60_000);
        Assert.Equal("sticky", rig.Reply<JoinGroupResponse>(first).ProtocolName);
    }

    [Fact]
    public void Before_version_7_a_refusal_has_an_empty_protocol_name()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse old, JoinOf("ghost"), 6);
        Assert.Equal("", old.ProtocolName);
        rig.Join(out JoinGroupResponse recent, JoinOf("ghost"), 7);
        Assert.Null(recent.ProtocolName);
    }

    [Fact]
    public void In_version_0_the_session_timeout_is_the_rebalance_timeout()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse first, JoinOf(session: 10_000), 0);
        rig.Ask(SyncOf(first.MemberId, 1), 0);
        int second = rig.Ask(JoinOf(session: 10_000), 0);
        rig.Beat(first.MemberId, 1);
        rig.Pass(9_999);
        Assert.False(rig.IsAnswered(second));
        rig.Pass(1);
        Assert.Equal(2, rig.Reply<JoinGroupResponse>(second).GenerationId);
    }

    [Fact]
    public void A_follower_that_joins_again_unchanged_gets_the_current_generation()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse again, JoinOf(ids[1])));
        Assert.Equal(generation, again.GenerationId);
        Assert.Equal(ids[0], again.Leader);
        Assert.Empty(again.Members);
        Assert.Equal("Stable", rig.StateOf());
    }

    [Fact]
    public void A_follower_with_new_metadata_starts_a_rebalance()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2);
        int token = rig.Ask(JoinOf(ids[1], protocols: ("range", Subscription("orders", "returns"))), JoinV);
        Assert.False(rig.IsAnswered(token));
        Assert.Equal("PreparingRebalance", rig.StateOf());
    }

    [Fact]
    public void A_leader_that_joins_again_starts_a_rebalance()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2);
        int token = rig.Ask(JoinOf(ids[0]), JoinV);
        Assert.False(rig.IsAnswered(token));
        Assert.Equal("PreparingRebalance", rig.StateOf());
    }

    [Fact]
    public void A_member_that_missed_the_answer_to_its_join_gets_it_again()
    {
        var rig = new Rig();
        (string id, int token) = rig.Enter();
        int generation = rig.Reply<JoinGroupResponse>(token).GenerationId;
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse again, JoinOf(id)));
        Assert.Equal(generation, again.GenerationId);
        Assert.Single(again.Members);
        Assert.Equal("CompletingRebalance", rig.StateOf());
    }

    [Fact]
    public void A_join_that_a_newer_one_of_the_same_member_replaces_is_answered()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2);
        int older = rig.Ask(JoinOf(ids[0]), JoinV);
        int newer = rig.Ask(JoinOf(ids[0]), JoinV);
        Assert.Equal(KafkaError.RebalanceInProgress, (KafkaError)rig.Reply<JoinGroupResponse>(older).ErrorCode);
        Assert.False(rig.IsAnswered(newer));
    }

    [Fact]
    public void A_protocol_that_is_listed_twice_counts_once()
    {
        var rig = new Rig();
        rig.Join(out JoinGroupResponse first, JoinOf(protocols: [("range", []), ("range", [])]));
        JoinGroupRequest again = JoinOf(first.MemberId, protocols: [("range", []), ("range", [])]);
        Assert.Equal(KafkaError.None, rig.Join(out JoinGroupResponse joined, again));
        Assert.Equal("range", joined.ProtocolName);
    }
}
