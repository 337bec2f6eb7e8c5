using Akka.Event;
using Chronik.Model;
using Chronik.Protocol.RecordBatches;
using Chronik.Storage;

namespace Chronik.Partitions;

/// <summary>Reads a partition's committed records from its start, for coordinators and the controller, which are views of a log.</summary>
internal static class CommittedRecords
{
    private const int ReadBytes = 1 << 20;

    /// <summary>Takes a record; what it wants to keep it copies.</summary>
    public delegate void Reader(in RecordView record);

    /// <summary>Hands every record from the log start up to the high watermark to <paramref name="reader"/>, in order.</summary>
    public static void ForEach(PartitionView view, Reader reader) => ForEach(view, view.LogStartOffset, reader);

    /// <summary>Hands every record from an offset, or the log start if that is later, up to the high watermark to a reader.</summary>
    /// <exception cref="StorageException">
    /// The log is damaged: its replica is to be told, see <see cref="LogSuspect"/>. Or some of it was deleted meanwhile: what is left has
    /// to be read from its start.
    /// </exception>
    public static void ForEach(PartitionView view, KafkaOffset from, Reader reader)
    {
        if (from < view.LogStartOffset) from = view.LogStartOffset;
        KafkaOffset next = view.Log.Walk(from, view.HighWatermark, ReadBytes, (in batch) =>
        {
            foreach (RecordView record in batch.Records())
                if (record.Offset >= from)
                    reader(record);
        });
        if (next < view.HighWatermark) throw new StorageException($"what lies at offset {next} is not there any more");
    }
}

/// <summary>
/// To a replica, from whoever reads its log: some bytes in it are not what they were, and the others are. It is filled again by its peers
/// when it can be spared.
/// </summary>
internal sealed record LogSuspect(string Reason) : IDeadLetterSuppression;

/// <summary>
/// To a replica whose log is damaged, from /partitions: it can be spared. It stops, and is filled again by its peers, unless it leads or
/// knows of no leader by now.
/// </summary>
internal sealed record LogGivenUp(string Reason);
