using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Metadata.Tests;

public sealed class BalancerTests
{
    private static readonly BalancerInput Calm = new();

    [Fact]
    public void From_three_brokers_to_four_nine_partitions_take_six_moves()
    {
        World world = World.Operable(3);
        world.Create("t", 9, 3);
        Assert.Empty(Balancer.Plan(world.Image, Calm).Moves);
        world.Register(3);
        BalancerPlan plan = Balancer.Plan(world.Image, Calm);
        Assert.Equal(6, plan.Moves.Count);
        Assert.All(plan.Moves, move => Assert.Single(move.To, new NodeId(3)));
        MetadataImage balanced = Apply(world.Image, plan.Moves);
        Assert.Equal([6, 7, 7, 7], balanced.ReplicaCounts.Values.Order());
        Assert.Equal([2, 2, 2, 3], balanced.PreferredCounts.Values.Order());
        Assert.Equal(2, balanced.PreferredCounts[new NodeId(3)]);
    }

    [Fact]
    public void Small_topics_beside_large_ones_are_spread_too()
    {
        World world = World.Operable(3);
        world.Create("t", 9, 3);
        world.Create("offsets", 50, 3);
        world.Register(3);
        MetadataImage balanced = Apply(world.Image, Balancer.Plan(world.Image, Calm).Moves);
        foreach (TopicImage topic in balanced.Topics.Values)
        {
            int[] counts = [.. Enumerable.Range(0, 4).Select(id => topic.Partitions.Count(p => p.Replicas.Contains(new NodeId(id))))];
            Assert.InRange(counts.Max() - counts.Min(), 0, 2);
            int[] leaders = [.. Enumerable.Range(0, 4).Select(id => topic.Partitions.Count(p => p.Replicas[0].Value == id))];
            Assert.InRange(leaders.Max() - leaders.Min(), 0, 2);
        }
    }

    [Fact]
    public void Next_steps_lead_where_the_plan_does_and_stop_there()
    {
        World world = World.Operable(3);
        world.Create("t", 9, 3);
        world.Register(3);
        MetadataImage image = world.Image;
        int rounds = 0;
        for (IReadOnlyList<BalancerMove> next; (next = Balancer.Next(image, Calm, BalancerScope.All, 2, 9)).Count > 0; rounds++)
        {
            Assert.InRange(next.Count, 1, 2);
            image = Apply(image, next);
        }

        Assert.Equal(3, rounds);
        Assert.Empty(Balancer.Plan(image, Calm).Moves);
    }

    [Fact]
    public void Leaders_go_by_way_of_a_third_broker_where_they_must()
    {
        // 0 leads too much and shares nothing with 2; 1 shares partitions with both.
        World world = World.Operable(3);
        world.Create(World.Assigned("t", [0, 1], [0, 1], [0, 1], [1, 2], [2, 1], [1, 2]));
        world.Create(World.Assigned("u", [0, 1], [2, 1]));
        MetadataImage image = Apply(world.Image, Balancer.Plan(world.Image, Calm).Moves.Where(move => !move.MovesReplica));
        Assert.InRange(image.PreferredCounts.Values.Max() - image.PreferredCounts.Values.Min(), 0, 1);
    }

    [Fact]
    public void What_differs_little_is_left_alone()
    {
        World world = World.Operable(3);
        world.Create("t", 300, 1);
        MetadataImage image = world.Image;
        TopicImage topic = image.Topics["t"];
        int[] ofFirst = [.. Enumerable.Range(0, 300).Where(i => topic.Partitions[i].Replicas[0].Value == 0).Take(2)];
        image = Apply(image, ofFirst.Select(i => Move(image, "t", i, 1)));
        Assert.Equal([98, 100, 102], image.ReplicaCounts.Values.Order());
        Assert.Empty(Balancer.Plan(image, Calm).Moves);
    }

    [Fact]
    public void A_broker_that_drains_ends_empty_and_one_that_is_down_is_not_touched()
    {
        World world = World.Operable(5);
        world.Create("t", 20, 3);
        world.Fence(4);
        int held = world.Image.ReplicaCounts[new NodeId(4)];
        World.Granted(world.Do(new DrainBroker(new NodeId(0), IsDraining: true)).Results.Single());
        MetadataImage balanced = Apply(world.Image, Balancer.Plan(world.Image, Calm).Moves);
        Assert.Equal(0, balanced.ReplicaCounts[new NodeId(0)]);
        Assert.Equal(held, balanced.ReplicaCounts[new NodeId(4)]);
    }

