using System.Diagnostics.Metrics;
using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// What the transfers of snapshots of a node share: whose turn it is to send, how fast, how far each has come, and what is measured of
/// them under the meter "Chronik.Snapshots". Thread-safe.
/// </summary>
internal sealed class SnapshotTransfers : IDisposable
{
    private static readonly KeyValuePair<string, object?> Sent = new("direction", "sent");
    private static readonly KeyValuePair<string, object?> Received = new("direction", "received");

    private readonly Meter _meter;
    private readonly Counter<long> _count;
    private readonly Counter<long> _bytes;
    private readonly Histogram<double> _duration;
    private readonly Lock _lock = new();
    private readonly List<SnapshotProgress> _all = [];
    private readonly List<SnapshotProgress> _sending = []; // Those of them whose turn has come: few.
    private readonly int _atOnce;
    private readonly int _window;

    public SnapshotTransfers(NodeMeters node, PartitionLimits limits, TimeProvider time)
    {
        _meter = node.Create("Chronik.Snapshots");
        _atOnce = limits.SnapshotsAtOnce;
        _window = limits.SnapshotWindow;
        Time = time;
        Rate = new TokenBucket(limits.SnapshotRate, time);
        _count = _meter.CreateCounter<long>(
            "chronik.snapshot.transfers", "{transfer}", "Snapshots of replicas sent and received, by how it ended: done or cut-off.");
        _bytes = _meter.CreateCounter<long>(
            "chronik.snapshot.bytes", "By", "Bytes of batches that snapshots brought to other nodes, and to this one.");
        _duration = _meter.CreateHistogram<double>(
            "chronik.snapshot.duration", "s", "How long sending or receiving a snapshot took, the wait for its turn not counted.");
        _meter.CreateObservableGauge(
            "chronik.snapshot.running", () => new Measurement<int>[] { new(Running(true), Sent), new(Running(false), Received) },
            "{transfer}", "Snapshots that are being sent, and received.");
        _meter.CreateObservableGauge(
            "chronik.snapshot.waiting", () => All.Count(transfer => transfer.IsWaiting), "{transfer}",
            "Snapshots that wait until this node has sent others.");
        _meter.CreateObservableGauge(
            "chronik.snapshot.remaining.bytes",
            () => new Measurement<long>[] { new(Remaining(true), Sent), new(Remaining(false), Received) }, "By",
            "Bytes that the receivers of running snapshots still lack, as far as known.");
        _meter.CreateObservableGauge(
            "chronik.snapshot.remaining.seconds",
            () => All.Max(transfer => transfer.Remaining?.TotalSeconds) ?? 0, "s",
            "When, at its present pace, the last of the running snapshots will be done.");
    }

    /// <summary>What all senders of the node together may send.</summary>
    public TokenBucket Rate { get; }

    public TimeProvider Time { get; }

    /// <summary>
    /// How many bytes one of the transfers to a node may have under way: its part of <see cref="PartitionLimits.SnapshotWindow"/>. One
    /// chunk may be in any case.
    /// </summary>
    public int ShareOf(NodeId peer)
    {
        lock (_lock) return _window / Math.Max(1, _sending.Count(other => other.Peer == peer));
    }

    /// <summary>Everything that runs or waits, in the order in which it began.</summary>
    public IReadOnlyList<SnapshotTransferStatus> All
    {
        get { lock (_lock) return [.. _all.Select(progress => progress.Status)]; }
    }

    public void Dispose() => _meter.Dispose();

    /// <summary>
    /// A transfer to another node wants to begin. Its turn comes at once or when others have ended; <paramref name="turn"/> is then called
    /// on some thread, and must only hand over. Ends with the disposal of what is returned, whether or not its turn came.
    /// </summary>
    public SnapshotProgress Send(TopicPartition partition, NodeId to, Action turn)
    {
        SnapshotProgress progress = new(this, partition, to, turn);
        lock (_lock) _all.Add(progress);
        GiveTurns();
        return progress;
    }

    /// <summary>
    /// A transfer from another node begins, which has waited for its turn there. How many run at once needs no bound of its own: each peer
    /// sends no more than its own share at once, and of each only a window is here that is not on the disk yet.
    /// </summary>
    public SnapshotProgress Receive(TopicPartition partition, NodeId from)
    {
        SnapshotProgress progress = new(this, partition, from, null);
        lock (_lock) _all.Add(progress);
        return progress;
    }

