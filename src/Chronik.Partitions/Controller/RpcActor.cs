using Akka.Actor;
using Chronik.Model;
using Chronik.Partitions.Leaderships;
using Chronik.Partitions.Peers;
using Chronik.Partitions.Operating;
using Chronik.Partitions.Watching;

namespace Chronik.Partitions.Controller;

/// <summary>/user/chronik/rpc: where other nodes ask this one.</summary>
/// <remarks>
/// <code>
///   another node's router -- Submit --------------------> rpc -- Submit ----------> controller, which answers
///   another node's router -- DescribeMetadataQuorum ----> rpc -- DescribeQuorum --> replica of __cluster_metadata, which answers
///   another node's mover --- MoveLeaders ---------------> rpc -- MoveLeaders -----> leaderships, which answers
///   another node's leaderships -- NodeStopping ---------> rpc -- noted by the hub
///   operators, balancers --- IOperatingMessage ---------> rpc -- the same --------> controller -- the same --> balancer, which answers
///   another node's page ---- AskNode -------------------> rpc -- asks this node's own page, which answers
/// </code>
/// </remarks>
internal sealed class RpcActor : ReceiveActor
{
    public const string Name = "rpc";

    public RpcActor(
        IActorRef controller, IActorRef leaderships, PartitionDirectory directory, PeerHub peers, NodeQuestions questions)
    {
        Receive<Submit>(controller.Forward);
        Receive<MoveLeaders>(leaderships.Forward);
        Receive<NodeStopping>(stopping => peers.Stops(stopping.Node));
        Receive<IOperatingMessage>(controller.Forward);
        Receive<AskNode>(ask => questions.AnswerAsync(ask).PipeTo(Sender));
        Receive<DescribeMetadataQuorum>(_ =>
        {
            if (directory.Find(GroupId.Metadata) is { View.IsLeader: true } log)
                log.DescribeQuorumAsync().PipeTo(Sender, success: state => new QuorumDescribed(state));
            else Sender.Tell(new CommandRefused(KafkaError.NotController, "this node does not lead the metadata"));
        });
    }
}
