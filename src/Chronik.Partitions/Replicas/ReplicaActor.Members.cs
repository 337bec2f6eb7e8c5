using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// The members of the group become those that are wanted (thesis, chapter 4). Whoever leads does the next step of what is left to do, so
/// that it does not matter who began: new nodes learn, then they vote instead of those that go, through the joint state.
/// </summary>
internal sealed partial class ReplicaActor : IWithTimers
{
    private static readonly TimeSpan DriveInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1);

    /// <summary>
    /// A member has caught up when it took no longer than this to get everything that the log held when the time began (thesis, 4.2.1): so
    /// long, at most, a commit waits for it.
    /// </summary>
    private static readonly TimeSpan CatchUpRound = TimeSpan.FromSeconds(1);

    private readonly Dictionary<NodeId, (LogIndex Mark, long At)> _rounds = [];
    private MembersWanted? _wanted;
    private bool _isSettled; // Whether nothing is left to do of what is wanted.
    private long _reportedAt;

    public ITimerScheduler Timers { get; set; } = null!;

    private void Want(MembersWanted wanted)
    {
        if (_wanted is not null && _wanted.MayReplace == wanted.MayReplace && _wanted.Move == wanted.Move
            && _wanted.Voters.SequenceEqual(wanted.Voters) && _wanted.Learners.SequenceEqual(wanted.Learners)) return;
        _wanted = wanted;
        BeginDriving();
    }

    /// <summary>There may be something to do: another wish, or leadership.</summary>
    private void BeginDriving()
    {
        _isSettled = _wanted is null;
        _reportedAt = 0;
        _rounds.Clear();
        if (_isSettled || !_leads) return;
        Timers.StartPeriodicTimer(DriveMembers.Instance, DriveMembers.Instance, DriveInterval);
        _self.Tell(DriveMembers.Instance, ActorRefs.NoSender);
    }

    private void Drive()
    {
        if (_leads && !_isSettled) TakeNextStep(_wanted!);
        if (!_leads || _isSettled) Timers.Cancel(DriveMembers.Instance);
    }

    private void TakeNextStep(MembersWanted wanted)
    {
        if (!_core.IsMembershipCommitted) return;
        Membership now = _core.Membership;
        bool isThere = now.Voters.Length == wanted.Voters.Length && now.Voters.All(wanted.Voters.Contains);
        if (!isThere && !wanted.MayReplace)
        {
            _isSettled = true;
            return;
        }

        bool replaces = !isThere && CanVote(now, wanted.Voters);
        ImmutableArray<NodeId> voters = isThere || replaces ? wanted.Voters : now.Voters;
        IEnumerable<NodeId> learners = replaces || isThere ? wanted.Learners : wanted.Learners.Union(wanted.Voters);
        Membership target = new(voters, learners: [.. learners.Except(voters)]);
        if (target != now)
        {
            if (!Step(RaftInput.ChangeMembership(target))) return; // Leadership is being handed over, or is new.
            _logger.Info("{0}: its members {1} become {2}", _spec.Name, now, target);
        }
        else if (isThere)
        {
            _isSettled = !wanted.MayReplace || _spec.Group == GroupId.Metadata;
            if (!_isSettled) Report(wanted.Move, target);
        }
    }

    /// <summary>
    /// Whether these may be the voters from now on: whoever is new has everything, and so has a majority of all. Otherwise the group might
    /// wait for them, and lose what few have if those were lost meanwhile.
    /// </summary>
    private bool CanVote(Membership now, ImmutableArray<NodeId> voters)
    {
        int ready = 0;
        foreach (NodeId node in voters)
        {
            if (node == _node.Self || HasCaughtUp(node)) ready++;
            else if (!now.Voters.Contains(node)) ready = int.MinValue;
        }

        return ready > voters.Length / 2;
    }

    private bool HasCaughtUp(NodeId node)
    {
        if (!_core.TryGetProgress(node, out PeerProgress progress) || progress.IsLost || progress.IsRecovering
            || progress.State != ReplicationState.Replicate)
        {
            _rounds.Remove(node);
            return false;
        }

        long time = _node.Time.GetTimestamp();
        if (_rounds.TryGetValue(node, out (LogIndex Mark, long At) round))
        {
            if (progress.Match < round.Mark) return false;
            if (_node.Time.GetElapsedTime(round.At, time) <= CatchUpRound) return true;
        }

        _rounds[node] = (_core.LastIndex, time);
        return progress.Match >= _core.LastIndex;
    }

    /// <summary>Said once a second until somebody has heard it: then something else is wanted.</summary>
    private void Report(KafkaOffset move, Membership reached)
    {
        long time = _node.Time.GetTimestamp();
        if (_reportedAt != 0 && _node.Time.GetElapsedTime(_reportedAt, time) < ReportInterval) return;
        _reportedAt = time;
        Context.System.EventStream.Publish(new MembersReached(_spec.Group, _core.Term.ToLeaderEpoch(), move, reached.Voters));
    }

    /// <summary>To itself: do what can be done of what is wanted.</summary>
    private sealed class DriveMembers
    {
        public static readonly DriveMembers Instance = new();
    }
}
