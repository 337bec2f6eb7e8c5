using Akka.Actor;
using Akka.Event;

namespace Chronik.Partitions.Peers;

/// <summary>/user/chronik/peers: the well-known ends of the ways from other nodes, which never wait for each other.</summary>
/// <remarks>
/// <code>
///   another node's hub -- PeerFrame --> peers/control --|
///   another node's hub -- PeerFrame --> peers/bulk -----|-- Receive --> hub
/// </code>
/// </remarks>
internal sealed class PeersActor : ReceiveActor
{
    public const string Name = "peers";
    public const string ControlName = "control";
    public const string BulkName = "bulk";

    public PeersActor(PeerHub hub)
    {
        Context.ActorOf(Props.Create(() => new Inbox(hub)), ControlName);
        Context.ActorOf(Props.Create(() => new Inbox(hub)), BulkName);
    }

    private sealed class Inbox : ReceiveActor
    {
        private readonly ILoggingAdapter _logger = Context.GetLogger();
        private byte _said; // The newest version that was complained of, so that it is once.

        public Inbox(PeerHub hub) => Receive<PeerFrame>(frame =>
        {
            if (FrameFormat.NewerVersion(frame.Bytes) is { } version && version > _said)
            {
                _said = version;
                _logger.Warning(
                    "a frame of version {0} has come from another node; this node reads up to {1}, and drops it",
                    version, FrameFormat.Version);
            }

            hub.Receive(frame);
        });
    }
}
