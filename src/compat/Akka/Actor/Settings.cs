using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;

namespace Akka.Actor;

/// <summary>The configuration of a system and what is read from it.</summary>
public class Settings
{
    private readonly Config _userConfig;
    private Config _fallback;

    public Settings(ActorSystem system, Config config)
        : this(system, config, ActorSystemSetup.Empty)
    {
    }

    public Settings(ActorSystem system, Config config, ActorSystemSetup setup)
    {
        System = system;
        Setup = setup;
        _userConfig = config;
        _fallback = ConfigurationFactory.Default();
        Config = _userConfig.SafeWithFallback(_fallback);
        Config akka = Config.GetConfig("akka");
        StdoutLogLevel = akka.GetString("stdout-loglevel", "WARNING");
        LogLevel = akka.GetString("loglevel", "INFO");
        Loggers = akka.GetStringList("loggers");
        LoggersDispatcher = akka.GetString("loggers-dispatcher", null);
        LoggerStartTimeout = akka.GetTimeSpan("logger-startup-timeout", TimeSpan.FromSeconds(5));
        LoggerAsyncStart = akka.GetBoolean("logger-async-start", false);
        LogConfigOnStart = akka.GetBoolean("log-config-on-start", false);
        LogDeadLetters = akka.GetString("log-dead-letters", "10").ToUpperInvariant() switch
        {
            "ON" or "TRUE" or "YES" => int.MaxValue,
            "OFF" or "FALSE" or "NO" => 0,
            _ => akka.GetInt("log-dead-letters", 10),
        };
        LogDeadLettersDuringShutdown = akka.GetBoolean("log-dead-letters-during-shutdown", false);
        LogDeadLettersSuspendDuration = "INFINITE".Equals(
            akka.GetString("log-dead-letters-suspend-duration", null), StringComparison.OrdinalIgnoreCase)
            ? Timeout.InfiniteTimeSpan
            : akka.GetTimeSpan("log-dead-letters-suspend-duration", TimeSpan.FromMinutes(5));
        ProviderSelectionType = setup.Get<BootstrapSetup>() is { HasValue: true, Value.ActorRefProvider: { HasValue: true } chosen }
            ? chosen.Value : ProviderSelection.Named(akka.GetString("actor.provider", "local"));
        AskTimeout = akka.GetTimeSpan("actor.ask-timeout", Timeout.InfiniteTimeSpan);
        CreationTimeout = akka.GetTimeSpan("actor.creation-timeout", TimeSpan.FromSeconds(20));
        SupervisorStrategyClass = akka.GetString("actor.guardian-supervisor-strategy", null);
        DebugEventStream = akka.GetBoolean("actor.debug.event-stream", false);
        DebugLifecycle = akka.GetBoolean("actor.debug.lifecycle", false);
        DebugUnhandledMessage = akka.GetBoolean("actor.debug.unhandled", false);
        SchedulerClass = akka.GetString("scheduler.implementation", null);
        CoordinatedShutdownTerminateActorSystem = akka.GetBoolean("coordinated-shutdown.terminate-actor-system", true);
        CoordinatedShutdownRunByActorSystemTerminate = akka.GetBoolean("coordinated-shutdown.run-by-actor-system-terminate", true);
    }

    public TimeSpan AskTimeout { get; }

    public Config Config { get; private set; }

    public bool CoordinatedShutdownRunByActorSystemTerminate { get; }

    public bool CoordinatedShutdownTerminateActorSystem { get; }

    public TimeSpan CreationTimeout { get; }

    public bool DebugEventStream { get; }

    public bool DebugLifecycle { get; }

    public bool DebugUnhandledMessage { get; }

    public bool LogConfigOnStart { get; }

    /// <summary>How many dead letters are logged before it pauses; 0 for none.</summary>
    public int LogDeadLetters { get; }

    public bool LogDeadLettersDuringShutdown { get; }

    public TimeSpan LogDeadLettersSuspendDuration { get; }

    public string LogLevel { get; }

    public bool LoggerAsyncStart { get; }

    public TimeSpan LoggerStartTimeout { get; }

    public IList<string> Loggers { get; }

    public string LoggersDispatcher { get; }

    /// <summary>The type that makes the system's actor references.</summary>
    public string ProviderClass => ProviderSelectionType.Fqn;

    public ProviderSelection ProviderSelectionType { get; }

    public string SchedulerClass { get; }

    public ActorSystemSetup Setup { get; }

    public string StdoutLogLevel { get; }

    public MinimalLogger StdoutLogger { get; } = new StandardOutLogger();

    public string SupervisorStrategyClass { get; }

    public ActorSystem System { get; }

    /// <summary>Adds defaults below everything that is configured already.</summary>
    public void InjectTopLevelFallback(Config config)
    {
        _fallback = config.SafeWithFallback(_fallback);
        Config = _userConfig.SafeWithFallback(_fallback);
    }

    public override string ToString() => Config.ToString();
}
