using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Remote.Transport;

namespace Akka.Remote.Serialization;

/// <summary>The bytes of the system messages that go from system to system.</summary>
internal static class SystemMessageCodec
{
    private const int Watch = 1;
    private const int Unwatch = 2;
    private const int Notification = 3;
    private const int Terminate = 4;

    private const byte ExistenceConfirmed = 1;
    private const byte AddressTerminated = 2;

    public static int KindOf(SystemMessage message) => message switch
    {
        Dispatch.SysMsg.Watch => Watch,
        Dispatch.SysMsg.Unwatch => Unwatch,
        DeathWatchNotification => Notification,
        Dispatch.SysMsg.Terminate => Terminate,
        _ => throw new NotSupportedException($"{message.GetType().Name} does not leave its system."),
    };

    public static byte[] ToBinary(SystemMessage message)
    {
        switch (message)
        {
            case Watch watch:
                return Paths(0, watch.Watchee, watch.Watcher);
            case Unwatch unwatch:
                return Paths(0, unwatch.Watchee, unwatch.Watcher);
            case DeathWatchNotification notification:
                int flags = (notification.ExistenceConfirmed ? ExistenceConfirmed : 0)
                    | (notification.AddressTerminated ? AddressTerminated : 0);
                return Paths((byte)flags, notification.Actor);
            default:
                return [];
        }
    }

    /// <exception cref="ProtocolException">These are not the bytes of such a message.</exception>
    public static SystemMessage FromBinary(int kind, byte[] bytes, IInternalActorRef recipient, RemoteActorRefProvider provider)
    {
        if (kind == Terminate)
            return new Terminate();
        var reader = new FrameReader(bytes);
        byte flags = reader.Byte();
        var actor = (IInternalActorRef)provider.ResolveActorRef(reader.Text());
        switch (kind)
        {
            // Which of the two is here is meant by the recipient, also when it is gone and there is another at its path.
            case Watch:
                return new Watch(recipient, (IInternalActorRef)provider.ResolveActorRef(reader.Text()));
            case Unwatch:
                return new Unwatch(recipient, (IInternalActorRef)provider.ResolveActorRef(reader.Text()));
            case Notification:
                return new DeathWatchNotification(actor, (flags & ExistenceConfirmed) != 0, (flags & AddressTerminated) != 0);
            default:
                throw new ProtocolException($"there is no system message of kind {kind}");
        }
    }

    private static byte[] Paths(byte flags, params ReadOnlySpan<IActorRef> actors)
    {
        Span<byte> bytes = stackalloc byte[Frame.MaximumHeader];
        var writer = new Frame.Writer(bytes, 0);
        writer.Byte(flags);
        foreach (IActorRef actor in actors)
            writer.Text(Akka.Serialization.Serialization.SerializedActorPath(actor));
        return bytes[..writer.Position].ToArray();
    }
}
