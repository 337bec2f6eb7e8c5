using Chronik.Partitions;

namespace Chronik.Gateway;

/// <summary>What an operator may set about the client-facing side, besides its limits.</summary>
public sealed record GatewaySettings
{
    /// <summary>
    /// The host that clients are told to connect to. Null: the address that each client reached, which is right unless there is a proxy
    /// or address translation between. Key: <c>chronik.kafka.advertise</c>.
    /// </summary>
    public string? AdvertisedHost { get; init; }

    /// <summary>The port that clients are told to connect to; null for the one they reached. Key: <c>chronik.kafka.advertise</c>.</summary>
    public int? AdvertisedPort { get; init; }

    /// <summary>The rack of this node, or null.</summary>
    public string? Rack { get; init; }

    /// <summary>
    /// What consumers may read of a replica that does not lead. Keys: <c>chronik.follower-read.policy</c> and <c>.enabled</c>.
    /// </summary>
    public FollowerReadPolicy FollowerReads { get; init; } = FollowerReadPolicy.Safe;

    /// <summary>
    /// Whether produce and fetch requests that reach a node that does not lead are passed on to the one that does; otherwise their client
    /// is told who that is. Key: <c>chronik.gateway.forward</c>.
    /// </summary>
    public bool Forward { get; init; }

    /// <summary>The limits.</summary>
    public GatewayLimits Limits { get; init; } = new();
}
