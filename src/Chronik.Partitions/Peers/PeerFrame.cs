using Akka.Actor;
using Akka.Serialization;

namespace Chronik.Partitions.Peers;

/// <summary>Which of the two ways to a peer a frame takes. Each keeps its order; there is none between them.</summary>
internal enum PeerLane : byte
{
    /// <summary>Votes, heartbeats, replies, pings: never behind data.</summary>
    Control = 0,

    /// <summary>Entries and chunks of snapshots.</summary>
    Bulk = 1,
}

/// <summary>Messages of many groups from one node to another, encoded. See <see cref="FrameFormat"/>.</summary>
/// <param name="Bytes">The bytes, of which nobody changes any.</param>
internal sealed record PeerFrame(byte[] Bytes);

/// <summary>Hands the bytes of frames to the transport as they are: what is in them is looked at by who receives them.</summary>
internal sealed class PeerFrameSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string FrameManifest = "raft-1";

    /// <summary>Names this serializer on the wire; never changes.</summary>
    public override int Identifier => 9_203;

    public override string Manifest(object o) =>
        o is PeerFrame ? FrameManifest : throw new ArgumentException($"{o.GetType()} is not a frame", nameof(o));

    public override byte[] ToBinary(object obj) => ((PeerFrame)obj).Bytes;

    public override object FromBinary(byte[] bytes, string manifest) => manifest == FrameManifest
        ? new PeerFrame(bytes)
        : throw new ArgumentException($"this version does not know frames of the kind '{manifest}', but {FrameManifest}", nameof(manifest));
}
