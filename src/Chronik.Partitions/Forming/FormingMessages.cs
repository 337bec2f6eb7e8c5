using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Storage;

namespace Chronik.Partitions.Forming;

/// <summary>What a node says of itself when it meets another.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Directory">Its data directory.</param>
/// <param name="Incarnation">The process.</param>
/// <param name="Address">Where its actor system is, as text.</param>
/// <param name="Protocol">
/// What it speaks: from the level that its cluster is at, because it writes nothing older there, to the newest that it knows.
/// </param>
/// <param name="Expect">How many nodes it was told to wait for.</param>
/// <param name="AgeMs">For how long the process has been there, in milliseconds: of two that cannot both stay the older one does.</param>
/// <param name="ClusterId">The cluster that its directory belongs to; empty while it belongs to none.</param>
/// <param name="MetadataVoters">The nodes that cluster was formed of; none while it belongs to none.</param>
internal sealed record NodeFacts(
    NodeId Id,
    Guid Directory,
    Guid Incarnation,
    string Address,
    ProtocolVersions Protocol,
    int Expect,
    long AgeMs,
    string ClusterId,
    IReadOnlyList<MetadataVoter> MetadataVoters)
{
    /// <summary>The addresses that it was told to look for others at, as text.</summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>Whether all is there that every version says; what another node writes may lack anything.</summary>
    public bool IsWhole => Address is not null && ClusterId is not null && MetadataVoters is not null && Seeds is not null;

    /// <summary>Whether its directory belongs to a cluster.</summary>
    public bool IsFormed => ClusterId.Length > 0;
}

/// <summary>To /user/chronik/forming of another node: who I am. Answered with <see cref="Welcome"/> or <see cref="Unwelcome"/>.</summary>
internal sealed record Hello(NodeFacts From) : IRpcMessage;

/// <summary>Who I am, and you may stay.</summary>
internal sealed record Welcome(NodeFacts From) : IRpcMessage;

/// <summary>Who I am, and why the two of us cannot be in one cluster.</summary>
/// <param name="From">Who says so.</param>
/// <param name="Reason">Why, naming both.</param>
/// <param name="IsOtherCluster">Whether the reason is that each belongs to a cluster of its own.</param>
internal sealed record Unwelcome(NodeFacts From, string Reason, bool IsOtherCluster) : IRpcMessage;

/// <summary>
/// To every node that was met: let these found a cluster. Answered with <see cref="Accepted"/> or <see cref="Withdrawn"/>.
/// </summary>
/// <param name="From">Who proposes.</param>
/// <param name="ClusterId">The cluster's id.</param>
/// <param name="MetadataVoters">Who founds it.</param>
internal sealed record Propose(NodeFacts From, string ClusterId, IReadOnlyList<MetadataVoter> MetadataVoters) : IRpcMessage
{
    /// <summary>Higher than that of every founding that the proposer has heard of.</summary>
    public long Round { get; init; }

    /// <summary>
    /// Everybody who is to accept it, voter or not, before it is written; older versions do not tell, then only the voters are known to.
    /// </summary>
    public IReadOnlyList<MetadataVoter>? Participants { get; init; }
}

/// <summary>
/// To who proposed: my folder says that I do. I take part in no founding that was proposed before it any more, and in a later one only if
/// that leaves this one without a majority, or this one is withdrawn.
/// </summary>
internal sealed record Accepted(string Address, string ClusterId) : IRpcMessage;

/// <summary>To who proposed: I do not take part. From who proposed: it is off, and never was written.</summary>
internal sealed record Withdrawn(string Address, string ClusterId) : IRpcMessage
{
    /// <summary>The data directory of who says so; older versions do not tell it.</summary>
    public Guid Directory { get; init; }

    /// <summary>The highest round that it has heard of.</summary>
    public long Round { get; init; }
}

/// <summary>To every node that was met: everybody has accepted, the cluster is founded.</summary>
internal sealed record Formed(string ClusterId, IReadOnlyList<MetadataVoter> MetadataVoters) : IRpcMessage
{
    /// <summary>The level that it is founded at; who does not say so knows only the oldest.</summary>
    public int Level { get; init; } = FeatureLevel.Oldest;
}

/// <summary>
/// To forming, from whoever knows the members of the actor systems' cluster: there is one at an address. This node's own address says that
/// it is a member itself, and comes after those of all that were there before.
/// </summary>
internal sealed record MemberSeen(Address Address);

/// <summary>To /user/chronik/membership, from forming: say once more who is there.</summary>
internal sealed class TellMembers
{
    public static readonly TellMembers Instance = new();
}

/// <summary>To forming: nothing is heard of a member at present.</summary>
internal sealed record MemberUnreachable(Address Address);

/// <summary>To forming: a member left for good.</summary>
internal sealed record MemberGone(Address Address);

/// <summary>To forming: the connection with an address broke.</summary>
internal sealed record AssociationLost(Address Address);

/// <summary>What forming is made from.</summary>
/// <param name="Node">What the node's actors share.</param>
/// <param name="Self">Where this actor system is.</param>
/// <param name="Incarnation">This process.</param>
/// <param name="Expect">How many nodes found a cluster.</param>
/// <param name="Reach">Finds an actor of another system by its path below /user.</param>
/// <param name="Others">Told of the other nodes.</param>
/// <param name="Progress">Told, once a second, what is waited for; one line.</param>
/// <param name="HasMembership">Whether Akka.Cluster says who is there.</param>
/// <param name="Refused">Told why this node cannot be in this cluster; once, and then it does nothing more.</param>
internal sealed record FormingSetup(
    NodeContext Node,
    Address Self,
    Guid Incarnation,
    int Expect,
    Func<Address, string, ICanTell> Reach,
    PeerBook Others,
    Action<string> Progress,
    bool HasMembership,
    Action<string> Refused)
{
    /// <summary>Nodes that are there if anybody is. Without any this node is the first of its cluster.</summary>
    public IReadOnlyList<Address> Seeds { get; init; } = [];

    /// <summary>Whether somebody leads the metadata of this node's cluster, as far as is known here.</summary>
    public Func<bool> IsLed { get; init; } = () => false;

    /// <summary>What this node can speak.</summary>
    public ProtocolVersions Protocol { get; init; } = ProtocolVersions.Current;

    /// <summary>How often nodes that have not met yet try to.</summary>
    public TimeSpan GreetInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// How long a node of another cluster waits for its own before it believes that it is in the wrong place; and for how long a cluster is
    /// not founded without a node that is known and silent.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(3);
}
