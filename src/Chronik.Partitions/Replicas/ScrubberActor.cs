using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Storage;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Reads all that lies in the segments of this node, slowly, once a day, so that a bit that has changed on the disk is found while other
/// replicas have it right, and not when one of them is needed.
/// </summary>
/// <remarks>
/// <code>
///   own timers - GoOn --->| scrubber |-- LogSuspect --> the replica whose log is damaged
/// </code>
/// Keeps nothing: a restart begins anew. What the system still has in memory is read from there, so a page is looked at on the disk only
/// once the system has let go of it, by this pass or a later one.
/// </remarks>
internal sealed class ScrubberActor : UntypedActor, IWithTimers
{
    private const int ChunkBytes = 256 << 10;

    private readonly NodeContext _node;
    private readonly PartitionDirectory _directory;
    private readonly TokenBucket _rate;
    private readonly ILoggingAdapter _logger = Context.GetLogger();
    private readonly Queue<Partition> _left = new();
    private Partition? _partition;
    private KafkaOffset _next;
    private long _beganAt;

    public ScrubberActor(NodeContext node, PartitionDirectory directory)
    {
        _node = node;
        _directory = directory;
        _rate = new TokenBucket(node.Limits.ScrubRate, node.Time);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Wait(_node.Limits.ScrubInterval / 100); // A start has other things to do.

    protected override void OnReceive(object message)
    {
        if (_partition is null && _left.Count == 0) BeginPass();
        while (!HasMore())
        {
            if (_left.TryDequeue(out _partition))
            {
                _next = KafkaOffset.Zero;
                continue;
            }

            TimeSpan rest = _node.Limits.ScrubInterval - _node.Time.GetElapsedTime(_beganAt);
            Wait(rest > TimeSpan.Zero ? rest : TimeSpan.Zero);
            return;
        }

        TimeSpan wait = _rate.Take(ChunkBytes);
        if (wait == TimeSpan.Zero) ReadOn(_partition!);
        Wait(wait);
    }

    private void Wait(TimeSpan time)
    {
        if (time == TimeSpan.Zero) Self.Tell(GoOn.Instance);
        else Timers.StartSingleTimer(GoOn.Instance, GoOn.Instance, time);
    }

    private void BeginPass()
    {
        _beganAt = _node.Time.GetTimestamp();
        foreach (Partition partition in _directory.All)
            if (partition.Group != GroupId.Metadata) _left.Enqueue(partition); // The metadata are read as a whole at every start.
    }

    /// <summary>Whether there is something to read where the pass has come to; what is being filled is looked at as it comes.</summary>
    private bool HasMore()
    {
        if (_partition?.Published is not { Failure: null, IsRecovering: false } view) return false;
        if (_next < view.Log.LogStartOffset) _next = view.Log.LogStartOffset;
        return _next < view.Log.NextOffset;
    }

    private void ReadOn(Partition partition)
    {
        PartitionLog log = partition.Published.Log;
        try
        {
            BufferSlice batches = log.ReadBatches(_next, log.NextOffset, ChunkBytes);
            if (batches.Length == 0)
            {
                if (_next >= log.LogStartOffset) _partition = null; // It is gone; otherwise what was to be read is.
                return;
            }

            try
            {
                KafkaOffset end = SnapshotChunk.EndOf(batches.Span);
                if (end <= _next) throw new InvalidDataException($"the batch at offset {_next} says that it ends at {end}");
                _next = end;
            }
            finally
            {
                batches.Release();
            }
        }
        catch (Exception damage) when (damage is InvalidDataException or StorageException { IsDamage: true })
        {
            log.Distrust(_next); // The replica may have to stay: then nobody is to be given what was found here.
            partition.ReportDamage(damage.Message);
            _partition = null;
        }
        catch (Exception failure)
        {
            _logger.Warning(failure, "{0} could not be looked at: {1}", partition.Name, failure.Message);
            _partition = null;
        }
    }

    private sealed class GoOn
    {
        public static readonly GoOn Instance = new();
    }
}
