using Chronik.Gateway.Network;
using Chronik.Model;

namespace Chronik.Gateway.Forwarding;

/// <summary>
/// Passes what one client's connection asked of the wrong node on to the right one (<c>chronik.gateway.forward</c>), over a connection
/// to each leader that is this client's alone: so the order of its requests and the bounds on them are the same there as here. For the
/// connection actor's thread.
/// </summary>
internal sealed class Forwarder(GatewayServices services, KafkaConnection connection) : IDisposable
{
    private const string ClientIdPrefix = "chronik-forwarded-by-";

    private readonly Dictionary<NodeId, ForwardLink> _links = [];
    private readonly Dictionary<GroupId, Route> _routes = []; // Of batches that are not answered yet. Its own lock.

    /// <summary>How a node names itself to the leader, which then passes nothing on: a request is forwarded once at most.</summary>
    public static string ClientIdOf(NodeId node) => $"{ClientIdPrefix}{node.Value}";

    /// <summary>Whether a request with this client id was forwarded already.</summary>
    public static bool IsForwarded(string clientId) => clientId.StartsWith(ClientIdPrefix, StringComparison.Ordinal);

    /// <summary>Whether any batch of this client is on its way to another node.</summary>
    public bool HasRoutes
    {
        get
        {
            lock (_routes) return _routes.Count > 0;
        }
    }

    /// <summary>
    /// The link for a partition's next batch: the one on which batches of this client are still on their way, wherever the leader is by
    /// now, so that none overtakes another; or the one to its leader. Null when it is to be appended here, or nobody is known to lead.
    /// </summary>
    /// <param name="group">The partition.</param>
    /// <param name="isLedHere">Whether this node leads it.</param>
    /// <param name="leader">The leader, as far as it is known.</param>
    public ForwardLink? RouteOf(GroupId group, bool isLedHere, NodeId leader)
    {
        lock (_routes)
        {
            if (_routes.TryGetValue(group, out Route? route)) return route.Link;
        }

        return isLedHere ? null : LinkTo(leader);
    }

    /// <summary>A link to a node; null when it is nobody, this one, or its address is not known.</summary>
    public ForwardLink? LinkTo(NodeId leader)
    {
        if (leader == services.Node.Id || services.Find(leader, connection) is not { } address) return null;
        if (_links.TryGetValue(leader, out ForwardLink? link) && !link.IsOver) return link;
        link = new ForwardLink(services, address, () => connection.Abort("a leader was lost that batches without acks were passed on to"));
        _links[leader] = link;
        return link;
    }

    /// <summary>A batch is on its way.</summary>
    public void Sent(GroupId group, ForwardLink link)
    {
        lock (_routes)
        {
            if (_routes.TryGetValue(group, out Route? route)) route.Batches++;
            else _routes.Add(group, new Route(link) { Batches = 1 });
        }
    }

    /// <summary>A batch was answered. Any thread.</summary>
    public void Answered(GroupId group)
    {
        lock (_routes)
        {
            if (--_routes[group].Batches == 0) _routes.Remove(group);
        }
    }

    /// <summary>The client is gone.</summary>
    public void Dispose()
    {
        foreach (ForwardLink link in _links.Values) link.Dispose();
    }

    private sealed class Route(ForwardLink link)
    {
        public ForwardLink Link => link;

        public int Batches { get; set; }
    }
}
