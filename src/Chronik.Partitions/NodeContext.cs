using Chronik.Model;
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
internal sealed record NodeContext(
    NodeId Self, NodeStorage Storage, BufferPool Buffers, TimeProvider Time, Ticker Ticker, PartitionLimits Limits, PartitionMeters Meters)
{
    /// <summary>Milliseconds since 1970.</summary>
    public long NowMs => Time.GetUtcNow().ToUnixTimeMilliseconds();
}
