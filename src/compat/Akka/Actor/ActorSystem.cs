using System.Diagnostics;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.Actor;

/// <summary>A hierarchy of actors with what they share: dispatchers, scheduler, event stream, configuration.</summary>
public abstract class ActorSystem : IActorRefFactory, IDisposable
{
    private readonly long _created = Stopwatch.GetTimestamp();

    private protected ActorSystem()
    {
    }

    public abstract IActorRef DeadLetters { get; }

    public abstract Dispatchers Dispatchers { get; }

    public abstract EventStream EventStream { get; }

    /// <summary>Takes every message and does nothing with it.</summary>
    public abstract IActorRef IgnoreRef { get; }

    public abstract ILoggingAdapter Log { get; }

    public abstract Mailboxes Mailboxes { get; }

    public abstract string Name { get; }

    public abstract IScheduler Scheduler { get; }

    public abstract Serialization.Serialization Serialization { get; }

    public abstract Settings Settings { get; }

    /// <summary>When it was created, on the clock that <see cref="Uptime"/> is measured with.</summary>
    public TimeSpan StartTime => Stopwatch.GetElapsedTime(0, _created);

    public TimeSpan Uptime => Stopwatch.GetElapsedTime(_created);

    /// <summary>Done when the system has ended, whoever ended it.</summary>
    public abstract Task WhenTerminated { get; }

    public abstract IActorRef ActorOf(Props props, string name = null);

    public abstract ActorSelection ActorSelection(ActorPath actorPath);

    public abstract ActorSelection ActorSelection(string actorPath);

    public static ActorSystem Create(string name, Config config) => Create(name, BootstrapSetup.Create().WithConfig(config));

    public static ActorSystem Create(string name, BootstrapSetup setup) => Create(name, ActorSystemSetup.Create(setup));

    public static ActorSystem Create(string name, ActorSystemSetup setup)
    {
        BootstrapSetup bootstrap = setup.Get<BootstrapSetup>().GetOrElse(BootstrapSetup.Create());
        return ActorSystemImpl.Start(name, bootstrap.Config.GetOrElse(ConfigurationFactory.Empty), setup);
    }

    public static ActorSystem Create(string name) => Create(name, ActorSystemSetup.Empty);

    /// <summary>Terminates the system; it does not wait for the end.</summary>
    public void Dispose()
    {
        Terminate();
        GC.SuppressFinalize(this);
    }

    /// <summary>The extension of this id, or null.</summary>
    public abstract object GetExtension(IExtensionId extensionId);

    public abstract T GetExtension<T>()
        where T : class, IExtension;

    public abstract bool HasExtension(Type type);

    public abstract bool HasExtension<T>()
        where T : class, IExtension;

    public abstract object RegisterExtension(IExtensionId extension);

    /// <summary>Run when the last actor has ended; what was registered last runs first.</summary>
    public abstract void RegisterOnTermination(Action code);

    public abstract void Stop(IActorRef actor);

    /// <summary>Runs the coordinated shutdown, then ends every actor.</summary>
    public abstract Task Terminate();

    public abstract bool TryGetExtension(Type extensionType, out object extension);

    public abstract bool TryGetExtension<T>(out T extension)
        where T : class, IExtension;
}

/// <summary>What extensions and serializers see of a system.</summary>
public abstract class ExtendedActorSystem : ActorSystem
{
    private protected ExtendedActorSystem()
    {
    }

    /// <summary>Turns paths into references, and knows the address of this system.</summary>
    public abstract IActorRefProvider Provider { get; }

    /// <summary>Ends the system without a coordinated shutdown.</summary>
    public abstract void Abort();

    public abstract string PrintTree();

    /// <summary>An actor below /system: it ends after those below /user.</summary>
    public abstract IActorRef SystemActorOf(Props props, string name = null);

    public abstract IActorRef SystemActorOf<TActor>(string name = null)
        where TActor : ActorBase, new();
}
