using System.Linq.Expressions;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;

namespace Akka.TestKit;

/// <summary>
/// An actor system for one test, with a test actor whose messages the test takes one after the other. The test's thread stands in for that
/// actor: what it tells has the test actor as its sender, unless the class is <see cref="INoImplicitSender"/>.
/// </summary>
/// <remarks>
/// Times are dilated by akka.test.timefactor. A missing time means akka.test.single-expect-default, or what is left of the innermost
/// <c>Within</c>.
/// </remarks>
public abstract partial class TestKitBase : IActorRefFactory
{
    private static long _testActorCounter;

    private readonly ITestKitAssertions _assertions;
    private readonly TestQueue _queue = new();
    private MessageEnvelope _last = NullMessageEnvelope.Instance;
    private TimeSpan? _end;
    private bool _lastWasNoMsg;

    protected TestKitBase(ITestKitAssertions assertions, ActorSystem system = null, string testActorName = null)
        : this(assertions, system, ActorSystemSetup.Empty, null, testActorName)
    {
    }

    protected TestKitBase(
        ITestKitAssertions assertions, ActorSystemSetup setup, string actorSystemName = null, string testActorName = null)
        : this(assertions, null, setup, actorSystemName, testActorName)
    {
    }

    protected TestKitBase(ITestKitAssertions assertions, Config config, string actorSystemName = null, string testActorName = null)
        : this(assertions, null, ActorSystemSetup.Empty.And(BootstrapSetup.Create().WithConfig(config)), actorSystemName, testActorName)
    {
    }

    protected TestKitBase(
        ITestKitAssertions assertions, ActorSystem system, ActorSystemSetup config, string actorSystemName, string testActorName)
    {
        _assertions = assertions ?? throw new ArgumentNullException(nameof(assertions));
        InitializeTest(system, config, actorSystemName, testActorName);
    }

    public static Config DefaultConfig { get; } = ConfigurationFactory.FromResource<TestKitBase>("Akka.TestKit.testkit.conf");

    /// <summary>Logs everything that the runtime can tell about its actors.</summary>
    public static Config FullDebugConfig { get; } = ConfigurationFactory.ParseString("""
        akka.loglevel = DEBUG
        akka.actor.debug { receive = on, autoreceive = on, lifecycle = on, event-stream = on, unhandled = on }
        """);

    public static TimeSpan Now => TimeSpan.FromTicks(DateTime.UtcNow.Ticks);

    public ActorSystem Sys { get; private set; }

    public IActorRef TestActor { get; private set; }

    public TestKitSettings TestKitSettings { get; private set; }

    public EventFilterFactory EventFilter { get; private set; }

    public ILoggingAdapter Log { get; private set; }

    public bool HasMessages => !_queue.IsEmpty;

    /// <summary>The last message that the test took.</summary>
    public object LastMessage => _last.Message;

    /// <summary>Who sent the last message that the test took.</summary>
    public IActorRef LastSender => _last.Sender;

    public EventFilterFactory CreateEventFilter(ActorSystem system) => new(this, system);

    public IActorRef ActorOf(Props props) => Sys.ActorOf(props);

    public IActorRef ActorOf(Props props, string name) => Sys.ActorOf(props, name);

    public IActorRef ActorOf<TActor>()
        where TActor : ActorBase, new() => Sys.ActorOf(Props.Create<TActor>());

    public IActorRef ActorOf<TActor>(string name)
        where TActor : ActorBase, new() => Sys.ActorOf(Props.Create<TActor>(), name);

    public IActorRef ActorOf<TActor>(Expression<Func<TActor>> factory)
        where TActor : ActorBase => Sys.ActorOf(Props.Create(factory));

    public IActorRef ActorOf<TActor>(Expression<Func<TActor>> factory, string name)
        where TActor : ActorBase => Sys.ActorOf(Props.Create(factory), name);

    public ActorSelection ActorSelection(ActorPath actorPath) => Sys.ActorSelection(actorPath);

    public ActorSelection ActorSelection(string actorPath) => Sys.ActorSelection(actorPath);

    /// <summary>A child of the test actor, which is so its supervisor.</summary>
    public IActorRef ChildActorOf(Props props, string name, CancellationToken cancellationToken = default) =>
        Wait(ChildActorOfAsync(props, name, cancellationToken));

    public IActorRef ChildActorOf(Props props, CancellationToken cancellationToken = default) =>
        ChildActorOf(props, null, cancellationToken);

    public Task<IActorRef> ChildActorOfAsync(Props props, string name, CancellationToken cancellationToken = default)
    {
        var done = new TaskCompletionSource<IActorRef>(TaskCreationOptions.RunContinuationsAsynchronously);
        TestActor.Tell(new InternalTestActor.Spawn(props, name, done), ActorRefs.NoSender);
        return done.Task.WaitAsync(RemainingOrDefault, cancellationToken);
    }

    public Task<IActorRef> ChildActorOfAsync(Props props, CancellationToken cancellationToken = default) =>
        ChildActorOfAsync(props, null, cancellationToken);

