using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.TestKit.Xunit2.Internals;
using Xunit.Abstractions;

namespace Akka.TestKit.Xunit2;

/// <summary>
/// The base class of xunit tests: an actor system for each test, terminated after it. With an output helper, the log is in its output.
/// </summary>
public class TestKit : TestKitBase, IDisposable
{
    protected readonly ITestOutputHelper Output;
    private bool _isDisposed;

    public TestKit(ActorSystem system = null, ITestOutputHelper output = null) : base(Assertions, system)
    {
        Output = output;
        InitializeLogger(Sys);
    }

    public TestKit(ActorSystemSetup config, string actorSystemName = null, ITestOutputHelper output = null)
        : base(Assertions, config, actorSystemName)
    {
        Output = output;
        InitializeLogger(Sys);
    }

    public TestKit(Config config, string actorSystemName = null, ITestOutputHelper output = null)
        : base(Assertions, config, actorSystemName)
    {
        Output = output;
        InitializeLogger(Sys);
    }

    public TestKit(string config, ITestOutputHelper output = null) : this(ConfigurationFactory.ParseString(config), null, output)
    {
    }

    public static new Config DefaultConfig => TestKitBase.DefaultConfig;

    public static new Config FullDebugConfig => TestKitBase.FullDebugConfig;

    protected static XunitAssertions Assertions { get; } = new();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Called after each test, before the system is terminated.</summary>
    protected virtual void AfterAll()
    {
    }

    protected virtual void Dispose(bool disposing)
    {
        if (!disposing || _isDisposed) return;
        _isDisposed = true;
        try
        {
            AfterAll();
        }
        finally
        {
            Shutdown();
        }
    }

    /// <summary>Sends the log of a system to the test's output.</summary>
    protected void InitializeLogger(ActorSystem system) => StartLogger(system, Output, $"log-test-{Guid.NewGuid():N}");

    /// <summary>The same, with a prefix in front of each line.</summary>
    protected void InitializeLogger(ActorSystem system, string prefix)
    {
        if (Output != null) StartLogger(system, new PrefixedOutput(Output, prefix), $"log-test-{Guid.NewGuid():N}");
    }

    private static void StartLogger(ActorSystem system, ITestOutputHelper output, string name)
    {
        if (output == null) return;
        var logger = ((ExtendedActorSystem)system).SystemActorOf(Props.Create(() => new TestOutputLogger(output)), name);
        logger.Tell(new InitializeLogger(system.EventStream), ActorRefs.NoSender);
    }

    private sealed class PrefixedOutput(ITestOutputHelper output, string prefix) : ITestOutputHelper
    {
        public void WriteLine(string message) => output.WriteLine(prefix + message);

        public void WriteLine(string format, params object[] args) => output.WriteLine(prefix + format, args);
    }
}