    /// <summary>
    /// Promises a transfer to this node the room for what it lacks; false when there is too little beside what the others were promised.
    /// Of two that ask at the same time the second one knows of the first.
    /// </summary>
    /// <param name="progress">The transfer.</param>
    /// <param name="bytes">What it lacks.</param>
    /// <param name="free">The room on the disk; negative when nobody knows.</param>
    /// <param name="promised">What the other transfers to this node will still bring.</param>
    public bool TryPromise(SnapshotProgress progress, long bytes, long free, out long promised)
    {
        lock (_lock)
        {
            promised = _all.Where(other => other != progress && !other.IsSending).Sum(other => other.BytesLeft);
            if (free >= 0 && bytes > free - promised) return false;
            progress.Lacks(bytes);
            return true;
        }
    }

    internal void Moved(SnapshotProgress progress, long bytes)
    {
        if (bytes > 0 && _bytes.Enabled) _bytes.Add(bytes, progress.IsSending ? Sent : Received);
    }

    internal void Ended(SnapshotProgress progress)
    {
        lock (_lock)
        {
            if (!_all.Remove(progress)) return;
            _sending.Remove(progress);
        }

        if (!progress.IsWaiting)
        {
            KeyValuePair<string, object?> direction = progress.IsSending ? Sent : Received;
            _count.Add(1, direction, new KeyValuePair<string, object?>("outcome", progress.IsDone ? "done" : "cut-off"));
            _duration.Record(progress.Status.Elapsed.TotalSeconds, direction);
        }

        GiveTurns();
    }

    private void GiveTurns()
    {
        List<SnapshotProgress> begun = [];
        lock (_lock)
        {
            foreach (SnapshotProgress progress in _all)
            {
                if (_sending.Count >= _atOnce) break;
                if (!progress.IsWaiting) continue;
                progress.Begin();
                _sending.Add(progress);
                begun.Add(progress);
            }
        }

        foreach (SnapshotProgress progress in begun) progress.Turn!();
    }

    private int Running(bool isSending) => All.Count(transfer => transfer.IsSending == isSending && !transfer.IsWaiting);

    private long Remaining(bool isSending) =>
        All.Where(transfer => transfer.IsSending == isSending).Sum(transfer => transfer.BytesTotal - transfer.BytesDone);
}

/// <summary>How far one transfer has come. Moved by its actor, looked at by anybody.</summary>
internal sealed class SnapshotProgress : IDisposable
{
    private readonly SnapshotTransfers _transfers;
    private readonly TopicPartition _partition;
    private long _beganAt;
    private long _done;
    private long _total;

    public SnapshotProgress(SnapshotTransfers transfers, TopicPartition partition, NodeId peer, Action? turn)
    {
        _transfers = transfers;
        _partition = partition;
        Peer = peer;
        Turn = turn;
        if (turn is null) Begin();
    }

    public Action? Turn { get; }

    public NodeId Peer { get; }

    public bool IsSending => Turn is not null;

    /// <summary>Bytes that are still to come, as far as known.</summary>
    public long BytesLeft => Math.Max(0, Volatile.Read(ref _total) - Volatile.Read(ref _done));

    public bool IsWaiting => Volatile.Read(ref _beganAt) == 0;

    /// <summary>Whether it came to its end, rather than being cut off. Set before the disposal.</summary>
    public bool IsDone { get; set; }

    public SnapshotTransferStatus Status
    {
        get
        {
            long began = Volatile.Read(ref _beganAt);
            long done = Volatile.Read(ref _done);
            long total = Math.Max(done, Volatile.Read(ref _total));
            TimeSpan elapsed = began == 0 ? TimeSpan.Zero : _transfers.Time.GetElapsedTime(began);
            TimeSpan? remaining = done > 0 && total > 0 ? elapsed * ((double)(total - done) / done) : null;
            return new SnapshotTransferStatus(_partition, Peer, IsSending, began == 0, done, total, elapsed, remaining);
        }
    }

    public void Begin() => Volatile.Write(ref _beganAt, Math.Max(1, _transfers.Time.GetTimestamp()));

    /// <summary>So many bytes are still to come.</summary>
    public void Lacks(long bytes) => Volatile.Write(ref _total, _done + bytes);

    /// <summary>So many more have come.</summary>
    public void Advance(long bytes)
    {
        Volatile.Write(ref _done, _done + bytes);
        _transfers.Moved(this, bytes);
    }

    public void Dispose() => _transfers.Ended(this);
}
