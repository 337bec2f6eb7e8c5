using Chronik.Model;
using Chronik.Protocol.Messages;

namespace Chronik.Groups;

/// <content>From the log into memory and back: loading, unloading, and writing the whole state anew.</content>
public sealed partial class GroupCoordinator
{
    private const int WriteBytes = 256 * 1024;

    /// <summary>
    /// Emits everything that the log must still say, as writes. Once they are committed, all that was in the log before the first of them
    /// can be deleted. Allowed only while no write is in flight, or the copy could overtake what it copies.
    /// </summary>
    public void WriteLiveState(GroupEffects effects)
    {
        Invariant.Require(_phase == Phase.Active && _pending.Count == 0);
        _effects = effects;
        var records = new List<GroupRecord>();
        int bytes = 0;
        foreach (Group group in _groups.Values)
        {
            if (group.Persisted is not null) Add(GroupRecords.Metadata(group.Id, group.Persisted));
            foreach ((string topic, Dictionary<int, CommittedOffset> offsets) in group.Offsets.ByTopic)
            {
                foreach ((int partition, CommittedOffset offset) in offsets)
                    Add(GroupRecords.Offset(group.Id, new TopicPartition(topic, partition), offset));
            }
        }

        if (records.Count > 0) Append(null, records, _ => { });
        effects.WakeAtMs = _timers.NextDueMs;

        void Add(GroupRecord record)
        {
            records.Add(record);
            bytes += record.Length;
            if (bytes < WriteBytes) return;
            Append(null, records, _ => { });
            records = [];
            bytes = 0;
        }
    }

    /// <summary>About how many bytes <see cref="WriteLiveState"/> would write. Walks all state.</summary>
    public long EstimateLiveBytes()
    {
        long bytes = 0;
        foreach (Group group in _groups.Values)
        {
            bytes += (group.Persisted?.Length ?? 0) + group.Id.Length;
            foreach ((string topic, Dictionary<int, CommittedOffset> offsets) in group.Offsets.ByTopic)
            {
                bytes += (long)offsets.Count * (group.Id.Length + topic.Length + GroupRecords.OffsetOverhead);
                foreach (CommittedOffset offset in offsets.Values) bytes += offset.Metadata.Length;
            }
        }

        return bytes;
    }

    /// <summary>Gives back its part of <see cref="GroupLimits.Memory"/>. Nothing may be asked of it any more.</summary>
    public void Abandon()
    {
        foreach (Group group in _groups.Values) group.ReleaseMemory();
        _groups.Clear();
    }

    private void StartLoading()
    {
        Invariant.Require(_phase == Phase.Inactive);
        Forget();
        _phase = Phase.Loading;
    }

    private void LoadRecord(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? value)
    {
        Invariant.Require(_phase == Phase.Loading);
        if (GroupRecords.TryReadOffsetKey(key, out string groupId, out TopicPartition partition)) LoadOffset(groupId, partition, value);
        else if (GroupRecords.TryReadMetadataKey(key, out groupId)) LoadMetadata(groupId, value);
    }

    private void LoadOffset(string groupId, TopicPartition partition, ReadOnlyMemory<byte>? value)
    {
        if (!_groups.TryGetValue(groupId, out Group? group))
        {
            if (value is null) return;
            _groups.Add(groupId, group = new Group(groupId, _limits.Memory));
        }

        if (value is ReadOnlyMemory<byte> bytes)
        {
            if (group.Offsets.Put(partition, GroupRecords.ReadOffset(bytes))) _offsetCount++;
            return;
        }

        if (group.Offsets.Remove(partition)) _offsetCount--;
        DropIfVestigial(group);
    }

    private void LoadMetadata(string groupId, ReadOnlyMemory<byte>? value)
    {
        _groups.Remove(groupId, out Group? before);
        before?.ReleaseMemory();
        if (value is null && (before is null || before.Offsets.Count == 0)) return;
        var group = new Group(groupId, _limits.Memory);
        if (value is ReadOnlyMemory<byte> bytes) GroupRecords.ReadMetadata(bytes, group);
        if (before is not null)
        {
            foreach ((string topic, Dictionary<int, CommittedOffset> offsets) in before.Offsets.ByTopic)
            {
                foreach ((int partition, CommittedOffset offset) in offsets)
                    group.Offsets.Put(new TopicPartition(topic, partition), offset);
            }
        }

        _groups.Add(groupId, group);
    }

    private void FinishLoading()
    {
        Invariant.Require(_phase == Phase.Loading);
        _phase = Phase.Active;
        _timers.Set(new GroupTimerKey(GroupTimerKind.Sweep, "", ""), _now + _limits.OffsetsRetentionCheckMs);
        foreach (Group group in _groups.Values)
        {
            group.LearnSubscriptions();
            foreach (GroupMember member in group.Members.Values) RestartSession(group, member);

            // The limit was lowered: the rebalance gives everybody the chance to commit, and keeps the first to come.
            if (group.Members.Count > _limits.GroupSizeMax) PrepareRebalance(group);
        }
    }

    private void Unload()
    {
        if (_phase == Phase.Active)
        {
            foreach (Group group in _groups.Values)
            {
                group.MoveTo(GroupState.Dead, _now);
                foreach (GroupMember member in group.Members.Values) Dismiss(group, member, KafkaError.NotCoordinator);
            }

            // Nothing that is settled from here on may start anything new.
            _phase = Phase.Inactive;
            while (_pending.TryDequeue(out PendingWrite? write)) Settle(write, KafkaError.NotCoordinator);
        }

        Forget();
        _phase = Phase.Inactive;
    }

    private void Forget()
    {
        Invariant.Require(_pending.Count == 0);
        Abandon();
        _timers.Clear();
        _offsetCount = 0;
        _lastWrite = 0;
    }

    /// <summary>Answers whatever the member waits for with an error.</summary>
    private void Dismiss(Group group, GroupMember member, KafkaError error)
    {
        if (group.Park(member, null) is ParkedRequest join)
        {
            string memberId = error == KafkaError.UnknownMemberId ? "" : member.Id;
            Reply(join.Token, GroupResponses.JoinError(memberId, join.Version, error));
        }

        ReplySync(member, new SyncGroupResponse { ErrorCode = (short)error });
    }
}
