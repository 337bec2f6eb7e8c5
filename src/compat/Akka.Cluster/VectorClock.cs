using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>How one version relates to another.</summary>
internal enum VersionOrder
{
    Same,
    Before,
    After,
    Concurrent,
}

/// <summary>
/// Counts the changes that each node made to a shared state (Fidge and Mattern, 1988). A version is after another when it has seen all its
/// changes and more; when each has changes that the other has not, they are concurrent and have to be merged.
/// </summary>
internal sealed class VectorClock : IEquatable<VectorClock>
{
    public static readonly VectorClock Empty = new(ImmutableSortedDictionary<UniqueAddress, long>.Empty);

    public VectorClock(ImmutableSortedDictionary<UniqueAddress, long> versions) => Versions = versions;

    public ImmutableSortedDictionary<UniqueAddress, long> Versions { get; }

    public VectorClock Increment(UniqueAddress node) => new(Versions.SetItem(node, Versions.GetValueOrDefault(node) + 1));

    /// <summary>The clock without a node that is gone. Everybody who prunes a node has to do it to both sides of a comparison.</summary>
    public VectorClock Prune(UniqueAddress node) => Versions.ContainsKey(node) ? new VectorClock(Versions.Remove(node)) : this;

    public VectorClock Merge(VectorClock that)
    {
        ImmutableSortedDictionary<UniqueAddress, long>.Builder merged = Versions.ToBuilder();
        foreach ((UniqueAddress node, long count) in that.Versions)
        {
            if (!merged.TryGetValue(node, out long own) || own < count)
                merged[node] = count;
        }

        return new VectorClock(merged.ToImmutable());
    }

    public VersionOrder CompareTo(VectorClock that)
    {
        if (ReferenceEquals(this, that))
            return VersionOrder.Same;
        bool before = false, after = false;
        foreach ((UniqueAddress node, long count) in Versions)
        {
            long other = that.Versions.GetValueOrDefault(node);
            after |= count > other;
            before |= count < other;
        }

        foreach ((UniqueAddress node, long other) in that.Versions)
            before |= other > 0 && !Versions.ContainsKey(node);
        return (before, after) switch
        {
            (true, true) => VersionOrder.Concurrent,
            (true, false) => VersionOrder.Before,
            (false, true) => VersionOrder.After,
            _ => VersionOrder.Same,
        };
    }

    public bool Equals(VectorClock other) => other is not null && CompareTo(other) == VersionOrder.Same;

    public override bool Equals(object obj) => Equals(obj as VectorClock);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach ((UniqueAddress node, long count) in Versions)
        {
            hash.Add(node);
            hash.Add(count);
        }

        return hash.ToHashCode();
    }

    public override string ToString() => $"VectorClock({string.Join(", ", Versions.Select(v => $"{v.Key.Address} -> {v.Value}"))})";
}
