using Akka.Event;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>Kafka's acks: what must have happened before a produce is answered.</summary>
public enum RequiredAcks : short
{
    /// <summary>Answered when committed: durable on a majority (acks=all).</summary>
    All = -1,

    /// <summary>Never answered (acks=0).</summary>
    None = 0,

    /// <summary>Answered when durable on the leader (acks=1).</summary>
    Leader = 1,
}

/// <summary>
/// One record batch on its way into a partition. Whoever makes it has checked the bytes (CRC, structure, size); the replica checks
/// what depends on its state: leadership, in-sync replicas, idempotence.
/// </summary>
/// <param name="batch">
/// One batch in format v2. <see cref="Partition.Append"/> takes a reference; base offset and epoch are stamped in place.
/// </param>
/// <param name="acks">When to answer.</param>
/// <param name="sink">Who is told; null for nobody.</param>
/// <param name="slot">Handed back to the sink, so that one sink can serve a request of many partitions.</param>
public sealed class AppendRequest(BufferSlice batch, RequiredAcks acks, IAppendSink? sink, int slot) : IDeadLetterSuppression
{
    /// <summary>The batch.</summary>
    public BufferSlice Batch { get; } = batch;

    /// <summary>When to answer.</summary>
    public RequiredAcks Acks { get; } = acks;

    /// <summary>
    /// Whether another node passed it on: the batches before it may have come by another way, and be lost or late. So the first one of
    /// an idempotent producer must be its first indeed; otherwise it is refused as if by a node that does not lead, and sent again.
    /// </summary>
    public bool IsForwarded { get; init; }

    /// <summary>Tells the sink, if there is one.</summary>
    internal void Answer(in AppendResult result) => sink?.Appended(slot, result);

    /// <summary>Tells the sink that nothing was appended, and gives up the reference to the batch.</summary>
    internal void Refuse(KafkaError error, string? message = null)
    {
        Batch.Release();
        Answer(new AppendResult(error, KafkaOffset.Unknown, AppendResult.NoAppendTime, KafkaOffset.Unknown, message));
    }
}

/// <summary>Is told how appends ended. Called exactly once per request, on the replica's thread: it must only hand over.</summary>
public interface IAppendSink
{
    /// <summary>The append of <paramref name="slot"/> ended.</summary>
    void Appended(int slot, in AppendResult result);
}

/// <summary>How an append ended.</summary>
/// <param name="Error">None, or why the batch was refused.</param>
/// <param name="BaseOffset">The offset of its first record; of the original when the batch was a duplicate; unknown on error.</param>
/// <param name="LogAppendTimeMs">The time stamped by the broker for a topic with LogAppendTime, otherwise -1.</param>
/// <param name="LogStartOffset">The partition's first readable offset.</param>
/// <param name="Message">Details of an error, for people.</param>
public readonly record struct AppendResult(
    KafkaError Error, KafkaOffset BaseOffset, long LogAppendTimeMs, KafkaOffset LogStartOffset, string? Message)
{
    /// <summary>The append time of a batch that keeps its producer's timestamps.</summary>
    public const long NoAppendTime = -1;
}
