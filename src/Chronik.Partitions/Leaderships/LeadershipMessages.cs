using Akka.Event;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;

namespace Chronik.Partitions.Leaderships;

/// <summary>
/// To /leaderships of the node that leads these partitions, by way of /user/chronik/rpc when it is another one: hand them over. Answered
/// with <see cref="LeadersMoved"/> once each has its new leader, or cannot have it, or the time is over.
/// </summary>
/// <param name="Moves">What shall lead where.</param>
/// <param name="Timeout">How long it may take.</param>
internal sealed record MoveLeaders(IReadOnlyList<LeaderMove> Moves, TimeSpan Timeout) : IRpcMessage;

/// <summary>What became of <see cref="MoveLeaders"/>.</summary>
/// <param name="Results">One for each move.</param>
internal sealed record LeadersMoved(IReadOnlyList<ItemResult> Results) : IRpcMessage;

/// <summary>
/// To /user/chronik/rpc of every other node: this one is about to stop, so nothing should be given to it any more. Said again until it
/// stops; forgotten when the node is lost.
/// </summary>
/// <param name="Node">The node that stops.</param>
internal sealed record NodeStopping(NodeId Node) : IRpcMessage, IDeadLetterSuppression;

/// <summary>To /leaderships: the node stops. Answered with a <see cref="HandOverReport"/>, every time it is asked.</summary>
/// <param name="Progress">Told once a second, on the actor's thread, how many leaderships are left of how many.</param>
internal sealed record HandOver(Action<int, int> Progress);

/// <summary>From a replica to whoever asked it to hand its leadership over.</summary>
/// <param name="Group">The group.</param>
/// <param name="To">Who shall lead; none when nobody can.</param>
/// <param name="Error">NONE when the transfer has begun; otherwise why it has not.</param>
internal sealed record TransferAnswer(GroupId Group, NodeId To, KafkaError Error);