    /// <summary>The test actor watches; <see cref="Terminated"/> arrives as any other message.</summary>
    public IActorRef Watch(IActorRef actorToWatch) => Wait(WatchAsync(actorToWatch));

    public async Task<IActorRef> WatchAsync(IActorRef actorToWatch)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        TestActor.Tell(new InternalTestActor.WatchActor(actorToWatch, done), ActorRefs.NoSender);
        await done.Task.WaitAsync(RemainingOrDefault).ConfigureAwait(false);
        return actorToWatch;
    }

    public IActorRef Unwatch(IActorRef actorToUnwatch) => Wait(UnwatchAsync(actorToUnwatch));

    public async Task<IActorRef> UnwatchAsync(IActorRef actorToUnwatch)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        TestActor.Tell(new InternalTestActor.UnwatchActor(actorToUnwatch, done), ActorRefs.NoSender);
        await done.Task.WaitAsync(RemainingOrDefault).ConfigureAwait(false);
        return actorToUnwatch;
    }

    /// <summary>What fits is not shown to the test from now on.</summary>
    public void IgnoreMessages(Func<object, bool> shouldIgnoreMessage) =>
        TestActor.Tell(new InternalTestActor.SetIgnore(shouldIgnoreMessage), ActorRefs.NoSender);

    public void IgnoreMessages<TMsg>(Func<TMsg, bool> shouldIgnoreMessage) =>
        IgnoreMessages(message => message is TMsg typed && shouldIgnoreMessage(typed));

    public void IgnoreMessages<TMsg>() => IgnoreMessages(message => message is TMsg);

    public void IgnoreNoMessages() => TestActor.Tell(new InternalTestActor.SetIgnore(null), ActorRefs.NoSender);

    public void SetAutoPilot(AutoPilot pilot) => TestActor.Tell(new InternalTestActor.SetAutoPilot(pilot), ActorRefs.NoSender);

    /// <summary>One more test actor, with its own messages.</summary>
    public virtual TestProbe CreateTestProbe(string name = null) => CreateTestProbe(Sys, name);

    public virtual TestProbe CreateTestProbe(ActorSystem system, string name = null) => new(system, _assertions, name);

    public virtual TestLatch CreateTestLatch(int count = 1) => new DilatedLatch(Dilated, TestKitSettings.DefaultTimeout, count);

    public TimeSpan Dilated(TimeSpan duration) =>
        duration == Timeout.InfiniteTimeSpan ? duration : duration * TestKitSettings.TestTimeFactor;

    /// <summary>Terminates the system and waits for it.</summary>
    public virtual void Shutdown(TimeSpan? duration = null, bool verifySystemShutdown = false) =>
        Shutdown(Sys, duration, verifySystemShutdown);

    protected virtual void Shutdown(ActorSystem system, TimeSpan? duration = null, bool verifySystemShutdown = false)
    {
        var limit = duration.HasValue ? Dilated(duration.Value) : Dilated(TestKitSettings.DefaultTimeout) * 2;
        var ended = system.Terminate().Wait(limit);
        if (!ended && verifySystemShutdown) throw new TimeoutException($"The actor system {system.Name} did not stop within {limit}.");
        if (!ended) system.Log.Warning("The actor system {0} did not stop within {1}", system.Name, limit);
    }

    /// <summary>Fails the test; braces in the message are meant as they stand.</summary>
    internal void Fail(string message) => _assertions.Fail("{0}", message);

    protected void InitializeTest(ActorSystem system, Config config, string actorSystemName, string testActorName) => InitializeTest(
        system, ActorSystemSetup.Empty.And(BootstrapSetup.Create().WithConfig(config)), actorSystemName, testActorName);

    protected virtual void InitializeTest(ActorSystem system, ActorSystemSetup config, string actorSystemName, string testActorName)
    {
        Sys = system ?? CreateSystem(config, actorSystemName);
        TestKitSettings = TestKitExtension.For(Sys);
        Log = Logging.GetLogger(Sys, GetType());
        EventFilter = new EventFilterFactory(this, Sys);
        var name = string.IsNullOrEmpty(testActorName) ? $"testActor{Interlocked.Increment(ref _testActorCounter)}" : testActorName;
        TestActor = ((ExtendedActorSystem)Sys).SystemActorOf(Props.Create(() => new InternalTestActor(_queue)), name);
        if (this is not INoImplicitSender) ActorCellContext.StandIn(TestActor);
        else if (this is not TestProbe) ActorCellContext.StandIn(null);
    }

    private static ActorSystem CreateSystem(ActorSystemSetup setup, string actorSystemName)
    {
        var bootstrap = setup.Get<BootstrapSetup>().GetOrElse(BootstrapSetup.Create());
        var config = bootstrap.Config.HasValue ? bootstrap.Config.Value : Config.Empty;
        return ActorSystem.Create(actorSystemName ?? "test", setup.And(bootstrap.WithConfig(config.WithFallback(DefaultConfig))));
    }

    private static T Wait<T>(Task<T> task) => task.GetAwaiter().GetResult();
}
