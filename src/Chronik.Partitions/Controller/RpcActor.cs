using Akka.Actor;
using Chronik.Model;

namespace Chronik.Partitions.Controller;

/// <summary>/user/chronik/rpc: where other nodes ask this one.</summary>
/// <remarks>
/// <code>
///   another node's router -- Submit --------------------> rpc -- Submit ----------> controller, which answers
///   another node's router -- DescribeMetadataQuorum ----> rpc -- DescribeQuorum --> replica of __cluster_metadata, which answers
/// </code>
/// </remarks>
internal sealed class RpcActor : ReceiveActor
{
    public const string Name = "rpc";

    public RpcActor(IActorRef controller, PartitionDirectory directory)
    {
        Receive<Submit>(controller.Forward);
        Receive<DescribeMetadataQuorum>(_ =>
        {
            if (directory.Find(GroupId.Metadata) is { View.IsLeader: true } log)
                log.DescribeQuorumAsync().PipeTo(Sender, success: state => new QuorumDescribed(state));
            else Sender.Tell(new CommandRefused(KafkaError.NotController, "this node does not lead the metadata"));
        });
    }
}
