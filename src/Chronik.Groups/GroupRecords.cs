using Chronik.Model;
using Chronik.Protocol;
using Chronik.Protocol.Messages;

namespace Chronik.Groups;

/// <summary>
/// Records of <c>__consumer_offsets</c> in Kafka's own format, at the versions that Kafka 4.3 writes: offsets at version 4 (1 when the
/// client asked for an expiry), group metadata at version 3. Older versions are read.
/// </summary>
internal static class GroupRecords
{
    /// <summary>About what an offset's record takes beside its names and its text.</summary>
    public const int OffsetOverhead = 48;

    private const short OffsetVersion = 4;
    private const short ExpiringOffsetVersion = 1;
    private const short MetadataVersion = 3;

    public static GroupRecord Offset(string groupId, TopicPartition partition, CommittedOffset offset)
    {
        short version = offset.ExpiresAtMs >= 0 ? ExpiringOffsetVersion : OffsetVersion;
        var value = new OffsetCommitValue
        {
            Offset = offset.Offset.Value,
            LeaderEpoch = offset.LeaderEpoch.Value,
            Metadata = offset.Metadata,
            CommitTimestamp = offset.CommittedAtMs,
            ExpireTimestamp = offset.ExpiresAtMs,
            TopicId = offset.TopicId.Value,
        };
        return new GroupRecord(OffsetKey(groupId, partition), CoordinatorRecords.EncodeValue(value, version));
    }

    public static GroupRecord OffsetTombstone(string groupId, TopicPartition partition) => new(OffsetKey(groupId, partition), null);

    public static GroupRecord Metadata(string groupId, byte[] value) => new(MetadataKey(groupId), value);

    public static GroupRecord MetadataTombstone(string groupId) => new(MetadataKey(groupId), null);

    /// <summary>The group's metadata as it is now; with <paramref name="assignments"/> in place of what its members have.</summary>
    public static GroupRecord Metadata(Group group, Dictionary<string, byte[]>? assignments)
    {
        var value = new GroupMetadataValue
        {
            ProtocolType = group.ProtocolType ?? "",
            Generation = group.Generation,
            Protocol = group.ProtocolName,
            Leader = group.LeaderId,
            CurrentStateTimestamp = group.StateSinceMs,
        };
        foreach (GroupMember member in group.Members.Values)
        {
            value.Members.Add(new GroupMetadataValue.MemberMetadata
            {
                MemberId = member.Id,
                GroupInstanceId = member.InstanceId,
                ClientId = member.ClientId,
                ClientHost = member.ClientHost,
                RebalanceTimeout = member.RebalanceTimeoutMs,
                SessionTimeout = member.SessionTimeoutMs,
                Subscription = member.MetadataOf(group.ProtocolName),
                Assignment = assignments is null ? member.Assignment : assignments.GetValueOrDefault(member.Id, []),
            });
        }

        return Metadata(group.Id, CoordinatorRecords.EncodeValue(value, MetadataVersion));
    }

    public static bool TryReadOffsetKey(ReadOnlyMemory<byte> key, out string groupId, out TopicPartition partition)
    {
        short type = CoordinatorRecords.TypeOf(key.Span);
        if (type == OffsetCommitKey.RecordType)
        {
            OffsetCommitKey body = CoordinatorRecords.DecodeKey<OffsetCommitKey>(key);
            (groupId, partition) = (body.Group, new TopicPartition(body.Topic, body.Partition));
            return true;
        }

        if (type == LegacyOffsetCommitKey.RecordType)
        {
            LegacyOffsetCommitKey body = CoordinatorRecords.DecodeKey<LegacyOffsetCommitKey>(key);
            (groupId, partition) = (body.Group, new TopicPartition(body.Topic, body.Partition));
            return true;
        }

        (groupId, partition) = ("", default);
        return false;
    }

    public static CommittedOffset ReadOffset(ReadOnlyMemory<byte> value)
    {
        OffsetCommitValue body = CoordinatorRecords.DecodeValue<OffsetCommitValue>(value);
        return new CommittedOffset(
            new KafkaOffset(body.Offset), new LeaderEpoch(body.LeaderEpoch), body.Metadata, body.CommitTimestamp, body.ExpireTimestamp,
            new TopicId(body.TopicId));
    }

    public static bool TryReadMetadataKey(ReadOnlyMemory<byte> key, out string groupId)
    {
        bool isMetadata = CoordinatorRecords.TypeOf(key.Span) == GroupMetadataKey.RecordType;
        groupId = isMetadata ? CoordinatorRecords.DecodeKey<GroupMetadataKey>(key).Group : "";
        return isMetadata;
    }

    /// <summary>Fills a new group from a value of the log. Its members are there, with the one protocol that was chosen.</summary>
    public static void ReadMetadata(ReadOnlyMemory<byte> value, Group group)
    {
        byte[] kept = value.ToArray();
        GroupMetadataValue body = CoordinatorRecords.DecodeValue<GroupMetadataValue>(kept);
        group.Persisted = kept;
        group.Generation = body.Generation;
        group.ProtocolType = body.ProtocolType.Length == 0 ? null : body.ProtocolType;
        group.ProtocolName = body.Protocol;
        foreach (GroupMetadataValue.MemberMetadata member in body.Members)
        {
            group.Add(new GroupMember(member.MemberId, member.GroupInstanceId, member.ClientId, member.ClientHost)
            {
                SessionTimeoutMs = member.SessionTimeout,
                RebalanceTimeoutMs = member.RebalanceTimeout < 0 ? member.SessionTimeout : member.RebalanceTimeout,
                Protocols = [new MemberProtocol(body.Protocol ?? "", member.Subscription.ToArray())],
                Assignment = member.Assignment.ToArray(),
            });
        }

        if (body.Leader is not null && group.Members.ContainsKey(body.Leader)) group.LeaderId = body.Leader;
        group.Restore(body.Members.Count == 0 ? GroupState.Empty : GroupState.Stable, body.CurrentStateTimestamp);
    }

    private static byte[] OffsetKey(string groupId, TopicPartition partition) => CoordinatorRecords.EncodeKey(
        new OffsetCommitKey { Group = groupId, Topic = partition.Topic, Partition = partition.Partition });

    private static byte[] MetadataKey(string groupId) => CoordinatorRecords.EncodeKey(new GroupMetadataKey { Group = groupId });
}
