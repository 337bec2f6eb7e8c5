using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>A message between nodes of the cluster.</summary>
public interface IClusterMessage;

/// <summary>A node that starts asks the seed nodes whether they can be joined.</summary>
internal sealed record InitJoin : IClusterMessage, IDeadLetterSuppression;

/// <summary>It may be joined.</summary>
internal sealed record InitJoinAck(Address Address) : IClusterMessage, IDeadLetterSuppression;

/// <summary>It may not be joined; it is in no cluster itself, or on its way out.</summary>
internal sealed record InitJoinNack(Address Address) : IClusterMessage, IDeadLetterSuppression;

/// <summary>A node wants to become a member.</summary>
internal sealed record Join(UniqueAddress Node, ImmutableHashSet<string> Roles) : IClusterMessage;

/// <summary>It is one now, Joining; and this is the cluster.</summary>
internal sealed record Welcome(UniqueAddress From, Gossip Gossip) : IClusterMessage;

/// <summary>A whole version, meant for one incarnation.</summary>
internal sealed record GossipEnvelope(UniqueAddress From, UniqueAddress To, Gossip Gossip) : IClusterMessage, IDeadLetterSuppression;

/// <summary>A version without its content: whoever has another sends it, or asks for it.</summary>
internal sealed record GossipStatus(UniqueAddress From, VectorClock Version) : IClusterMessage, IDeadLetterSuppression;

/// <summary>A node has done what it had to do before it goes.</summary>
internal sealed record ExitingConfirmed(UniqueAddress Node) : IClusterMessage, IDeadLetterSuppression;

internal sealed record Heartbeat(Address From, long SequenceNr) : IClusterMessage, IDeadLetterSuppression;

internal sealed record HeartbeatRsp(UniqueAddress From, long SequenceNr) : IClusterMessage, IDeadLetterSuppression;

/// <summary>What the application asks of its own node.</summary>
internal sealed record JoinTo(Address Address);

internal sealed record JoinSeedNodes(ImmutableList<Address> SeedNodes);

internal sealed record LeaveNode(Address Address);

internal sealed record DownNode(Address Address);

internal sealed record SubscribeTo(IActorRef Subscriber, ClusterEvent.SubscriptionInitialStateMode Mode, ImmutableHashSet<Type> To);

internal sealed record UnsubscribeFrom(IActorRef Subscriber, Type To);

internal sealed record SendState(IActorRef Receiver);

/// <summary>The coordinated shutdown has passed the phases that a node runs before it goes.</summary>
internal sealed record ExitingCompleted;

internal enum ClusterTick
{
    Gossip,
    GossipSoon,
    Leader,
    Reap,
}
