using Akka.Configuration;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// Ends a system in phases. The tasks of a phase run side by side, a phase begins when those it depends on are done or out of time, and
/// unless the phase says otherwise a failure does not hold up the next.
/// </summary>
public sealed class CoordinatedShutdown : IExtension
{
    public const string PhaseActorSystemTerminate = "actor-system-terminate";
    public const string PhaseBeforeActorSystemTerminate = "before-actor-system-terminate";
    public const string PhaseBeforeClusterShutdown = "before-cluster-shutdown";
    public const string PhaseBeforeServiceUnbind = "before-service-unbind";
    public const string PhaseClusterExiting = "cluster-exiting";
    public const string PhaseClusterExitingDone = "cluster-exiting-done";
    public const string PhaseClusterLeave = "cluster-leave";
    public const string PhaseClusterShardingShutdownRegion = "cluster-sharding-shutdown-region";
    public const string PhaseClusterShutdown = "cluster-shutdown";
    public const string PhaseServiceRequestsDone = "service-requests-done";
    public const string PhaseServiceStop = "service-stop";
    public const string PhaseServiceUnbind = "service-unbind";

    private readonly ActorSystemImpl _system;
    private readonly Dictionary<string, Phase> _phases;
    private readonly List<string> _order;
    private readonly Dictionary<string, List<(string Name, Func<Task<Done>> Task)>> _tasks = [];
    private readonly Lock _lock = new();
    private readonly ILoggingAdapter _log;
    private Task<Done> _running;
    private Reason _reason;

    internal CoordinatedShutdown(ActorSystemImpl system)
    {
        _system = system;
        _log = Logging.GetLogger(system, nameof(CoordinatedShutdown));
        Config config = system.Settings.Config.GetConfig("akka.coordinated-shutdown");
        _phases = ReadPhases(config);
        _order = Sort(_phases);
        if (system.Settings.CoordinatedShutdownTerminateActorSystem)
            AddTask(PhaseActorSystemTerminate, "terminate-system", TerminateSystem);
        if (config.GetBoolean("run-by-clr-shutdown-hook", true))
            RunAtProcessExit();
    }

    /// <summary>Why the shutdown runs; null as long as it does not.</summary>
    public Reason ShutdownReason => _reason;

    public ExtendedActorSystem System => _system;

    /// <summary>How long all phases together may take.</summary>
    public TimeSpan TotalTimeout
    {
        get
        {
            TimeSpan total = TimeSpan.Zero;
            lock (_lock)
            {
                foreach (string phase in _tasks.Keys)
                    total += _phases[phase].Timeout;
            }

            return total;
        }
    }

    /// <summary>Adds a task to a phase that has not begun yet; also while the shutdown runs.</summary>
    /// <exception cref="ArgumentException">There is no such phase.</exception>
    public void AddTask(string phase, string taskName, Func<Task<Done>> task)
    {
        if (!_phases.ContainsKey(phase))
            throw new ArgumentException($"Unknown phase [{phase}]; there are [{string.Join(", ", _order)}].", nameof(phase));
        if (string.IsNullOrEmpty(taskName))
            throw new ArgumentException("A task has a name.", nameof(taskName));
        ArgumentNullException.ThrowIfNull(task);
        lock (_lock)
        {
            if (!_tasks.TryGetValue(phase, out List<(string, Func<Task<Done>>)> tasks))
                _tasks[phase] = tasks = [];
            tasks.Add((taskName, task));
        }
    }

    public static CoordinatedShutdown Get(ActorSystem sys) => sys.WithExtension<CoordinatedShutdown, CoordinatedShutdownExtension>();

    /// <summary>Runs the phases, once: every caller gets the same task.</summary>
    public Task<Done> Run(Reason reason, string fromPhase = null)
    {
        lock (_lock)
        {
            if (_running is not null)
                return _running;
            _reason = reason;
            IEnumerable<string> phases = _order;
            if (fromPhase is not null)
            {
                int from = _order.IndexOf(fromPhase);
                if (from < 0)
                    throw new ArgumentException($"Unknown phase [{fromPhase}].", nameof(fromPhase));
                phases = _order[from..];
            }

            return _running = Task.Run(() => RunPhases([.. phases]));
        }
    }

    /// <summary>How long the tasks of a phase may take.</summary>
    public TimeSpan Timeout(string phase) => _phases.TryGetValue(phase, out Phase known)
        ? known.Timeout
        : throw new ArgumentException($"Unknown phase [{phase}].", nameof(phase));

    private async Task<Done> RunPhases(string[] phases)
    {
        foreach (string name in phases)
        {
            Phase phase = _phases[name];
            (string Name, Func<Task<Done>> Task)[] tasks;
            lock (_lock)
                tasks = _tasks.TryGetValue(name, out List<(string, Func<Task<Done>>)> added) ? [.. added] : [];
            if (!phase.Enabled)
            {
                if (tasks.Length > 0)
                    _log.Info("Phase [{0}] is disabled; its {1} tasks do not run", name, tasks.Length);
                continue;
            }

            if (tasks.Length > 0)
                await RunPhase(name, phase, tasks).ConfigureAwait(false);
        }

        return Done.Instance;
    }

