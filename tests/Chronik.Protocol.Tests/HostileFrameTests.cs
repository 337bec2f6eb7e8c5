using System.Buffers.Binary;
using Chronik.Protocol.Messages;

namespace Chronik.Protocol.Tests;

/// <summary>What a frame may cost: never more than a small multiple of its own size, whatever its lengths say.</summary>
public class HostileFrameTests
{
    /// <summary>The smallest struct takes two bytes on the wire and becomes an object with a few fields, and a place in a list.</summary>
    private const int Multiple = 128;

    /// <summary>The message itself, and the exception with its text and stack trace.</summary>
    private const int Fixed = 24 * 1024;

    [Fact]
    public void Every_byte_of_a_request_replaced_by_a_huge_length_costs_no_memory()
    {
        foreach (ApiInfo api in ApiCatalog.All)
        {
            MessageType type = MessageType.Named(api.Name + "Request");
            for (short version = type.MinVersion; version <= type.MaxVersion; version++)
            {
                (_, byte[] bytes) = RandomMessage.Make(type, version, seed: 2);
                for (int at = 0; at < bytes.Length; at++) Decode(api, version, Overwritten(bytes, at));
            }
        }
    }

    [Fact]
    public void A_frame_full_of_the_smallest_elements_costs_a_small_multiple()
    {
        // Metadata 9: an array of topics with empty names: two bytes each.
        const int Topics = 400_000;
        using var writer = new KafkaWriter();
        writer.WriteUnsignedVarint(Topics + 1);
        for (int i = 0; i < Topics; i++) writer.WriteInt16(0x0100);
        writer.WriteInt32(0);
        ApiInfo api = ApiCatalog.Get(ApiKey.Metadata);
        Decode(api, 9, writer.ToArray());
    }

    [Fact]
    public void An_array_that_claims_more_than_the_frame_has_room_for_is_refused_before_it_is_made()
    {
        byte[] frame = new byte[1_000_000];
        BinaryPrimitives.WriteInt32BigEndian(frame, 600_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<ProtocolException>(() =>
        {
            var reader = new KafkaReader(frame);
            MetadataRequest.Read(ref reader, 1);
        });
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, Fixed);
    }

    internal static void Decode(ApiInfo api, short version, byte[] frame)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var reader = new KafkaReader(frame);
            RequestDecoder.Decode(api.Key, version, ref reader);
        }
        catch (ProtocolException)
        {
            // The usual end.
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        long allowed = Fixed + (long)Multiple * frame.Length;
        Assert.True(allocated <= allowed, $"{api.Name} {version}: {allocated} bytes for a frame of {frame.Length}");
    }

    private static byte[] Overwritten(byte[] bytes, int at)
    {
        byte[] copy = (byte[])bytes.Clone();
        ReadOnlySpan<byte> huge = (at % 3) switch { 0 => [0x7F, 0xFF, 0xFF, 0xFF], 1 => [0xFF, 0xFF, 0xFF, 0xFF, 0x07], _ => [0x7F, 0xFF] };
        huge[..Math.Min(huge.Length, copy.Length - at)].CopyTo(copy.AsSpan(at));
        return copy;
    }
}
