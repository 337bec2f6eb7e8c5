using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Groups;

/// <content>What administrators ask for: list, describe, delete groups and offsets; and the offsets that go by themselves.</content>
public sealed partial class GroupCoordinator
{
    private const string ClassicType = "Classic";

    /// <summary>From this version on an unknown group has its own error in DescribeGroups (KIP-1043).</summary>
    private const short DescribeNotFoundSince = 6;

    private void ListGroups(in GroupInput input, ListGroupsRequest request)
    {
        var response = new ListGroupsResponse();
        bool typeWanted = request.TypesFilter.Count == 0 || request.TypesFilter.Exists(type => IsSame(type, ClassicType));
        foreach (Group group in _groups.Values)
        {
            string state = group.State.ToString();
            if (!typeWanted || (request.StatesFilter.Count > 0 && !request.StatesFilter.Exists(wanted => IsSame(wanted, state)))) continue;
            response.Groups.Add(new()
            {
                GroupId = group.Id,
                ProtocolType = group.ProtocolType ?? "",
                GroupState = state,
                GroupType = ClassicType,
            });
        }

        Reply(input.Token!, response);

        static bool IsSame(string wanted, string actual) => string.Equals(wanted.Trim(), actual, StringComparison.OrdinalIgnoreCase);
    }

    private void DescribeGroups(in GroupInput input, DescribeGroupsRequest request)
    {
        var response = new DescribeGroupsResponse();
        foreach (string groupId in request.Groups)
        {
            response.Groups.Add(TryFind(groupId, out Group? group) ? Describe(group) : DescribeUnknown(groupId, input.Version));
        }

        Reply(input.Token!, response);
    }

    private static DescribeGroupsResponse.DescribedGroup DescribeUnknown(string groupId, short version)
    {
        var unknown = new DescribeGroupsResponse.DescribedGroup { GroupId = groupId, GroupState = nameof(GroupState.Dead) };
        if (version < DescribeNotFoundSince) return unknown;
        unknown.ErrorCode = (short)KafkaError.GroupIdNotFound;
        unknown.ErrorMessage = $"Group {groupId} not found.";
        return unknown;
    }

    private static DescribeGroupsResponse.DescribedGroup Describe(Group group)
    {
        bool isStable = group.State == GroupState.Stable;
        var described = new DescribeGroupsResponse.DescribedGroup
        {
            GroupId = group.Id,
            GroupState = group.State.ToString(),
            ProtocolType = group.ProtocolType ?? "",
            ProtocolData = isStable ? group.ProtocolName ?? "" : "",
        };
        foreach (GroupMember member in group.Members.Values)
        {
            described.Members.Add(new()
            {
                MemberId = member.Id,
                GroupInstanceId = member.InstanceId,
                ClientId = member.ClientId,
                ClientHost = member.ClientHost,
                MemberMetadata = isStable ? member.MetadataOf(group.ProtocolName) : default,
                MemberAssignment = isStable ? member.Assignment : default,
            });
        }

        return described;
    }

    private void DeleteGroups(in GroupInput input, DeleteGroupsRequest request)
    {
        object token = input.Token!;
        var response = new DeleteGroupsResponse();
        long before = _lastWrite;
        foreach (string groupId in request.GroupsNames)
        {
            var result = new DeleteGroupsResponse.DeletableGroupResult { GroupId = groupId };
            response.Results.Add(result);
            if (!TryFind(groupId, out Group? group) || group.State == GroupState.Dead) result.ErrorCode = (short)KafkaError.GroupIdNotFound;
            else if (group.State != GroupState.Empty) result.ErrorCode = (short)KafkaError.NonEmptyGroup;
            else Delete(group, error => result.ErrorCode = (short)error);
        }

        if (_lastWrite == before) Reply(token, response);
        else AfterWrite(new GroupWriteId(_lastWrite), _ => Reply(token, response));
    }

    /// <summary>
    /// Removes an empty group with its offsets, in the log first. Until that is done the group is Dead: whoever comes for it is told to
    /// try again.
    /// </summary>
    private void Delete(Group group, Action<KafkaError> settled)
    {
        foreach (string memberId in group.PendingMembers) _timers.Cancel(SessionOf(group, memberId));
        group.ClearPending();
        group.MoveTo(GroupState.Dead, _now);
        AppendTombstones(group, group.Offsets.Partitions(), GroupRecords.MetadataTombstone(group.Id), error =>
        {
            settled(error);
            if (error == KafkaError.None)
            {
                _offsetCount -= group.Offsets.Count;
                _groups.Remove(group.Id);
            }
            else if (_phase == Phase.Active)
            {
                group.MoveTo(GroupState.Empty, _now);
            }
        });
    }

