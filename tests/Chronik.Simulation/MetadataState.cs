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
    private KafkaOffset _next; // The first that is not in the image.
    private MetadataImage _deciding = MetadataImage.Empty;

    public MetadataState(PartitionLog log, Simulation sim)
    {
        _log = log;
        _sim = sim;
        Rebuild();
    }

    /// <summary>What is committed.</summary>
    public MetadataImage Image { get; private set; } = MetadataImage.Empty;

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
        foreach (RecordView record in view.Records()) Image = Image.Apply(MetadataRecordCodec.Read(record.Value));
        _next = view.NextOffset;
    }

    /// <summary>A leader begins when it has applied everything before its own term.</summary>
    public void BeginLeading() => _deciding = Image;

    public IReadOnlyList<MetadataRecord> Decide(MetadataCommand command) =>
        MetadataMachine.Decide(_deciding, command, _sim.Decisions).Records;

    /// <summary>The whole image, the same bytes for the same image.</summary>
    public byte[] ToBytes() => [.. Image.ToRecords().SelectMany(record => MetadataRecordCodec.ToBytes(record))];

    /// <summary>What was decided is in the leader's log.</summary>
    public void Appended(IReadOnlyList<MetadataRecord> records)
    {
        foreach (MetadataRecord record in records) _deciding = _deciding.Apply(record);
    }
}
