using System.Collections.Immutable;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Which voters follow their leader closely, as Kafka understands it: those that held the whole log at some moment of the last
/// replica.lag.time.max.ms, and that are heard of. Only the leader's; it begins with everybody and loses who stays behind.
/// </summary>
internal sealed class InSyncReplicas(NodeId self, TimeProvider time, TimeSpan maxLag)
{
    private readonly Dictionary<NodeId, Follower> _followers = [];

    /// <summary>The replicas in sync, the leader included, in the order of the voters.</summary>
    public ImmutableArray<NodeId> Current { get; private set; } = [self];

    /// <summary>When a voter held the whole log last, as a timestamp of the clock; 0 when it never did.</summary>
    public long CaughtUpAt(NodeId node) => _followers.TryGetValue(node, out Follower? follower) ? follower.CaughtUpAt : 0;

    /// <summary>A term of leadership begins: everybody has the time that is allowed to catch up.</summary>
    public void Begin() => _followers.Clear();

    /// <summary>Looks at what the leader knows; returns whether the set became another one.</summary>
    public bool Update(RaftCore core, Func<NodeId, bool> isAlive)
    {
        long now = time.GetTimestamp();
        ImmutableArray<NodeId> voters = core.Membership.Voters;
        bool same = true;
        int count = 0;
        foreach (NodeId node in voters)
        {
            if (node != self && !IsInSync(core, node, now, isAlive)) continue;
            same = same && count < Current.Length && Current[count] == node;
            count++;
        }

        if (same && count == Current.Length) return false;
        Current = [.. voters.Where(node => node == self || IsInSync(core, node, now, isAlive))];
        return true;
    }

    private bool IsInSync(RaftCore core, NodeId node, long now, Func<NodeId, bool> isAlive)
    {
        if (!core.TryGetProgress(node, out PeerProgress progress)) return false;
        if (!_followers.TryGetValue(node, out Follower? follower))
            _followers.Add(node, follower = new Follower { CaughtUpAt = now, MarkedAt = now, MarkedEnd = core.LastIndex });
        if (progress.Match >= core.LastIndex)
        {
            follower.CaughtUpAt = now;
        }
        else if (progress.Match >= follower.MarkedEnd)
        {
            // The log grows all the time: who holds what was its end a while ago had caught up then.
            follower.CaughtUpAt = Math.Max(follower.CaughtUpAt, follower.MarkedAt);
            follower.MarkedEnd = core.LastIndex;
            follower.MarkedAt = now;
        }

        return !progress.IsLost && !progress.IsRecovering && isAlive(node) && time.GetElapsedTime(follower.CaughtUpAt, now) <= maxLag;
    }

    private sealed class Follower
    {
        public long CaughtUpAt { get; set; }

        public long MarkedAt { get; set; }

        public LogIndex MarkedEnd { get; set; }
    }
}
