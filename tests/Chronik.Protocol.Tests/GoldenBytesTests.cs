using Chronik.Protocol.Messages;

namespace Chronik.Protocol.Tests;

/// <summary>Bytes worked out by hand from the layout of the protocol, with every part spelled out.</summary>
public class GoldenBytesTests
{
    [Fact]
    public void A_request_header_of_version_1_has_no_tags() => Equal(
        "0012" + "0002" + "00000007" + "0003" + "6B6361",
        writer => new RequestHeader { RequestApiKey = 18, RequestApiVersion = 2, CorrelationId = 7, ClientId = "kca" }.Write(writer, 1));

    [Fact]
    public void A_request_header_of_version_2_keeps_the_old_string_and_has_tags() => Equal(
        "0012" + "0003" + "00000007" + "FFFF" + "00",
        writer => new RequestHeader { RequestApiKey = 18, RequestApiVersion = 3, CorrelationId = 7, ClientId = null }.Write(writer, 2));

    [Fact]
    public void An_old_metadata_request_for_all_topics_has_a_null_array() => Equal(
        "FFFFFFFF" + "01",
        writer => new MetadataRequest { Topics = null }.Write(writer, 4));

    [Fact]
    public void A_new_metadata_request_names_a_topic_with_a_zero_id() => Equal(
        "02" + "00000000000000000000000000000000" + "02" + "74" + "00" + "01" + "00" + "00",
        writer => new MetadataRequest { Topics = [new() { Name = "t" }] }.Write(writer, 12));

    [Fact]
    public void An_ApiVersions_response_has_header_0_compact_arrays_and_features_as_tags() => Equal(
        "00000036" + "00000009"
        + "0000" + "02" + "0003" + "0000" + "000D" + "00" + "00000000"
        + "03"
        + "00" + "14" + "02" + "0E" + "67726F75702E76657273696F6E" + "0000" + "0001" + "00"
        + "01" + "08" + "0000000000000002"
        + "03" + "01" + "01",
        writer => ResponseFrame.Write(
            writer,
            new ApiVersionsResponse
            {
                ApiKeys = [new() { ApiKey = 3, MinVersion = 0, MaxVersion = 13 }],
                SupportedFeatures = [new() { Name = "group.version", MinVersion = 0, MaxVersion = 1 }],
                FinalizedFeaturesEpoch = 2,
                ZkMigrationReady = true,
            },
            version: 3,
            correlationId: 9));

    [Fact]
    public void A_produce_request_wraps_its_records_in_a_length() => Equal(
        "FFFF" + "FFFF" + "00007530" + "00000001" + "0001" + "74" + "00000001" + "00000005" + "00000003" + "010203",
        writer => new ProduceRequest
        {
            Acks = -1,
            TimeoutMs = 30000,
            TopicData = [new() { Name = "t", PartitionData = [new() { Index = 5, Records = new MemoryRecords(new byte[] { 1, 2, 3 }) }] }],
        }.Write(writer, 3));

    [Fact]
    public void A_fetch_response_carries_the_leader_in_a_tag_only_when_it_has_one() => Equal(
        "00000000" + "0000" + "00000000" + "02" + "02" + "74" + "02"
        + "00000001" + "0006" + "0000000000000000" + "FFFFFFFFFFFFFFFF" + "FFFFFFFFFFFFFFFF" + "00" + "FFFFFFFF" + "01"
        + "01" + "01" + "09" + "00000003" + "00000004" + "00"
        + "00" + "00",
        writer => new FetchResponse
        {
            Responses =
            [
                new()
                {
                    Topic = "t",
                    Partitions =
                    [
                        new()
                        {
                            PartitionIndex = 1,
                            ErrorCode = 6,
                            Records = Records.Empty,
                            CurrentLeader = new() { LeaderId = 3, LeaderEpoch = 4 },
                            DivergingEpoch = new(),
                        },
                    ],
                },
            ],
        }.Write(writer, 12));

    [Fact]
    public void A_struct_that_may_be_null_has_a_byte_in_front()
    {
        Equal("01" + "000007D0" + "FF" + "00", writer => new DescribeTopicPartitionsRequest().Write(writer, 0));
        Equal(
            "01" + "000007D0" + "01" + "02" + "74" + "00000003" + "00" + "00",
            writer => new DescribeTopicPartitionsRequest { Cursor = new() { TopicName = "t", PartitionIndex = 3 } }.Write(writer, 0));
    }

    [Fact]
    public void A_subscription_is_not_flexible_in_any_version() => Equal(
        "00000001" + "0001" + "74" + "FFFFFFFF" + "00000000" + "FFFFFFFF" + "FFFF",
        writer => new ConsumerProtocolSubscription { Topics = ["t"] }.Write(writer, 3));

    private static void Equal(string hex, Action<KafkaWriter> write)
    {
        using var writer = new KafkaWriter();
        write(writer);
        Assert.Equal(hex, Convert.ToHexString(writer.ToArray()));
    }
}
