using Akka.Actor;
using Chronik.Groups;
using Chronik.Model;
using Chronik.Partitions.Groups;
using Chronik.Protocol;
using Chronik.Protocol.Messages;
using Xunit;

namespace Chronik.Partitions.Tests;

public class GroupCoordinatorActorTests
{
    private static readonly RequestOrigin Origin = new("c", "/127.0.0.1");

    /// <summary>Whoever joins first waits for others for longer than any test takes.</summary>
    private static readonly GroupLimits Patient = new() { InitialRebalanceDelayMs = 60_000 };

    [Fact]
    public async Task A_committed_offset_survives_power_loss()
    {
        NodeFixture node = await StartAsync();
        Assert.Equal(KafkaError.None, await CommitAsync(node, 42));
        Assert.Equal(42, await FetchAsync(node));
        node = await node.CrashAsync();
        await using (node) Assert.Equal(42, await FetchAsync(node));
    }

    [Fact]
    public async Task Members_and_their_generation_survive_power_loss()
    {
        NodeFixture node = await StartAsync();
        var join = new JoinGroupRequest
        {
            GroupId = "g",
            SessionTimeoutMs = 60_000,
            RebalanceTimeoutMs = 60_000,
            ProtocolType = "consumer",
            GroupInstanceId = "i",
        };
        join.Protocols.Add(new() { Name = "range" });
        var joined = await AskAsync<JoinGroupResponse>(node, join, 9);
        Assert.Equal(KafkaError.None, (KafkaError)joined.ErrorCode);
        var sync = new SyncGroupRequest { GroupId = "g", MemberId = joined.MemberId, GenerationId = joined.GenerationId };
        Assert.Equal(KafkaError.None, (KafkaError)(await AskAsync<SyncGroupResponse>(node, sync, 5)).ErrorCode);
        node = await node.CrashAsync();
        await using (node)
        {
            var heartbeat = new HeartbeatRequest { GroupId = "g", MemberId = joined.MemberId, GenerationId = joined.GenerationId };
            Assert.Equal(KafkaError.None, (KafkaError)(await AskAsync<HeartbeatResponse>(node, heartbeat, 4)).ErrorCode);
        }
    }

    [Fact]
    public async Task The_offsets_of_a_deleted_topic_are_deleted()
    {
        await using NodeFixture node = await StartAsync();
        Partition orders = await node.CreateAsync("orders");
        Assert.Equal(KafkaError.None, await CommitAsync(node, 42, orders.Group.Topic));
        await node.Node.SubmitAsync(new Chronik.Metadata.DeleteTopics([new(null, orders.Group.Topic)]), NodeFixture.Patience);
        var delete = new DeleteGroupsRequest { GroupsNames = ["g"] };
        Assert.Equal(KafkaError.None, (KafkaError)(await AskAsync<DeleteGroupsResponse>(node, delete, 2)).Results.Single().ErrorCode);
        Assert.Equal(-1, await FetchAsync(node));
    }

    [Fact]
    public async Task A_member_that_waits_is_sent_away_when_its_coordinator_stops()
    {
        await using NodeFixture node = await StartAsync();
        Partition partition = await node.CreateAsync("log");
        IActorRef coordinator = await CoordinatorAsync(node, partition, "waiting", GroupCoordinatorActor.CutBytes, Patient);
        var join = new JoinGroupRequest { GroupId = "g", SessionTimeoutMs = 60_000, ProtocolType = "consumer", GroupInstanceId = "i" };
        join.Protocols.Add(new() { Name = "range" });
        Task<IResponseMessage> waiting = coordinator.Ask<IResponseMessage>(new GroupRequest(join, 9, Origin), NodeFixture.Patience);

        // Another request behind it: once that is answered the first one is parked.
        await coordinator.Ask<IResponseMessage>(new GroupRequest(new ListGroupsRequest(), 5, Origin), NodeFixture.Patience);
        Assert.False(waiting.IsCompleted);
        coordinator.Tell(PoisonPill.Instance, ActorRefs.NoSender);
        Assert.Equal(KafkaError.NotCoordinator, (KafkaError)((JoinGroupResponse)await waiting).ErrorCode);
    }

