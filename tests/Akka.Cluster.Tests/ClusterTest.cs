using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Xunit;
using static Akka.Cluster.ClusterEvent;

namespace Akka.Cluster.Tests;

/// <summary>Clusters of several systems in this process, over loopback, with short intervals and patience.</summary>
[Collection("clusters")]
public abstract class ClusterTest : IAsyncLifetime
{
    /// <summary>For waits that end within seconds on a machine that is not busy.</summary>
    protected static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    private readonly List<Node> _nodes = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await Task.WhenAll(_nodes.Select(static node => node.End())).WaitAsync(Long);

    /// <summary>A node that has not joined yet, unless the configuration says where.</summary>
    protected Node Start(string hocon = "", int port = 0)
    {
        var node = new Node(ActorSystem.Create("sys", ConfigurationFactory.ParseString(hocon).WithFallback($$"""
            akka {
              loglevel = WARNING
              stdout-loglevel = OFF
              loggers = ["Akka.Event.StandardOutLogger"]
              log-dead-letters = off
              actor.provider = cluster
              remote.dot-netty.tcp { hostname = "127.0.0.1", port = {{port}} }
              remote { retry-gate-closed-for = 100ms, log-remote-lifecycle-events = off }
              coordinated-shutdown.run-by-clr-shutdown-hook = off
              coordinated-shutdown.default-phase-timeout = 30s
              coordinated-shutdown.phases {
                cluster-exiting.timeout = 30s
                actor-system-terminate.timeout = 30s
              }
              cluster {
                seed-node-timeout = 2s
                retry-unsuccessful-join-after = 500ms
                periodic-tasks-initial-delay = 50ms
                gossip-interval = 100ms
                leader-actions-interval = 100ms
                unreachable-nodes-reaper-interval = 100ms
                failure-detector { heartbeat-interval = 200ms, acceptable-heartbeat-pause = 4s }
                split-brain-resolver { stable-after = 2s, down-all-when-unstable = 60s }
              }
            }
            """)));
        _nodes.Add(node);
        return node;
    }

    /// <summary>So many nodes of one cluster; the first has formed it. The last one may be given a port.</summary>
    protected async Task<Node[]> Form(int count, string hocon = "", int lastPort = 0)
    {
        Node[] nodes = [.. Enumerable.Range(0, count).Select(i => Start(hocon, i == count - 1 ? lastPort : 0))];
        foreach (Node node in nodes)
            node.Cluster.Join(nodes[0].Address);
        await AllSee(nodes, count);
        return nodes;
    }

    /// <summary>Until each of the nodes sees so many members, all of them Up and reachable.</summary>
    protected static Task AllSee(IEnumerable<Node> nodes, int members) => Task.WhenAll(nodes.Select(node => node.Until(state =>
        state.Members.Count == members && state.Unreachable.Count == 0 && state.Members.All(m => m.Status == MemberStatus.Up))));

    protected sealed class Node
    {
        private readonly IActorRef _observer;

        public Node(ActorSystem system)
        {
            System = system;
            Cluster = Cluster.Get(system);
            _observer = system.ActorOf(Props.Create(() => new Observer(Cluster, Events)));
        }

        public ActorSystem System { get; }

        public Cluster Cluster { get; }

        public Address Address => Cluster.SelfAddress;

        /// <summary>What has been published on this node so far.</summary>
        public ConcurrentQueue<IClusterDomainEvent> Events { get; } = new();

        /// <summary>Until the state, as this node sees it, is as wanted; what led to it is in <see cref="Events"/> then.</summary>
        public async Task Until(Func<CurrentClusterState, bool> isAsWanted)
        {
            var wait = new Wait(isAsWanted);
            _observer.Tell(wait);
            try
            {
                await wait.Done.Task.WaitAsync(Long);
            }
            catch (TimeoutException e)
            {
                throw new TimeoutException($"{Address} sees {string.Join(", ", Cluster.State.Members)}; unreachable are "
                    + $"[{string.Join(", ", Cluster.State.Unreachable.Select(m => m.Address))}], and saw {string.Join("; ", Events)}", e);
            }
        }

        public Task UntilStatus(Address address, MemberStatus status) =>
            Until(state => state.Members.Any(m => m.Address.Equals(address) && m.Status == status));

        public Task UntilGone(Address address) => Until(state => state.Members.All(m => !m.Address.Equals(address)));

        public async Task End()
        {
            // The tests of what it does at the end are tests of their own; here it should just be over.
            ((ExtendedActorSystem)System).Abort();
            await System.WhenTerminated.WaitAsync(Long);
        }
    }

    private sealed record Wait(Func<CurrentClusterState, bool> IsAsWanted)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Observer : UntypedActor
    {
        private readonly Cluster _cluster;
        private readonly ConcurrentQueue<IClusterDomainEvent> _events;
        private readonly List<Wait> _waits = [];
        private bool _isAsked;

        public Observer(Cluster cluster, ConcurrentQueue<IClusterDomainEvent> events)
        {
            _cluster = cluster;
            _events = events;
            cluster.Subscribe(Self, InitialStateAsEvents, typeof(IClusterDomainEvent));
        }

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case CurrentClusterState state:
                    _isAsked = false;
                    foreach (Wait reached in _waits.FindAll(w => w.IsAsWanted(state)))
                    {
                        _waits.Remove(reached);
                        reached.Done.SetResult();
                    }

                    return;
                case IClusterDomainEvent happened:
                    _events.Enqueue(happened);
                    break;
                case Wait wait:
                    _waits.Add(wait);
                    break;
            }

            // A state that is sent comes after all events that led to it; Cluster.State may be ahead of them.
            if (!_isAsked)
                _cluster.SendCurrentClusterState(Self);
            _isAsked = true;
        }
    }
}
