using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>How this node gets into a cluster, and how it lets others in.</summary>
internal sealed partial class ClusterCore
{
    private ImmutableList<Address> _seedNodes;
    private IActorRef _seedNodeProcess;
    private int _seedNodeProcesses;
    private Address _joinWith;

    private void ReceiveOutside(object message)
    {
        switch (message)
        {
            case InitJoin:
                Sender.Tell(new InitJoinNack(_cluster.SelfAddress));
                break;
            case JoinTo join:
                TryToJoin(join.Address);
                break;
            case JoinSeedNodes join:
                if (_cluster.Settings.ShutdownAfterUnsuccessfulJoinSeedNodes is { } limit)
                    Timers.StartSingleTimer(nameof(GiveUpJoining), GiveUpJoining.Instance, limit);
                AskSeedNodes(join.SeedNodes);
                break;
            case Welcome welcome when _phase == Phase.Trying:
                Enter(welcome);
                break;
            case RetryJoin when _phase == Phase.Trying:
                _phase = Phase.Outside;
                if (_seedNodes.IsEmpty)
                    TryToJoin(_joinWith);
                else
                    AskSeedNodes(_seedNodes);
                break;
            case GiveUpJoining:
                _log.Warning("None of the seed nodes [{0}] has let this node in for {1}; the coordinated shutdown runs",
                    string.Join(", ", _seedNodes), _cluster.Settings.ShutdownAfterUnsuccessfulJoinSeedNodes);
                _shutdown.Run(CoordinatedShutdown.ClusterJoinUnsuccessfulReason.Instance);
                break;
            case IClusterMessage or ClusterTick or LeaveNode or DownNode or RetryJoin or Remote.QuarantinedEvent:
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void AskSeedNodes(ImmutableList<Address> seedNodes)
    {
        StopSeedNodeProcess();
        _phase = Phase.Outside;
        _seedNodes = seedNodes;
        if (seedNodes.IsEmpty)
            return;
        if (seedNodes.All(_cluster.SelfAddress.Equals))
        {
            TryToJoin(_cluster.SelfAddress);
            return;
        }

        // Its predecessor may not have ended yet.
        Props process = WithDispatcher(Props.Create(typeof(SeedNodeProcess), _cluster, seedNodes));
        _seedNodeProcess = Context.ActorOf(process, $"seedNodeProcess-{++_seedNodeProcesses}");
    }

    private void StopSeedNodeProcess()
    {
        if (_seedNodeProcess is not null)
            Context.Stop(_seedNodeProcess);
        _seedNodeProcess = null;
    }

    private void TryToJoin(Address address)
    {
        if (!IsOfThisSystem(address))
        {
            _log.Warning("[{0}] cannot be joined: this node is [{1}], and protocol and name have to be the same", address,
                _cluster.SelfAddress);
            return;
        }

        StopSeedNodeProcess();
        if (address.Equals(_cluster.SelfAddress))
        {
            BecomeInside();
            Admit(_self, _cluster.SelfRoles);
            return;
        }

        _phase = Phase.Trying;
        _joinWith = address;
        if (_cluster.Settings.RetryUnsuccessfulJoinAfter is { } after)
            Timers.StartSingleTimer(nameof(RetryJoin), RetryJoin.Instance, after);
        CoreOf(address).Tell(new Join(_self, _cluster.SelfRoles), Self);
    }

    private void Enter(Welcome welcome)
    {
        if (!welcome.From.Address.Equals(_joinWith))
        {
            _cluster.LogInfo("[{0}] says welcome, but it was [{1}] that was asked", welcome.From.Address, _joinWith);
            return;
        }

        if (!welcome.Gossip.HasMember(_self))
            return;
        _cluster.LogInfo("Welcome from [{0}]", welcome.From.Address);
        _state = _state.With(welcome.Gossip.AddSeen(_self));
        BecomeInside();
        Publish();
        GossipTo(welcome.From, Sender);
    }

    private void BecomeInside()
    {
        _phase = Phase.Inside;
        StopSeedNodeProcess();
        Timers.Cancel(nameof(RetryJoin));
        Timers.Cancel(nameof(GiveUpJoining));
        ClusterSettings settings = _cluster.Settings;
        StartTicks(ClusterTick.Gossip, settings.GossipInterval);
        StartTicks(ClusterTick.Leader, settings.LeaderActionsInterval);
        StartTicks(ClusterTick.Reap, settings.UnreachableNodesReaperInterval);

        // Not earlier: nobody would know who it is that sends heartbeats.
        Context.ActorOf(WithDispatcher(Props.Create(typeof(HeartbeatSender), _cluster)), "heartbeatSender");
    }

    private void StartTicks(ClusterTick tick, TimeSpan interval)
    {
        TimeSpan first = _cluster.Settings.PeriodicTasksInitialDelay;
        Timers.StartPeriodicTimer(tick, tick, first > interval ? first : interval, interval);
    }

    private void AnswerInitJoin()
    {
        if (Member.IsOnItsWayOut(_state.SelfStatus))
            Sender.Tell(new InitJoinNack(_cluster.SelfAddress));
        else
            Sender.Tell(new InitJoinAck(_cluster.SelfAddress));
    }

    /// <summary>
    /// Makes a node a member, Joining. A node that asks again is welcomed again; another incarnation of a member has to wait until the one
    /// before has been removed, which is set going here.
    /// </summary>
    private void Admit(UniqueAddress node, ImmutableHashSet<string> roles)
    {
        if (!IsOfThisSystem(node.Address))
        {
            _log.Warning("[{0}] wants to join but cannot: this node is [{1}], and protocol and name have to be the same", node.Address,
                _cluster.SelfAddress);
            return;
        }

        if (Member.IsOnItsWayOut(_state.SelfStatus))
        {
            _cluster.LogInfo("[{0}] wants to join but this node is {1}", node.Address, _state.SelfStatus);
            return;
        }

        switch (Gossip.MemberAt(node.Address))
        {
            case null:
                AddMember(node, roles);
                break;
            case { } known when known.UniqueAddress.Equals(node):
                if (!node.Equals(_self))
                    Sender.Tell(new Welcome(_self, Gossip));
                break;
            case { Status: not MemberStatus.Down } former:
                _cluster.LogInfo("[{0}] has started anew; its former incarnation is removed before it can join", node.Address);
                Change(Gossip.With(reachability: Gossip.Reachability.Terminated(_self, former.UniqueAddress)));
                Down(former.Address);
                break;
        }
    }

    private void AddMember(UniqueAddress node, ImmutableHashSet<string> roles)
    {
        // What was observed about an earlier incarnation says nothing about this one.
        _cluster.FailureDetector.Remove(node.Address);
        bool isFirst = Gossip.IsEmpty;
        Change(Gossip.With(members: Gossip.Members.Add(Member.Create(node, roles))));
        if (node.Equals(_self))
        {
            _cluster.LogInfo("It joins itself and forms a new cluster");

            // At once, so that the node that forms the cluster is the oldest of it.
            if (isFirst)
                LeaderActions();
        }
        else
        {
            _cluster.LogInfo("[{0}] is joining with roles [{1}]", node.Address, string.Join(", ", roles));
            Sender.Tell(new Welcome(_self, Gossip));
        }

        Publish();
    }

    private bool IsOfThisSystem(Address address) =>
        address.Protocol == _cluster.SelfAddress.Protocol && address.System == _cluster.SelfAddress.System;

    private sealed class RetryJoin
    {
        public static readonly RetryJoin Instance = new();
    }

    private sealed class GiveUpJoining
    {
        public static readonly GiveUpJoining Instance = new();
    }
}
