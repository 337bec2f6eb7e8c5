using Akka.Actor;
using Akka.Event;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>
/// The members of the group become those that are wanted (thesis, chapter 4). Whoever leads does the next step of what is left to do, so
/// that it does not matter who began: new nodes learn, then they vote instead of those that go, through the joint state. Before a leader
/// changes or reports anything it has its term recorded in the metadata, so that it knows of everything that earlier leaders knew of.
/// </summary>
internal sealed partial class ReplicaActor : IWithTimers
{
    private static readonly TimeSpan DriveInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RepeatInterval = TimeSpan.FromSeconds(1);

    private readonly MemberSteps _memberSteps;
    private MembersWanted? _wanted;
    private bool _isSettled; // Whether nothing is left to do of what is wanted.
    private long _claimedAt;
    private long _reportedAt;

    public ITimerScheduler Timers { get; set; } = null!;

    private void Want(MembersWanted wanted)
    {
        if (_wanted is not null && _wanted.Move == wanted.Move
            && _wanted.Voters.SequenceEqual(wanted.Voters) && _wanted.Learners.SequenceEqual(wanted.Learners)) return;
        _wanted = wanted;
        BeginDriving();
    }

    /// <summary>There may be something to do: another wish, or leadership.</summary>
    private void BeginDriving()
    {
        _isSettled = _wanted is null;
        _claimedAt = 0;
        _reportedAt = 0;
        _memberSteps.Begin();
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
        Membership now = _core.Membership;
        bool isConfirmed = _spec.Group == GroupId.Metadata // Who leads the metadata knows them.
            || wanted.IsConfirmedBy(_node.Metadata.Image.Find(_spec.Group), _core.Term.ToLeaderEpoch());
        switch (_memberSteps.Next(_core, wanted, isConfirmed, out Membership target))
        {
            case MemberStep.Change when Step(RaftInput.ChangeMembership(target)): // Unless leadership is handed over, or new.
                _logger.Info("{0}: its members {1} become {2}", _spec.Name, now, target);
                break;
            case MemberStep.Claim:
                if (!IsDue(ref _claimedAt)) break;
                LeaderEpoch epoch = _core.Term.ToLeaderEpoch();
                Context.System.EventStream.Publish(new IsrFound(_spec.Group, epoch, _inSync) { IsClaim = true });
                break;
            case MemberStep.Reached when wanted.IsMove:
                if (!IsDue(ref _reportedAt)) break;
                Context.System.EventStream.Publish(
                    new MembersReached(_spec.Group, _core.Term.ToLeaderEpoch(), wanted.Move, target.Voters));
                break;
            case MemberStep.Reached:
                _isSettled = true;
                break;
        }
    }

    /// <summary>What the metadata are to record is said once a second until they have.</summary>
    private bool IsDue(ref long saidAt)
    {
        long time = _node.Time.GetTimestamp();
        if (saidAt != 0 && _node.Time.GetElapsedTime(saidAt, time) < RepeatInterval) return false;
        saidAt = time;
        return true;
    }

    /// <summary>To itself: do what can be done of what is wanted.</summary>
    private sealed class DriveMembers
    {
        public static readonly DriveMembers Instance = new();
    }
}
