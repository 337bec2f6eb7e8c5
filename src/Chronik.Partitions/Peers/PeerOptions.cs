using Chronik.Model;

namespace Chronik.Partitions.Peers;

/// <summary>The limits of the links between nodes.</summary>
internal sealed record PeerOptions
{
    /// <summary>How often a node that has nothing to say says so.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// How long a peer may be silent before its groups are told that it is lost. Key: chronik.raft.election-timeout, doubled.
    /// </summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Bytes of entries and chunks that may be on their way to one peer; beyond it they are dropped, and Raft asks again.
    /// </summary>
    public long WindowBytes { get; init; } = 16 << 20;

    /// <summary>What makes the node's meters.</summary>
    public NodeMeters Meters { get; init; } = new();

    /// <summary>The newest level that this node speaks.</summary>
    public int NewestLevel { get; init; } = FeatureLevel.Newest;

    /// <summary>Bytes of a frame, unless one message alone is larger.</summary>
    public int FrameBytes { get; init; } = 64 << 10;
}
