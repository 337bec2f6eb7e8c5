using Chronik.Protocol.Messages;

namespace Chronik.Protocol.Tests;

public class WriterTests
{
    [Fact]
    public void Records_stay_out_of_the_block_and_in_their_place()
    {
        var first = new CountedRecords(5);
        var second = new CountedRecords(3);
        using (var writer = new KafkaWriter())
        {
            ResponseFrame.Write(writer, Fetch(first, null, second), 11, correlationId: 9);

            Assert.Equal([null, first, null, second], writer.Chunks.Select(chunk => chunk.Records));
            Assert.Equal(writer.Length, writer.Chunks.Sum(chunk => chunk.Length));
            Assert.Equal(0, first.Copies);
            byte[] frame = writer.ToArray();
            Assert.Equal(frame.Length, writer.Length);
            Assert.Equal(frame.Length - 4, System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(frame));
            var reader = new KafkaReader(frame.AsMemory(8));
            var read = (FetchResponse)RequestDecoder.DecodeResponse(ApiKey.Fetch, 11, ref reader);
            Assert.Equal([5, -1, 3], read.Responses[0].Partitions.Select(partition => partition.Records?.Length ?? -1));
        }

        Assert.True(first.Disposed && second.Disposed);
    }

    [Fact]
    public void A_cleared_writer_starts_anew_and_has_disposed_its_records()
    {
        var records = new CountedRecords(5);
        using var writer = new KafkaWriter();
        ResponseFrame.Write(writer, Fetch(records), 4, 1);
        writer.Clear();
        Assert.True(records.Disposed);
        Assert.Equal(0, writer.Length);
        Assert.Empty(writer.Chunks);
        writer.WriteInt16(7);
        Assert.Equal([0, 7], writer.ToArray());
    }

    [Fact]
    public void A_writer_grows_as_far_as_it_must()
    {
        using var writer = new KafkaWriter();
        for (int i = 0; i < 100_000; i++) writer.WriteInt32(i);
        byte[] bytes = writer.ToArray();
        var reader = new KafkaReader(bytes);
        for (int i = 0; i < 100_000; i++) Assert.Equal(i, reader.ReadInt32());
    }

    [Fact]
    public void A_long_tagged_field_gets_a_long_length_in_front()
    {
        using var writer = new KafkaWriter();
        int start = writer.BeginTag(1);
        writer.WriteRaw(new byte[200]);
        writer.EndTag(start);
        writer.WriteInt8(7);
        byte[] bytes = writer.ToArray();
        Assert.Equal([1, 0xC8, 0x01, 0], bytes[..4]);
        Assert.Equal(204, bytes.Length);
        Assert.Equal(7, bytes[^1]);
    }

    [Fact]
    public void Null_is_refused_where_the_version_does_not_allow_it()
    {
        using var writer = new KafkaWriter();
        ProtocolException e = Assert.Throws<ProtocolException>(() => new MetadataRequest { Topics = null }.Write(writer, 0));
        Assert.Contains("MetadataRequest.Topics", e.Message);
    }

    [Fact]
    public void A_string_too_long_for_its_length_is_refused()
    {
        using var writer = new KafkaWriter();
        writer.WriteString(new string('x', short.MaxValue), flexible: false);
        Assert.Throws<ProtocolException>(() => writer.WriteString(new string('x', short.MaxValue + 1), flexible: false));
    }

    [Fact]
    public void Writing_without_new_lists_allocates_nothing_but_growth()
    {
        using var writer = new KafkaWriter();
        FetchResponse response = Fetch();
        for (int i = 0; i < 100; i++) Once();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) Once();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Once()
        {
            writer.Clear();
            response.Write(writer, 11);
        }
    }

    private static FetchResponse Fetch(params Records?[] records) => new()
    {
        Responses = [new() { Topic = "t", Partitions = [.. records.Select(one => new FetchResponse.PartitionData { Records = one })] }],
    };

    private sealed class CountedRecords(int length) : Records
    {
        public int Copies { get; private set; }

        public bool Disposed { get; private set; }

        public override int Length => length;

        public override void CopyTo(Span<byte> destination)
        {
            Copies++;
            destination[..length].Fill(1);
        }

        protected override void Dispose(bool disposing) => Disposed = true;
    }
}
