using System.Text;
using System.Text.Json;
using Akka.Actor;
using Akka.Configuration;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions.Controller;
using Chronik.Partitions.Forming;
using Chronik.Partitions.Leaderships;
using Chronik.Partitions.Operating;
using Chronik.Partitions.Watching;
using Chronik.Storage;
using Xunit;

namespace Chronik.Partitions.Tests;

public sealed class RpcSerializerTests : IAsyncDisposable
{
    private static readonly Guid Id = new("01234567-89ab-cdef-0123-456789abcdef");
    private static readonly TopicId Topic = new(Id);

    private static readonly NodeFacts Facts = new(
        new NodeId(3), Id, Id, "akka.tcp://chronik@h:1", new ProtocolVersions(1, 2), 3, 17, "c", [new MetadataVoter(new NodeId(3), Id)]);

    private static readonly object[] Messages =
    [
        .. Commands().Select(command => new Submit(command, TimeSpan.FromSeconds(3))),
        new CommandDone(new KafkaOffset(7),
        [
            new ItemResult(KafkaError.None, null),
            new TopicResult(KafkaError.None, null, "t", Topic)
            {
                PartitionCount = 3,
                ReplicationFactor = 2,
                Configs =
                [
                    new ConfigDescription(
                        TopicConfigs.Find("retention.ms")!, "5", ConfigSource.DynamicTopic, false,
                        [new ConfigSynonym("retention.ms", "5", ConfigSource.DynamicTopic)]),
                ],
            },
            new ConfigResult(KafkaError.InvalidConfig, "no", ConfigResource.AllBrokers),
            new ProducerIdsResult(KafkaError.None, null, 1000, 10),
        ]),
        new CommandRefused(KafkaError.NotController, "not here"),
        DescribeMetadataQuorum.Instance,
        new QuorumDescribed(new QuorumState(
            new NodeId(1), new LeaderEpoch(4), new KafkaOffset(9), [new QuorumReplica(new NodeId(1), new KafkaOffset(9), 5, 6)], [])),
        new MoveLeaders([new LeaderMove(Topic, 3, new NodeId(2)), new LeaderMove(Topic, 4, NodeId.None)], TimeSpan.FromSeconds(2)),
        new LeadersMoved([new ItemResult(KafkaError.PreferredLeaderNotAvailable, "why")]),
        new NodeStopping(new NodeId(2)),
        DescribeNode.Instance,
        new NodeDescribed(
            "1.2.3", new DiskStatus("/data", 9, 8, null), [new MoveProgress(Topic, 3, 5, 7)],
            [new TransferStatus("t", 1, new NodeId(1), new NodeId(2), IsWaiting: true, 5, 6, 1.5)]),
        new BalancerRequest(BalancerOrder.Stop),
        new BalancerAnswer(
            new BalancerStatus(true, "moving", null, 3, 1.5),
            [new MoveStatus("t", 1, [new NodeId(1)], [new NodeId(2)], 0.5, 10, null)], "why"),
        LeaveCluster.Instance,
        new Hello(Facts),
        new Welcome(Facts with { ClusterId = "", MetadataVoters = [] }),
        new Unwelcome(Facts, "why", IsOtherCluster: true),
        new Propose(Facts, "c", Facts.MetadataVoters) { Round = 7, Participants = Facts.MetadataVoters },
        new Accepted("a", "c"),
        new Withdrawn("a", "c") { Directory = Id, Round = 7 },
        new Formed("c", Facts.MetadataVoters),
        new AskNode(1, JsonDocument.Parse("""{"about":"self","most":3}""").RootElement),
        new NodeAnswered(JsonDocument.Parse("""{"self":{"leading":[1,null]}}""").RootElement, null),
        new NodeAnswered(null, "no"),
    ];

    private readonly ActorSystem _system = ActorSystem.Create(
        "rpc", ConfigurationFactory.ParseString("akka.loglevel = ERROR").WithFallback(ChronikNode.DefaultConfig()));

    public static TheoryData<int> All() => [.. Enumerable.Range(0, Messages.Length)];

    public async ValueTask DisposeAsync() => await _system.Terminate();

