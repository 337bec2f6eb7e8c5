using System.Collections.Immutable;
using Akka.Actor;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Leaderships;
using Chronik.Partitions.Replicas;
using Chronik.Partitions.Watching;
using Xunit;

namespace Chronik.Partitions.Tests.Cluster;

/// <summary>Nodes that stop, and come back: who leads afterwards, and what whoever appends meanwhile is told.</summary>
public sealed class HandOverTests
{
    private static readonly NodeId One = new(1);
    private static readonly NodeId Two = new(2);
    private static readonly NodeId Three = new(3);

    /// <summary>Ticks so slow that nobody stands but who is told to.</summary>
    private static readonly ClusterOptions Slow = new() { TickInterval = TimeSpan.FromMilliseconds(500) };

    [Fact]
    public async Task A_node_that_stops_hands_over_whatever_it_leads()
    {
        await using World world = await World.StartAsync(Patient, options: Slow);
        List<GroupId> groups = [world.Cluster.Group];
        for (int i = 1; i <= 30; i++) groups.Add(await world.Cluster.AddPartitionAsync(i, world.Cluster.Ids[i % 3]));
        await world.LedAsync(groups);
        List<GroupId> led = groups.FindAll(group => world.Leads(One, group));
        Assert.NotEmpty(led);

        HandOverReport report = await world.HandOverAsync(One);
        Assert.Equal((led.Count, 0), (report.Moved, report.Kept.Count));
        Assert.All(groups, group => Assert.False(world.Leads(One, group)));
        Assert.All(led, group => Assert.NotEqual(One, world.LeaderAsSeenBy(One, group))); // Clients are told where to go.
        await NodeFixture.UntilAsync(() => world.Cluster[Two].Hub.IsStopping(One) && world.Cluster[Three].Hub.IsStopping(One));
        Assert.Equal(report, await world.HandOverAsync(One));

        await world.Cluster.KillAsync(One);
        await NodeFixture.UntilAsync(() => !world.Cluster[Two].Hub.IsStopping(One));
        await NodeFixture.UntilAsync(() => led.TrueForAll(group => world.Leads(Two, group) || world.Leads(Three, group)));
    }

    [Fact]
    public async Task Appends_that_come_while_leadership_moves_are_taken_or_told_who_leads()
    {
        await using World world = await World.StartAsync(options: Slow);
        ReplicaCluster cluster = world.Cluster;
        int appended = 0;
        for (int round = 0; round < 20; round++)
        {
            Partition old = await cluster.LeaderAsync();
            List<Task<AppendResult>> answers = [];
            for (int i = 0; i < 20; i++)
            {
                answers.Add(cluster.Begin(old, ReplicaCluster.Batch($"{round}-{i}").Build()));
                if (i == 10) old.Replica.Tell(new TransferLeadership(NodeId.None), ActorRefs.NoSender);
                await Task.Yield();
            }

            AppendResult[] results = await Task.WhenAll(answers).WaitAsync(NodeFixture.Patience);
            foreach (AppendResult result in results)
            {
                if (result.Error == KafkaError.None) appended++;
                else Assert.Equal(KafkaError.NotLeaderOrFollower, result.Error);
            }

            // Those that came before it were taken; whoever was refused was so when the new leader was known.
            Assert.All(results[..10], result => Assert.Equal(KafkaError.None, result.Error));
            NodeId leader = old.View.Leader;
            if (Array.Exists(results, result => result.Error != KafkaError.None))
                Assert.True(leader.IsSome && leader != cluster.NodeOf(old));
            await NodeFixture.UntilAsync(() => !old.Published.IsLeader);
        }

        foreach (NodeId id in cluster.Ids) await NodeFixture.UntilAsync(() => cluster.At(id).View.HighWatermark.Value == appended);
    }

    [Fact]
    public async Task Leadership_moves_though_messages_are_lost()
    {
        int seed = Random.Shared.Next();
        await using World world = await World.StartAsync();
        ReplicaCluster cluster = world.Cluster;
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 10);
        Random random = new(seed);
        foreach (NodeId from in cluster.Ids)
            foreach (NodeId to in cluster.Ids)
                cluster.Link(from, to).Damage = Lose;
        try
        {
            for (int round = 0; round < 3; round++)
            {
                NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
                await world.MoveAsync(leads, NodeId.None);
                await cluster.ProduceAllAsync(values, 3);
            }
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {seed}", e);
        }

        foreach (NodeId from in cluster.Ids)
            foreach (NodeId to in cluster.Ids)
                cluster.Link(from, to).Damage = null;
        await cluster.AllShowAsync(values);

