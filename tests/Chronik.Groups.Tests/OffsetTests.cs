using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class OffsetTests
{
    private static readonly Guid FirstTopic = new("11111111-1111-1111-1111-111111111111");
    private static readonly Guid SecondTopic = new("22222222-2222-2222-2222-222222222222");

    [Fact]
    public void An_unknown_group_has_no_offsets_which_is_no_error()
    {
        var rig = new Rig();
        var response = rig.Get<OffsetFetchResponse>(FetchOf("nobody"), 9);
        Assert.Equal(0, response.Groups.Single().ErrorCode);
        Assert.Equal(-1, response.Only().CommittedOffset);
        Assert.Equal(-1, response.Only().CommittedLeaderEpoch);
        Assert.Equal("", response.Only().Metadata);
        Assert.Equal(0, response.Only().ErrorCode);
        Assert.Equal(0, rig.Core.GroupCount);
    }

    [Fact]
    public void A_commit_is_answered_and_seen_once_the_log_has_it()
    {
        var rig = new Rig { HoldWrites = true };
        int commit = rig.Ask(CommitOf(42, metadata: "note"), 9);
        Assert.False(rig.IsAnswered(commit));
        Assert.Equal(-1, rig.Fetch());
        rig.Commit();
        Assert.Equal(KafkaError.None, rig.Reply<OffsetCommitResponse>(commit).Code());
        var read = rig.Get<OffsetFetchResponse>(FetchOf(), 9).Only();
        Assert.Equal(42, read.CommittedOffset);
        Assert.Equal("note", read.Metadata);
    }

    [Fact]
    public void Whoever_asks_for_stable_offsets_waits_for_what_is_on_its_way()
    {
        var rig = new Rig { HoldWrites = true };
        rig.Ask(CommitOf(42), 9);
        int fetch = rig.Ask(FetchOf(stable: true), 9);
        int other = rig.Ask(FetchOf("other", stable: true), 9);
        Assert.False(rig.IsAnswered(fetch));
        Assert.Equal(-1, rig.Reply<OffsetFetchResponse>(other).Only().CommittedOffset);
        rig.Commit();
        Assert.Equal(42, rig.Reply<OffsetFetchResponse>(fetch).Only().CommittedOffset);
    }

    [Fact]
    public void A_commit_that_the_log_refuses_changes_nothing()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1));
        rig.HoldWrites = true;
        int commit = rig.Ask(CommitOf(2), 9);
        int fetch = rig.Ask(FetchOf(stable: true), 9);
        rig.Fail(KafkaError.NotLeaderOrFollower);
        Assert.Equal(KafkaError.NotCoordinator, rig.Reply<OffsetCommitResponse>(commit).Code());
        Assert.Equal(1, rig.Reply<OffsetFetchResponse>(fetch).Only().CommittedOffset);
    }

    [Fact]
    public void A_group_whose_first_commit_fails_is_forgotten()
    {
        var rig = new Rig { HoldWrites = true };
        rig.Ask(CommitOf(2), 9);
        Assert.Equal(1, rig.Core.GroupCount);
        rig.Fail(KafkaError.KafkaStorageError);
        Assert.Equal(0, rig.Core.GroupCount);
    }

    [Fact]
    public void Without_generation_offsets_are_taken_for_a_group_without_members_only()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.None, rig.Commit(CommitOf(1)));
        rig.Stable(1);
        Assert.Equal(KafkaError.UnknownMemberId, rig.Commit(CommitOf(2)));
        Assert.Equal(1, rig.Fetch());
    }

    [Fact]
    public void A_member_commits_in_its_generation_only()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(1);
        Assert.Equal(KafkaError.None, rig.Commit(CommitOf(5, ids[0], generation)));
        Assert.Equal(KafkaError.IllegalGeneration, rig.Commit(CommitOf(6, ids[0], generation - 1)));
        Assert.Equal(KafkaError.UnknownMemberId, rig.Commit(CommitOf(7, "ghost", generation)));
        Assert.Equal(5, rig.Fetch());
    }

    [Fact]
    public void A_generation_of_an_unknown_group_has_its_own_error_since_version_9()
    {
        var rig = new Rig();
        Assert.Equal(KafkaError.GroupIdNotFound, rig.Commit(CommitOf(1, "m", 3), 9));
        Assert.Equal(KafkaError.IllegalGeneration, rig.Commit(CommitOf(1, "m", 3), 8));
        Assert.Equal(0, rig.Core.GroupCount);
    }

    [Fact]
    public void During_a_rebalance_the_old_generation_may_commit_but_not_while_the_assignment_is_made()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(2);
        rig.Ask(JoinOf(ids[0]), JoinV);
        Assert.Equal(KafkaError.None, rig.Commit(CommitOf(5, ids[1], generation)));
        rig.Ask(JoinOf(ids[1]), JoinV);
        Assert.Equal(KafkaError.RebalanceInProgress, rig.Commit(CommitOf(6, ids[1], generation + 1)));
    }

    [Fact]
    public void A_commit_keeps_the_session_like_a_heartbeat()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(1);
        for (int i = 0; i < 3; i++)
        {
            rig.Pass(9_999);
            Assert.Equal(KafkaError.None, rig.Commit(CommitOf(i, ids[0], generation)));
        }
    }

    [Fact]
    public void Metadata_that_is_too_long_is_refused_for_its_partition_only()
    {
        var rig = new Rig();
        OffsetCommitRequest request = CommitOf(1, metadata: new string('x', 4_097));
        request.Topics[0].Partitions.Add(new() { PartitionIndex = 1, CommittedOffset = 2, CommittedMetadata = new string('x', 4_096) });
        int token = rig.Ask(request, 9);
        Assert.Equal(
            [KafkaError.OffsetMetadataTooLarge, KafkaError.None],
            rig.Reply<OffsetCommitResponse>(token).Topics[0].Partitions.Select(partition => (KafkaError)partition.ErrorCode));
        Assert.Contains("offset.metadata.max.bytes = 4096", rig.Refusal(token));
        Assert.Equal(-1, rig.Fetch());
        Assert.Equal(2, rig.Fetch(partition: 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(7)]
    public void Before_version_8_one_group_is_asked_for(short version)
    {
        var rig = new Rig();
        rig.Commit(CommitOf(42, metadata: "note"));
        var request = new OffsetFetchRequest { GroupId = Rig.GroupName, Topics = [] };
        request.Topics.Add(new() { Name = "orders", PartitionIndexes = [0, 1] });
        var topic = rig.Get<OffsetFetchResponse>(request, version).Topics.Single();
        Assert.Equal([42L, -1L], topic.Partitions.Select(partition => partition.CommittedOffset));
        Assert.Equal("note", topic.Partitions[0].Metadata);
    }

    [Fact]
    public void No_topics_means_all_and_an_empty_list_means_none()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1));
        rig.Commit(CommitOf(2, partition: 1));
        rig.Commit(CommitOf(3, topic: "returns"));
        var one = rig.Get<OffsetFetchResponse>(new OffsetFetchRequest { GroupId = Rig.GroupName, Topics = null }, 7);
        Assert.Equal([1L, 2L, 3L], one.Topics.SelectMany(topic => topic.Partitions).Select(partition => partition.CommittedOffset).Order());
        Assert.Empty(rig.Get<OffsetFetchResponse>(new OffsetFetchRequest { GroupId = Rig.GroupName, Topics = [] }, 7).Topics);
        var many = new OffsetFetchRequest();
        many.Groups.Add(new() { GroupId = Rig.GroupName, Topics = null });
        many.Groups.Add(new() { GroupId = "nobody", Topics = null });
        var response = rig.Get<OffsetFetchResponse>(many, 9);
        Assert.Equal(2, response.Groups[0].Topics.Count);
        Assert.Empty(response.Groups[1].Topics);
    }

    [Fact]
    public void A_request_for_several_groups_is_answered_for_each()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1, group: "a"));
        rig.Commit(CommitOf(2, group: "b"));
        OffsetFetchRequest request = FetchOf("a");
        request.Groups.AddRange(FetchOf("b").Groups);
        var response = rig.Get<OffsetFetchResponse>(request, 8);
        Assert.Equal([1L, 2L], response.Groups.Select(group => group.Topics[0].Partitions[0].CommittedOffset));
    }

    [Fact]
    public void Version_10_carries_topic_ids_and_does_not_confuse_topics_of_one_name()
    {
        var rig = new Rig();
        var committed = rig.Get<OffsetCommitResponse>(CommitOf(42, topicId: FirstTopic), 10);
        Assert.Equal(FirstTopic, committed.Topics.Single().TopicId);
        var same = rig.Get<OffsetFetchResponse>(FetchOf(topicId: FirstTopic), 10);
        Assert.Equal(FirstTopic, same.Groups[0].Topics[0].TopicId);
        Assert.Equal(42, same.Only().CommittedOffset);
        Assert.Equal(-1, rig.Get<OffsetFetchResponse>(FetchOf(topicId: SecondTopic), 10).Only().CommittedOffset);
        Assert.Equal(42, rig.Fetch());
    }

    [Fact]
    public void A_deleted_topic_takes_its_offsets_along()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1, topicId: FirstTopic));
        rig.Commit(CommitOf(2, partition: 1));
        rig.Commit(CommitOf(3, partition: 2, topicId: SecondTopic));
        rig.Commit(CommitOf(4, topic: "returns"));
        rig.HoldWrites = true;
        rig.Ask(CommitOf(5, partition: 3), 9);
        rig.Step(GroupInput.TopicDeleted("orders", new TopicId(FirstTopic), rig.Now));
        rig.Commit();
        rig.Restart();
        Assert.Equal([-1L, -1L, 3L, -1L], Enumerable.Range(0, 4).Select(partition => rig.Fetch(partition: partition)));
        Assert.Equal(4, rig.Fetch(topic: "returns"));
        Assert.Equal(2, rig.Core.OffsetCount);
    }

    [Fact]
    public void Offsets_are_deleted_where_nobody_reads()
    {
        var rig = new Rig();
        (string[] ids, int generation) = rig.Stable(1);
        rig.Commit(CommitOf(1, ids[0], generation));
        rig.Commit(CommitOf(2, ids[0], generation, topic: "returns"));
        var request = new OffsetDeleteRequest { GroupId = Rig.GroupName };
        request.Topics.Add(new() { Name = "orders", Partitions = [new() { PartitionIndex = 0 }] });
        request.Topics.Add(new() { Name = "returns", Partitions = [new() { PartitionIndex = 0 }, new() { PartitionIndex = 9 }] });
        var response = rig.Get<OffsetDeleteResponse>(request, 0);
        Assert.Equal(0, response.ErrorCode);
        Assert.Equal(KafkaError.GroupSubscribedToTopic, (KafkaError)response.Topics[0].Partitions[0].ErrorCode);
        Assert.Equal(0, response.Topics[1].Partitions[0].ErrorCode);
        Assert.Equal(0, response.Topics[1].Partitions[1].ErrorCode);
        Assert.Equal(1, rig.Fetch());
        Assert.Equal(-1, rig.Fetch(topic: "returns"));
        rig.Restart();
        Assert.Equal(-1, rig.Fetch(topic: "returns"));
    }

    [Fact]
    public void Offsets_of_a_group_of_another_kind_are_deleted_only_when_it_is_empty()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1));
        rig.Join(out JoinGroupResponse joined, JoinOf(type: "connect"), 3);
        var request = new OffsetDeleteRequest { GroupId = Rig.GroupName };
        request.Topics.Add(new() { Name = "orders", Partitions = [new() { PartitionIndex = 0 }] });
        Assert.Equal(KafkaError.NonEmptyGroup, (KafkaError)rig.Get<OffsetDeleteResponse>(request, 0).ErrorCode);
        rig.Get<LeaveGroupResponse>(LeaveOf((joined.MemberId, null)), 5);
        Assert.Equal(KafkaError.None, (KafkaError)rig.Get<OffsetDeleteResponse>(request, 0).ErrorCode);
        request.GroupId = "nobody";
        Assert.Equal(KafkaError.GroupIdNotFound, (KafkaError)rig.Get<OffsetDeleteResponse>(request, 0).ErrorCode);
        request.GroupId = "";
        Assert.Equal(KafkaError.InvalidGroupId, (KafkaError)rig.Get<OffsetDeleteResponse>(request, 0).ErrorCode);
    }
}
