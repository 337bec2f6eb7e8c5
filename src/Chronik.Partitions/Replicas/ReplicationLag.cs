using System.Diagnostics;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// Measures, on a leader, how long its followers take to have durably what was proposed. Remembers when each step was taken, until every
/// follower has confirmed it or so many came after it that nobody is measured by it any more.
/// </summary>
internal sealed class ReplicationLag(PartitionMeters meters)
{
    private const int StepsRemembered = 1024;

    private readonly Dictionary<NodeId, long> _confirmed = []; // By follower: the number of the first step that it has not confirmed.
    private readonly (LogIndex Last, long TakenAt)[] _steps = new (LogIndex, long)[StepsRemembered];
    private long _next;

    /// <summary>A term of leadership begins.</summary>
    public void Begin()
    {
        _confirmed.Clear();
        _next = 0;
    }

    /// <summary>What was taken at a <see cref="Stopwatch"/> timestamp ends with an entry.</summary>
    public void Proposed(LogIndex last, long takenAt) => _steps[_next++ % StepsRemembered] = (last, takenAt);

    /// <summary>A follower may have confirmed more.</summary>
    public void Confirmed(RaftCore core, NodeId follower)
    {
        if (_next == 0 || !core.TryGetProgress(follower, out PeerProgress progress)) return;
        long at = Math.Max(_confirmed.GetValueOrDefault(follower), _next - StepsRemembered);
        for (; at < _next && _steps[at % StepsRemembered].Last <= progress.Match; at++)
            meters.ReplicatedAfter(_steps[at % StepsRemembered].TakenAt);
        _confirmed[follower] = at;
    }
}