    [Theory]
    [MemberData(nameof(All))]
    public void A_message_reads_as_it_was_written(int index)
    {
        object message = Messages[index];
        Assert.IsType<RpcSerializer>(_system.Serialization.FindSerializerFor(message));
        RpcSerializer serializer = new((ExtendedActorSystem)_system);
        byte[] bytes = serializer.ToBinary(message);
        object read = serializer.FromBinary(bytes, serializer.Manifest(message));
        Assert.Equal(message.GetType(), read.GetType());
        Assert.Equal(Encoding.UTF8.GetString(bytes), Encoding.UTF8.GetString(serializer.ToBinary(read)));
    }

    [Fact]
    public void What_a_newer_node_says_besides_is_passed_over_and_a_newer_kind_is_refused()
    {
        RpcSerializer serializer = new((ExtendedActorSystem)_system);
        byte[] newer = Encoding.UTF8.GetBytes("""{"Address":"a","ClusterId":"c","Mood":"good"}""");
        Assert.Equal(new Accepted("a", "c"), serializer.FromBinary(newer, "accepted-1"));
        Assert.Contains("accepted-2", Assert.Throws<ArgumentException>(() => serializer.FromBinary(newer, "accepted-2")).Message);
    }

    [Fact]
    public void A_command_keeps_everything_that_it_says()
    {
        RpcSerializer serializer = new((ExtendedActorSystem)_system);
        foreach (MetadataCommand command in Commands())
        {
            byte[] bytes = serializer.ToBinary(new Submit(command, TimeSpan.FromSeconds(3)));
            Submit read = (Submit)serializer.FromBinary(bytes, "submit-1");
            Assert.Equal(TimeSpan.FromSeconds(3), read.Timeout);
            Assert.Equal(command.GetType(), read.Command.GetType());
            if (command is RegisterBroker register)
            {
                RegisterBroker again = (RegisterBroker)read.Command;
                Assert.Equal(register.Endpoints, again.Endpoints.ToArray());
                Assert.Equal(register, again with { Endpoints = register.Endpoints });
            }
            else if (command is CreateTopics create)
            {
                NewTopic topic = ((CreateTopics)read.Command).Topics.Single();
                Assert.Equal(create.Topics[0].Configs, topic.Configs);
                Assert.Equal([new NodeId(2), new NodeId(1)], topic.Assignments.Single().Replicas);
            }
        }
    }

    [Fact]
    public void A_node_of_an_older_version_need_not_say_which_move_is_complete()
    {
        RpcSerializer serializer = new((ExtendedActorSystem)_system);
        CompleteReassignment complete = new(Topic, 3, new LeaderEpoch(4), [new NodeId(2)]) { Move = new KafkaOffset(17) };
        Assert.Equal(complete.Move, Read(complete).Move);
        Assert.Null(Read(complete with { Move = null }).Move);

        CompleteReassignment Read(CompleteReassignment command) =>
            (CompleteReassignment)((Submit)serializer.FromBinary(
                serializer.ToBinary(new Submit(command, TimeSpan.FromSeconds(3))), "submit-1")).Command;
    }

    private static MetadataCommand[] Commands() =>
    [
        new FormCluster("c"),
        new CreateTopics(
        [
            new NewTopic
            {
                Name = "t",
                PartitionCount = 3,
                ReplicationFactor = 2,
                Assignments = [new PartitionAssignment(0, [new NodeId(2), new NodeId(1)])],
                Configs = [new("a", "b"), new("c", null)],
            },
        ], ValidateOnly: true),
        new DeleteTopics([TopicReference.ByName("t"), TopicReference.ById(Topic)]),
        new CreatePartitions([new MorePartitions("t", 4, [[new NodeId(1)]]), new MorePartitions("u", 2)]),
        new AlterConfigs([new ConfigReplacement(ConfigResource.OfTopic("t"), [new("a", "b")])]),
        new IncrementalAlterConfigs(
            [new ConfigAlteration(ConfigResource.AllBrokers, [new ConfigChange("a", ConfigOperation.Append, "b")])]),
        new AllocateProducerIds(5),
        new RegisterBroker(new NodeId(1), [new BrokerEndpoint("PLAINTEXT", "h", 9)], "r") { Directory = Id, Incarnation = Guid.NewGuid() },
        new ChangeLiveness(new NodeId(1), false),
        new ChangeLevel(2, ValidateOnly: true),
        new DrainBroker(new NodeId(1), true) { ThenRemove = true },
        new CompleteReassignment(Topic, 3, new LeaderEpoch(4), [new NodeId(2), new NodeId(1)]) { Move = new KafkaOffset(17) },
    ];
}