        void Lose(byte[] frame)
        {
            bool isLost;
            lock (random) isLost = random.NextDouble() < 0.15;
            if (isLost) frame[^1] ^= 1; // The checksum says so, and it is dropped.
        }
    }

    [Fact]
    public async Task A_stop_waits_for_the_only_replica_in_sync_but_not_for_ever()
    {
        // Ticks so slow that the leader, whom nobody answers for a moment, does not give way for want of a thread.
        await using World world = await World.StartAsync(
            setup => setup with { HandOverTime = TimeSpan.FromSeconds(6) },
            options: new ClusterOptions { TickInterval = TimeSpan.FromMilliseconds(150) });
        ReplicaCluster cluster = world.Cluster;
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        Partition leader = await cluster.LeaderAsync();
        NodeId leads = cluster.NodeOf(leader);
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        await cluster.KillAsync(others[0]);
        cluster.Link(leads, others[1]).Hold();
        Task<AppendResult> append = cluster.Begin(leader, ReplicaCluster.Idempotent(5, "late").Build());
        await NodeFixture.UntilAsync(() => leader.View.LogEndOffset.Value == 6 || append.IsCompleted);

        Task<HandOverReport> stop = world.HandOverAsync(leads);
        await NodeFixture.UntilAsync(() => cluster.Link(leads, others[1]).Frames > 0);
        cluster.Link(leads, others[1]).LetGo();
        HandOverReport report = await stop;
        AppendResult result = await append.WaitAsync(NodeFixture.Patience);
        if (report.Moved == 1) Assert.Equal(KafkaError.None, result.Error); // What it had before, it has acknowledged itself.
        else if (result.Error != KafkaError.None) await cluster.ProduceAsync(ReplicaCluster.Idempotent(5, "late"));
        await NodeFixture.UntilAsync(() => cluster.At(others[1]).View.HighWatermark.Value == 6);
    }

    [Fact]
    public async Task What_nobody_can_take_is_kept_and_named()
    {
        await using World world = await World.StartAsync(
            setup => setup with { HandOverTime = NodeFixture.Patience * 2 }, options: Slow);
        ReplicaCluster cluster = world.Cluster;
        await cluster.ProduceAsync("a");
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        await cluster.KillAsync(others[0]);
        world.Peers(leads).Stops(others[1]);
        HandOverReport report = await world.HandOverAsync(leads); // Which does not wait for somebody to come.
        Assert.Equal(0, report.Moved);
        Assert.StartsWith("t-0: no other node", Assert.Single(report.Kept), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_is_alone_has_nothing_to_hand_over()
    {
        await using World world = await World.StartAsync(nodes: 1);
        await world.Cluster.ProduceAsync("a");
        HandOverReport report = await world.HandOverAsync(One);
        Assert.Equal((0, 0), (report.Moved, report.Kept.Count));
    }

    [Fact]
    public async Task Two_of_three_nodes_may_stop_at_the_same_time()
    {
        // Neither waits for the other until its time is over.
        await using World world = await World.StartAsync(setup => setup with { HandOverTime = NodeFixture.Patience * 2 });
        ReplicaCluster cluster = world.Cluster;
        List<GroupId> groups = [cluster.Group];
        for (int i = 1; i <= 9; i++) groups.Add(await cluster.AddPartitionAsync(i, cluster.Ids[i % 3]));
        await world.LedAsync(groups);
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        Task<HandOverReport> one = world.HandOverAsync(One);
        Task<HandOverReport> two = world.HandOverAsync(Two);
        HandOverReport[] reports = await Task.WhenAll(one, two);
        await world.LedAsync(groups); // Perhaps by one of the two, who had it from the other when it was through with its own.
        await cluster.KillAsync(One);
        await cluster.KillAsync(Two);
        await cluster.RestartAsync(One);
        await cluster.ProduceAllAsync(values, 5);
        await cluster.RestartAsync(Two);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task A_stop_while_a_snapshot_is_sent_leaves_the_rest_to_the_successor()
    {
        await using World world = await World.StartAsync(Patient, options: Slow);
        ReplicaCluster cluster = world.Cluster;
        List<string> values = [];
        await cluster.ProduceAllAsync(values, 5);
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId behind = cluster.Ids.Last(id => id != leads);
        await cluster.KillAsync(behind);
        await cluster.ProduceAllAsync(values, 60, bytes: 30_000);
        await cluster.CheckpointAsync();
        Partition filled = await cluster.RestartAsync(behind);
        await NodeFixture.UntilAsync(() => filled.View.HighWatermark.Value > 0);
        HandOverReport report = await world.HandOverAsync(leads);
        Assert.Equal((1, 0), (report.Moved, report.Kept.Count));
        await cluster.KillAsync(leads);
        await cluster.ProduceAllAsync(values, 1);
        await cluster.AllShowAsync(values);
    }

    [Fact]
    public async Task Leadership_goes_back_to_a_preferred_replica_that_stays()
    {
        await using World world = await World.StartAsync(Quick);
        ReplicaCluster cluster = world.Cluster;
        List<GroupId> groups = [cluster.Group];
        for (int i = 1; i <= 9; i++) groups.Add(await cluster.AddPartitionAsync(i, cluster.Ids[i % 3]));
        await world.LedAsync(groups);
        world.Publish(groups.Count, i => cluster.Ids[i % 3]);
        await NodeFixture.UntilAsync(() => Enumerable.Range(0, groups.Count).All(i => world.Leads(cluster.Ids[i % 3], groups[i])));

        await world.MoveAsync(One, Two);
        await NodeFixture.UntilAsync(() => world.Leads(One, cluster.Group));
    }

    [Fact]
    public async Task A_preferred_replica_is_given_its_partition_though_its_node_is_behind_in_another()
    {
        ClusterOptions hasty = Slow with { Limits = new PartitionLimits { ReplicaLagMax = TimeSpan.FromSeconds(1) } };
        await using World world = await World.StartAsync(Quick, options: hasty);
        ReplicaCluster cluster = world.Cluster;
        await cluster.ProduceAsync("a");
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        GroupId other = await cluster.AddPartitionAsync(1, leads);
        await world.LedAsync([other]);
        leads = cluster.Ids.First(id => world.Leads(id, other));
        if (!world.Leads(leads, cluster.Group)) await world.MoveAsync(cluster.NodeOf(await cluster.LeaderAsync()), leads);
        NodeId preferred = cluster.Ids.First(id => id != leads);
        cluster[preferred].Tell(new UnassignReplicas([cluster.Group], AreElsewhere: true));
        await NodeFixture.UntilAsync(() => cluster[preferred].Find(cluster.Group) is null);
        await cluster.ProduceAsync("b");
        await NodeFixture.UntilAsync(() => !cluster.At(leads).Published.Isr.Contains(preferred));

        world.Publish(2, _ => preferred);
        await NodeFixture.UntilAsync(() => world.Leads(preferred, other));
        Assert.True(world.Leads(leads, cluster.Group));
    }

    [Fact]
    public async Task A_damaged_replica_that_has_to_stay_is_not_given_its_leadership_back()
    {
        // Ticks several of which fit into the time that a replica may lag.
        ClusterOptions hasty = new()
        {
            TickInterval = TimeSpan.FromMilliseconds(250),
            Limits = new PartitionLimits { ReplicaLagMax = TimeSpan.FromSeconds(1) },
        };
        await using World world = await World.StartAsync(Quick, options: hasty);
        ReplicaCluster cluster = world.Cluster;
        await cluster.ProduceAsync("a");
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        world.Publish(1, _ => leads);
        cluster.At(leads).ReportDamage("by a test");

        // It is said once another one has led for a while.
        await NodeFixture.UntilAsync(() => cluster[leads].Lines.Any(line => line.Contains("so it stays", StringComparison.Ordinal)));
        Assert.False(world.Leads(leads, cluster.Group));
    }

    [Fact]
    public async Task Who_asks_for_other_leaders_is_told_why_not()
    {
        await using World world = await World.StartAsync(options: Slow);
        ReplicaCluster cluster = world.Cluster;
        await cluster.ProduceAsync("a");
        NodeId leads = cluster.NodeOf(await cluster.LeaderAsync());
        NodeId[] others = [.. cluster.Ids.Where(id => id != leads)];
        Assert.Equal(KafkaError.NotLeaderOrFollower, (await world.TryMoveAsync(others[0], others[1])).Error);
        Assert.Equal(KafkaError.ElectionNotNeeded, (await world.TryMoveAsync(leads, leads)).Error);
        Assert.Equal(KafkaError.PreferredLeaderNotAvailable, (await world.TryMoveAsync(leads, new NodeId(9))).Error);
        world.Peers(leads).Stops(others[0]);
        ItemResult refused = await world.TryMoveAsync(leads, others[0]);
        Assert.Equal(KafkaError.PreferredLeaderNotAvailable, refused.Error);
        Assert.Equal($"node {others[0]} is not in sync, or about to stop", refused.Message);
        await world.MoveAsync(leads, NodeId.None);
        await NodeFixture.UntilAsync(() => world.Leads(others[1], cluster.Group));
    }

    /// <summary>As long as such ticks, and a busy machine, take.</summary>
    private static LeadershipsSetup Patient(LeadershipsSetup setup) => setup with
    {
        Patience = Slow.TickInterval * 10,
        HandOverTime = NodeFixture.Patience / 2,
    };

    private static LeadershipsSetup Quick(LeadershipsSetup setup) => setup with
    {
        InSyncTime = TimeSpan.FromMilliseconds(50),
        SteadyTime = TimeSpan.FromMilliseconds(50),
        LookInterval = TimeSpan.FromMilliseconds(20),
    };

    /// <summary>Nodes with a /leaderships each.</summary>
    private sealed class World(ReplicaCluster cluster, Func<LeadershipsSetup, LeadershipsSetup> configure) : IAsyncDisposable
    {
        private readonly Dictionary<NodeId, (IActorRef Leaderships, IActorRef Rpc, LeadershipsSetup Setup)> _nodes = [];

        public ReplicaCluster Cluster => cluster;

        public static async Task<World> StartAsync(
            Func<LeadershipsSetup, LeadershipsSetup>? configure = null, int nodes = 3, ClusterOptions? options = null)
        {
            World world = new(await ReplicaCluster.StartAsync(nodes, options), configure ?? (setup => setup));
            foreach (NodeId id in world.Cluster.Ids) world.Equip(id);
            foreach (NodeId id in world.Cluster.Ids)
                foreach (NodeId other in world.Cluster.Ids.Where(other => other != id))
                    world._nodes[id].Setup.Others.Set(
                        new PeerEntry(other, world.Cluster[other].Directory, new Address("akka", "test"), world._nodes[other].Rpc));
            await world.Cluster.LeaderAsync();
            await NodeFixture.UntilAsync(() => world.Cluster.Ids.All(id => world.Cluster.Ids.All(world.Cluster[id].Hub.IsAlive)));
            return world;
        }

        public Peers.PeerHub Peers(NodeId node) => cluster[node].Hub;

        public bool Leads(NodeId node, GroupId group) => cluster[node].Find(group) is { Published.IsLeader: true };

        public NodeId LeaderAsSeenBy(NodeId node, GroupId group) => _nodes[node].Setup.Locator.LeaderOf(group);

        public Task LedAsync(List<GroupId> groups) =>
            NodeFixture.UntilAsync(() => groups.TrueForAll(group => cluster.Ids.Any(id => Leads(id, group))));

        public Task<HandOverReport> HandOverAsync(NodeId node) =>
            _nodes[node].Leaderships.Ask<HandOverReport>(new HandOver((_, _) => { }), NodeFixture.Patience);

        public async Task<ItemResult> TryMoveAsync(NodeId from, NodeId to)
        {
            MoveLeaders request = new([new LeaderMove(cluster.Group.Topic, 0, to)], NodeFixture.Patience);
            return (await _nodes[from].Rpc.Ask<LeadersMoved>(request, NodeFixture.Patience)).Results.Single();
        }

        /// <summary>Moves the first partition, however often that takes.</summary>
        public async Task MoveAsync(NodeId from, NodeId to)
        {
            for (long started = TimeProvider.System.GetTimestamp(); ;)
            {
                ItemResult result = await TryMoveAsync(from, to);
                if (result.Error == KafkaError.None || !Leads(from, cluster.Group)) return;
                if (TimeProvider.System.GetElapsedTime(started) > NodeFixture.Patience) throw new TimeoutException(result.Message);
            }
        }

        /// <summary>Says in every node's metadata which replica of each partition is the preferred one.</summary>
        public void Publish(int partitions, Func<int, NodeId> preferred)
        {
            IEnumerable<PartitionImage> all = Enumerable.Range(0, partitions).Select(i =>
                new PartitionImage([preferred(i), .. cluster.Ids.Where(id => id != preferred(i))]));
            ImmutableSortedDictionary<string, string> configs = ImmutableSortedDictionary<string, string>.Empty;
            MetadataImage image = MetadataImage.Empty.Apply(new TopicCreated("t", cluster.Group.Topic, [.. all], configs));
            foreach (var node in _nodes.Values) node.Setup.Published.Set(image, new KafkaOffset(1));
        }

        public ValueTask DisposeAsync() => cluster.DisposeAsync();

        private void Equip(NodeId id)
        {
            ClusterNode node = cluster[id];
            PartitionLocator locator = new(id, node.Replicas, node.Hub.Leaders);
            LeadershipsSetup setup = configure(
                new LeadershipsSetup(node.Context, node.Replicas, locator, new PublishedMetadata(), new PeerBook()));
            IActorRef leaderships = node.ActorOf(Props.Create(() => new LeadershipsActor(setup)));
            NodeQuestions questions = new(id, node.Hub, new PeerBook(), new PublishedMetadata());
            IActorRef rpc = node.ActorOf(
                Props.Create(() => new RpcActor(ActorRefs.Nobody, leaderships, node.Replicas, node.Hub, questions)));
            _nodes[id] = (leaderships, rpc, setup);
        }
    }
}
