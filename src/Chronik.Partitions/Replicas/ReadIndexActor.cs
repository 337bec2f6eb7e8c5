using System.Diagnostics;
using Akka.Actor;
using Akka.Event;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Gathers the linearizable reads of one replica into rounds: all reads that come while one is under way share the next, so a round is
/// never older than the reads it confirms. Made by the replica when the first read comes, gone after a minute without any.
/// </summary>
/// <remarks>
/// <code>
///   reader --ConfirmRead--> replica --> read-index
///                              |&lt;--AskReadIndex--|   one at a time; the replica steps its core, which asks the leader
///                              |                  |
///          granted and applied |--ReadIndexDone-->|--Confirmed(true)--> everybody in the round
///          no leader, refused  |--ReadIndexDone-->|   again after 1, 2, 5, then every 10 ms
///                                                 |--Confirmed(false)--> whoever has waited for the timeout
/// </code>
/// Nothing survives a restart: whoever waits is told that it was not confirmed.
/// </remarks>
internal sealed class ReadIndexActor : UntypedActor, IWithTimers
{
    private static readonly int[] BackoffMs = [1, 2, 5, 10];
    private static readonly TimeSpan IdleAfter = TimeSpan.FromMinutes(1);

    private readonly TimeSpan _timeout;
    private readonly PartitionMeters _meters;
    private List<ConfirmRead> _waiting = [];
    private List<ConfirmRead> _asked = [];
    private ulong _round;
    private bool _underWay; // A round, or the pause before one.
    private int _failures;
    private long _received;
    private long _receivedBefore;

    public ReadIndexActor(TimeSpan timeout, PartitionMeters meters)
    {
        _timeout = timeout;
        _meters = meters;
        _round = (ulong)Stopwatch.GetTimestamp(); // An answer to a predecessor's question is none to one of this actor's.
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer(LookAround.Instance, LookAround.Instance, IdleAfter);

    protected override void PostStop()
    {
        foreach (ConfirmRead read in _asked) read.Reader.Confirmed(false);
        foreach (ConfirmRead read in _waiting) read.Reader.Confirmed(false);
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case ConfirmRead read:
                _received++;
                if (_waiting.Count + _asked.Count == 0) ExpireAfter(_timeout);
                _waiting.Add(read);
                if (!_underWay) Begin();
                break;
            case ReadIndexDone done when done.Round == _round:
                End(done.IsGranted);
                break;
            case PauseIsOver:
                Begin();
                break;
            case Expire:
                EndTheLate();
                break;
            case LookAround:
                if (_received == _receivedBefore && !_underWay) Context.Parent.Tell(new ReadIndexIdle(_received), Self);
                _receivedBefore = _received;
                break;
        }
    }

    private void Begin()
    {
        _underWay = _waiting.Count > 0;
        if (!_underWay) return;
        (_asked, _waiting) = (_waiting, _asked);
        _round++;
        _meters.ReadRound();
        Context.Parent.Tell(new AskReadIndex(_round), Self);
    }

    private void End(bool isGranted)
    {
        if (!isGranted)
        {
            // Those that came meanwhile go behind those that have waited longer.
            _asked.AddRange(_waiting);
            _waiting.Clear();
            (_asked, _waiting) = (_waiting, _asked);
            int pause = BackoffMs[Math.Min(_failures++, BackoffMs.Length - 1)];
            Timers.StartSingleTimer(PauseIsOver.Instance, PauseIsOver.Instance, TimeSpan.FromMilliseconds(pause));
            return;
        }

        _failures = 0;
        foreach (ConfirmRead read in _asked)
        {
            _meters.ReadConfirmed(read.AskedAt);
            read.Reader.Confirmed(true);
        }

        _asked.Clear();
        Begin();
    }

    /// <summary>The oldest read has waited as long as it may; those that follow it soon are looked at again.</summary>
    private void EndTheLate()
    {
        EndTheLate(_asked);
        EndTheLate(_waiting);
        if (_asked.Count + _waiting.Count == 0) return;
        long oldest = Math.Min(Oldest(_asked), Oldest(_waiting));
        TimeSpan left = _timeout - Stopwatch.GetElapsedTime(oldest);
        ExpireAfter(left > TimeSpan.Zero ? left : TimeSpan.FromMilliseconds(1));
    }

    private void EndTheLate(List<ConfirmRead> reads)
    {
        int late = 0;
        while (late < reads.Count && Stopwatch.GetElapsedTime(reads[late].AskedAt) >= _timeout)
        {
            _meters.ReadTimedOut();
            reads[late++].Reader.Confirmed(false);
        }

        reads.RemoveRange(0, late);
    }

    private static long Oldest(List<ConfirmRead> reads) => reads.Count > 0 ? reads[0].AskedAt : long.MaxValue;

    private void ExpireAfter(TimeSpan time) => Timers.StartSingleTimer(Expire.Instance, Expire.Instance, time);

    private sealed class LookAround
    {
        public static readonly LookAround Instance = new();
    }

    private sealed class PauseIsOver
    {
        public static readonly PauseIsOver Instance = new();
    }

    private sealed class Expire
    {
        public static readonly Expire Instance = new();
    }
}

/// <summary>To a replica: tell the reader once its view holds everything that is committed by now.</summary>
/// <param name="Reader">Who is told.</param>
/// <param name="AskedAt">When, as a <see cref="Stopwatch"/> timestamp.</param>
internal sealed record ConfirmRead(IReadSink Reader, long AskedAt) : IDeadLetterSuppression;

/// <summary>To a replica, from its read-index: ask the core. Answered with <see cref="ReadIndexDone"/>.</summary>
internal sealed record AskReadIndex(ulong Round);

/// <summary>To read-index: what was committed when it asked is applied here, or nobody could say what was.</summary>
internal sealed record ReadIndexDone(ulong Round, bool IsGranted) : IDeadLetterSuppression;

/// <summary>To a replica, from its read-index: it is not needed any more, unless more was sent to it than this.</summary>
internal sealed record ReadIndexIdle(long Received);
