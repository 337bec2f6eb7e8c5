using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>How far a replica has come that is filled by its leader, because it is too far behind for single entries.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Peer">The other node: the one that is filled, or the one that fills.</param>
/// <param name="IsSending">Whether this node sends; otherwise its own replica is filled.</param>
/// <param name="IsWaiting">Whether it waits until others are done: so many are sent at once and no more.</param>
/// <param name="BytesDone">Bytes of batches that the receiver has; what it had before is not counted.</param>
/// <param name="BytesTotal">Bytes that it lacked when it was last looked at; 0 while that is not known.</param>
/// <param name="Elapsed">How long it has been going on, without the wait.</param>
/// <param name="Remaining">How long it will take at this pace; null while there is none.</param>
public sealed record SnapshotTransferStatus(
    TopicPartition Partition, NodeId Peer, bool IsSending, bool IsWaiting, long BytesDone, long BytesTotal, TimeSpan Elapsed,
    TimeSpan? Remaining);
