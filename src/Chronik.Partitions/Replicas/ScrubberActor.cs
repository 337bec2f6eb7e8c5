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
/// Keeps nothing: a restart begins anew. Shares the thread of the snapshots, so that no request waits for what it reads; and what it has
/// read does not stay in memory, so the next pass sees what the disk holds.
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
    private LogScan? _scan;
    private long _beganAt;

    public ScrubberActor(NodeContext node, PartitionDirectory directory)
    {
        _node = node;
        _directory = directory;
        _rate = new TokenBucket(node.Limits.ScrubRate, node.Time);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(NodeContext node, PartitionDirectory directory) =>
        Akka.Actor.Props.Create(() => new ScrubberActor(node, directory)).WithDispatcher(ReplicaActor.SnapshotDispatcher);

    protected override void PreStart() => Wait(_node.Limits.ScrubInterval / 100); // A start has other things to do.

    protected override void PostStop() => _scan?.Dispose();

    protected override void OnReceive(object message)
    {
        if (_partition is null && _left.Count == 0) BeginPass();
        while (_partition is not null || _left.TryDequeue(out _partition))
        {
            int bytes = ReadOn(_partition);
            if (bytes > 0)
            {
                // The token bucket lends what one piece is worth, and is paid back before the next one.
                _rate.Take(bytes);
                Wait(_rate.Take(0));
                return;
            }

            _scan?.Dispose();
            _scan = null;
            _partition = null;
        }

        TimeSpan rest = _node.Limits.ScrubInterval - _node.Time.GetElapsedTime(_beganAt);
        Wait(rest > TimeSpan.Zero ? rest : TimeSpan.Zero);
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

    /// <summary>Reads a piece; returns its bytes, or 0 when there is none, or what comes next is damaged or cannot be read.</summary>
    private int ReadOn(Partition partition)
    {
        // What is being filled is looked at as it comes.
        if (partition.Published is not { Failure: null, IsRecovering: false } view) return 0;
        try
        {
            return (_scan ??= view.Log.Scan()).CheckNext(ChunkBytes);
        }
        catch (StorageException damage) when (damage.IsDamage)
        {
            partition.ReportDamage(damage.Message);
        }
        catch (Exception failure)
        {
            _logger.Warning(failure, "{0} could not be looked at: {1}", partition.Name, failure.Message);
        }

        return 0;
    }

    private sealed class GoOn
    {
        public static readonly GoOn Instance = new();
    }
}
