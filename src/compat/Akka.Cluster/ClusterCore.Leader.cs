using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>What a node does about the status of members: as the leader for all, as a member for itself and for those it watches.</summary>
internal sealed partial class ClusterCore
{
    private const int TicksBeforeEndingAlone = 4;
    private const int TicksBeforeFirstNotice = 20;
    private const int TicksBetweenNotices = 60;

    private ImmutableHashSet<UniqueAddress> _exitConfirmed = [];
    private bool _isLeader;
    private int _ticksWithoutConvergence;
    private int _ticksBeingDown;

    private void LeaderActions()
    {
        if (_state.IsLeader != _isLeader)
        {
            _isLeader = _state.IsLeader;
            _cluster.LogInfo(_isLeader ? "It leads now, among those it can reach" : "It leads no more");
        }

        if (_isLeader)
            Lead();
        if (!_exitConfirmed.IsEmpty)
            _exitConfirmed = [.. _exitConfirmed.Where(Gossip.HasMember)];
        EndWhenDown();
    }

    private void Lead()
    {
        if (_state.Convergence(_exitConfirmed))
        {
            _ticksWithoutConvergence = 0;
            Decide(MembershipSteps.OnConvergence(_state, _exitConfirmed, HasEnoughMembers()));
            return;
        }

        _ticksWithoutConvergence++;
        ClusterSettings settings = _cluster.Settings;
        if (settings.AllowWeaklyUpMembers && settings.LeaderActionsInterval * _ticksWithoutConvergence >= settings.WeaklyUpAfter)
            Decide(MembershipSteps.WithoutConvergence(_state, HasEnoughMembers()));
        if (_ticksWithoutConvergence == TicksBeforeFirstNotice || _ticksWithoutConvergence % TicksBetweenNotices == 0)
        {
            _cluster.LogInfo("It cannot lead, because not every member has seen this version or can be reached: {0}", Gossip);
        }
    }

    private void Decide(LeaderDecision decision)
    {
        if (decision.IsEmpty)
            return;

        // Before the version is marked as seen: a leader that goes itself has to see its own tasks through first.
        if (!_isExiting && decision.Gossip.GetMember(_self).Status == MemberStatus.Exiting)
            StartExiting();
        Change(decision.Gossip);
        _exitConfirmed = _exitConfirmed.Except(decision.Removed.Select(static m => m.UniqueAddress));
        foreach (Member member in decision.Changed)
            _cluster.LogInfo("It moves [{0}] to {1}", member.Address, member.Status);
        foreach (Member member in decision.Removed)
            _cluster.LogInfo("It removes [{0}], which was {1}", member.Address, member.Status);
        Publish();

        // Those that go should know it soon, and so should the oldest, who keep what there is one of in the cluster.
        Member[] exiting = [.. decision.Changed.Where(static m => m.Status == MemberStatus.Exiting)];
        foreach (UniqueAddress node in exiting.Concat(OldestTwo(exiting)).Select(static m => m.UniqueAddress).Distinct())
            GossipTo(node);
    }

    private IEnumerable<Member> OldestTwo(Member[] exiting) => exiting.Length == 0
        ? []
        : Gossip.Members.OrderBy(static m => m, Member.AgeOrdering).Take(2);

    private bool HasEnoughMembers() => Gossip.Members.Count >= _cluster.Settings.MinNrOfMembers
        && _cluster.Settings.MinNrOfMembersOfRole.All(role => Gossip.Members.Count(m => m.HasRole(role.Key)) >= role.Value);

    private void ReapUnreachable()
    {
        if (Gossip.Members.Count <= 1)
            return;
        Reachability reachability = Gossip.Reachability;
        foreach (Member member in Gossip.Members)
        {
            UniqueAddress node = member.UniqueAddress;
            if (node.Equals(_self))
                continue;
            bool available = _cluster.FailureDetector.IsAvailable(member.Address);
            ReachabilityStatus status = reachability.Status(_self, node);
            if (status == ReachabilityStatus.Reachable && !available)
            {
                reachability = reachability.Unreachable(_self, node);
                if (member.Status == MemberStatus.Exiting)
                    _cluster.LogInfo("[{0}] is exiting and cannot be reached any more, as expected", member.Address);
                else
                    _log.Warning("[{0}] cannot be reached: {1}", member.Address, member);
            }
            else if (status == ReachabilityStatus.Unreachable && available)
            {
                reachability = reachability.Reachable(_self, node);
                _cluster.LogInfo("[{0}] can be reached again", member.Address);
            }
        }

        if (ReferenceEquals(reachability, Gossip.Reachability))
            return;
        Change(Gossip.With(reachability: reachability));
        Publish();
    }

    private void StartExiting()
    {
        _isExiting = true;
        _cluster.LogInfo("It is exiting; the coordinated shutdown runs");
        _cluster.SelfExiting();
        _shutdown.Run(CoordinatedShutdown.ClusterLeavingReason.Instance);
    }

    /// <summary>The coordinated shutdown has reached the point where this node can go.</summary>
    private void CompleteExit()
    {
        _isExiting = false;
        if (_state.SelfStatus != MemberStatus.Removed)
        {
            // Now it counts as seen. Others should get it while they can: a member that is Exiting and unreachable is removed without being
            // downed, but only after the failure detectors found out.
            _state = _state.With(Gossip.AddSeen(_self));
            Publish();
            GossipToSome(GossipsBeforeEnd);
            Member[] others = [.. Gossip.Members.Where(m => !m.UniqueAddress.Equals(_self))];
            UniqueAddress leader = _state.LeaderOf(others);
            UniqueAddress next = _state.LeaderOf(others.Where(m => !m.UniqueAddress.Equals(leader)));
            foreach (UniqueAddress node in new[] { leader, next })
            {
                if (node is not null)
                    CoreOf(node.Address).Tell(new ExitingConfirmed(_self), Self);
            }
        }

        _cluster.Shutdown();
    }

    /// <summary>A downed node ends once the other downed nodes know as well, or after some ticks: somebody has to tell them.</summary>
    private void EndWhenDown()
    {
        if (_state.SelfStatus != MemberStatus.Down)
            return;
        ImmutableHashSet<UniqueAddress> unreachable = Gossip.Reachability.AllUnreachableOrTerminated;
        bool told = Gossip.Members.All(m =>
            m.Status != MemberStatus.Down || unreachable.Contains(m.UniqueAddress) || Gossip.SeenBy(m.UniqueAddress));
        if (!told && _ticksBeingDown++ < TicksBeforeEndingAlone)
            return;
        _cluster.LogInfo("It is down and ends its membership");
        GossipToSome(GossipsBeforeEnd);
        _cluster.Shutdown();
    }
}
