using Chronik.Model;

namespace Chronik.Partitions.Peers;

/// <summary>What a frame may hold besides messages of Raft groups.</summary>
internal interface IPeerRecord
{
    /// <summary>Which kind it is.</summary>
    FrameRecord Kind { get; }

    /// <summary>How many bytes it takes, without its header.</summary>
    int Bytes { get; }

    /// <summary>A part of it that lies in a buffer, which is held while it waits.</summary>
    BufferSlice Payload => BufferSlice.Empty;

    /// <summary>Whether it lets everything else pass on its lane, and is not sent at all when there is much of that.</summary>
    bool YieldsToOthers => false;

    /// <summary>Writes exactly so many.</summary>
    void Write(ref FrameWriter writer);
}

/// <summary>A sign of life, and what each side knows of the other.</summary>
/// <param name="SentAt">When it was sent, by the sender's clock, which means nothing to anybody else.</param>
/// <param name="Echo">The <paramref name="SentAt"/> of the receiver's latest ping that has come; 0: none has.</param>
/// <param name="Heard">Up to which change the sender has heard what the receiver leads.</param>
/// <param name="Followed">The first record of the metadata that the sender has not followed (<see cref="PeerHub.Followed"/>).</param>
internal sealed record Ping(long SentAt, long Echo, long Heard, KafkaOffset Followed) : IPeerRecord
{
    /// <summary>Where a node is that does not say how far it follows the metadata: its version is from before nodes said so.</summary>
    private static readonly KafkaOffset Unsaid = new(long.MaxValue);

    public FrameRecord Kind => FrameRecord.Ping;

    public int Bytes => 4 * sizeof(long);

    public void Write(ref FrameWriter writer)
    {
        writer.Long(SentAt);
        writer.Long(Echo);
        writer.Long(Heard);
        writer.Long(Followed.Value);
    }

    /// <summary>Reads one; null when it is damaged.</summary>
    public static Ping? Read(ref FrameReader reader)
    {
        Ping ping = new(reader.Long(), reader.Long(), reader.Long(), Unsaid);
        if (reader.Left > 0) ping = ping with { Followed = new KafkaOffset(reader.Long()) };
        return reader.Failed ? null : ping;
    }
}
