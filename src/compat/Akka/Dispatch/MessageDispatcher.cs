using System.Diagnostics;

namespace Akka.Dispatch;

/// <summary>Runs the mailboxes of its actors.</summary>
public abstract class MessageDispatcher
{
    public const int DefaultThroughput = 100;

    private long? _throughputDeadlineTime;

    private protected MessageDispatcher(string id, int throughput, long? throughputDeadlineTime)
    {
        Id = id;
        Throughput = throughput;
        ThroughputDeadlineTime = throughputDeadlineTime;
    }

    public string Id { get; protected set; }

    /// <summary>How many messages an actor handles before it lets another one have the thread.</summary>
    public int Throughput { get; protected set; }

    /// <summary>For how long an actor may keep the thread, in TimeSpan ticks; null for no limit but the throughput.</summary>
    public long? ThroughputDeadlineTime
    {
        get => _throughputDeadlineTime;
        protected set
        {
            _throughputDeadlineTime = value;
            ThroughputDeadlineTicks = value is { } ticks ? (long)(ticks * ((double)Stopwatch.Frequency / TimeSpan.TicksPerSecond)) : 0;
        }
    }

    internal long ThroughputDeadlineTicks { get; private set; }

    public void Schedule(Action run) => Execute(new ActionRunnable(run));

    public void Schedule(IRunnable run) => Execute(run);

    internal abstract void Execute(IRunnable run);

    /// <summary>The last actor of a pinned dispatcher is gone.</summary>
    internal virtual void Detach()
    {
    }

    internal virtual void Shutdown()
    {
    }
}

/// <summary>The .NET thread pool.</summary>
internal sealed class ThreadPoolDispatcher(string id, int throughput, long? throughputDeadlineTime)
    : MessageDispatcher(id, throughput, throughputDeadlineTime)
{
    internal override void Execute(IRunnable run) => ThreadPool.UnsafeQueueUserWorkItem(run, preferLocal: false);
}

/// <summary>Threads of its own, shared by the actors of the dispatcher and by nobody else.</summary>
internal sealed class DedicatedThreadDispatcher(string id, int throughput, long? throughputDeadlineTime, int threads, bool background)
    : MessageDispatcher(id, throughput, throughputDeadlineTime)
{
    private readonly DedicatedThreadPool _pool = new(id, threads, background);

    internal override void Execute(IRunnable run) => _pool.Execute(run);

    internal override void Shutdown() => _pool.Shutdown();
}

/// <summary>One thread for one actor; it ends with the actor.</summary>
internal sealed class PinnedDispatcher(string id, int throughput, long? throughputDeadlineTime)
    : MessageDispatcher(id, throughput, throughputDeadlineTime)
{
    private readonly DedicatedThreadPool _pool = new(id, 1, background: true);

    internal override void Execute(IRunnable run) => _pool.Execute(run);

    internal override void Detach() => _pool.Shutdown();

    internal override void Shutdown() => _pool.Shutdown();
}

/// <summary>The synchronization context that was current when the first actor of the dispatcher was made.</summary>
internal sealed class SynchronizationContextDispatcher(string id, int throughput, long? throughputDeadlineTime)
    : MessageDispatcher(id, throughput, throughputDeadlineTime)
{
    private readonly SynchronizationContext _context = SynchronizationContext.Current
        ?? throw new InvalidOperationException($"Dispatcher {id} needs a current synchronization context.");

    internal override void Execute(IRunnable run) => _context.Post(static state => ((IRunnable)state).Run(), run);
}