    [Fact]
    public void What_cannot_leave_a_broker_that_drains_is_named_and_led_by_others()
    {
        World world = World.Operable(3);
        world.Create("t", 6, 3);
        World.Granted(world.Do(new DrainBroker(new NodeId(0), IsDraining: true)).Results.Single());
        BalancerPlan plan = Balancer.Plan(world.Image, Calm);
        Assert.Equal(6, plan.Stuck.Count);
        Assert.All(plan.Stuck, stuck => Assert.Equal((new NodeId(0), 3), (stuck.Broker, stuck.Factor)));
        Assert.All(plan.Moves, move => Assert.False(move.MovesReplica));
        Assert.Equal(0, Apply(world.Image, plan.Moves).PreferredCounts[new NodeId(0)]);
        Assert.Equal(2, Balancer.Next(world.Image, Calm, BalancerScope.All, 2, 9).Count);
    }

    [Fact]
    public void A_dead_broker_that_is_removed_is_replaced_although_everything_else_is_paused()
    {
        World world = World.Operable(4);
        world.Create("t", 8, 3);
        world.Fence(3);
        World.Granted(world.Do(new DrainBroker(new NodeId(3), IsDraining: true) { ThenRemove = true }).Results.Single());
        IReadOnlyList<BalancerMove> next = Balancer.Next(world.Image, Calm, BalancerScope.Dead, 100, 0);
        Assert.All(next, move => Assert.Contains(new NodeId(3), move.From));
        Assert.Equal(0, Apply(world.Image, next).ReplicaCounts[new NodeId(3)]);
    }

    [Fact]
    public void A_move_to_a_broker_that_is_gone_is_taken_back_once()
    {
        World world = World.Operable(4);
        world.Create(World.Assigned("t", [0, 1, 2], [0, 1, 2]));
        World.Granted(world.Do(new AlterReassignments([new("t", 1, World.Nodes(0, 1, 3))])).Results.Single());
        Assert.Empty(Balancer.Hopeless(world.Image, Calm));
        world.Fence(3);
        Assert.Empty(Balancer.Hopeless(world.Image, Down(TimeSpan.FromSeconds(7)))); // It may be back.
        Assert.Equal([("t", 1)], Balancer.Hopeless(world.Image, Down(Balancer.DownGrace)));
        World.Granted(world.Do(new DrainBroker(new NodeId(3), IsDraining: true)).Results.Single());
        Assert.Equal([("t", 1)], Balancer.Hopeless(world.Image, Calm));
        World.Granted(world.Do(new AlterReassignments([new("t", 1, null)])).Results.Single());
        Assert.True(world.Image.Topics["t"].Partitions[1].IsMoving);
        Assert.Empty(Balancer.Hopeless(world.Image, Calm));

        static BalancerInput Down(TimeSpan time) => new() { Down = new Dictionary<NodeId, TimeSpan> { [new NodeId(3)] = time } };
    }

    [Fact]
    public void What_has_no_majority_is_in_no_plan()
    {
        World world = World.Operable(5);
        world.Create(World.Assigned("t", [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2]));
        world.Fence(1);
        world.Fence(2);
        World.Granted(world.Do(new DrainBroker(new NodeId(0), IsDraining: true)).Results.Single());
        BalancerPlan plan = Balancer.Plan(world.Image, Calm);
        Assert.Empty(plan.Moves);
        Assert.Equal(4, plan.Stuck.Count);
    }

    [Fact]
    public void A_restart_of_a_broker_pauses_balancing()
    {
        World world = World.Operable(3);
        world.Create("t", 3, 2);
        Assert.Null(Balancer.WhyPaused(world.Image, Calm));
        Assert.Contains("broker 2 has been down for 7 s", Balancer.WhyPaused(world.Image, Down(TimeSpan.FromSeconds(7))));
        Assert.Null(Balancer.WhyPaused(world.Image, Down(Balancer.DownGrace)));
        Assert.Contains("broker 1 is stopping", Balancer.WhyPaused(world.Image, new() { Stopping = new HashSet<NodeId> { new(1) } }));

        static BalancerInput Down(TimeSpan time) => new() { Down = new Dictionary<NodeId, TimeSpan> { [new NodeId(2)] = time } };
    }

