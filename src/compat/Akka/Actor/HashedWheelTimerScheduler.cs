using System.Diagnostics;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// The default scheduler. The name is that of the official one; this one keeps a heap ordered by due time and a thread that sleeps until
/// the first is due, so an idle system does not wake up a hundred times a second. Never early; repeated work has a fixed rate, and
/// what fell due during a pause is made up for.
/// </summary>
public sealed class HashedWheelTimerScheduler : SchedulerBase, IDateTimeOffsetNowTimeProvider, IDisposable
{
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(5);

    private readonly object _lock = new();
    private readonly List<Entry> _heap = [];
    private Thread _thread;
    private bool _disposed;

    public HashedWheelTimerScheduler(Config scheduler, ILoggingAdapter log)
        : base(scheduler, log)
    {
    }

    public override TimeSpan HighResMonotonicClock => Stopwatch.GetElapsedTime(0);

    public override TimeSpan MonotonicClock => Stopwatch.GetElapsedTime(0);

    protected override DateTimeOffset TimeNow => DateTimeOffset.Now;

    /// <summary>What is still scheduled is dropped. Returns when nothing runs any more, or after a while all the same.</summary>
    public void Dispose()
    {
        Thread thread;
        lock (_lock)
        {
            _disposed = true;
            _heap.Clear();
            thread = _thread;
            Monitor.Pulse(_lock);
        }

        if (thread is not null && thread != Thread.CurrentThread)
            thread.Join(ShutdownTimeout);
    }

    protected override void InternalScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) =>
        Add(new Entry(this, action, null, null, 0, cancelable), delay);

    protected override void InternalScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) =>
        Add(new Entry(this, action, null, null, 0, cancelable), delay);

    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        Add(new Entry(this, action, null, null, Timestamps(interval), cancelable), initialDelay);

    protected override void InternalScheduleRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, IRunnable action, ICancelable cancelable) =>
        Add(new Entry(this, action, null, null, Timestamps(interval), cancelable), initialDelay);

    protected override void InternalScheduleTellOnce(
        TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Add(new Entry(this, receiver, message, sender, 0, cancelable), delay);

    protected override void InternalScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Add(new Entry(this, receiver, message, sender, Timestamps(interval), cancelable), initialDelay);

    private static long Timestamps(TimeSpan time) => (long)(time.Ticks * ((double)Stopwatch.Frequency / TimeSpan.TicksPerSecond));

    private void Add(Entry entry, TimeSpan delay)
    {
        if (entry.IsCancelled)
            return;
        long length = Timestamps(delay);
        long now = Stopwatch.GetTimestamp();
        entry.Due = length > long.MaxValue - now ? long.MaxValue : now + length;
        lock (_lock)
        {
            if (_disposed)
                throw new SchedulerException("The scheduler is shut down; nothing more can be scheduled.");
            Push(entry);
            if (_thread is null)
            {
                _thread = new Thread(Run) { IsBackground = true, Name = "akka-scheduler" };
                _thread.UnsafeStart();
            }
            else if (entry.Index == 0)
            {
                Monitor.Pulse(_lock);
            }
        }

        // Cancelled in the meantime, it takes itself out again.
        entry.AttachToCancelable();
    }

    private void Run()
    {
        while (TakeDue() is { } entry)
        {
            if (entry.IsCancelled)
                continue;
            try
            {
                entry.Run();
            }
            catch (Exception e)
            {
                Log?.Log(LogLevel.ErrorLevel, e, "A scheduled action failed");
            }

            if (entry.Interval == 0 || entry.IsCancelled)
                continue;
            lock (_lock)
            {
                if (_disposed)
                    return;
                if (entry.IsRemoved)
                    continue;
                entry.Due += entry.Interval;
                Push(entry);
            }
        }
    }

    /// <summary>Waits for the next that is due; null when the scheduler ends.</summary>
    private Entry TakeDue()
    {
        lock (_lock)
        {
            while (!_disposed)
            {
                if (_heap.Count == 0)
                {
                    Monitor.Wait(_lock);
                    continue;
                }

                Entry first = _heap[0];
                long left = first.Due - Stopwatch.GetTimestamp();
                if (left <= 0)
                {
                    RemoveAt(0);
                    return first;
                }

                long milliseconds = (long)Math.Ceiling(left * 1000.0 / Stopwatch.Frequency);
                Monitor.Wait(_lock, (int)Math.Min(milliseconds, int.MaxValue));
            }

            return null;
        }
    }

    private void Push(Entry entry)
    {
        _heap.Add(entry);
        SiftUp(_heap.Count - 1, entry);
    }

    private void RemoveAt(int index)
    {
        Entry removed = _heap[index];
        removed.Index = -1;
        Entry last = _heap[^1];
        _heap.RemoveAt(_heap.Count - 1);
        if (ReferenceEquals(last, removed))
            return;
        SiftDown(index, last);
        SiftUp(last.Index, last);
    }

    private void SiftUp(int index, Entry entry)
    {
        while (index > 0)
        {
            int parent = (index - 1) / 2;
            if (_heap[parent].Due <= entry.Due)
                break;
            Place(index, _heap[parent]);
            index = parent;
        }

        Place(index, entry);
    }

    private void SiftDown(int index, Entry entry)
    {
        while (true)
        {
            int child = (2 * index) + 1;
            if (child >= _heap.Count)
                break;
            if (child + 1 < _heap.Count && _heap[child + 1].Due < _heap[child].Due)
                child++;
            if (_heap[child].Due >= entry.Due)
                break;
            Place(index, _heap[child]);
            index = child;
        }

        Place(index, entry);
    }

    private void Place(int index, Entry entry)
    {
        _heap[index] = entry;
        entry.Index = index;
    }

    private sealed class Entry(
        HashedWheelTimerScheduler scheduler, object target, object message, IActorRef sender, long interval, ICancelable cancelable)
        : IDisposable
    {
        public long Due { get; set; }

        /// <summary>Where in the heap it is, or -1.</summary>
        public int Index { get; set; } = -1;

        public long Interval => interval;

        public bool IsRemoved { get; private set; }

        public bool IsCancelled => cancelable is { IsCancellationRequested: true };

        public void AttachToCancelable() => (cancelable as Cancelable)?.Attach(this);

        public void Run()
        {
            switch (target)
            {
                case ICanTell receiver:
                    receiver.Tell(message, sender);
                    break;
                case Action action:
                    action();
                    break;
                default:
                    ((IRunnable)target).Run();
                    break;
            }
        }

        public void Dispose()
        {
            lock (scheduler._lock)
            {
                IsRemoved = true;
                if (Index >= 0 && !scheduler._disposed)
                    scheduler.RemoveAt(Index);
            }
        }
    }
}
