using Chronik.Protocol.Messages;
using Xunit;
using static Chronik.Groups.Tests.Requests;

namespace Chronik.Groups.Tests;

/// <summary>The bytes in the log are those that Kafka 4.3 writes; the expected ones come from its own classes.</summary>
public class RecordTests
{
    [Fact]
    public void An_offset_is_written_at_version_4_with_its_topic_id()
    {
        var rig = new Rig();
        var topicId = new Guid("01020304-0506-0708-090a-0b0c0d0e0f10");
        OffsetCommitRequest request = CommitOf(42, partition: 3, metadata: "note", topicId: topicId);
        request.Topics[0].Partitions[0].CommittedLeaderEpoch = 7;
        rig.Commit(request, 10);
        GroupRecord record = rig.Log.Single();
        Assert.Equal("000100016700066f726465727300000003", Hex(record.Key));
        Assert.Equal("0004000000000000002a00000007056e6f746500000000000f42400100100102030405060708090a0b0c0d0e0f10", Hex(record.Value!));
    }

    [Fact]
    public void An_offset_with_a_retention_is_written_at_version_1()
    {
        var rig = new Rig();
        OffsetCommitRequest request = CommitOf(42, metadata: "note");
        request.RetentionTimeMs = 5_000;
        rig.Commit(request, 4);
        Assert.Equal("0001000000000000002a00046e6f746500000000000f424000000000000f55c8", Hex(rig.Log.Single().Value!));
    }

    [Fact]
    public void Group_metadata_is_written_at_version_3()
    {
        var rig = new Rig();
        (string id, _) = rig.Enter(protocols: ("range", [1, 2]));
        rig.Ask(SyncOf(id, 1, (id, [3, 4, 5])), SyncV);
        GroupRecord record = rig.Log.Single();
        Assert.Equal("0002000167", Hex(record.Key));
        string member = "0026" + Hex(System.Text.Encoding.UTF8.GetBytes(id));
        Assert.Equal(
            "00030008636f6e73756d657200000001000572616e6765" + member + "00000000000f424000000001" + member
            + "ffff000163000a2f3132372e302e302e310000ea600000271000000002010200000003030405",
            Hex(record.Value!));
    }

    [Fact]
    public void Removal_is_a_record_without_a_value()
    {
        var rig = new Rig();
        rig.Commit(CommitOf(1));
        rig.Get<DeleteGroupsResponse>(new DeleteGroupsRequest { GroupsNames = [Rig.GroupName] }, 2);
        Assert.Equal(3, rig.Log.Count);
        Assert.Equal(("000100016700066f726465727300000000", null), (Hex(rig.Log[1].Key), rig.Log[1].Value));
        Assert.Equal(("0002000167", null), (Hex(rig.Log[2].Key), rig.Log[2].Value));
    }

    [Theory]
    [InlineData("my-group", 12)]
    [InlineData("g", 3)]
    [InlineData("console-consumer-12345", 6)]
    [InlineData("polygenelubricants", 0)]
    [InlineData("", 0)]
    public void A_group_lives_in_the_partition_that_Kafka_chooses(string group, int partition) =>
        Assert.Equal(partition, GroupCoordinator.PartitionFor(group, 50));

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
