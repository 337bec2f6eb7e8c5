using System.Collections.Concurrent;
using System.Globalization;

namespace Akka.Dispatch;

/// <summary>
/// A fixed number of threads over one queue. A worker that finds nothing announces that it will sleep, looks once more and then waits, so a
/// producer wakes a worker only when one sleeps. Threads start with the first work and end after what was queued at shutdown.
/// </summary>
internal sealed class DedicatedThreadPool
{
    private readonly ConcurrentQueue<IRunnable> _queue = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly string _name;
    private readonly int _threads;
    private readonly bool _background;
    private int _sleeping;
    private int _started;
    private volatile bool _shutdown;

    public DedicatedThreadPool(string name, int threads, bool background)
    {
        _name = name;
        _threads = Math.Max(threads, 1);
        _background = background;
    }

    public void Execute(IRunnable work)
    {
        if (_shutdown)
        {
            // Its threads may be gone; what is left, as a last message to a dead actor, still has to run somewhere.
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
            return;
        }

        _queue.Enqueue(work);
        if (Volatile.Read(ref _started) == 0 && Interlocked.Exchange(ref _started, 1) == 0)
            StartThreads();
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _sleeping) > 0)
            _wake.Release();
        if (_shutdown)
            DrainToThreadPool();
    }

    public void Shutdown()
    {
        _shutdown = true;
        _wake.Release(_threads);
    }

    private void StartThreads()
    {
        for (int i = 0; i < _threads; i++)
        {
            var thread = new Thread(RunWorker)
            {
                IsBackground = _background,
                Name = string.Create(CultureInfo.InvariantCulture, $"{_name}-{i + 1}"),
            };
            thread.UnsafeStart();
        }
    }

    private void RunWorker()
    {
        while (true)
        {
            if (TryTake(out IRunnable work))
            {
                work.Run();
                continue;
            }

            Interlocked.Increment(ref _sleeping);
            if (_queue.IsEmpty && !_shutdown)
                _wake.Wait();
            Interlocked.Decrement(ref _sleeping);
            if (_shutdown && _queue.IsEmpty)
                return;
        }
    }

    private bool TryTake(out IRunnable work)
    {
        var spin = default(SpinWait);
        do
        {
            if (_queue.TryDequeue(out work))
                return true;
            spin.SpinOnce(sleep1Threshold: -1);
        }
        while (!spin.NextSpinWillYield);

        return false;
    }

    private void DrainToThreadPool()
    {
        while (_queue.TryDequeue(out IRunnable work))
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
    }
}
