using System.Diagnostics.CodeAnalysis;
using Chronik.Model;

namespace Chronik.Groups;

/// <summary>An offset that a group has committed.</summary>
/// <param name="Offset">The next offset to read.</param>
/// <param name="LeaderEpoch">The epoch of the last record read, or unknown.</param>
/// <param name="Metadata">The client's text; may be empty.</param>
/// <param name="CommittedAtMs">When it was committed.</param>
/// <param name="ExpiresAtMs">When it goes, whatever the retention says; -1 when the client did not say.</param>
/// <param name="TopicId">The topic's id, or none when the client did not say.</param>
internal readonly record struct CommittedOffset(
    KafkaOffset Offset, LeaderEpoch LeaderEpoch, string Metadata, long CommittedAtMs, long ExpiresAtMs, TopicId TopicId);

/// <summary>The offsets of one group: those in the log, and of which partitions a newer one is on its way there.</summary>
internal sealed class GroupOffsets
{
    private readonly Dictionary<string, Dictionary<int, CommittedOffset>> _byTopic = [];
    private readonly Dictionary<TopicPartition, int> _inFlight = [];

    /// <summary>How many partitions have a committed offset.</summary>
    public int Count { get; private set; }

    /// <summary>The committed offsets by topic.</summary>
    public IReadOnlyDictionary<string, Dictionary<int, CommittedOffset>> ByTopic => _byTopic;

    /// <summary>Partitions whose newer offset is on its way to the log.</summary>
    public IReadOnlyCollection<TopicPartition> InFlight => _inFlight.Keys;

    public bool TryGet(TopicPartition partition, out CommittedOffset offset)
    {
        offset = default;
        return _byTopic.TryGetValue(partition.Topic, out Dictionary<int, CommittedOffset>? offsets)
            && offsets.TryGetValue(partition.Partition, out offset);
    }

    public bool TryGetTopic(string topic, [MaybeNullWhen(false)] out Dictionary<int, CommittedOffset> offsets) =>
        _byTopic.TryGetValue(topic, out offsets);

    /// <summary>Sets the offset; true when the partition had none.</summary>
    public bool Put(TopicPartition partition, CommittedOffset offset)
    {
        if (!_byTopic.TryGetValue(partition.Topic, out Dictionary<int, CommittedOffset>? offsets))
            _byTopic.Add(partition.Topic, offsets = []);
        bool isNew = offsets.TryAdd(partition.Partition, offset);
        if (isNew) Count++;
        else offsets[partition.Partition] = offset;
        return isNew;
    }

    /// <summary>Removes the offset; true when there was one.</summary>
    public bool Remove(TopicPartition partition)
    {
        if (!_byTopic.TryGetValue(partition.Topic, out Dictionary<int, CommittedOffset>? offsets)) return false;
        if (!offsets.Remove(partition.Partition)) return false;
        if (offsets.Count == 0) _byTopic.Remove(partition.Topic);
        Count--;
        return true;
    }

    public bool IsInFlight(TopicPartition partition) => _inFlight.ContainsKey(partition);

    public void BeginFlight(TopicPartition partition) => _inFlight[partition] = _inFlight.GetValueOrDefault(partition) + 1;

    public void EndFlight(TopicPartition partition)
    {
        int left = _inFlight[partition] - 1;
        if (left == 0) _inFlight.Remove(partition);
        else _inFlight[partition] = left;
    }

    /// <summary>Every partition that has an offset or is about to have one.</summary>
    public HashSet<TopicPartition> Partitions()
    {
        var partitions = new HashSet<TopicPartition>(_inFlight.Keys);
        foreach ((string topic, Dictionary<int, CommittedOffset> offsets) in _byTopic)
        {
            foreach (int partition in offsets.Keys) partitions.Add(new TopicPartition(topic, partition));
        }

        return partitions;
    }
}
