using System.Collections.Immutable;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Partitions.Replicas;
using Chronik.Raft;

namespace Chronik.Simulation;

// What a leader does besides appending: it finds who is in sync, brings about the members that are wanted, and hands over.
internal sealed partial class Replica
{
    private const long PatienceMicros = 500_000; // What a transfer may take.

    private readonly MemberSteps _memberSteps;
    private readonly List<Action> _gathered = [];
    private InSyncReplicas? _inSync; // While this one leads.
    private MembersWanted? _wanted;
    private PartitionImage? _said; // What the metadata say of the partition, as far as this node follows them.
    private bool _isSettled = true;
    private bool _claims; // Whether the term is to be recorded.
    private bool _gatheredPlanned;
    private long _ticks;
    private long _handsOverUntil;

    /// <summary>The replicas in sync as this leader has found; none when it does not lead.</summary>
    public ImmutableArray<NodeId> InSync => _inSync?.Current ?? [];

    /// <summary>To the controller: the move has come to its end. Null while it has not.</summary>
    public CompleteReassignment? Completion { get; private set; }

    /// <summary>Whether another voter is there and stays.</summary>
    public bool CanBeLedElsewhere => Core.Membership.Voters.Any(node => node != _node.Self && IsThere(node));

    /// <summary>These are to be the members. Whoever leads brings it about.</summary>
    public void Want(PartitionImage partition)
    {
        _said = partition;
        MembersWanted wanted = MembersWanted.By(partition);
        if (_wanted is { } known && known.Move == wanted.Move && known.Voters.SequenceEqual(wanted.Voters)) return;
        _wanted = wanted;
        BeginDriving();
    }

    /// <summary>Who is in sync, when the metadata can say it and say something else, or are to record the term.</summary>
    public PartitionIsr? InSyncNews(MetadataImage image)
    {
        LeaderEpoch epoch = Core.Term.ToLeaderEpoch();
        if (_node.Level < FeatureLevel.Operable || image.Find(_id) is not { } said || epoch.Value < said.IsrEpoch.Value) return null;
        ImmutableArray<NodeId> found = InSync;
        if (!(_claims && epoch.Value > said.IsrEpoch.Value) && said.Replicas.Where(found.Contains).SequenceEqual(said.Isr)) return null;
        return new PartitionIsr(_id.Topic, _id.Partition, epoch, found);
    }

    /// <summary>Asks the voter that has most of those that are in sync and stay to lead, unless one was asked a moment ago.</summary>
    public void HandOver()
    {
        if (_sim.Now < _handsOverUntil || Successor() is not { IsSome: true } successor) return;
        _handsOverUntil = _sim.Now + PatienceMicros;
        if (_sim.Trace.IsOn) Line($"hands over to {successor}");
        TryControl(RaftInput.TransferTo(successor));
    }

    private NodeId Successor()
    {
        NodeId best = NodeId.None;
        LogIndex most = default;
        foreach (NodeId voter in Core.Membership.Voters)
        {
            if (!IsThere(voter) || _inSync?.Current.Contains(voter) == false) continue;
            if (!Core.TryGetProgress(voter, out PeerProgress progress)) continue;
            if (progress is not { IsLost: false, IsRecovering: false, State: ReplicationState.Replicate }) continue;
            if (best.IsSome && progress.Match <= most) continue;
            (best, most) = (voter, progress.Match);
        }

        return best;
    }

    private bool IsThere(NodeId node) => !_node.HasLost(node.Value) && !_sim.Nodes[node.Value].IsStopping;

    private void BeginLeading()
    {
        if (_metadata is not null)
        {
            _metadata.BeginLeading();
            _node.MetadataChanged();
            _node.Plan(0, Found);
            return;
        }

        ImmutableArray<NodeId> voters = Core.Membership.Voters;
        ImmutableArray<NodeId> recorded = _node.Followed.Find(_id)?.Isr ?? voters;
        TimeSpan lag = TimeSpan.FromMicroseconds(_sim.Parameters.InSyncMicros);
        _inSync = new InSyncReplicas(_node.Self, _sim.Time, lag, lag / InSyncReplicas.LooksPerLag);
        _inSync.Begin([.. voters.Where(node => node == _node.Self || recorded.Contains(node))]);
        BeginDriving();
    }

    /// <summary>The metadata begin with what a cluster begins with.</summary>
    private void Found()
    {
        if (IsLeading && _metadata!.FirstRecords() is { Count: > 0 } records) Append(records);
    }

    private void BeginDriving()
    {
        _isSettled = _wanted is null;
        Completion = null;
        _claims = false;
        _memberSteps.Begin();
    }

    private void TickLeader()
    {
        if (!IsLeading || _metadata is not null) return;
        if (!Core.IsAsleep && ++_ticks % _sim.TicksPerLook == 0) Look();
        if (!_isSettled) TakeNextStep(_wanted!);
    }

    private void TakeNextStep(MembersWanted wanted)
    {
        bool isConfirmed = _sim.Plant.Shell == ShellFault.ChangeUnconfirmed
            || wanted.IsConfirmedBy(_said, Core.Term.ToLeaderEpoch());
        switch (_memberSteps.Next(Core, wanted, isConfirmed, out Membership target))
        {
            case MemberStep.Claim:
                _claims = true;
                break;
            case MemberStep.Change:
                if (_sim.Trace.IsOn) Line($"members shall be {target}");
                Step(RaftInput.ChangeMembership(target));
                break;
            case MemberStep.Reached:
                _isSettled = !wanted.IsMove;
                Completion = _isSettled
                    ? null
                    : new CompleteReassignment(_id.Topic, _id.Partition, Core.Term.ToLeaderEpoch(), target.Voters)
                    {
                        Move = wanted.Move,
                    };
                break;
        }
    }

    private void Look()
    {
        if (_inSync is null || Core.Role != RaftRole.Leader) return;
        ImmutableArray<NodeId> voters = Core.Membership.Voters;
        List<FollowerMatch> matches = new(voters.Length);
        foreach (NodeId node in voters)
        {
            if (!Core.TryGetProgress(node, out PeerProgress progress)) continue;
            matches.Add(new FollowerMatch(node, progress.Match, progress.IsLost || _node.HasLost(node.Value), progress.IsRecovering));
        }

        bool changed = _inSync.Look(_sim.Now, Core.LastIndex, voters, matches);
        if (changed && _sim.Trace.IsOn) Line($"in sync: {string.Join(' ', InSync)}");
    }

    /// <summary>Whether something must wait until it is known who leads; it is then done, in the order in which it came.</summary>
    private bool Gather(Action append)
    {
        if (!Core.IsHandingOver && _gathered.Count == 0) return false;
        _gathered.Add(append);
        return true;
    }

    private void StopGathering()
    {
        if (_gathered.Count == 0 || _gatheredPlanned || Core.IsHandingOver) return;
        _gatheredPlanned = true;
        _node.Plan(0, () =>
        {
            _gatheredPlanned = false;
            Action[] gathered = [.. _gathered];
            _gathered.Clear();
            foreach (Action append in gathered) append();
        });
    }
}
