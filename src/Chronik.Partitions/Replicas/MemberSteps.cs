using System.Collections.Immutable;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>What a leader has to do next so that its group gets the members that are wanted.</summary>
internal enum MemberStep
{
    /// <summary>Nothing now: a change is under way, or somebody has not caught up yet.</summary>
    Wait,

    /// <summary>Propose other members.</summary>
    Change,

    /// <summary>Have the metadata record this term of leadership: until they have, what is wanted may be out of date.</summary>
    Claim,

    /// <summary>Nothing but to say so, if it was a move: the members are those that are wanted, and that is committed.</summary>
    Reached,
}

/// <summary>
/// How a group's members become those that are wanted (thesis, chapter 4): new nodes learn, then they vote instead of those that go,
/// through the joint state. Each step follows from what the leader sees, so whoever leads goes on. Only a leader's; knows no actor.
/// </summary>
/// <param name="self">The leader.</param>
/// <param name="time">The clock by which members catch up.</param>
/// <param name="followedBy">How far a node follows the metadata: the first record that it has not followed.</param>
internal sealed class MemberSteps(NodeId self, TimeProvider time, Func<NodeId, KafkaOffset> followedBy)
{
    /// <summary>
    /// A member has caught up when it took no longer than this to get everything that the log held when the time began (thesis, 4.2.1): so
    /// long, at most, a commit waits for it.
    /// </summary>
    private static readonly TimeSpan CatchUpRound = TimeSpan.FromSeconds(1);

    private readonly Dictionary<NodeId, (LogIndex Mark, long At)> _rounds = [];

    /// <summary>Something else is wanted, or a term of leadership begins.</summary>
    public void Begin() => _rounds.Clear();

    /// <summary>The next step, and the members to be: those to propose, or those that are there.</summary>
    /// <param name="core">The group, which this node leads.</param>
    /// <param name="wanted">What is wanted.</param>
    /// <param name="isConfirmed">
    /// Whether that is as new as this term of leadership (<see cref="MembersWanted.IsConfirmedBy"/>): nothing is done before.
    /// </param>
    /// <param name="target">The members to be.</param>
    public MemberStep Next(RaftCore core, MembersWanted wanted, bool isConfirmed, out Membership target)
    {
        Membership now = target = core.Membership;
        if (!core.IsMembershipCommitted) return MemberStep.Wait;
        bool isThere = now.Voters.Length == wanted.Voters.Length && now.Voters.All(wanted.Voters.Contains);
        bool replaces = !isThere && CanVote(core, wanted);
        ImmutableArray<NodeId> voters = isThere || replaces ? wanted.Voters : now.Voters;
        IEnumerable<NodeId> learners = replaces || isThere ? wanted.Learners : wanted.Learners.Union(wanted.Voters);
        target = new Membership(voters, learners: [.. learners.Except(voters)]);
        bool isReached = isThere && target == now;
        if (!isConfirmed && !(isReached && !wanted.IsMove)) return MemberStep.Claim;
        if (target != now) return MemberStep.Change;
        return isReached ? MemberStep.Reached : MemberStep.Wait;
    }

    /// <summary>
    /// Whether these may be the voters from now on: whoever is new has everything, and so has a majority of all. Otherwise the group might
    /// wait for them, and lose what few have if those were lost meanwhile. Whoever is new also knows of the move. Its node may have been
    /// here before and read late that it is no longer, and deletes what it has then.
    /// </summary>
    private bool CanVote(RaftCore core, MembersWanted wanted)
    {
        int ready = 0;
        foreach (NodeId node in wanted.Voters)
        {
            bool isNew = !core.Membership.Voters.Contains(node);
            bool isReady = node == self || HasCaughtUp(core, node);
            if (isNew && wanted.IsMove) isReady &= followedBy(node) > wanted.Move;
            if (isReady) ready++;
            else if (isNew) ready = int.MinValue;
        }

        return ready > wanted.Voters.Length / 2;
    }

    private bool HasCaughtUp(RaftCore core, NodeId node)
    {
        if (!core.TryGetProgress(node, out PeerProgress progress) || progress.IsLost || progress.IsRecovering
            || progress.State != ReplicationState.Replicate)
        {
            _rounds.Remove(node);
            return false;
        }

        long now = time.GetTimestamp();
        if (_rounds.TryGetValue(node, out (LogIndex Mark, long At) round))
        {
            if (progress.Match < round.Mark) return false;
            if (time.GetElapsedTime(round.At, now) <= CatchUpRound) return true;
        }

        _rounds[node] = (core.LastIndex, now);
        return progress.Match >= core.LastIndex;
    }
}
