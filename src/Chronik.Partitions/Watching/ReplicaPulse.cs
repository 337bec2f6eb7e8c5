using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Watching;

/// <summary>
/// What a replica's Raft group is doing, for whoever measures: written by the replica after each step, without a lock or an allocation, and
/// read by anybody at any time.
/// </summary>
internal sealed class ReplicaPulse
{
    private volatile FollowerPulse[] _followers = [];
    private long _term;
    private long _commit;
    private long _applied;
    private long _end;

    /// <summary>The term.</summary>
    public Term Term => new(Volatile.Read(ref _term));

    /// <summary>The last entry known to be committed.</summary>
    public LogIndex Commit => new(Volatile.Read(ref _commit));

    /// <summary>The last entry applied.</summary>
    public LogIndex Applied => new(Volatile.Read(ref _applied));

    /// <summary>How far each other member is behind, in records; none unless this replica leads.</summary>
    public IReadOnlyList<FollowerLag> Followers
    {
        get
        {
            FollowerPulse[] followers = _followers;
            if (followers.Length == 0) return [];
            long end = Volatile.Read(ref _end);
            FollowerLag[] lags = new FollowerLag[followers.Length];
            for (int i = 0; i < lags.Length; i++) lags[i] = new FollowerLag(followers[i].Node, followers[i].LagBehind(end));
            return lags;
        }
    }

    /// <summary>The largest of the lags; 0 when there is no follower.</summary>
    public long LagMax
    {
        get
        {
            long end = Volatile.Read(ref _end);
            long max = 0;
            foreach (FollowerPulse follower in _followers) max = Math.Max(max, follower.LagBehind(end));
            return max;
        }
    }

    /// <summary>A step is over.</summary>
    public void Beat(RaftCore core)
    {
        Volatile.Write(ref _term, core.Term.Value);
        Volatile.Write(ref _commit, core.CommitIndex.Value);
        Volatile.Write(ref _applied, core.AppliedIndex.Value);
        Volatile.Write(ref _end, core.NextOffset.Value);
    }

    /// <summary>
    /// The replica leads, or leads other members than before. One that was not heard of yet counts from where the log ends now.
    /// </summary>
    public void Lead(RaftCore core, NodeId self)
    {
        Membership members = core.Membership;
        FollowerPulse[] known = _followers;
        _followers =
        [
            .. members.Voters.Union(members.Outgoing).Union(members.Learners).Where(node => node != self).Select(node =>
                Array.Find(known, follower => follower.Node == node) ?? new FollowerPulse(node, core.NextOffset)),
        ];
    }

    /// <summary>The replica leads no longer.</summary>
    public void Follow() => _followers = [];

    /// <summary>A member said what it holds.</summary>
    public void Heard(RaftCore core, NodeId from)
    {
        foreach (FollowerPulse follower in _followers)
        {
            if (follower.Node != from || !core.TryGetProgress(from, out PeerProgress progress)) continue;
            if (progress.Match >= core.LastIndex) follower.Has(core.NextOffset);
            else if (progress.NextOffset != KafkaOffset.Unknown) follower.Has(progress.NextOffset); // A damaged one does not say.
        }
    }

    private sealed class FollowerPulse(NodeId node, KafkaOffset end)
    {
        private long _end = end.Value;

        public NodeId Node => node;

        public void Has(KafkaOffset end) => Volatile.Write(ref _end, end.Value);

        public long LagBehind(long end) => Math.Max(0, end - Volatile.Read(ref _end));
    }
}

/// <summary>How far a follower is behind its leader.</summary>
/// <param name="Node">The follower.</param>
/// <param name="Records">Records that the leader has and the follower has not confirmed to have on its disk.</param>
public readonly record struct FollowerLag(NodeId Node, long Records);
