using Akka.Event;

namespace Akka.Actor;

/// <summary>Turns paths into references. Which provider a system has decides whether it knows of other systems.</summary>
public interface IActorRefProvider
{
    IActorRef DeadLetters { get; }

    /// <summary>The address by which others know this system; without a network the one of <see cref="RootPath"/>.</summary>
    Address DefaultAddress { get; }

    IActorRef IgnoreRef { get; }

    ActorPath RootPath { get; }

    Settings Settings { get; }

    /// <summary>The address by which the system at <paramref name="address"/> knows this one; null when it cannot reach it.</summary>
    Address GetExternalAddressFor(Address address);

    /// <summary>The reference of a path; when it is of this system and there is no such actor, one that leads to dead letters.</summary>
    IActorRef ResolveActorRef(string path);

    IActorRef ResolveActorRef(ActorPath actorPath);

    /// <summary>The root of the system at this address.</summary>
    IActorRef RootGuardianAt(Address address);
}

/// <summary>The provider of a system that knows of no other. Other providers derive from it and add theirs.</summary>
internal class LocalActorRefProvider : IActorRefProvider
{
    public LocalActorRefProvider(string systemName, Settings settings, EventStream eventStream)
    {
        RootPath = new RootActorPath(new Address("akka", systemName));
        Settings = settings;
        EventStream = eventStream;
    }

    public IActorRef DeadLetters => System.DeadLetters;

    public virtual Address DefaultAddress => RootPath.Address;

    public IActorRef IgnoreRef => System.IgnoreRef;

    public ActorPath RootPath { get; }

    public Settings Settings { get; }

    protected EventStream EventStream { get; }

    protected ActorSystemImpl System { get; private set; }

    /// <summary>Called once, when the guardians and the loggers run and nothing else does.</summary>
    public virtual void Init(ActorSystemImpl system)
    {
    }

    /// <summary>Called once, when the last actor has ended.</summary>
    public virtual Task Shutdown() => Task.CompletedTask;

    /// <summary>Called by the system's constructor: before it only the configuration may be used.</summary>
    public void Attach(ActorSystemImpl system) => System = system;

    public virtual bool HasAddress(Address address) => address.Equals(RootPath.Address);

    public virtual Address GetExternalAddressFor(Address address) => HasAddress(address) ? address : null;

    public IActorRef ResolveActorRef(string path) =>
        ActorPath.TryParse(path, out ActorPath parsed) ? ResolveActorRef(parsed) : DeadLetters;

    public virtual IActorRef ResolveActorRef(ActorPath actorPath) =>
        HasAddress(actorPath.Address) ? ResolveLocal(actorPath) : new EmptyLocalActorRef(System, actorPath);

    public virtual IActorRef RootGuardianAt(Address address) => HasAddress(address) ? System.RootGuardian : DeadLetters;

    /// <summary>The actor of a path of this system, whatever address it was written with.</summary>
    protected IInternalActorRef ResolveLocal(ActorPath path)
    {
        IActorRef found = System.RootGuardian.GetChild((string[])path.Elements);
        if (found is not Nobody && (path.Uid == ActorPath.UndefinedUid || path.Uid == found.Path.Uid))
            return (IInternalActorRef)found;
        ActorPath missing = path.Address.Equals(RootPath.Address) ? path
            : (RootPath / path.Elements).WithUid(path.Uid);
        return new EmptyLocalActorRef(System, missing);
    }
}
