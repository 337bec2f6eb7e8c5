using Akka.Dispatch.SysMsg;

namespace Akka.Actor;

/// <summary>The reference to an actor of this process.</summary>
internal sealed class LocalActorRef(ActorSystemImpl system, ActorPath path) : ActorRefBase, IInternalActorRef
{
    /// <summary>Set once, before the reference is given to anyone.</summary>
    public ActorCell Cell { get; set; }

    public override ActorPath Path => path;

    public bool IsTerminated => Cell.IsTerminated;

    public IInternalActorRef Parent => Cell.ParentRef;

    public ActorSystemImpl SystemImpl => system;

    public IActorRef GetChild(ReadOnlySpan<string> names)
    {
        if (names.IsEmpty)
            return this;
        switch (names[0])
        {
            case "":
                return GetChild(names[1..]);
            case "..":
                return Parent is null or Nobody ? Nobody.Instance : Parent.GetChild(names[1..]);
            case var name:
                int hash = name.IndexOf('#', StringComparison.Ordinal);
                IInternalActorRef child = Child(hash < 0 ? name : name[..hash]);
                if (child is null || (hash >= 0 && !child.Path.Uid.ToString(System.Globalization.CultureInfo.InvariantCulture).AsSpan()
                        .SequenceEqual(name.AsSpan(hash + 1))))
                    return Nobody.Instance;
                return child.GetChild(names[1..]);
        }
    }

    public void SendSystemMessage(SystemMessage message) => Cell.SendSystemMessage(message);

    public void Stop() => Cell.SendSystemMessage(new Terminate());

    protected override void TellInternal(object message, IActorRef sender) => Cell.SendMessage(message, sender);

    private IInternalActorRef Child(string name)
    {
        if (Cell.Children?.ByName(name) is { } stats)
            return stats.Child;
        // What is not an actor but has a path below the root: /temp and /deadLetters.
        return Path.Depth == 0 ? system.ExtraRootChild(name) : null;
    }
}
