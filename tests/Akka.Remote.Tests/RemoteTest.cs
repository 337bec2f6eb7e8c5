using System.Collections.Concurrent;
using Akka.Configuration;

namespace Akka.Remote.Tests;

/// <summary>Two systems of this process that talk over loopback.</summary>
public abstract class RemoteTest : IAsyncLifetime
{
    /// <summary>For waits that end in milliseconds on a machine that is not busy.</summary>
    protected static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private readonly List<ActorSystem> _systems = [];
    private readonly string _hocon;

    protected RemoteTest(string hocon = "")
    {
        _hocon = hocon;
        Here = Start("here");
        There = Start("there");
    }

    protected ActorSystem Here { get; }

    protected ActorSystem There { get; }

    protected Record Seen { get; } = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await Task.WhenAll(_systems.Select(static system => system.Terminate())).WaitAsync(Long);

    protected ActorSystem Start(string name, int port = 0, string hocon = "")
    {
        var system = ActorSystem.Create(name, ConfigurationFactory.ParseString(hocon + "\n" + _hocon + "\n").WithFallback($$"""
            akka {
              loglevel = DEBUG
              stdout-loglevel = OFF
              loggers = ["Akka.Event.StandardOutLogger"]
              log-dead-letters = off
              actor.provider = remote
              actor.ask-timeout = 30s
              remote.dot-netty.tcp { hostname = "127.0.0.1", port = {{port}} }
              remote.retry-gate-closed-for = 200ms
            }
            """));
        _systems.Add(system);
        return system;
    }

    protected static Address AddressOf(ActorSystem system) => ((ExtendedActorSystem)system).Provider.DefaultAddress;

    /// <summary>The same actor as another system knows it.</summary>
    protected static async Task<IActorRef> Across(IActorRef actor, ActorSystem of, ActorSystem to) =>
        await to.ActorSelection(new RootActorPath(AddressOf(of)) / actor.Path.Elements).ResolveOne(Long);

    protected IActorRef Probe(ActorSystem system, string name = null) => system.ActorOf(Props.Create(() => new ProbeActor(Seen)), name);

    /// <summary>An actor that does with each message what it is told here.</summary>
    protected static IActorRef Acting(ActorSystem system, Action<IActorContext, object> receive, string name = null) =>
        system.ActorOf(Props.Create(() => new ActingActor(receive)), name);

    /// <summary>Collects what is published to the event stream of a system.</summary>
    protected static Record Published(ActorSystem system, params Type[] types)
    {
        var seen = new Record();
        IActorRef probe = system.ActorOf(Props.Create(() => new ProbeActor(seen)));
        foreach (Type type in types)
            system.EventStream.Subscribe(probe, type);
        return seen;
    }

    public sealed class Record
    {
        private readonly BlockingCollection<object> _seen = [];

        public void Add(object seen) => _seen.Add(seen);

        public object Next() => _seen.TryTake(out object next, Long) ? next : throw new TimeoutException("Nothing more was seen.");

        public T Next<T>() => Assert.IsType<T>(Next(), exactMatch: false);

        /// <summary>The next one of this kind; what comes before it is passed over.</summary>
        public T First<T>(Func<T, bool> matches = null)
        {
            while (true)
            {
                if (Next() is T next && matches?.Invoke(next) != false)
                    return next;
            }
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
