using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Groups;

/// <summary>
/// Answers that refuse a request as a whole, in the shape that each API and version has for it. Public, because whoever cannot even reach
/// a coordinator must answer in the same shapes.
/// </summary>
public static class GroupResponses
{
    /// <summary>The response to <paramref name="request"/> that says <paramref name="error"/> wherever it can.</summary>
    /// <param name="request">A request of one of the group APIs.</param>
    /// <param name="version">The version the client used.</param>
    /// <param name="error">What to say.</param>
    /// <exception cref="ArgumentException">The request belongs to another API.</exception>
    public static IResponseMessage Error(IRequestMessage request, short version, KafkaError error) => request switch
    {
        JoinGroupRequest join => JoinError(join.MemberId, version, error),
        SyncGroupRequest => new SyncGroupResponse { ErrorCode = (short)error },
        HeartbeatRequest => new HeartbeatResponse { ErrorCode = (short)error },
        LeaveGroupRequest => new LeaveGroupResponse { ErrorCode = (short)error },
        OffsetCommitRequest commit => CommitError(commit, error),
        OffsetFetchRequest fetch => FetchError(fetch, version, error),
        OffsetDeleteRequest => new OffsetDeleteResponse { ErrorCode = (short)error },
        ListGroupsRequest => new ListGroupsResponse { ErrorCode = (short)error },
        DescribeGroupsRequest describe => DescribeError(describe, error),
        DeleteGroupsRequest delete => DeleteError(delete, error),
        _ => throw new ArgumentException($"{request.ApiKey} is not an API of groups", nameof(request)),
    };

    internal static JoinGroupResponse JoinError(string memberId, short version, KafkaError error) =>
        new() { ErrorCode = (short)error, MemberId = memberId, ProtocolName = version < 7 ? "" : null };

    internal static OffsetCommitResponse CommitError(OffsetCommitRequest request, KafkaError error)
    {
        var response = new OffsetCommitResponse();
        foreach (OffsetCommitRequest.OffsetCommitRequestTopic topic in request.Topics)
        {
            var refused = new OffsetCommitResponse.OffsetCommitResponseTopic { Name = topic.Name, TopicId = topic.TopicId };
            foreach (OffsetCommitRequest.OffsetCommitRequestPartition partition in topic.Partitions)
            {
                refused.Partitions.Add(new OffsetCommitResponse.OffsetCommitResponsePartition
                {
                    PartitionIndex = partition.PartitionIndex,
                    ErrorCode = (short)error,
                });
            }

            response.Topics.Add(refused);
        }

        return response;
    }

    private static OffsetFetchResponse FetchError(OffsetFetchRequest request, short version, KafkaError error)
    {
        var response = new OffsetFetchResponse();
        if (version >= 8)
        {
            foreach (OffsetFetchRequest.OffsetFetchRequestGroup group in request.Groups)
                response.Groups.Add(new OffsetFetchResponse.OffsetFetchResponseGroup { GroupId = group.GroupId, ErrorCode = (short)error });
            return response;
        }

        response.ErrorCode = (short)error;

        // Version 1 has no place for an error but the partitions; later ones repeat it there.
        foreach (OffsetFetchRequest.OffsetFetchRequestTopic topic in request.Topics ?? [])
        {
            var refused = new OffsetFetchResponse.OffsetFetchResponseTopic { Name = topic.Name };
            foreach (int partition in topic.PartitionIndexes)
            {
                refused.Partitions.Add(new OffsetFetchResponse.OffsetFetchResponsePartition
                {
                    PartitionIndex = partition,
                    CommittedOffset = -1,
                    Metadata = "",
                    ErrorCode = (short)error,
                });
            }

            response.Topics.Add(refused);
        }

        return response;
    }

    private static DescribeGroupsResponse DescribeError(DescribeGroupsRequest request, KafkaError error)
    {
        var response = new DescribeGroupsResponse();
        foreach (string groupId in request.Groups)
            response.Groups.Add(new DescribeGroupsResponse.DescribedGroup { GroupId = groupId, ErrorCode = (short)error });
        return response;
    }

    private static DeleteGroupsResponse DeleteError(DeleteGroupsRequest request, KafkaError error)
    {
        var response = new DeleteGroupsResponse();
        foreach (string groupId in request.GroupsNames)
            response.Results.Add(new DeleteGroupsResponse.DeletableGroupResult { GroupId = groupId, ErrorCode = (short)error });
        return response;
    }
}
