using System.Collections.Immutable;
using Chronik.Metadata;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage;

namespace Chronik.Simulation;

/// <summary>
/// What the metadata group's records amount to at one replica: the production image, and on the leader the one that commands are decided
/// against, with everything that was appended and is not committed yet.
/// </summary>
internal sealed class MetadataState
{
    private readonly PartitionLog _log;
    private readonly Simulation _sim;
    private readonly Node _node;
    private KafkaOffset _next; // The first that is not in the image.
    private MetadataImage _deciding = MetadataImage.Empty;

    public MetadataState(PartitionLog log, Simulation sim, Node node)
    {
        _log = log;
        _sim = sim;
        _node = node;
        Rebuild();
    }

    /// <summary>What is committed.</summary>
    public MetadataImage Image { get; private set; } = MetadataImage.Empty;

    /// <summary>The first record that is not in the image.</summary>
    public KafkaOffset Next => _next;

    /// <summary>Makes the image anew from the log.</summary>
    public void Rebuild()
    {
        Image = MetadataImage.Empty;
        _next = _log.LogStartOffset;
        for (KafkaOffset from = _log.LogStartOffset; from < _log.NextOffset;)
        {
            BufferSlice bytes = _log.ReadBatches(from, _log.NextOffset, 64 << 10);
            try
            {
                if (bytes.Length == 0) throw new StorageException($"the metadata log has nothing at offset {from}");
                ReadOnlySpan<byte> rest = bytes.Span;
                while (rest.Length > 0)
                {
                    RecordBatchView batch = new(rest);
                    if (!batch.IsIntact || batch.BaseOffset != from)
                        throw new StorageException($"the metadata log is damaged at offset {from}");
                    Apply(rest[..(int)batch.Size]);
                    from = batch.NextOffset;
                    rest = rest[(int)batch.Size..];
                }
            }
            finally
            {
                bytes.Release();
            }
        }
    }

    /// <summary>
    /// Applies a batch, unless the log held it already when it was read: a snapshot may have brought it before it was committed here.
    /// </summary>
    public void Apply(ReadOnlySpan<byte> batch)
    {
        RecordBatchView view = new(batch);
        if (view.NextOffset <= _next) return;
        foreach (RecordView record in view.Records()) Apply(MetadataRecordCodec.Read(record.Value), record.Offset);
        _next = view.NextOffset;
    }

    private void Apply(MetadataRecord record, KafkaOffset at)
    {
        if (record.Since > _node.Speaks.Max)
            throw new SimulationFailure($"node {_node.Id} speaks {_node.Speaks} and finds {record.GetType().Name} in the metadata");
        if (record is IsrChanged changed) Require(changed, Image.Find(new GroupId(changed.Id, changed.Partition))!);
        Image = Image.Apply(record, at);
        _sim.Says(Image, at);
        if (record is ReassignmentChanged moved) _sim.RequirePlaced(new GroupId(moved.Id, moved.Partition));
    }

    /// <summary>
    /// What is recorded of who is in sync never comes from an earlier leader than the last, and names a leader that is a replica.
    /// </summary>
    private void Require(IsrChanged changed, PartitionImage before)
    {
        Checks.GroupCheck check = _sim.Groups[_sim.IndexOf(new GroupId(changed.Id, changed.Partition))].Check;
        bool isRight = changed.Epoch.Value >= before.IsrEpoch.Value && !changed.Isr.IsEmpty && changed.Isr.All(before.Replicas.Contains)
            && check.LeaderOf(changed.Epoch.Value) is { } leader
            && (changed.Isr.Contains(new NodeId(leader)) || !before.Replicas.Contains(new NodeId(leader)));
        if (isRight) return;
        throw new SimulationFailure(
            $"group {check.Name}: {string.Join(' ', changed.Isr)} of epoch {changed.Epoch} are recorded as in sync after epoch "
            + $"{before.IsrEpoch}, of the replicas {string.Join(' ', before.Replicas)}");
    }

    /// <summary>What a cluster begins with, as far as it is not there yet: its level, and the partitions that clients write to.</summary>
    public IReadOnlyList<MetadataRecord> FirstRecords()
    {
        List<MetadataRecord> records = [];
        if (_deciding.Level < _sim.Parameters.Level) records.Add(new LevelChanged(_sim.Parameters.Level));
        if (_sim.Groups.Count > 1 && !_deciding.Topics.ContainsKey(Simulation.TopicName))
        {
            records.Add(new TopicCreated(
                Simulation.TopicName,
                Simulation.Topic,
                [.. _sim.Groups.Skip(1).Select(group => new PartitionImage(group.First.Voters))],
                ImmutableSortedDictionary<string, string>.Empty));
        }

        return records;
    }

    /// <summary>A leader begins when it has applied everything before its own term.</summary>
    public void BeginLeading() => _deciding = Image;

    public IReadOnlyList<MetadataRecord> Decide(MetadataCommand command) =>
        MetadataMachine.Decide(_deciding, command, _sim.Decisions).Records;

    /// <summary>The whole image, the same bytes for the same image.</summary>
    public byte[] ToBytes() => [.. Image.ToRecords().SelectMany(record => MetadataRecordCodec.ToBytes(record))];

    /// <summary>What was decided is in the leader's log.</summary>
    public void Appended(IReadOnlyList<MetadataRecord> records, KafkaOffset at)
    {
        foreach (MetadataRecord record in records)
        {
            _deciding = _deciding.Apply(record, at);
            at += 1;
        }
    }
}