    private async Task<Done> TerminateSystem()
    {
        await _system.FinalTerminate().ConfigureAwait(false);
        return Done.Instance;
    }

    private async Task RunPhase(string name, Phase phase, (string Name, Func<Task<Done>> Task)[] tasks)
    {
        Task all = Task.WhenAll(Array.ConvertAll(tasks, task => RunTask(name, phase, task.Name, task.Task)));
        try
        {
            await all.WaitAsync(phase.Timeout).ConfigureAwait(false);
        }
        catch (TimeoutException) when (phase.Recover)
        {
            _log.Warning("Phase [{0}] is not done after {1}; the shutdown goes on", name, phase.Timeout);
        }
    }

    private async Task RunTask(string phaseName, Phase phase, string name, Func<Task<Done>> task)
    {
        try
        {
            await task().ConfigureAwait(false);
        }
        catch (Exception e) when (phase.Recover)
        {
            _log.Warning(e, "Task [{0}] of phase [{1}] failed; the shutdown goes on", name, phaseName);
        }
    }

    private void RunAtProcessExit()
    {
        var system = new WeakReference<CoordinatedShutdown>(this);
        EventHandler hook = (_, _) =>
        {
            if (system.TryGetTarget(out CoordinatedShutdown shutdown) && !shutdown._system.WhenTerminated.IsCompleted)
                shutdown.Run(ClrExitReason.Instance).Wait(shutdown.TotalTimeout + TimeSpan.FromSeconds(10));
        };
        AppDomain.CurrentDomain.ProcessExit += hook;
        _system.RegisterOnTermination(() => AppDomain.CurrentDomain.ProcessExit -= hook);
    }

    private static Dictionary<string, Phase> ReadPhases(Config config)
    {
        TimeSpan defaultTimeout = config.GetTimeSpan("default-phase-timeout", TimeSpan.FromSeconds(5));
        Config phases = config.GetConfig("phases");
        var read = new Dictionary<string, Phase>();
        foreach (string name in phases.AsEnumerable().Select(static phase => phase.Key).Distinct())
        {
            Config phase = phases.GetConfig(name);
            read[name] = phase.IsNullOrEmpty()
                ? new Phase([], defaultTimeout, true, true)
                : new Phase(phase.GetStringList("depends-on") ?? [], phase.GetTimeSpan("timeout", defaultTimeout),
                    phase.GetBoolean("recover", true), phase.GetBoolean("enabled", true));
        }

        return read;
    }

    private static List<string> Sort(Dictionary<string, Phase> phases)
    {
        var sorted = new List<string>();
        var open = new HashSet<string>();
        foreach (string name in phases.Keys)
            Visit(name);
        return sorted;

        void Visit(string name)
        {
            if (sorted.Contains(name))
                return;
            if (!open.Add(name))
                throw new ArgumentException($"The phases of akka.coordinated-shutdown depend on each other in a circle through [{name}].");
            if (phases.TryGetValue(name, out Phase phase))
            {
                foreach (string before in phase.DependsOn)
                    Visit(before);
            }

            open.Remove(name);
            sorted.Add(name);
        }
    }

    private sealed record Phase(IList<string> DependsOn, TimeSpan Timeout, bool Recover, bool Enabled);

    /// <summary>Why a shutdown runs. Applications may have reasons of their own.</summary>
    public class Reason
    {
        protected Reason()
        {
        }

        public override string ToString() => GetType().Name;
    }

    public class UnknownReason : Reason
    {
        public static readonly Reason Instance = new UnknownReason();

        private UnknownReason()
        {
        }
    }

    public class ActorSystemTerminateReason : Reason
    {
        public static readonly Reason Instance = new ActorSystemTerminateReason();

        private ActorSystemTerminateReason()
        {
        }
    }

    public class ClrExitReason : Reason
    {
        public static readonly Reason Instance = new ClrExitReason();

        private ClrExitReason()
        {
        }
    }

    public class ClusterDowningReason : Reason
    {
        public static readonly Reason Instance = new ClusterDowningReason();

        private ClusterDowningReason()
        {
        }
    }

    public class ClusterLeavingReason : Reason
    {
        public static readonly Reason Instance = new ClusterLeavingReason();

        private ClusterLeavingReason()
        {
        }
    }

    public class ClusterJoinUnsuccessfulReason : Reason
    {
        public static readonly Reason Instance = new ClusterJoinUnsuccessfulReason();

        private ClusterJoinUnsuccessfulReason()
        {
        }
    }
}

public sealed class CoordinatedShutdownExtension : ExtensionIdProvider<CoordinatedShutdown>
{
    public override CoordinatedShutdown CreateExtension(ExtendedActorSystem system) => new((ActorSystemImpl)system);
}
