using System.Buffers.Binary;
using Chronik.Protocol.Messages;

namespace Chronik.Protocol.Tests;

public class ReaderTests
{
    private delegate void Reading(ref KafkaReader reader);

    public static TheoryData<byte[]> BadVarints =>
        [[0x80], [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0xFF, 0x10], [0x80, 0x80, 0x80, 0x80, 0x80, 0]];

    [Theory]
    [InlineData(0u, "00")]
    [InlineData(127u, "7F")]
    [InlineData(128u, "8001")]
    [InlineData(16383u, "FF7F")]
    [InlineData(16384u, "808001")]
    [InlineData(300u, "AC02")]
    [InlineData(2097151u, "FFFF7F")]
    [InlineData(2097152u, "80808001")]
    [InlineData(268435455u, "FFFFFF7F")]
    [InlineData(268435456u, "8080808001")]
    [InlineData(uint.MaxValue, "FFFFFFFF0F")]
    public void Varints_are_as_short_as_can_be(uint value, string hex)
    {
        using var writer = new KafkaWriter();
        writer.WriteUnsignedVarint(value);
        Assert.Equal(hex, Convert.ToHexString(writer.ToArray()));
        var reader = new KafkaReader(writer.ToArray());
        Assert.Equal(value, reader.ReadUnsignedVarint());
    }

    [Theory]
    [MemberData(nameof(BadVarints))]
    public void A_varint_that_is_cut_or_too_long_is_refused(byte[] bytes) =>
        Refused(bytes, (ref KafkaReader reader) => reader.ReadUnsignedVarint());

    [Theory]
    [InlineData(-2)]
    [InlineData(short.MinValue)]
    [InlineData(5)]
    [InlineData(short.MaxValue)]
    public void A_string_with_a_lying_length_is_refused(short length)
    {
        byte[] bytes = new byte[6];
        BinaryPrimitives.WriteInt16BigEndian(bytes, length);
        Refused(bytes, (ref KafkaReader reader) => reader.ReadNullableString(false, "Name"));
    }

    [Theory]
    [InlineData(-2)]
    [InlineData(int.MinValue)]
    [InlineData(5)]
    [InlineData(int.MaxValue)]
    public void Bytes_and_arrays_with_a_lying_length_are_refused(int length)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt32BigEndian(bytes, length);
        Refused(bytes, (ref KafkaReader reader) => reader.ReadNullableBytes(false, "Data"));
        Refused(bytes, (ref KafkaReader reader) => reader.ReadArrayLength(false, 1, "List", nullable: true));
    }

    [Fact]
    public void A_compact_length_over_2_GB_is_refused()
    {
        byte[] bytes = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0];
        Refused(bytes, (ref KafkaReader reader) => reader.ReadNullableString(true, "Name"));
        Refused(bytes, (ref KafkaReader reader) => reader.ReadNullableBytes(true, "Data"));
        Refused(bytes, (ref KafkaReader reader) => reader.ReadArrayLength(true, 1, "List", nullable: true));
    }

    [Fact]
    public void Null_is_refused_where_it_is_not_allowed()
    {
        ProtocolException e = Refused([0xFF, 0xFF], (ref KafkaReader reader) => reader.ReadString(false, "Name"));
        Assert.Contains("Name", e.Message);
        Refused([0], (ref KafkaReader reader) => reader.ReadString(true, "Name"));
        Refused([0xFF, 0xFF, 0xFF, 0xFF], (ref KafkaReader reader) => reader.ReadBytes(false, "Data"));
        Refused([0], (ref KafkaReader reader) => reader.ReadArrayLength(true, 1, "List", nullable: false));
        Refused([0xFF, 0xFF, 0xFF, 0xFF], (ref KafkaReader reader) => reader.ReadArrayLength(false, 1, "List", nullable: false));
    }

    [Fact]
    public void A_string_that_is_not_utf8_is_refused() =>
        Refused([0, 2, 0xC3, 0x28], (ref KafkaReader reader) => reader.ReadString(false, "Name"));

    [Fact]
    public void Unknown_tagged_fields_are_skipped()
    {
        // ApiVersions request 3: name, version, then tags 5 (3 bytes) and 300 (none).
        byte[] bytes = [2, (byte)'n', 2, (byte)'v', 2, 5, 3, 1, 2, 3, 0xAC, 0x02, 0];
        var reader = new KafkaReader(bytes);
        ApiVersionsRequest request = ApiVersionsRequest.Read(ref reader, 3);
        reader.RequireEnd();
        Assert.Equal(("n", "v"), (request.ClientSoftwareName, request.ClientSoftwareVersion));
    }

    [Theory]
    [InlineData(new byte[] { 1, 1, 1, 5, 4, 0 })]
    [InlineData(new byte[] { 1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F })]
    [InlineData(new byte[] { 1, 1, 2, 0, 3, 1, 2 })]
    public void A_lying_tag_section_is_refused(byte[] bytes) =>
        Refused(bytes, (ref KafkaReader reader) => ApiVersionsRequest.Read(ref reader, 3));

    [Fact]
    public void A_known_tagged_field_that_is_not_as_long_as_it_says_is_refused()
    {
        // Fetch request 12 with everything empty and ClusterId (tag 0) claiming 3 bytes for a string of 1.
        using var writer = new KafkaWriter();
        new FetchRequest().Write(writer, 12);
        byte[] bytes = [.. writer.ToArray()[..^1], 1, 0, 3, 2, (byte)'c', 0];
        ProtocolException e = Refused(bytes, (ref KafkaReader reader) => FetchRequest.Read(ref reader, 12));
        Assert.Contains("tagged field 0", e.Message);
    }

    [Fact]
    public void A_frame_may_have_only_so_many_elements()
    {
        using var writer = new KafkaWriter();
        new MetadataRequest { Topics = [.. Enumerable.Range(0, 100).Select(i => new MetadataRequest.MetadataRequestTopic { Name = "" })] }
            .Write(writer, 9);
        var enough = new KafkaReader(writer.ToArray(), maxElements: 100);
        Assert.Equal(100, MetadataRequest.Read(ref enough, 9).Topics?.Count);
        Assert.Throws<ProtocolException>(() =>
        {
            var tooFew = new KafkaReader(writer.ToArray(), maxElements: 99);
            MetadataRequest.Read(ref tooFew, 9);
        });
    }

    [Fact]
    public void Records_and_bytes_are_slices_of_the_frame()
    {
        using var writer = new KafkaWriter();
        var request = new ProduceRequest
        {
            TopicData = [new() { Name = "t", PartitionData = [new() { Records = new MemoryRecords(new byte[] { 1, 2, 3 }) }] }],
        };
        request.Write(writer, 9);
        byte[] frame = writer.ToArray();
        var reader = new KafkaReader(frame);
        var records = (MemoryRecords)ProduceRequest.Read(ref reader, 9).TopicData[0].PartitionData[0].Records!;
        Assert.True(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(records.Memory, out ArraySegment<byte> segment));
        Assert.Same(frame, segment.Array);
        Assert.Equal(new byte[] { 1, 2, 3 }, segment.ToArray());
    }

    private static ProtocolException Refused(byte[] bytes, Reading read) => Assert.Throws<ProtocolException>(() =>
    {
        var reader = new KafkaReader(bytes);
        read(ref reader);
    });
}
