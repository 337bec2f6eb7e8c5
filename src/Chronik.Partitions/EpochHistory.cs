using System.Collections.Immutable;
using Chronik.Model;

namespace Chronik.Partitions;

/// <summary>
/// Which leader epoch begins at which offset of a partition (KIP-101, KIP-279). Immutable: a new epoch makes a new history. Survives a
/// restart as part of the partition's checkpoint; epochs after the checkpoint come back with the entries that are applied again.
/// </summary>
public sealed class EpochHistory
{
    /// <summary>No batch was ever appended.</summary>
    public static readonly EpochHistory Empty = new([]);

    private readonly ImmutableArray<EpochStart> _starts;

    /// <summary>Makes a history from its entries, oldest first.</summary>
    public EpochHistory(ImmutableArray<EpochStart> starts)
    {
        for (int i = 1; i < starts.Length; i++) Invariant.Require(starts[i - 1].Epoch.Value < starts[i].Epoch.Value);
        _starts = starts;
    }

    /// <summary>The entries, oldest first.</summary>
    public ImmutableArray<EpochStart> Starts => _starts;

    /// <summary>
    /// The history after a batch of <paramref name="epoch"/> was appended at <paramref name="start"/>; the same object when nothing
    /// changed.
    /// </summary>
    public EpochHistory With(LeaderEpoch epoch, KafkaOffset start) =>
        _starts.Length > 0 && _starts[^1].Epoch.Value >= epoch.Value ? this : new EpochHistory(_starts.Add(new EpochStart(epoch, start)));

    /// <summary>The history without the epochs that end at or before <paramref name="logStart"/>.</summary>
    public EpochHistory From(KafkaOffset logStart)
    {
        int first = 0;
        while (first + 1 < _starts.Length && _starts[first + 1].Start <= logStart) first++;
        return first == 0 ? this : new EpochHistory(_starts.RemoveRange(0, first));
    }

    /// <summary>
    /// The largest epoch at or below <paramref name="requested"/> and the offset where it ends; (-1, -1) when the request lies beyond
    /// <paramref name="current"/>, the epoch of the leader that answers. An epoch older than every one that is known ends where the
    /// first one begins: a reader at the log's start whose last record was deleted has lost nothing and must not be reset.
    /// </summary>
    public (LeaderEpoch Epoch, KafkaOffset End) EndOffsetFor(LeaderEpoch requested, LeaderEpoch current, KafkaOffset logEnd)
    {
        if (requested == current) return (current, logEnd);
        if (requested.Value > current.Value || requested.Value < 0) return (LeaderEpoch.Unknown, KafkaOffset.Unknown);
        for (int i = _starts.Length - 1; i >= 0; i--)
            if (_starts[i].Epoch.Value <= requested.Value)
                return (_starts[i].Epoch, i + 1 < _starts.Length ? _starts[i + 1].Start : logEnd);
        return (requested, _starts.Length > 0 ? _starts[0].Start : logEnd);
    }

    /// <summary>The epoch of the batch that holds <paramref name="offset"/>; unknown before the first entry.</summary>
    public LeaderEpoch EpochAt(KafkaOffset offset)
    {
        for (int i = _starts.Length - 1; i >= 0; i--)
            if (_starts[i].Start <= offset)
                return _starts[i].Epoch;
        return LeaderEpoch.Unknown;
    }
}

/// <summary>An epoch and the offset of its first batch.</summary>
/// <param name="Epoch">The leader epoch.</param>
/// <param name="Start">The base offset of the first batch appended in it.</param>
public readonly record struct EpochStart(LeaderEpoch Epoch, KafkaOffset Start);
