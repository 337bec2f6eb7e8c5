using Chronik.Gateway.Network;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Partitions;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Gateway.Handlers;

/// <summary>DescribeQuorum: how the group of the cluster's metadata stands (KIP-595, KIP-836, KIP-853).</summary>
/// <remarks>Only the metadata log may be asked about, as in Kafka, though every partition is such a group here.</remarks>
internal sealed class DescribeQuorumHandler(GatewayServices services)
    : ApiHandler<DescribeQuorumRequest, DescribeQuorumResponse>(services, ApiKey.DescribeQuorum)
{
    /// <inheritdoc/>
    protected override async ValueTask<DescribeQuorumResponse> HandleAsync(DescribeQuorumRequest body, Request request)
    {
        var response = new DescribeQuorumResponse();
        QuorumState? state = null;
        foreach (DescribeQuorumRequest.TopicData topic in body.Topics)
        {
            var answered = new DescribeQuorumResponse.TopicData { TopicName = topic.TopicName };
            foreach (DescribeQuorumRequest.PartitionData partition in topic.Partitions)
            {
                if (topic.TopicName != TopicNames.ClusterMetadata || partition.PartitionIndex != 0)
                {
                    answered.Partitions.Add(new()
                    {
                        PartitionIndex = partition.PartitionIndex,
                        ErrorCode = (short)KafkaError.UnknownTopicOrPartition,
                        ErrorMessage = $"only partition 0 of {TopicNames.ClusterMetadata} has a quorum to describe",
                    });
                    continue;
                }

                state ??= await Services.Node.DescribeMetadataQuorumAsync().ConfigureAwait(false);
                if (!state.Leader.IsSome) return Refused(KafkaError.NotLeaderOrFollower, "the metadata has no leader at the moment");
                answered.Partitions.Add(Describe(state));
            }

            response.Topics.Add(answered);
        }

        if (state is not null) AddNodes(response, state, request.Connection);
        return response;
    }

    /// <inheritdoc/>
    protected override DescribeQuorumResponse Failure(DescribeQuorumRequest body, Request request, KafkaError error) =>
        Refused(error, null);

    private DescribeQuorumResponse.PartitionData Describe(QuorumState state) => new()
    {
        PartitionIndex = 0,
        LeaderId = state.Leader.Value,
        LeaderEpoch = state.Epoch.Value,
        HighWatermark = state.HighWatermark.Value,
        CurrentVoters = [.. state.Voters.Select(Describe)],
        Observers = [.. state.Observers.Select(Describe)],
    };

    private DescribeQuorumResponse.ReplicaState Describe(QuorumReplica replica) => new()
    {
        ReplicaId = replica.Node.Value,
        ReplicaDirectoryId = Services.Node.Metadata.Brokers.TryGetValue(replica.Node, out BrokerImage? broker)
            ? broker.Directory
            : Guid.Empty,
        LogEndOffset = replica.LogEndOffset.Value,
        LastFetchTimestamp = replica.LastContactMs,
        LastCaughtUpTimestamp = replica.LastCaughtUpMs,
    };

    // Voters are brokers here, and are reached where brokers are.
    private void AddNodes(DescribeQuorumResponse response, QuorumState state, KafkaConnection connection)
    {
        foreach (QuorumReplica voter in state.Voters)
        {
            if (Services.Find(voter.Node, connection) is not { } broker) continue;
            response.Nodes.Add(new()
            {
                NodeId = broker.Id.Value,
                Listeners = [new() { Name = ListenerOf(broker.Id), Host = broker.Host, Port = (ushort)broker.Port }],
            });
        }
    }

    private string ListenerOf(NodeId id) => Services.Node.Metadata.Brokers.TryGetValue(id, out BrokerImage? broker)
        ? broker.Endpoints[0].Listener
        : "PLAINTEXT";

    private static DescribeQuorumResponse Refused(KafkaError error, string? message) =>
        new() { ErrorCode = (short)error, ErrorMessage = message };
}
