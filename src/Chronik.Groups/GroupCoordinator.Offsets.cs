using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Groups;

/// <content>OffsetCommit and OffsetFetch. An offset is seen by readers once its record is committed, not before.</content>
public sealed partial class GroupCoordinator
{
    /// <summary>From this version on an unknown group has its own error in OffsetCommit (KIP-848).</summary>
    private const short GroupIdNotFoundSince = 9;

    private void CommitOffsets(in GroupInput input, OffsetCommitRequest request)
    {
        object token = input.Token!;
        if (AreWritesFull)
        {
            Reply(token, GroupResponses.CommitError(request, KafkaError.CoordinatorNotAvailable),
                $"groups.max-writes-in-flight = {_limits.WritesInFlightMax} writes are on their way to the log");
            return;
        }

        if (!TryFind(request.GroupId, out Group? group))
        {
            if (request.GenerationIdOrMemberEpoch >= 0)
            {
                KafkaError unknown = input.Version >= GroupIdNotFoundSince ? KafkaError.GroupIdNotFound : KafkaError.IllegalGeneration;
                Reply(token, GroupResponses.CommitError(request, unknown));
                return;
            }

            // Somebody who only keeps offsets here: an administrator, or a consumer that assigns its partitions itself.
            group = Create(request.GroupId, out string? refusal);
            if (group is null)
            {
                Reply(token, GroupResponses.CommitError(request, KafkaError.CoordinatorNotAvailable), refusal);
                return;
            }
        }

        KafkaError error = ValidateCommit(group, request);
        if (error != KafkaError.None) Reply(token, GroupResponses.CommitError(request, error));
        else CommitOffsets(token, group, request);
        DropIfVestigial(group);
    }

    private static KafkaError ValidateCommit(Group group, OffsetCommitRequest request)
    {
        int generation = request.GenerationIdOrMemberEpoch;
        if (group.State == GroupState.Dead) return KafkaError.CoordinatorNotAvailable;
        if (generation < 0 && group.State == GroupState.Empty) return KafkaError.None;
        if (generation < 0 && request.MemberId.Length == 0 && request.GroupInstanceId is null) return KafkaError.UnknownMemberId;
        KafkaError error = group.Validate(request.MemberId, request.GroupInstanceId);
        if (error != KafkaError.None) return error;
        if (generation != group.Generation) return KafkaError.IllegalGeneration;
        return group.State == GroupState.CompletingRebalance ? KafkaError.RebalanceInProgress : KafkaError.None;
    }

    private void CommitOffsets(object token, Group group, OffsetCommitRequest request)
    {
        // In these states a commit is as good as a heartbeat.
        bool keepsSession = group.State is GroupState.Stable or GroupState.PreparingRebalance;
        if (keepsSession && group.TryGetMember(request.MemberId, out GroupMember? member)) RestartSession(group, member);
        long expiresAt = request.RetentionTimeMs < 0 ? -1 : _now + request.RetentionTimeMs;
        var response = new OffsetCommitResponse();
        var records = new List<GroupRecord>();
        var commits = new List<(TopicPartition Partition, CommittedOffset Offset)>();
        string? refusal = null;
        foreach (OffsetCommitRequest.OffsetCommitRequestTopic topic in request.Topics)
        {
            var answered = new OffsetCommitResponse.OffsetCommitResponseTopic { Name = topic.Name, TopicId = topic.TopicId };
            foreach (OffsetCommitRequest.OffsetCommitRequestPartition partition in topic.Partitions)
            {
                var at = new TopicPartition(topic.Name, partition.PartitionIndex);
                string metadata = partition.CommittedMetadata ?? "";
                KafkaError error = CheckCommit(group, at, metadata, commits.Count, ref refusal);
                answered.Partitions.Add(new() { PartitionIndex = partition.PartitionIndex, ErrorCode = (short)error });
                if (error != KafkaError.None) continue;
                var offset = new CommittedOffset(
                    new KafkaOffset(partition.CommittedOffset), new LeaderEpoch(partition.CommittedLeaderEpoch), metadata, _now, expiresAt,
                    new TopicId(topic.TopicId));
                commits.Add((at, offset));
                records.Add(GroupRecords.Offset(group.Id, at, offset));
            }

            response.Topics.Add(answered);
        }

        if (records.Count == 0)
        {
            Reply(token, response, refusal);
            return;
        }

        foreach ((TopicPartition partition, _) in commits) group.Offsets.BeginFlight(partition);
        Append(group, records, error =>
        {
            foreach ((TopicPartition partition, CommittedOffset offset) in commits)
            {
                group.Offsets.EndFlight(partition);
                if (error == KafkaError.None && group.Offsets.Put(partition, offset)) _offsetCount++;
            }

            // The response was made for success; the partitions that were to be written say now why they were not.
            if (error != KafkaError.None) Fail(response, error);
            Reply(token, response, refusal);
        });
    }

    private KafkaError CheckCommit(Group group, TopicPartition partition, string metadata, int commitsBefore, ref string? refusal)
    {
        if (metadata.Length > _limits.OffsetMetadataMax)
        {
            refusal = $"the metadata of {partition} in group {group.Id} exceeds offset.metadata.max.bytes = {_limits.OffsetMetadataMax}";
            return KafkaError.OffsetMetadataTooLarge;
        }

        if (_offsetCount + commitsBefore < _limits.OffsetsMax || group.Offsets.TryGet(partition, out _)) return KafkaError.None;
        refusal = $"the coordinator holds groups.max-offsets = {_limits.OffsetsMax} offsets";
        return KafkaError.CoordinatorNotAvailable;
    }