    [Fact]
    public async Task A_log_that_is_long_and_mostly_dead_is_cut_and_nothing_is_lost()
    {
        await using NodeFixture node = await StartAsync();
        Partition partition = await node.CreateAsync("log");
        IActorRef coordinator = await CoordinatorAsync(node, partition, "cutting", cutBytes: 10_000);
        await CommitToAsync(coordinator, "kept", 7);
        long last = 0;
        while (partition.View.LogStartOffset == KafkaOffset.Zero || last % 50 != 0)
        {
            Assert.True(last < 20_000, "the log was not cut");
            await CommitToAsync(coordinator, "moving", ++last);
        }

        await coordinator.GracefulStop(NodeFixture.Patience);
        IActorRef next = await CoordinatorAsync(node, partition, "next", cutBytes: 10_000);
        Assert.Equal(7, await FetchFromAsync(next, "kept"));
        Assert.Equal(last, await FetchFromAsync(next, "moving"));
    }

    [Fact]
    public async Task A_coordinator_without_any_live_state_empties_its_log()
    {
        await using NodeFixture node = await StartAsync();
        Partition partition = await node.CreateAsync("log");
        IActorRef coordinator = await CoordinatorAsync(node, partition, "emptying", cutBytes: 10_000);
        for (int i = 0; partition.View.LogStartOffset == KafkaOffset.Zero; i++)
        {
            Assert.True(i < 20_000, "the log was not cut");
            await CommitToAsync(coordinator, "short-lived", i);
            var delete = new GroupRequest(new DeleteGroupsRequest { GroupsNames = ["short-lived"] }, 2, Origin);
            await coordinator.Ask<IResponseMessage>(delete, NodeFixture.Patience);
        }
    }

    private static async Task<NodeFixture> StartAsync() => await NodeFixture.StartAsync();

    private static async Task<IActorRef> CoordinatorAsync(
        NodeFixture node, Partition partition, string name, long cutBytes, GroupLimits? limits = null)
    {
        var context = new NodeContext(
            node.Node.Id, node.Storage, node.Buffers, TimeProvider.System, null!, new PartitionLimits(), null!, null!);
        return await node.Node.ActorOfAsync(GroupCoordinatorActor.Props(context, partition, limits ?? new GroupLimits(), cutBytes), name);
    }

    private static async Task CommitToAsync(IActorRef coordinator, string group, long offset)
    {
        var request = new GroupRequest(CommitOf(group, offset, Guid.Empty), 9, Origin);
        var response = (OffsetCommitResponse)await coordinator.Ask<IResponseMessage>(request, NodeFixture.Patience);
        Assert.Equal(0, response.Topics[0].Partitions[0].ErrorCode);
    }

    private static async Task<long> FetchFromAsync(IActorRef coordinator, string group)
    {
        var request = new GroupRequest(FetchOf(group), 9, Origin);
        return OffsetIn((OffsetFetchResponse)await coordinator.Ask<IResponseMessage>(request, NodeFixture.Patience));
    }

    private static async Task<KafkaError> CommitAsync(NodeFixture node, long offset, TopicId topic = default) =>
        (KafkaError)(await AskAsync<OffsetCommitResponse>(node, CommitOf("g", offset, topic.Value), 9)).Topics[0].Partitions[0].ErrorCode;

    private static async Task<long> FetchAsync(NodeFixture node) => OffsetIn(await AskAsync<OffsetFetchResponse>(node, FetchOf("g"), 9));

    private static OffsetCommitRequest CommitOf(string group, long offset, Guid topicId)
    {
        var request = new OffsetCommitRequest { GroupId = group };
        request.Topics.Add(new() { Name = "orders", TopicId = topicId, Partitions = [new() { CommittedOffset = offset }] });
        return request;
    }

    private static OffsetFetchRequest FetchOf(string group)
    {
        var request = new OffsetFetchRequest();
        request.Groups.Add(new() { GroupId = group, Topics = [new() { Name = "orders", PartitionIndexes = [0] }] });
        return request;
    }

    private static long OffsetIn(OffsetFetchResponse response) => response.Groups[0].Topics[0].Partitions[0].CommittedOffset;

    private static async Task<T> AskAsync<T>(NodeFixture node, IRequestMessage request, short version)
    {
        KafkaError error;
        long started = TimeProvider.System.GetTimestamp();
        do (error, _) = await node.Node.FindGroupCoordinatorAsync("g").WaitAsync(NodeFixture.Patience);
        while (error == KafkaError.CoordinatorNotAvailable && TimeProvider.System.GetElapsedTime(started) < NodeFixture.Patience);
        Assert.Equal(KafkaError.None, error);
        Task<IResponseMessage?> response = node.Node.AskGroupCoordinatorAsync("g", request, version, Origin);
        return Assert.IsType<T>(await response.WaitAsync(NodeFixture.Patience));
    }
}
