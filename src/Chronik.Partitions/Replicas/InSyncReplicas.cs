using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Which voters follow their leader closely, by Kafka's rule: who holds the leader's log as it ended a moment ago is in sync, and stays so
/// until it has not had everything for replica.lag.time.max.ms, whether its node is slow, out of reach or dead. A member that lost its
/// disk is not in sync before it has recovered. Only a leader's, for one term; it knows the time only from its looks.
/// </summary>
/// <param name="self">The leader, which is always in sync.</param>
/// <param name="time">The clock that the timestamps of looks are of.</param>
/// <param name="maxLag">How long a replica may be without the whole log.</param>
/// <param name="interval">Time from one look to the next, as a rule.</param>
internal sealed class InSyncReplicas(NodeId self, TimeProvider time, TimeSpan maxLag, TimeSpan interval)
{
    /// <summary>How often to look within the time that a replica may lag: the set is out of date by no more than such a part.</summary>
    public const int LooksPerLag = 20;

    private const long Never = long.MinValue;

    private readonly TimeSpan _pause = maxLag / 2 > 3 * interval ? maxLag / 2 : 3 * interval;

    private readonly Dictionary<NodeId, Follower> _followers = [];
    private long _lookedAt = Never;
    private LogIndex _lookedEnd; // Where the log ended at the look before.

    /// <summary>The replicas in sync, the leader included, in the order of the voters.</summary>
    public ImmutableArray<NodeId> Current { get; private set; } = [self];

    /// <summary>When a voter held the whole log last, as a timestamp of the clock; null when it was never seen to.</summary>
    public long? CaughtUpAt(NodeId node) =>
        _followers.TryGetValue(node, out Follower? follower) && follower.CaughtUpAt != Never ? follower.CaughtUpAt : null;

    /// <summary>A term of leadership begins with these in sync: they have the time that is allowed to show that they still are.</summary>
    public void Begin(ImmutableArray<NodeId> members)
    {
        _followers.Clear();
        _lookedAt = Never;
        Current = members.Contains(self) ? members : [self, .. members];
    }

    /// <summary>Looks at what the leader knows; returns whether the set became another one.</summary>
    /// <param name="at">When, as a timestamp of the clock.</param>
    /// <param name="end">Where the leader's log ends.</param>
    /// <param name="voters">All voters of the group.</param>
    /// <param name="matches">What each of the others holds.</param>
    public bool Look(long at, LogIndex end, ImmutableArray<NodeId> voters, IReadOnlyList<FollowerMatch> matches)
    {
        Excuse(at);
        foreach (NodeId gone in _followers.Keys.Where(node => !matches.Any(match => match.Node == node)).ToList()) _followers.Remove(gone);
        foreach (FollowerMatch match in matches) Judge(match, at, end);
        _lookedAt = at;
        _lookedEnd = end;
        ImmutableArray<NodeId> before = Current;
        Current = [.. voters.Where(node => node == self || _followers.TryGetValue(node, out Follower? known) && known.IsInSync)];
        if (!Current.Contains(self)) Current = [self, .. Current];
        return !Current.AsSpan().SequenceEqual(before.AsSpan());
    }

    /// <summary>
    /// The group slept, and had everything, or this process stood still, and could not hear that others have: that time is held against
    /// nobody.
    /// </summary>
    private void Excuse(long at)
    {
        if (_lookedAt == Never || time.GetElapsedTime(_lookedAt, at) <= _pause) return;
        foreach (Follower follower in _followers.Values)
        {
            if (follower.CaughtUpAt != Never) follower.CaughtUpAt += at - _lookedAt;
            follower.MarkedAt += at - _lookedAt;
        }

        _lookedAt = at;
    }

    private void Judge(in FollowerMatch match, long at, LogIndex end)
    {
        if (!_followers.TryGetValue(match.Node, out Follower? follower))
        {
            bool isMember = Current.Contains(match.Node);
            _followers.Add(match.Node, follower = new Follower { IsInSync = isMember, CaughtUpAt = isMember ? at : Never });
            follower.Mark(at, end);
        }

        if (match.IsRecovering)
        {
            follower.IsInSync = false;
            follower.CaughtUpAt = Never;
            follower.Mark(at, end);
            return;
        }

        if (!match.IsLost && HadAllAt(match.Match, follower, at, end) is { } caughtUpAt) // A lost one does not follow, whatever it held.
        {
            follower.CaughtUpAt = Math.Max(follower.CaughtUpAt, caughtUpAt);
            follower.Mark(at, end);
        }

        follower.IsInSync = follower.CaughtUpAt != Never
            && (follower.IsInSync ? time.GetElapsedTime(follower.CaughtUpAt, at) <= maxLag : follower.CaughtUpAt >= _lookedAt);
    }

    /// <summary>
    /// The latest moment at which a follower is known to hold all that the log had then. The log grows all the time: who holds what was its
    /// end a while ago had caught up then.
    /// </summary>
    private long? HadAllAt(LogIndex match, Follower follower, long at, LogIndex end)
    {
        if (match >= end) return at;
        if (_lookedAt != Never && match >= _lookedEnd) return _lookedAt;
        return match >= follower.MarkedEnd ? follower.MarkedAt : null;
    }

    private sealed class Follower
    {
        public bool IsInSync { get; set; }

        public long CaughtUpAt { get; set; }

        public long MarkedAt { get; set; }

        public LogIndex MarkedEnd { get; private set; }

        public void Mark(long at, LogIndex end)
        {
            MarkedAt = at;
            MarkedEnd = end;
        }
    }
}

/// <summary>What a follower holds, as its leader knows at one moment.</summary>
/// <param name="Node">The follower.</param>
/// <param name="Match">The last entry that it is known to hold durably.</param>
/// <param name="IsLost">Whether its node cannot be reached.</param>
/// <param name="IsRecovering">Whether it lost its disk and has no vote yet.</param>
internal readonly record struct FollowerMatch(NodeId Node, LogIndex Match, bool IsLost, bool IsRecovering);
