using Chronik.Model;
using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

public class AdminTests
{
    [Fact]
    public void Groups_are_listed_by_state_and_type_whatever_the_case()
    {
        var rig = new Rig();
        rig.Stable(1);
        rig.Commit(CommitOf(1, group: "offsets-only"));
        Assert.Equal([("g", "consumer", "Stable", "Classic"), ("offsets-only", "", "Empty", "Classic")], List(new ListGroupsRequest()));
        Assert.Equal(["g"], List(new ListGroupsRequest { StatesFilter = ["stable", "Dead"] }).Select(group => group.Item1));
        Assert.Equal(2, List(new ListGroupsRequest { TypesFilter = ["CLASSIC"] }).Count);
        Assert.Empty(List(new ListGroupsRequest { TypesFilter = ["consumer"] }));

        List<(string, string, string, string)> List(ListGroupsRequest request) =>
            rig.Get<ListGroupsResponse>(request, 5).Groups
                .Select(group => (group.GroupId, group.ProtocolType, group.GroupState, group.GroupType)).Order().ToList();
    }

    [Fact]
    public void A_stable_group_is_described_with_metadata_and_assignments()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2);
        DescribeGroupsResponse.DescribedGroup group = rig.Describe();
        Assert.Equal(("g", "Stable", "consumer", "range"), (group.GroupId, group.GroupState, group.ProtocolType, group.ProtocolData));
        Assert.Equal(ids, group.Members.Select(member => member.MemberId));
        Assert.Equal(("c", "/127.0.0.1"), (group.Members[0].ClientId, group.Members[0].ClientHost));
        Assert.Equal(Subscription("orders"), group.Members[0].MemberMetadata.ToArray());
        Assert.Equal([1], group.Members[1].MemberAssignment.ToArray());
    }

    [Fact]
    public void During_a_rebalance_members_are_described_without_metadata()
    {
        var rig = new Rig();
        (string[] ids, _) = rig.Stable(2);
        rig.Ask(JoinOf(ids[0]), JoinV);
        DescribeGroupsResponse.DescribedGroup group = rig.Describe();
        Assert.Equal("", group.ProtocolData);
        Assert.All(group.Members, member => Assert.True(member.MemberMetadata.IsEmpty && member.MemberAssignment.IsEmpty));
    }

    [Fact]
    public void An_unknown_group_is_described_as_dead_and_since_version_6_as_not_found()
    {
        var rig = new Rig();
        DescribeGroupsResponse.DescribedGroup old = rig.Describe("nobody");
        Assert.Equal((0, "Dead"), (old.ErrorCode, old.GroupState));
        DescribeGroupsResponse.DescribedGroup recent = rig.Describe("nobody", 6);
        Assert.Equal((KafkaError.GroupIdNotFound, "Dead"), ((KafkaError)recent.ErrorCode, recent.GroupState));
        Assert.Equal("Group nobody not found.", recent.ErrorMessage);
    }

    [Fact]
    public void Only_empty_groups_are_deleted_and_their_offsets_with_them()
    {
        var rig = new Rig();
        rig.Stable(1);
        rig.Commit(CommitOf(1, group: "empty"));
        var request = new DeleteGroupsRequest { GroupsNames = [Rig.GroupName, "empty", "nobody"] };
        Assert.Equal(
            [KafkaError.NonEmptyGroup, KafkaError.None, KafkaError.GroupIdNotFound],
            rig.Get<DeleteGroupsResponse>(request, 2).Results.Select(result => (KafkaError)result.ErrorCode));
        Assert.Equal(-1, rig.Fetch("empty"));
        rig.Restart();
        Assert.Equal(1, rig.Core.GroupCount);
        Assert.Equal(0, rig.Core.OffsetCount);
    }

    [Fact]
    public void While_its_deletion_is_on_its_way_a_group_tells_everybody_to_try_again()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1));
        rig.HoldWrites = true;
        int deletion = rig.Ask(new DeleteGroupsRequest { GroupsNames = [Rig.GroupName] }, 2);
        Assert.False(rig.IsAnswered(deletion));
        Assert.Equal(KafkaError.CoordinatorNotAvailable, rig.Join(out _, JoinOf()));
        Assert.Equal(KafkaError.CoordinatorNotAvailable, rig.Commit(CommitOf(2)));
        Assert.Equal(KafkaError.CoordinatorNotAvailable, rig.Beat("m", 1));
        Assert.Equal(-1, rig.Fetch());
        rig.Commit();
        Assert.Equal(KafkaError.None, (KafkaError)rig.Reply<DeleteGroupsResponse>(deletion).Results.Single().ErrorCode);
        Assert.Equal(KafkaError.MemberIdRequired, rig.Join(out _, JoinOf()));
    }

    [Fact]
    public void A_group_whose_deletion_fails_is_as_it_was()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1));
        rig.HoldWrites = true;
        int deletion = rig.Ask(new DeleteGroupsRequest { GroupsNames = [Rig.GroupName] }, 2);
        rig.Fail(KafkaError.NotEnoughReplicas);
        Assert.Equal(KafkaError.CoordinatorNotAvailable, (KafkaError)rig.Reply<DeleteGroupsResponse>(deletion).Results.Single().ErrorCode);
        Assert.Equal(1, rig.Fetch());
        Assert.Equal("Empty", rig.StateOf());
    }

    [Fact]
    public void A_deletion_takes_along_offsets_that_were_on_their_way()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1));
        rig.HoldWrites = true;
        rig.Ask(CommitOf(2, partition: 1), 9);
        rig.Ask(new DeleteGroupsRequest { GroupsNames = [Rig.GroupName] }, 2);
        rig.Commit();
        Assert.Equal(0, rig.Core.GroupCount);
        Assert.Equal(0, rig.Core.OffsetCount);
        rig.Restart();
        Assert.Equal(0, rig.Core.GroupCount);
        Assert.Equal(0, rig.Core.OffsetCount);
    }

    [Fact]
    public void A_group_with_very_many_offsets_is_deleted_in_writes_of_bounded_size()
    {
        var rig = new Rig();
        OffsetCommitRequest request = CommitOf(1);
        for (int i = 1; i < 20_000; i++) request.Topics[0].Partitions.Add(new() { PartitionIndex = i, CommittedOffset = i });
        rig.Commit(request);
        Assert.Equal(20_000, rig.Core.OffsetCount);
        rig.HoldWrites = true;
        int deletion = rig.Ask(new DeleteGroupsRequest { GroupsNames = [Rig.GroupName] }, 2);
        Assert.True(rig.Held.Count > 1);
        Assert.All(rig.Held, write => Assert.InRange(write.Records.Sum(record => record.Length), 1, 300_000));
        rig.Commit();
        Assert.True(rig.IsAnswered(deletion));
        Assert.Equal(0, rig.Core.OffsetCount);
        rig.Restart();
        Assert.Equal(0, rig.Core.GroupCount);
    }
}
