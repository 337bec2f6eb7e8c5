using System.Text;
using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Remote.Transport;

namespace Akka.Remote;

/// <summary>The reference to an actor of another system. It is there whether the actor is or not.</summary>
internal class RemoteActorRef : ActorRefBase, IInternalActorRef
{
    private readonly RemoteActorRefProvider _provider;
    private Association _association;
    private byte[] _pathBytes;
    private Lane? _lane;

    public RemoteActorRef(RemoteActorRefProvider provider, ActorPath path)
    {
        _provider = provider;
        Path = path;
    }

    public override ActorPath Path { get; }

    public bool IsLocal => false;

    public bool IsTerminated => false;

    public IInternalActorRef Parent =>
        Path.Parent is { } parent ? (IInternalActorRef)_provider.ResolveActorRef(parent) : Nobody.Instance;

    public ActorSystemImpl SystemImpl => _provider.SystemImpl;

    internal Association Association => _association ??= _provider.Remoting.AssociationWith(Path.Address);

    /// <summary>The path with uid and address in UTF-8.</summary>
    internal byte[] PathBytes => _pathBytes ??= Encoding.UTF8.GetBytes(Path.ToSerializationFormat());

    internal Lane Lane => _lane ??= _provider.Remoting.LaneOf(Path.Elements);

    public IActorRef GetChild(ReadOnlySpan<string> names)
    {
        ActorPath path = Path;
        foreach (string name in names)
        {
            if (name == "..")
                path = path.Parent ?? path;
            else if (name.Length > 0)
                path /= name;
        }

        return _provider.ResolveActorRef(path);
    }

    public void SendSystemMessage(SystemMessage message)
    {
        switch (message)
        {
            case Watch watch when !watch.Watcher.Equals(_provider.RemoteWatcher):
                _provider.RemoteWatcher.Tell(new RemoteWatcher.WatchRemote(watch.Watchee, watch.Watcher), ActorRefs.NoSender);
                break;
            case Unwatch unwatch when !unwatch.Watcher.Equals(_provider.RemoteWatcher):
                _provider.RemoteWatcher.Tell(new RemoteWatcher.UnwatchRemote(unwatch.Watchee, unwatch.Watcher), ActorRefs.NoSender);
                break;
            default:
                _provider.Remoting.SendSystem(message, this);
                break;
        }
    }

    public void Stop() => SendSystemMessage(new Terminate());

    protected override void TellInternal(object message, IActorRef sender) => _provider.Remoting.Send(message, sender, this);
}