    [Fact]
    public void A_full_broker_takes_nothing_more()
    {
        World world = World.Operable(2);
        world.Create("t", 20, 1);
        world.Register(2);
        MetadataImage balanced = Apply(world.Image, Balancer.Plan(world.Image, new() { MaxReplicasPerBroker = 10 }).Moves);
        Assert.Equal([6, 7, 7], balanced.ReplicaCounts.Values.Order());
        World full = World.Operable(2, new BrokerSettings { MaxPartitionsPerBroker = 10 });
        full.Create("t", 20, 1);
        full.Register(2);
        World.Granted(full.Do(new DrainBroker(new NodeId(0), IsDraining: true)).Results.Single());
        balanced = Apply(full.Image, Balancer.Plan(full.Image, new() { MaxReplicasPerBroker = 10 }).Moves);
        Assert.Equal([0, 10, 10], balanced.ReplicaCounts.Values.Order());
    }

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(0, 150)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Whatever_the_cluster_plans_keep_the_rules_and_end(int seed)
    {
        Random random = new(seed);
        World world = RandomWorld(random);
        BalancerInput input = Calm;
        MetadataImage image = world.Image;
        BalancerPlan plan = Balancer.Plan(image, input);
        MetadataImage planned = Apply(image, plan.Moves);
        AssertRules(image, planned);
        AssertBalanced(planned);
        Assert.Empty(Balancer.Plan(planned, input).Moves);

        // The same in steps, while some partitions are on their way and cannot be touched.
        int steps = 0;
        while (true)
        {
            IReadOnlyList<BalancerMove> next = Balancer.Next(image, input, BalancerScope.All, 1 + random.Next(5), 1 + random.Next(20));
            if (next.Count == 0) break;
            MetadataImage after = Apply(image, next);
            AssertRules(image, after);
            image = after;
            Assert.True(++steps < 2000, $"seed {seed} does not end");
        }

        AssertBalanced(image);
        Assert.Empty(Balancer.Plan(image, input).Moves);
    }

    private static World RandomWorld(Random random)
    {
        World world = World.Operable(0);
        int brokers = 2 + random.Next(8);
        int racks = random.Next(5);
        for (int id = 0; id < brokers; id++) world.Register(id, racks == 0 ? null : $"r{random.Next(racks)}");
        for (int topic = 1 + random.Next(4); topic > 0; topic--)
        {
            int factor = 1 + random.Next(Math.Min(4, brokers));
            int[][] assignments =
                [.. Enumerable.Range(0, 1 + random.Next(30)).Select(_ => RandomReplicas(random, brokers, factor))];
            World.Granted(world.Create(World.Assigned($"t{topic}", assignments)));
        }

        if (random.Next(3) == 0) world.Register(brokers++, racks == 0 ? null : $"r{random.Next(racks)}");
        if (random.Next(3) == 0) world.Do(new DrainBroker(new NodeId(random.Next(brokers)), IsDraining: true));
        if (random.Next(4) == 0) world.Fence(random.Next(brokers));
        return world;
    }

    private static int[] RandomReplicas(Random random, int brokers, int factor) =>
        [.. Enumerable.Range(0, brokers).OrderBy(_ => random.Next()).Take(factor)];

    /// <summary>What a change may never do.</summary>
    private static void AssertRules(MetadataImage before, MetadataImage after)
    {
        foreach ((TopicImage topic, int i, PartitionImage partition) in Partitions(after))
        {
            PartitionImage was = before.Topics[topic.Name].Partitions[i];
            Assert.Equal(was.Replicas.Length, partition.Replicas.Length);
            Assert.Equal(partition.Replicas.Length, partition.Replicas.Distinct().Count());
            Assert.All(partition.Replicas.Except(was.Replicas), added => Assert.True(after.Brokers[added].IsOpen));
            bool leftDraining = was.Replicas.Except(partition.Replicas).Any(node => before.Brokers[node].IsDraining);
            if (!leftDraining) Assert.True(Racks(after, partition) >= Racks(before, was), $"{topic.Name}-{i} is in fewer racks");
        }
    }