    private void DeleteOffsets(in GroupInput input, OffsetDeleteRequest request)
    {
        object token = input.Token!;
        KafkaError error = request.GroupId.Length == 0 ? KafkaError.InvalidGroupId : KafkaError.None;
        if (!TryFind(request.GroupId, out Group? group) || group.State == GroupState.Dead)
            error = error == KafkaError.None ? KafkaError.GroupIdNotFound : error;
        else if (group.State != GroupState.Empty && !group.IsConsumerGroup)
            error = KafkaError.NonEmptyGroup;
        if (error != KafkaError.None)
        {
            Reply(token, new OffsetDeleteResponse { ErrorCode = (short)error });
            return;
        }

        var response = new OffsetDeleteResponse();
        var gone = new List<TopicPartition>();
        foreach (OffsetDeleteRequest.OffsetDeleteRequestTopic topic in request.Topics)
        {
            KafkaError refused = group!.IsSubscribedTo(topic.Name) ? KafkaError.GroupSubscribedToTopic : KafkaError.None;
            var answered = new OffsetDeleteResponse.OffsetDeleteResponseTopic { Name = topic.Name };
            foreach (OffsetDeleteRequest.OffsetDeleteRequestPartition partition in topic.Partitions)
            {
                answered.Partitions.Add(new() { PartitionIndex = partition.PartitionIndex, ErrorCode = (short)refused });
                var at = new TopicPartition(topic.Name, partition.PartitionIndex);
                if (refused == KafkaError.None && (group.Offsets.TryGet(at, out _) || group.Offsets.IsInFlight(at))) gone.Add(at);
            }

            response.Topics.Add(answered);
        }

        if (gone.Count == 0) Reply(token, response);
        else
            AppendTombstones(group!, gone, null, failure =>
                Reply(token, failure == KafkaError.None ? response : new OffsetDeleteResponse { ErrorCode = (short)failure }));
    }

    private void DeleteTopicOffsets(string topic, TopicId topicId)
    {
        if (_phase != Phase.Active) return;
        foreach (Group group in _groups.Values)
        {
            if (group.State == GroupState.Dead) continue;
            var gone = new List<TopicPartition>();
            if (group.Offsets.TryGetTopic(topic, out Dictionary<int, CommittedOffset>? offsets))
            {
                foreach ((int partition, CommittedOffset offset) in offsets)
                {
                    bool isOther = offset.TopicId != TopicId.None && topicId != TopicId.None && offset.TopicId != topicId;
                    var at = new TopicPartition(topic, partition);
                    if (!isOther && !group.Offsets.IsInFlight(at)) gone.Add(at);
                }
            }

            gone.AddRange(group.Offsets.InFlight.Where(partition => partition.Topic == topic));
            if (gone.Count > 0) AppendTombstones(group, gone, null, _ => { });
        }
    }

    /// <summary>Looks for offsets that have outlived their retention, and for empty groups without any.</summary>
    private void Sweep()
    {
        _timers.Set(new GroupTimerKey(GroupTimerKind.Sweep, "", ""), _now + Math.Max(_limits.OffsetsRetentionCheckMs, 1));
        foreach (Group group in _groups.Values)
        {
            if (AreWritesFull) return;
            if (group.State == GroupState.Dead) continue;
            List<TopicPartition> expired = Expired(group);
            bool isDone = group.State == GroupState.Empty && group.PendingMembers.Count == 0 && group.WritesInFlight == 0
                && expired.Count == group.Offsets.Count;
            if (isDone) Delete(group, _ => { });
            else if (expired.Count > 0) AppendTombstones(group, expired, null, _ => { });
        }
    }

    /// <summary>
    /// Offsets age from when the group became empty, or, where nobody is expected to come back to them (a group without membership, a
    /// topic that a stable group no longer reads), from when they were committed.
    /// </summary>
    private List<TopicPartition> Expired(Group group)
    {
        var expired = new List<TopicPartition>();
        bool isLeftBehind = group.ProtocolType is not null && group.State == GroupState.Empty;
        bool isSimple = group.ProtocolType is null;
        bool isStable = group.State == GroupState.Stable && group.IsConsumerGroup && group.SubscribedTopics is not null;
        if (!isLeftBehind && !isSimple && !isStable) return expired;
        foreach ((string topic, Dictionary<int, CommittedOffset> offsets) in group.Offsets.ByTopic)
        {
            if (group.IsSubscribedTo(topic)) continue;
            foreach ((int partition, CommittedOffset offset) in offsets)
            {
                long since = isLeftBehind && group.StateSinceMs >= 0 ? group.StateSinceMs : offset.CommittedAtMs;
                long expiresAt = offset.ExpiresAtMs >= 0 ? offset.ExpiresAtMs : since + _limits.OffsetsRetentionMs;
                var at = new TopicPartition(topic, partition);
                if (expiresAt <= _now && !group.Offsets.IsInFlight(at)) expired.Add(at);
            }
        }

        return expired;
    }

    /// <summary>
    /// Deletes offsets, in the log first, in writes of bounded size; <paramref name="last"/> goes with the last of them. Once all are in
    /// the log <paramref name="settled"/> runs, with the first error if there was one.
    /// </summary>
    private void AppendTombstones(
        Group group, IReadOnlyCollection<TopicPartition> partitions, GroupRecord? last, Action<KafkaError> settled)
    {
        KafkaError firstError = KafkaError.None;
        var records = new List<GroupRecord>();
        var removed = new List<TopicPartition>();
        int bytes = 0;
        foreach (TopicPartition partition in partitions)
        {
            GroupRecord tombstone = GroupRecords.OffsetTombstone(group.Id, partition);
            records.Add(tombstone);
            removed.Add(partition);
            bytes += tombstone.Length;
            if (bytes < WriteBytes) continue;
            Flush(isLast: false);
            records = [];
            removed = [];
            bytes = 0;
        }

        if (last is GroupRecord record) records.Add(record);
        Flush(isLast: true);

        void Flush(bool isLast)
        {
            List<TopicPartition> mine = removed;
            void Done(KafkaError error)
            {
                if (firstError == KafkaError.None) firstError = error;
                if (error == KafkaError.None)
                {
                    foreach (TopicPartition partition in mine)
                    {
                        if (group.Offsets.Remove(partition)) _offsetCount--;
                    }
                }

                if (isLast) settled(firstError);
            }

            if (records.Count > 0) Append(group, records, Done);
            else AfterWrite(group.LastWrite, Done);
        }
    }
}
