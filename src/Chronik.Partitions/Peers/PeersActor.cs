using Akka.Actor;

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
        public Inbox(PeerHub hub) => Receive<PeerFrame>(hub.Receive);
    }
}
