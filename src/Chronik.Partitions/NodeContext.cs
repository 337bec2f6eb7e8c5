using Chronik.Model;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Replicas;
using Chronik.Storage;

namespace Chronik.Partitions;

/// <summary>What the actors of one node share.</summary>
/// <param name="Self">This node.</param>
/// <param name="Storage">Its WAL and its logs.</param>
/// <param name="Buffers">Where its buffers come from.</param>
/// <param name="Time">Its clock.</param>
/// <param name="Ticker">Its ticker.</param>
/// <param name="Limits">Its limits.</param>
/// <param name="Meters">What its partitions measure.</param>
/// <param name="Peers">Its ways to other nodes.</param>
internal sealed record NodeContext(
    NodeId Self, NodeStorage Storage, BufferPool Buffers, TimeProvider Time, Ticker Ticker, PartitionLimits Limits, PartitionMeters Meters,
    PeerHub Peers)
{
    /// <summary>
    /// Whether the node forms a cluster of its own: /partitions then begins the metadata group with this node as its only voter.
    /// Otherwise it waits to be told to.
    /// </summary>
    public bool StandsAlone { get; init; } = true;

    /// <summary>
    /// The level that the cluster is at, as far as this node has heard: what is written to disk and to the metadata is of this level. It
    /// never sinks. What is said to another node is of <see cref="PeerHub.LevelWith"/> it instead.
    /// </summary>
    public int Level => Storage.Identity.Level;

    /// <summary>The snapshots that it sends and receives.</summary>
    public SnapshotTransfers Snapshots { get; init; } = new(Storage.Meters, Limits, Time);

    /// <summary>The metadata as far as this node has applied them.</summary>
    public PublishedMetadata Metadata { get; init; } = new();

    /// <summary>Milliseconds since 1970.</summary>
    public long NowMs => Time.GetUtcNow().ToUnixTimeMilliseconds();
}
