using System.Collections.Concurrent;
using System.Text;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// The local actor system.
///   /            root guardian: ends the system when it ends
///     user       guardian of the application's actors
///     system     guardian of the runtime's; ends when user has
///     temp       answers that are being waited for
///     deadLetters
/// </summary>
internal sealed class ActorSystemImpl : ExtendedActorSystem
{
    private readonly ConcurrentDictionary<Type, Lazy<object>> _extensions = new();
    private readonly TaskCompletionSource _terminated = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Stack<Action> _terminationCallbacks = new();
    private readonly List<IActorRef> _loggers = [];
    private readonly Lazy<Serialization.Serialization> _serialization;
    private readonly DeadLetterActorRef _deadLetters;
    private IActorRef _deadLetterListener;
    private bool _ended;

    private ActorSystemImpl(string name, Config config, ActorSystemSetup setup)
    {
        if (!IsValidName(name))
            throw new ArgumentException($"[{name}] is no valid name of an actor system: letters, digits, and - or _ inside.", nameof(name));
        Name = name;
        Settings = new Settings(this, config, setup);
        EventStream = new EventStream(Settings.DebugEventStream);
        ActorRefProvider = CreateProvider();
        ActorRefProvider.Attach(this);
        EventStream.StartStdoutLogger(Settings);
        Log = Logging.GetLogger(EventStream, $"ActorSystem({name})");
        _deadLetters = new DeadLetterActorRef(this, RootPath / "deadLetters");
        IgnoreRef = new IgnoreActorRef(this);
        Mailboxes = new Mailboxes(this);
        Dispatchers = new Dispatchers(Settings);
        Scheduler = CreateScheduler();
        _serialization = new Lazy<Serialization.Serialization>(() => new Serialization.Serialization(this));
        TempContainer = new TemporaryContainer(this, RootPath / "temp");
        RootGuardian = CreateRoot();
        Guardian = RootGuardian.Cell.AttachChild(
            Props.Create(typeof(GuardianActor)).WithSupervisorStrategy(GuardianStrategy()), "user", systemService: true);
        SystemGuardian = RootGuardian.Cell.AttachChild(Props.Create(typeof(SystemGuardianActor), this), "system", systemService: true);
        RootGuardian.Tell(new GuardianPair(Guardian, SystemGuardian), ActorRefs.NoSender);
        SystemGuardian.Tell(new GuardianPair(Guardian, SystemGuardian), ActorRefs.NoSender);
    }

    public override IActorRef DeadLetters => _deadLetters;

    public override Dispatchers Dispatchers { get; }

    public override EventStream EventStream { get; }

    public override IActorRef IgnoreRef { get; }

    public override ILoggingAdapter Log { get; }

    public override Mailboxes Mailboxes { get; }

    public override string Name { get; }

    public override IScheduler Scheduler { get; }

    public override Serialization.Serialization Serialization => _serialization.Value;

    public override Settings Settings { get; }

    public override Task WhenTerminated => _terminated.Task;

    public override IActorRefProvider Provider => ActorRefProvider;

    public LocalActorRefProvider ActorRefProvider { get; }

    public ActorPath RootPath => ActorRefProvider.RootPath;

    public LocalActorRef RootGuardian { get; }

    public LocalActorRef Guardian { get; }

    public LocalActorRef SystemGuardian { get; }

    public TemporaryContainer TempContainer { get; }

    public static ActorSystemImpl Start(string name, Config config, ActorSystemSetup setup)
    {
        var system = new ActorSystemImpl(name, config, setup);
        try
        {
            system.StartServices();
            return system;
        }
        catch
        {
            system.FinalTerminate();
            throw;
        }
    }

    public override void Abort() => FinalTerminate();

    public override IActorRef ActorOf(Props props, string name = null) => Guardian.Cell.AttachChild(props, name, systemService: false);

    public override ActorSelection ActorSelection(ActorPath actorPath) => SelectionSupport.Select(actorPath, this);

    public override ActorSelection ActorSelection(string actorPath) => SelectionSupport.Select(actorPath, this, RootGuardian);

    public override object GetExtension(IExtensionId extensionId)
    {
        TryGetExtension(extensionId.ExtensionType, out object extension);
        return extension;
    }

    public override T GetExtension<T>()
    {
        TryGetExtension(out T extension);
        return extension;
    }

    public override bool HasExtension(Type type) => typeof(IExtension).IsAssignableFrom(type) && _extensions.ContainsKey(type);