    private static void Fail(OffsetCommitResponse response, KafkaError error)
    {
        foreach (OffsetCommitResponse.OffsetCommitResponseTopic topic in response.Topics)
        {
            foreach (OffsetCommitResponse.OffsetCommitResponsePartition partition in topic.Partitions)
            {
                if (partition.ErrorCode == (short)KafkaError.None) partition.ErrorCode = (short)error;
            }
        }
    }

    private void FetchOffsets(in GroupInput input, OffsetFetchRequest request)
    {
        object token = input.Token!;
        short version = input.Version;
        GroupWriteId lastWrite = request.RequireStable ? LastWriteOf(request, version) : default;
        if (lastWrite == default)
        {
            Reply(token, version < 8 ? FetchOne(request) : FetchMany(request));
            return;
        }

        // Whoever asks for stable offsets waits for what is on its way (KIP-447).
        AfterWrite(lastWrite, _ =>
            Reply(token, _phase != Phase.Active
                ? GroupResponses.Error(request, version, KafkaError.NotCoordinator)
                : version < 8 ? FetchOne(request) : FetchMany(request)));
    }

    private GroupWriteId LastWriteOf(OffsetFetchRequest request, short version)
    {
        GroupWriteId last = default;
        IEnumerable<string> groupIds = version < 8 ? [request.GroupId] : request.Groups.Select(group => group.GroupId);
        foreach (string groupId in groupIds)
        {
            if (!TryFind(groupId, out Group? group) || group.WritesInFlight == 0) continue;
            if (group.LastWrite.Value > last.Value) last = group.LastWrite;
        }

        return last;
    }

    private OffsetFetchResponse FetchOne(OffsetFetchRequest request)
    {
        var response = new OffsetFetchResponse();
        GroupOffsets? offsets = ReadableOffsets(request.GroupId);
        var named = request.Topics?.Select(topic => (topic.Name, Guid.Empty, topic.PartitionIndexes));
        foreach ((string topic, Guid _, IEnumerable<int> partitions) in Wanted(offsets, named))
        {
            var answered = new OffsetFetchResponse.OffsetFetchResponseTopic { Name = topic };
            foreach (int partition in partitions)
            {
                CommittedOffset? offset = Read(offsets, topic, Guid.Empty, partition);
                answered.Partitions.Add(new()
                {
                    PartitionIndex = partition,
                    CommittedOffset = offset?.Offset.Value ?? -1,
                    CommittedLeaderEpoch = offset?.LeaderEpoch.Value ?? -1,
                    Metadata = offset?.Metadata ?? "",
                });
            }

            response.Topics.Add(answered);
        }

        return response;
    }

    private OffsetFetchResponse FetchMany(OffsetFetchRequest request)
    {
        var response = new OffsetFetchResponse();
        foreach (OffsetFetchRequest.OffsetFetchRequestGroup group in request.Groups)
        {
            var answeredGroup = new OffsetFetchResponse.OffsetFetchResponseGroup { GroupId = group.GroupId };
            GroupOffsets? offsets = ReadableOffsets(group.GroupId);
            var named = group.Topics?.Select(topic => (topic.Name, topic.TopicId, topic.PartitionIndexes));
            foreach ((string topic, Guid id, IEnumerable<int> partitions) in Wanted(offsets, named))
            {
                var answered = new OffsetFetchResponse.OffsetFetchResponseTopics { Name = topic, TopicId = id };
                foreach (int partition in partitions)
                {
                    CommittedOffset? offset = Read(offsets, topic, id, partition);
                    answered.Partitions.Add(new()
                    {
                        PartitionIndex = partition,
                        CommittedOffset = offset?.Offset.Value ?? -1,
                        CommittedLeaderEpoch = offset?.LeaderEpoch.Value ?? -1,
                        Metadata = offset?.Metadata ?? "",
                    });
                }

                answeredGroup.Topics.Add(answered);
            }

            response.Groups.Add(answeredGroup);
        }

        return response;
    }

    /// <summary>A group that is unknown or about to go has no offsets, which is no error.</summary>
    private GroupOffsets? ReadableOffsets(string groupId) =>
        TryFind(groupId, out Group? group) && group.State != GroupState.Dead ? group.Offsets : null;

    /// <summary>The partitions that a request names, or all that have an offset when it names none.</summary>
    private static IEnumerable<(string Topic, Guid Id, IEnumerable<int> Partitions)> Wanted(
        GroupOffsets? offsets, IEnumerable<(string Topic, Guid Id, List<int> Partitions)>? named)
    {
        if (named is not null) return named.Select(topic => (topic.Topic, topic.Id, (IEnumerable<int>)topic.Partitions));
        if (offsets is null) return [];
        return offsets.ByTopic.Select(topic => (topic.Key, topic.Value.Values.First().TopicId.Value, (IEnumerable<int>)topic.Value.Keys));
    }

    /// <summary>An offset that was committed for another topic of the same name is not this topic's.</summary>
    private static CommittedOffset? Read(GroupOffsets? offsets, string topic, Guid topicId, int partition)
    {
        if (offsets is null || !offsets.TryGet(new TopicPartition(topic, partition), out CommittedOffset offset)) return null;
        bool isOther = topicId != Guid.Empty && offset.TopicId != TopicId.None && offset.TopicId.Value != topicId;
        return isOther ? null : offset;
    }
}
