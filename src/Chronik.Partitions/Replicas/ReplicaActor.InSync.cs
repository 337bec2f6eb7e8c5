using System.Collections.Immutable;
using Akka.Actor;
using Chronik.Model;
using Chronik.Raft;

namespace Chronik.Partitions.Replicas;

/// <summary>What the leader and its child isr tell each other, and what follows from the in-sync set for appends.</summary>
internal sealed partial class ReplicaActor
{
    private readonly long _ticksPerLook;
    private ImmutableArray<NodeId> _inSync = []; // While this member leads: those in sync, as isr said last.
    private IActorRef? _isr; // While this member leads.

    /// <summary>How many replicas must be in sync: never more than there are, as in Kafka.</summary>
    private int MinInSync => Math.Min(_config.MinInsyncReplicas, _core.Membership.Voters.Length);

    /// <summary>
    /// Who leads begins with those in sync of whom the last leader said so, and itself: whoever else follows closely shows it soon enough,
    /// and whoever does not has the time that is allowed.
    /// </summary>
    private ImmutableArray<NodeId> InSyncAtFirst()
    {
        ImmutableArray<NodeId> voters = _core.Membership.Voters;
        ImmutableArray<NodeId> recorded = _node.Metadata.Image.Find(_spec.Group)?.Isr ?? voters;
        return [.. voters.Where(node => node == _node.Self || recorded.Contains(node))];
    }

    /// <summary>This member leads from now on: the others are told, and isr watches who is in sync.</summary>
    private void BeginInSync()
    {
        _node.Peers.Announce(_spec.Group, _core.Term.ToLeaderEpoch(), _inSync);
        StartIsr();
    }

    private void StartIsr()
    {
        LeaderEpoch epoch = _core.Term.ToLeaderEpoch();
        ImmutableArray<NodeId> inSync = _inSync;
        TimeSpan interval = _node.Ticker.Interval * _ticksPerLook;
        _isr = Context.ActorOf(Props.Create(() => new IsrActor(_node, _spec.Group, epoch, inSync, interval)), $"isr-{epoch}");
        Context.Watch(_isr);
        ShowFollowers();
    }

    private void EndInSync()
    {
        if (_isr is null) return;
        Context.Unwatch(_isr);
        _isr.Tell(PoisonPill.Instance); // It answers first what it was asked before.
        _isr = null;
    }

    /// <summary>Tells isr what the followers hold. It sees nothing in between, so appends cost it nothing.</summary>
    private void ShowFollowers()
    {
        if (_isr is null) return;
        ImmutableArray<NodeId> voters = _core.Membership.Voters;
        List<FollowerMatch> matches = new(voters.Length);
        foreach (NodeId node in voters)
        {
            if (!_core.TryGetProgress(node, out PeerProgress progress)) continue;
            bool isLost = progress.IsLost || !_node.Peers.IsAlive(node);
            matches.Add(new FollowerMatch(node, progress.Match, isLost, progress.IsRecovering));
        }

        _isr.Tell(new FollowersSeen(_node.Time.GetTimestamp(), _core.LastIndex, voters, matches));
    }

    private void Take(InSync found)
    {
        if (!Sender.Equals(_isr)) return; // Of an earlier term.
        _inSync = found.Replicas;
        _partition.Publish(View());
        _node.Peers.Announce(_spec.Group, _core.Term.ToLeaderEpoch(), _inSync);
        AnswerCommitted();
    }

    /// <summary>A leader's answer lacks when others had everything; isr knows.</summary>
    private void AnswerQuorum()
    {
        if (_isr is null) Sender.Tell(DescribedQuorum());
        else _isr.Forward(DescribedQuorum());
    }

    /// <summary>
    /// The last entry that as many replicas hold as must be in sync. A majority always does; a topic may ask for more than that.
    /// </summary>
    private LogIndex HeldInSync()
    {
        ImmutableArray<NodeId> voters = _core.Membership.Voters;
        if (MinInSync <= (voters.Length / 2) + 1) return _core.AppliedIndex;
        List<LogIndex> held = new(voters.Length);
        foreach (NodeId node in voters)
        {
            if (node == _node.Self) held.Add(_core.DurableIndex);
            else if (_inSync.Contains(node) && _core.TryGetProgress(node, out PeerProgress progress)) held.Add(progress.Match);
        }

        if (held.Count < MinInSync) return LogIndex.Zero;
        held.Sort(static (a, b) => b.CompareTo(a));
        return held[MinInSync - 1];
    }
}
