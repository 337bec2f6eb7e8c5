using System.Collections.Concurrent;
using Akka.Actor;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>The other nodes of the cluster as they were met: which directory each has now and where its actors are. Thread-safe.</summary>
internal sealed class PeerBook
{
    private readonly ConcurrentDictionary<NodeId, PeerEntry> _peers = new();

    /// <summary>All of them.</summary>
    public ICollection<PeerEntry> All => _peers.Values;

    /// <summary>A node, or null when it was not met or is gone.</summary>
    public PeerEntry? Find(NodeId node) => _peers.GetValueOrDefault(node);

    /// <summary>A node was met, or met again.</summary>
    public void Set(PeerEntry peer) => _peers[peer.Id] = peer;

    /// <summary>A node is gone.</summary>
    public void Remove(NodeId node) => _peers.TryRemove(node, out _);
}

/// <summary>Another node.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Directory">Its data directory.</param>
/// <param name="Address">Where its actor system is.</param>
/// <param name="Rpc">Its /user/chronik/rpc.</param>
internal sealed record PeerEntry(NodeId Id, Guid Directory, Address Address, ICanTell Rpc);
