using Chronik.Model;

namespace Chronik.Groups;

/// <content>What is on its way to the log, and what happens when it is there.</content>
public sealed partial class GroupCoordinator
{
    private bool AreWritesFull => _pending.Count >= _limits.WritesInFlightMax;

    /// <summary>
    /// Appends records about one group. <paramref name="settled"/> runs once, when the log has said what became of them: with None when
    /// they are committed, otherwise with the error that a client is to see.
    /// </summary>
    private PendingWrite Append(Group? group, IReadOnlyList<GroupRecord> records, Action<KafkaError> settled)
    {
        Invariant.Require(records.Count > 0 && _phase == Phase.Active);
        var write = new PendingWrite(new GroupWriteId(++_lastWrite), group);
        write.Settled.Add(settled);
        _pending.Enqueue(write);
        _effects.Writes.Add(new GroupWrite(write.Id, records));
        if (group is not null)
        {
            group.WritesInFlight++;
            group.LastWrite = write.Id;
        }

        return write;
    }

    /// <summary>Appends the group's metadata as it is now, with these assignments.</summary>
    private PendingWrite AppendMetadata(Group group, Dictionary<string, byte[]>? assignments, Action<KafkaError> settled)
    {
        GroupRecord record = GroupRecords.Metadata(group, assignments);
        return Append(group, [record], error =>
        {
            if (error == KafkaError.None) group.Persisted = record.Value;
            settled(error);
        });
    }

    /// <summary>Runs now, or, when a write with this id is not settled yet, right after it is.</summary>
    private void AfterWrite(GroupWriteId id, Action<KafkaError> run)
    {
        foreach (PendingWrite write in _pending)
        {
            if (write.Id != id) continue;
            write.Settled.Add(run);
            return;
        }

        run(KafkaError.None);
    }

    private void Settle(GroupWriteId through, KafkaError error)
    {
        if (_phase != Phase.Active) return;
        Invariant.Require(through.Value <= _lastWrite);
        while (_pending.TryPeek(out PendingWrite? write) && write.Id.Value <= through.Value)
        {
            _pending.Dequeue();
            Settle(write, error);
        }
    }

    private void Settle(PendingWrite write, KafkaError error)
    {
        if (write.Group is not null) write.Group.WritesInFlight--;
        foreach (Action<KafkaError> settled in write.Settled) settled(error);
        if (write.Group is not null) DropIfVestigial(write.Group);
    }

    /// <summary>What a client is told when the log refused a write: whatever it can mend by asking again is retriable.</summary>
    private static KafkaError ToClientError(KafkaError error) => error switch
    {
        KafkaError.UnknownTopicOrPartition or KafkaError.NotEnoughReplicas or KafkaError.NotEnoughReplicasAfterAppend
            or KafkaError.RequestTimedOut or KafkaError.None => KafkaError.CoordinatorNotAvailable,
        KafkaError.NotLeaderOrFollower or KafkaError.KafkaStorageError => KafkaError.NotCoordinator,
        KafkaError.MessageTooLarge or KafkaError.RecordListTooLarge or KafkaError.InvalidFetchSize => KafkaError.UnknownServerError,
        _ => error,
    };

    private sealed class PendingWrite(GroupWriteId id, Group? group)
    {
        public GroupWriteId Id { get; } = id;

        public Group? Group { get; } = group;

        public List<Action<KafkaError>> Settled { get; } = new(1);
    }
}
