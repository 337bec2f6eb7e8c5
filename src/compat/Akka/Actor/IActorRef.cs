using Akka.Dispatch.SysMsg;

namespace Akka.Actor;

public interface ICanTell
{
    /// <summary>Sends a message without waiting; at most once, in order for one sender and one receiver.</summary>
    void Tell(object message, IActorRef sender);
}

/// <summary>The address of one incarnation of an actor. It stays valid through restarts and ends with the actor.</summary>
public interface IActorRef : ICanTell, IEquatable<IActorRef>, IComparable<IActorRef>, IComparable
{
    ActorPath Path { get; }
}

public interface IActorRefFactory
{
    /// <summary>Creates an actor; construction itself happens later, on the actor's own dispatcher.</summary>
    IActorRef ActorOf(Props props, string name = null);

    ActorSelection ActorSelection(ActorPath actorPath);

    ActorSelection ActorSelection(string actorPath);
}

public interface ICanWatch
{
    /// <summary>After this no <see cref="Terminated"/> of the subject arrives, also when one was already on its way.</summary>
    IActorRef Unwatch(IActorRef subject);

    /// <summary>Asks for <see cref="Terminated"/> when the subject dies. Watching what is watched already changes nothing.</summary>
    IActorRef Watch(IActorRef subject);

    /// <summary>As <see cref="Watch"/>, with a message of one's own in place of <see cref="Terminated"/>.</summary>
    IActorRef WatchWith(IActorRef subject, object message);
}

/// <summary>What every reference of this library can do besides receiving messages.</summary>
internal interface IInternalActorRef : IActorRef
{
    bool IsTerminated { get; }

    /// <summary>False for an actor of another system.</summary>
    bool IsLocal => true;

    IInternalActorRef Parent { get; }

    /// <summary>The system the reference belongs to; null for <see cref="Nobody"/>.</summary>
    ActorSystemImpl SystemImpl { get; }

    /// <summary>The descendant of this name, ".." being the parent; <see cref="Nobody"/> when there is none.</summary>
    IActorRef GetChild(ReadOnlySpan<string> names);

    void SendSystemMessage(SystemMessage message);

    void Stop();
}

/// <summary>Identity of references: the path and the uid of the incarnation.</summary>
public abstract class ActorRefBase : IActorRef
{
    private protected ActorRefBase()
    {
    }

    public abstract ActorPath Path { get; }

    public int CompareTo(object obj) =>
        obj is null or IActorRef ? CompareTo((IActorRef)obj)
            : throw new ArgumentException("A reference compares only with a reference.", nameof(obj));

    public int CompareTo(IActorRef other)
    {
        if (other is null)
            return 1;
        int order = Path.CompareTo(other.Path);
        return order != 0 ? order : Path.Uid.CompareTo(other.Path.Uid);
    }

    public override bool Equals(object obj) => Equals(obj as IActorRef);

    public bool Equals(IActorRef other) =>
        ReferenceEquals(this, other) || (other is not null && Path.Uid == other.Path.Uid && Path.Equals(other.Path));

    public override int GetHashCode() => HashCode.Combine(Path, Path.Uid);

    public void Tell(object message, IActorRef sender)
    {
        if (message is null)
            throw new InvalidMessageException();
        TellInternal(message, sender);
    }

    protected abstract void TellInternal(object message, IActorRef sender);

    public override string ToString() => Path.Uid == ActorPath.UndefinedUid ? $"[{Path}]" : $"[{Path.ToStringWithUid()}]";
}

/// <summary>A reference without an actor behind it; it ignores whatever it is not overridden to do.</summary>
internal abstract class MinimalActorRef : ActorRefBase, IInternalActorRef
{
    public virtual bool IsTerminated => false;

    public virtual IInternalActorRef Parent => Nobody.Instance;

    public abstract ActorSystemImpl SystemImpl { get; }

    public virtual IActorRef GetChild(ReadOnlySpan<string> names) => names.TrimStart("").IsEmpty ? this : Nobody.Instance;

    public virtual void SendSystemMessage(SystemMessage message)
    {
    }

    public virtual void Stop()
    {
    }

    protected override void TellInternal(object message, IActorRef sender)
    {
    }
}

public static class ActorRefs
{
    /// <summary>The sender of a message that expects no answer.</summary>
    public static readonly IActorRef NoSender;

    public static readonly Nobody Nobody = Nobody.Instance;
}

/// <summary>The reference that nothing answers to.</summary>
public sealed class Nobody : ActorRefBase, IInternalActorRef
{
    public static Nobody Instance = new();

    private Nobody()
    {
    }

    public override ActorPath Path { get; } = new RootActorPath(new Address("akka", "all-systems")) / "Nobody";

    bool IInternalActorRef.IsTerminated => false;

    IInternalActorRef IInternalActorRef.Parent => this;

    ActorSystemImpl IInternalActorRef.SystemImpl => null;

    IActorRef IInternalActorRef.GetChild(ReadOnlySpan<string> names) => this;

    void IInternalActorRef.SendSystemMessage(SystemMessage message)
    {
    }

    void IInternalActorRef.Stop()
    {
    }

    protected override void TellInternal(object message, IActorRef sender)
    {
    }
}

public static class ActorRefExtensions
{
    public static IActorRef GetOrElse(this IActorRef actorRef, Func<IActorRef> elseValue) => actorRef.IsNobody() ? elseValue() : actorRef;

    public static bool IsNobody(this IActorRef actorRef) => actorRef is null or Nobody;
}

public static class ActorRefImplicitSenderExtensions
{
    /// <summary>Sends on the current message with its sender.</summary>
    public static void Forward(this IActorRef receiver, object message) => receiver.Tell(message, ActorCell.Current?.Sender);

    /// <summary>Sends with the running actor as the sender, or none outside of actors.</summary>
    public static void Tell(this IActorRef receiver, object message) => receiver.Tell(message, ActorCell.Current?.Self);
}

public static class ActorRefFactoryExtensions
{
    public static IActorRef ActorOf<TActor>(this IActorRefFactory factory, string name = null)
        where TActor : ActorBase, new() => factory.ActorOf(Props.Create<TActor>(), name);

    public static ActorSelection ActorSelection(this IActorRefFactory factory, IActorRef anchorRef, string actorPath) =>
        new(anchorRef, actorPath);
}