    public override bool HasExtension<T>() => _extensions.ContainsKey(typeof(T));

    public override string PrintTree()
    {
        var text = new StringBuilder();
        Print(RootGuardian, string.Empty);
        return text.ToString();

        void Print(LocalActorRef node, string indent)
        {
            string name = node.Path.Depth == 0 ? "/" : node.Path.Name;
            text.Append(indent).Append(name).Append(' ').Append(node.Cell.Props.Type.Name).Append('\n');
            foreach (ChildRestartStats child in node.Cell.Children?.Snapshot() ?? [])
                Print(child.Child, indent + "  ");
        }
    }

    public override object RegisterExtension(IExtensionId extension)
    {
        ArgumentNullException.ThrowIfNull(extension);
        return _extensions.GetOrAdd(extension.ExtensionType, _ => new Lazy<object>(() => extension.CreateExtension(this))).Value;
    }

    public override void RegisterOnTermination(Action code)
    {
        lock (_terminationCallbacks)
        {
            if (_ended)
                throw new InvalidOperationException("The actor system is terminated already.");
            _terminationCallbacks.Push(code);
        }
    }

    public override void Stop(IActorRef actor)
    {
        var internalRef = (IInternalActorRef)actor;
        if (ActorCell.Of(internalRef.Parent) is { } parent)
            parent.Stop(actor);
        else
            internalRef.Stop();
    }

    public override IActorRef SystemActorOf(Props props, string name = null) =>
        SystemGuardian.Cell.AttachChild(props, name, systemService: true);

    public override IActorRef SystemActorOf<TActor>(string name = null) => SystemActorOf(Props.Create<TActor>(), name);

    public override Task Terminate() => Settings.CoordinatedShutdownRunByActorSystemTerminate
        ? CoordinatedShutdown.Get(this).Run(CoordinatedShutdown.ActorSystemTerminateReason.Instance)
        : FinalTerminate();

    public override bool TryGetExtension(Type extensionType, out object extension)
    {
        bool found = _extensions.TryGetValue(extensionType, out Lazy<object> made);
        extension = found ? made.Value : null;
        return found;
    }

    public override bool TryGetExtension<T>(out T extension)
    {
        bool found = TryGetExtension(typeof(T), out object made);
        extension = made as T;
        return found;
    }

    public override string ToString() => $"akka://{Name}";

    public Task FinalTerminate()
    {
        Log.Debug("System shutdown initiated");
        if (!Settings.LogDeadLettersDuringShutdown && _deadLetterListener is not null)
            Stop(_deadLetterListener);
        Guardian.Stop();
        return WhenTerminated;
    }

    /// <summary>A system message that came too late. A watch is answered, so that a watcher of the dead learns of it.</summary>
    public void DeadLetterSystem(SystemMessage message, IInternalActorRef receiver)
    {
        if (message is Watch watch)
        {
            if (watch.Watchee.Equals(receiver) && !watch.Watcher.Equals(receiver))
                watch.Watcher.SendSystemMessage(new DeathWatchNotification(watch.Watchee, false, false));
        }
        else if (message is IDeadLetterSuppression suppressed)
        {
            EventStream.Publish(new SuppressedDeadLetter(suppressed, DeadLetters, receiver));
        }
    }

    public IInternalActorRef ExtraRootChild(string name) => name switch
    {
        "temp" => TempContainer,
        "deadLetters" => _deadLetters,
        _ => null,
    };

    /// <summary>The application's actors have ended: the console takes over from the loggers, which end with /system.</summary>
    internal void StopLoggers()
    {
        bool any = false;
        foreach (IActorRef logger in _loggers)
        {
            EventStream.RemoveLogger(logger);
            any = true;
        }

        if (any)
            EventStream.StartStdoutLogger(Settings);
    }

    internal async Task End()
    {
        try
        {
            await ActorRefProvider.Shutdown().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Log.Error(e, "The provider of actor references could not be shut down");
        }

        Action[] callbacks;
        lock (_terminationCallbacks)
        {
            _ended = true;
            callbacks = [.. _terminationCallbacks];
        }

        foreach (Action callback in callbacks)
        {
            try
            {
                callback();
            }
            catch (Exception e)
            {
                Log.Error(e, "A termination callback failed");
            }
        }

        (Scheduler as IDisposable)?.Dispose();
        Dispatchers.Shutdown();
        _terminated.TrySetResult();
    }