    /// <summary>What a fixed point must have.</summary>
    private static void AssertBalanced(MetadataImage image)
    {
        NodeId[] open = [.. image.Brokers.Values.Where(broker => broker.IsOpen).Select(broker => broker.Id)];
        foreach ((_, _, PartitionImage partition) in Partitions(image))
        {
            int live = partition.Replicas.Count(node => image.Brokers[node].IsLive);
            bool canMove = 2 * live > partition.Replicas.Length && open.Except(partition.Replicas).Any();
            if (canMove) Assert.DoesNotContain(partition.Replicas, node => image.Brokers[node].IsDraining);
        }

        if (open.Length < image.Brokers.Count) return; // What is not touched may hold up the rest.
        int total = image.ReplicaCounts.Values.Sum();
        foreach (IGrouping<string, BrokerImage> rack in image.Brokers.Values.GroupBy(broker => broker.Rack ?? ""))
        {
            int[] counts = [.. rack.Select(broker => image.ReplicaCounts.GetValueOrDefault(broker.Id))];
            Assert.InRange(counts.Max() - counts.Min(), 0, Math.Max(1, total / open.Length / 20));
        }

        int racks = image.Brokers.Values.Select(broker => broker.Rack ?? $"{broker.Id}").Distinct().Count();
        Assert.All(Partitions(image), one => Assert.Equal(Math.Min(racks, one.Partition.Replicas.Length), Racks(image, one.Partition)));
        AssertLeadersEven(image);
    }

    /// <summary>Nobody leads two more than somebody that could be given one, by whatever way.</summary>
    private static void AssertLeadersEven(MetadataImage image)
    {
        foreach (NodeId node in image.Brokers.Keys)
        {
            HashSet<NodeId> reached = [node];
            Queue<NodeId> queue = new([node]);
            while (queue.TryDequeue(out NodeId at))
            {
                foreach ((_, _, PartitionImage partition) in Partitions(image).Where(one => one.Partition.Replicas[0] == at))
                    foreach (NodeId replica in partition.Replicas)
                        if (reached.Add(replica)) queue.Enqueue(replica);
            }

            int leads = image.PreferredCounts.GetValueOrDefault(node);
            Assert.All(reached, other => Assert.InRange(leads - image.PreferredCounts.GetValueOrDefault(other), -1000, 1));
        }
    }

    private static int Racks(MetadataImage image, PartitionImage partition) =>
        partition.Replicas.Select(node => image.Brokers[node].Rack ?? $"{node}").Distinct().Count();

    private static IEnumerable<(TopicImage Topic, int Number, PartitionImage Partition)> Partitions(MetadataImage image) =>
        image.Topics.Values.SelectMany(topic => topic.Partitions.Select((partition, i) => (topic, i, partition)));

    /// <summary>A replica of its preferred leader's to another broker.</summary>
    private static BalancerMove Move(MetadataImage image, string topic, int partition, int to)
    {
        ImmutableArray<NodeId> from = image.Topics[topic].Partitions[partition].Replicas;
        return new BalancerMove(topic, partition, from, from.SetItem(0, new NodeId(to)), "test");
    }

    /// <summary>The image with moves carried out.</summary>
    private static MetadataImage Apply(MetadataImage image, IEnumerable<BalancerMove> moves)
    {
        foreach (IGrouping<string, BalancerMove> ofTopic in moves.ToList().GroupBy(move => move.Topic))
        {
            TopicImage topic = image.Topics[ofTopic.Key];
            PartitionImage[] partitions = [.. topic.Partitions];
            foreach (BalancerMove move in ofTopic)
            {
                Assert.Equal(partitions[move.Partition].Replicas.AsEnumerable(), move.From);
                partitions[move.Partition] = new PartitionImage(move.To);
            }

            image = image.Apply(new TopicDeleted(topic.Id)).Apply(new TopicCreated(topic.Name, topic.Id, [.. partitions], topic.Configs));
        }

        return image;
    }
}
