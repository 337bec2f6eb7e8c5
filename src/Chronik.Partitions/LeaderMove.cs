using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>A partition that shall be led by another of its replicas.</summary>
/// <param name="Topic">Its topic.</param>
/// <param name="Partition">Its number.</param>
/// <param name="To">Who shall lead; <see cref="NodeId.None"/>: whichever other replica is in sync and has most.</param>
public sealed record LeaderMove(TopicId Topic, int Partition, NodeId To);

/// <summary>What became of a node's leaderships when it was about to stop.</summary>
/// <param name="Moved">How many partitions another node leads now.</param>
/// <param name="Kept">
/// The partitions that this node led to the end although they have other replicas, each with why. Those without another replica are not
/// among them: nobody could have led them.
/// </param>
/// <param name="Took">How long it took.</param>
public sealed record HandOverReport(int Moved, IReadOnlyList<string> Kept, TimeSpan Took);