    private static bool IsValidName(string name)
    {
        if (string.IsNullOrEmpty(name) || !char.IsAsciiLetterOrDigit(name[0]))
            return false;
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
                return false;
        }

        return true;
    }

    private LocalActorRef CreateRoot()
    {
        var root = new LocalActorRef(this, RootPath);
        Props props = Props.Create(typeof(RootGuardianActor));
        root.Cell = new ActorCell(
            this, root, props, Dispatchers.Lookup(Dispatchers.InternalDispatcherId), Mailboxes.TypeFor(props, null),
            new RootSupervisor(this));
        root.Cell.Start();
        return root;
    }

    private SupervisorStrategy GuardianStrategy() => string.IsNullOrEmpty(Settings.SupervisorStrategyClass)
        ? SupervisorStrategy.DefaultStrategy
        : SupervisorStrategyConfigurator.CreateConfigurator(Settings.SupervisorStrategyClass).Create();

    private LocalActorRefProvider CreateProvider()
    {
        Type type = TypeNames.Find(Settings.ProviderClass);
        if (type is null || !typeof(LocalActorRefProvider).IsAssignableFrom(type))
            throw new ConfigurationException($"'akka.actor.provider' is not a valid type name: [{Settings.ProviderClass}].");
        try
        {
            return (LocalActorRefProvider)Activator.CreateInstance(type, Name, Settings, EventStream);
        }
        catch (System.Reflection.TargetInvocationException e) when (e.InnerException is { } cause)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(cause);
            throw;
        }
    }

    private IScheduler CreateScheduler()
    {
        if (string.IsNullOrEmpty(Settings.SchedulerClass) || Settings.SchedulerClass == typeof(HashedWheelTimerScheduler).FullName)
            return new HashedWheelTimerScheduler(Settings.Config, Log);
        Type type = TypeNames.Find(Settings.SchedulerClass)
            ?? throw new ConfigurationException($"The type [{Settings.SchedulerClass}] of akka.scheduler.implementation is unknown.");
        return (IScheduler)Activator.CreateInstance(type, Settings.Config, Log);
    }

    private void StartServices()
    {
        StartLoggers();
        ActorRefProvider.Init(this);
        foreach (string extension in Settings.Config.GetStringList("akka.extensions") ?? [])
        {
            Type type = TypeNames.Find(extension)
                ?? throw new ConfigurationException($"The type [{extension}] in akka.extensions is unknown.");
            RegisterExtension((IExtensionId)Activator.CreateInstance(type));
        }

        // It has to exist before anybody can end the process.
        CoordinatedShutdown.Get(this);
        if (Settings.LogDeadLetters > 0 || Settings.DebugUnhandledMessage)
            _deadLetterListener = SystemActorOf<DeadLetterListener>("deadLetterListener");
        if (Settings.LogConfigOnStart)
            Log.Info(Settings.ToString());
    }

    private void StartLoggers()
    {
        LogLevel level = Logging.LogLevelFor(Settings.LogLevel);
        var starting = new List<Task<object>>();
        foreach (string name in Settings.Loggers)
        {
            Type type = TypeNames.Find(name) ?? throw new ConfigurationException($"The logger [{name}] in akka.loggers is unknown.");
            if (type == typeof(StandardOutLogger))
                continue;
            Props props = Props.Create(type).WithDispatcher(Settings.LoggersDispatcher);
            IActorRef logger = SystemActorOf(props, $"log{_loggers.Count + 1}-{type.Name}");
            Task<object> started = logger.Ask(new InitializeLogger(EventStream), Settings.LoggerStartTimeout);
            if (!Settings.LoggerAsyncStart)
                starting.Add(started);
            _loggers.Add(logger);
        }

        foreach (Task<object> started in starting)
        {
            try
            {
                if (started.GetAwaiter().GetResult() is not LoggerInitialized)
                    throw new LoggerInitializationException("A logger answered with something else than LoggerInitialized.");
            }
            catch (AskTimeoutException)
            {
                Log.Warning("A logger did not answer within {0}; it is used all the same.", Settings.LoggerStartTimeout);
            }
        }

        EventStream.SetLogLevel(level);
        foreach (IActorRef logger in _loggers)
            EventStream.AddLogger(logger);
        if (!Settings.Loggers.Any(static name => name.StartsWith("Akka.Event.StandardOutLogger", StringComparison.Ordinal)))
            EventStream.RemoveLogger(Settings.StdoutLogger);
    }
}
