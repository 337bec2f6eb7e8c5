using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>Exchanging versions with the other members.</summary>
internal sealed partial class ClusterCore
{
    private void OnGossipTick()
    {
        SendGossip();
        if (!IsGossipUrgent())
            return;
        TimeSpan third = _cluster.Settings.GossipInterval / 3;
        Context.System.Scheduler.ScheduleTellOnce(third, Self, ClusterTick.GossipSoon, ActorRefs.NoSender);
        Context.System.Scheduler.ScheduleTellOnce(third * 2, Self, ClusterTick.GossipSoon, ActorRefs.NoSender);
    }

    /// <summary>Most members have not seen the version, or one of them has to learn that it is down.</summary>
    private bool IsGossipUrgent() =>
        Gossip.Seen.Count < Gossip.Members.Count / 2 || Gossip.Members.Any(static m => m.Status == MemberStatus.Down);

    /// <summary>
    /// To one member: usually one that has not seen the version, which then gets it whole. A member that has seen it gets the version's
    /// number only, and answers if it knows better.
    /// </summary>
    private void SendGossip()
    {
        UniqueAddress target = null;
        if (Random.Shared.NextDouble() < DifferentViewProbability())
            target = PickTarget(static (gossip, node) => !gossip.SeenBy(node));
        target ??= PickTarget(static (_, _) => true);
        if (target is null)
            return;
        if (Gossip.SeenBy(target))
            CoreOf(target.Address).Tell(new GossipStatus(_self, Gossip.Version), Self);
        else
            GossipTo(target);
    }

    private UniqueAddress PickTarget(Func<Gossip, UniqueAddress, bool> wanted)
    {
        UniqueAddress picked = null;
        int candidates = 0;
        foreach (Member member in Gossip.Members)
        {
            UniqueAddress node = member.UniqueAddress;
            if (_state.IsGossipTarget(node) && wanted(Gossip, node) && Random.Shared.Next(++candidates) == 0)
                picked = node;
        }

        return picked;
    }

    /// <summary>As configured in clusters of usual size, falling to a tenth of it at three times that size.</summary>
    private double DifferentViewProbability()
    {
        double configured = _cluster.Settings.GossipDifferentViewProbability;
        int usual = _cluster.Settings.ReduceGossipDifferentViewProbability;
        double excess = Math.Clamp((Gossip.Members.Count - usual) / (2.0 * Math.Max(usual, 1)), 0, 1);
        return configured * (1 - (0.9 * excess));
    }

    private void GossipToSome(int count)
    {
        UniqueAddress[] targets = [.. Gossip.Members.Select(static m => m.UniqueAddress).Where(_state.IsGossipTarget)];
        Random.Shared.Shuffle(targets);
        foreach (UniqueAddress target in targets.Take(count))
            GossipTo(target);
    }

    private void GossipTo(UniqueAddress node) => GossipTo(node, CoreOf(node.Address));

    private void GossipTo(UniqueAddress node, ICanTell destination)
    {
        if (_state.IsGossipTarget(node))
            destination.Tell(new GossipEnvelope(_self, node, Gossip), Self);
    }

    private void ReceiveStatus(GossipStatus status)
    {
        if (!Gossip.HasMember(status.From) || !Gossip.Reachability.IsReachable(_self, status.From))
            return;
        switch (status.Version.CompareTo(Gossip.Version))
        {
            case VersionOrder.Same:
                break;
            case VersionOrder.After:
                Sender.Tell(new GossipStatus(_self, Gossip.Version));
                break;
            default:
                GossipTo(status.From, Sender);
                break;
        }
    }

    private void ReceiveGossip(GossipEnvelope envelope)
    {
        Gossip local = Gossip;
        if (!envelope.To.Equals(_self) || !envelope.Gossip.HasMember(_self))
        {
            _log.Debug("Gossip from [{0}] is for [{1}] or without this node; ignored", envelope.From.Address, envelope.To);
            return;
        }

        if (!local.HasMember(envelope.From) || !local.Reachability.IsReachable(_self, envelope.From))
        {
            _log.Debug("Gossip from [{0}], which is unknown or unreachable, is ignored", envelope.From.Address);
            return;
        }

        (Gossip winner, bool answer, ReceivedGossip kind) = MembershipSteps.Receive(local, envelope.Gossip, _self, _isExiting);
        _state = _state.With(_isExiting ? winner : winner.AddSeen(_self));
        _log.Debug("Gossip from [{0}]: {1}", envelope.From.Address, kind);
        foreach (Member member in Gossip.Members)
        {
            if (!local.HasMember(member.UniqueAddress))
                _cluster.FailureDetector.Remove(member.Address);
        }

        Publish();
        if (_state.SelfStatus == MemberStatus.Exiting && !_isExiting)
            StartExiting();
        if (_state.SelfStatus == MemberStatus.Down && local.GetMember(_self).Status != MemberStatus.Down)
        {
            _log.Warning("This node was downed; [{0}] says so", envelope.From.Address);
            EndWhenDown();
        }

        if (answer)
            GossipTo(envelope.From, Sender);
    }
}
