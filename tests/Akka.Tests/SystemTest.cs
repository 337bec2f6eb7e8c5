using System.Collections.Concurrent;
using Akka.Configuration;

namespace Akka.Tests;

/// <summary>A test with an actor system of its own and a place where actors leave what they saw.</summary>
public abstract class SystemTest : IAsyncLifetime
{
    /// <summary>For waits that end in milliseconds on a machine that is not busy.</summary>
    protected static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    protected SystemTest(string hocon = "") =>
        Sys = ActorSystem.Create(
            GetType().Name, ConfigurationFactory.ParseString("akka.loglevel = OFF\nakka.stdout-loglevel = OFF\n" + hocon));

    protected ActorSystem Sys { get; }

    protected Record Seen { get; } = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await Sys.Terminate().WaitAsync(Long);

    protected IActorRef Probe(string name = null) => Sys.ActorOf(Props.Create(() => new ProbeActor(Seen)), name);

    /// <summary>An actor that does with each message what it is told here.</summary>
    protected IActorRef Acting(Action<IActorContext, object> receive, string name = null) =>
        Sys.ActorOf(Props.Create(() => new ActingActor(receive)), name);

    /// <summary>Waits until an actor has handled what was sent to it before.</summary>
    protected static async Task Settled(IActorRef actor) => await actor.Ask<ActorIdentity>(new Identify(null), Long);

    public sealed class Record
    {
        private readonly BlockingCollection<object> _seen = [];

        public void Add(object seen) => _seen.Add(seen);

        public object Next() => _seen.TryTake(out object next, Long) ? next : throw new TimeoutException("Nothing more was seen.");

        public T Next<T>() => Assert.IsType<T>(Next(), exactMatch: false);

        public void AssertNext(params object[] expected)
        {
            foreach (object one in expected)
                Assert.Equal(one, Next());
        }

        public void AssertNothingMore() => Assert.Empty(_seen);
    }

    private sealed class ProbeActor(Record seen) : UntypedActor
    {
        protected override void OnReceive(object message) => seen.Add(message);
    }

    private sealed class ActingActor(Action<IActorContext, object> receive) : UntypedActor
    {
        protected override void OnReceive(object message) => receive(Context, message);
    }
}

/// <summary>A failure that a test asks for.</summary>
public sealed class ExpectedException(string message = "expected") : Exception(message);
