using System.Diagnostics.Metrics;
using Chronik.Model;

namespace Chronik.Partitions.Peers;

/// <summary>What the links to other nodes measure together, under the meter "Chronik.Peers".</summary>
internal sealed class PeerMeters : IDisposable
{
    private static readonly KeyValuePair<string, object?> Control = new("lane", "control");
    private static readonly KeyValuePair<string, object?> Bulk = new("lane", "bulk");

    private readonly Meter _meter;
    private readonly Counter<long> _frames;
    private readonly Counter<long> _bytes;
    private readonly Counter<long> _lost;
    private long _refusedCount;
    private long _droppedCount;

    public PeerMeters(NodeMeters node, Func<int> alive)
    {
        _meter = node.Create("Chronik.Peers");
        _frames = _meter.CreateCounter<long>("chronik.peer.sent.frames", "{frame}", "Frames sent to other nodes, by lane.");
        _bytes = _meter.CreateCounter<long>("chronik.peer.sent.bytes", "By", "Bytes of frames sent to other nodes, by lane.");
        _meter.CreateObservableCounter(
            "chronik.peer.dropped.messages", () => DroppedMessages, "{message}",
            "Messages that were not sent: the peer was silent, or its window full.");
        _meter.CreateObservableCounter(
            "chronik.peer.refused.frames", () => RefusedFrames, "{frame}",
            "Frames that were damaged, or came from another cluster or incarnation.");
        _lost = _meter.CreateCounter<long>("chronik.peer.losses", "{loss}", "How often a peer was lost.");
        _meter.CreateObservableGauge("chronik.peer.alive", alive, "{node}", "Peers that are heard of.");
    }

    public long RefusedFrames => Volatile.Read(ref _refusedCount);

    public long DroppedMessages => Volatile.Read(ref _droppedCount);

    public void Dispose() => _meter.Dispose();

    public void Sent(PeerLane lane, int bytes)
    {
        if (!_bytes.Enabled) return;
        _frames.Add(1, lane == PeerLane.Bulk ? Bulk : Control);
        _bytes.Add(bytes, lane == PeerLane.Bulk ? Bulk : Control);
    }

    public void Dropped() => Interlocked.Increment(ref _droppedCount);

    public void Refused() => Interlocked.Increment(ref _refusedCount);

    public void Lost() => _lost.Add(1);
}
