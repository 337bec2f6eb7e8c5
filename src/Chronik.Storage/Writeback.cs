namespace Chronik.Storage;

/// <summary>
/// Has segments written out steadily as they grow, a little at a time. Without it the system would do so when the pages are half a minute
/// old, or a checkpoint's sync would: tens of megabytes at once, and the WAL's next sync waits behind them in the disk's queue.
/// </summary>
/// <remarks>
/// A hint and nothing more: a checkpoint syncs all the same. A segment is due when a step of it has gathered; when all segments together
/// have more than <see cref="TotalBytes"/>, those that have waited longest are, however little they have. Appends come from any thread,
/// the writing is done on the maintenance thread.
/// </remarks>
/// <param name="wanted">Called when there is something to do.</param>
internal sealed class Writeback(Action wanted)
{
    /// <summary>Bytes of one segment that are worth a call: a millisecond or two of a disk.</summary>
    public const int StepBytes = 1 << 20;

    /// <summary>Bytes that all segments together may keep back.</summary>
    public const int TotalBytes = 16 << 20;

    private readonly Lock _lock = new();
    private readonly LinkedList<Segment> _gathering = new();
    private List<Segment> _due = [];
    private List<Segment> _running = [];
    private long _bytes;

    /// <summary>Notes that a segment grew. By its writer, once the bytes are published.</summary>
    public void Appended(Segment segment, int bytes)
    {
        bool wake;
        lock (_lock)
        {
            bool wasIdle = _due.Count == 0;
            if (segment.Gathering is null) segment.Gathering = _gathering.AddLast(segment);
            segment.Gathered += bytes;
            _bytes += bytes;
            if (segment.Gathered >= StepBytes) MakeDue(segment);
            while (_bytes > TotalBytes) MakeDue(_gathering.First!.Value);
            wake = wasIdle && _due.Count > 0;
        }

        if (wake) wanted();
    }

    /// <summary>Whether there is something to hand over.</summary>
    public bool IsDue
    {
        get { lock (_lock) return _due.Count > 0; }
    }

    /// <summary>Forgets a segment that is given up.</summary>
    public void Forget(Segment segment)
    {
        lock (_lock)
        {
            if (segment.Gathering is not null) Take(segment);
        }
    }

    /// <summary>Hands what is due to the system. On the maintenance thread.</summary>
    public void Run()
    {
        lock (_lock) (_due, _running) = (_running, _due);
        foreach (Segment segment in _running) segment.StartWriteback();
        _running.Clear();
    }

    private void MakeDue(Segment segment)
    {
        Take(segment);
        _due.Add(segment);
    }

    private void Take(Segment segment)
    {
        _bytes -= segment.Gathered;
        segment.Gathered = 0;
        _gathering.Remove(segment.Gathering!);
        segment.Gathering = null;
    }
}
