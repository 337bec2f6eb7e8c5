using Chronik.Model;

namespace Chronik.Partitions.Watching;

/// <summary>A partition as the node that leads it sees it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Group">Its identity.</param>
/// <param name="Replicas">Who holds it.</param>
/// <param name="Isr">Those in sync.</param>
/// <param name="Followers">How far each other member is behind; members that are only being filled are among them.</param>
/// <param name="LogStartOffset">The first offset that can be read.</param>
/// <param name="HighWatermark">The offset behind the last record that can be read.</param>
/// <param name="SizeBytes">Bytes of its segments on this node.</param>
public sealed record LedPartition(
    TopicPartition Name,
    GroupId Group,
    IReadOnlyList<NodeId> Replicas,
    IReadOnlyList<NodeId> Isr,
    IReadOnlyList<FollowerLag> Followers,
    KafkaOffset LogStartOffset,
    KafkaOffset HighWatermark,
    long SizeBytes)
{
    /// <summary>The largest lag of any follower.</summary>
    public long LagMax => Followers.Count == 0 ? 0 : Followers.Max(follower => follower.Records);
}
