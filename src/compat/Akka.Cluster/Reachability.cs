using System.Collections.Immutable;

namespace Akka.Cluster;

/// <summary>What one node thinks of another. Terminated is for ever: that incarnation cannot come back.</summary>
internal enum ReachabilityStatus
{
    Reachable,
    Unreachable,
    Terminated,
}

/// <summary>An observation, with the observer's count of changes when it made it.</summary>
internal sealed record ReachabilityRecord(UniqueAddress Observer, UniqueAddress Subject, ReachabilityStatus Status, long Version);

/// <summary>
/// Who cannot reach whom, as observed by each node. A node is reachable when nobody says otherwise. Each observer counts its own changes,
/// so that of two tables the later row of each observer is known.
/// </summary>
internal sealed class Reachability
{
    public static readonly Reachability Empty = new([], ImmutableDictionary<UniqueAddress, long>.Empty);

    private ImmutableHashSet<UniqueAddress> _unreachableOrTerminated;

    public Reachability(ImmutableArray<ReachabilityRecord> records, ImmutableDictionary<UniqueAddress, long> versions)
    {
        Records = records;
        Versions = versions;
    }

    public ImmutableArray<ReachabilityRecord> Records { get; }

    public ImmutableDictionary<UniqueAddress, long> Versions { get; }

    public bool IsAllReachable => Records.IsEmpty;

    public ImmutableHashSet<UniqueAddress> AllObservers => [.. Records.Select(static r => r.Observer)];

    /// <summary>Unreachable for somebody, and terminated for nobody.</summary>
    public ImmutableHashSet<UniqueAddress> AllUnreachable =>
        [.. AllUnreachableOrTerminated.Where(node => Status(node) == ReachabilityStatus.Unreachable)];

    public ImmutableHashSet<UniqueAddress> AllUnreachableOrTerminated => _unreachableOrTerminated ??=
        [.. Records.Where(static r => r.Status != ReachabilityStatus.Reachable).Select(static r => r.Subject)];

    public ImmutableHashSet<UniqueAddress> AllUnreachableFrom(UniqueAddress observer) =>
        [.. Records.Where(r => r.Observer.Equals(observer) && r.Status == ReachabilityStatus.Unreachable).Select(static r => r.Subject)];

    public bool IsReachable(UniqueAddress node) => !AllUnreachableOrTerminated.Contains(node);

    public bool IsReachable(UniqueAddress observer, UniqueAddress subject) => Status(observer, subject) == ReachabilityStatus.Reachable;

    public ReachabilityStatus Status(UniqueAddress observer, UniqueAddress subject) =>
        Find(observer, subject)?.Status ?? ReachabilityStatus.Reachable;

    /// <summary>The worst that anybody says.</summary>
    public ReachabilityStatus Status(UniqueAddress node)
    {
        var worst = ReachabilityStatus.Reachable;
        foreach (ReachabilityRecord record in Records)
        {
            if (record.Subject.Equals(node) && record.Status > worst)
                worst = record.Status;
        }

        return worst;
    }

    public Reachability Reachable(UniqueAddress observer, UniqueAddress subject) =>
        Change(observer, subject, ReachabilityStatus.Reachable);

    public Reachability Unreachable(UniqueAddress observer, UniqueAddress subject) =>
        Change(observer, subject, ReachabilityStatus.Unreachable);

    public Reachability Terminated(UniqueAddress observer, UniqueAddress subject) =>
        Change(observer, subject, ReachabilityStatus.Terminated);

    /// <summary>The table without these nodes, neither as observers nor as subjects.</summary>
    public Reachability Remove(IReadOnlySet<UniqueAddress> nodes) => new(
        [.. Records.Where(r => !nodes.Contains(r.Observer) && !nodes.Contains(r.Subject))], Versions.RemoveRange(nodes));

    /// <summary>The table without what these nodes say.</summary>
    public Reachability RemoveObservers(IReadOnlySet<UniqueAddress> nodes) => nodes.Count == 0
        ? this
        : new Reachability([.. Records.Where(r => !nodes.Contains(r.Observer))], Versions.RemoveRange(nodes));

    public Reachability Where(Func<ReachabilityRecord, bool> keep) => new([.. Records.Where(keep)], Versions);

    /// <summary>The later row of every observer, restricted to nodes that are members.</summary>
    public Reachability Merge(IReadOnlySet<UniqueAddress> members, Reachability other)
    {
        ImmutableArray<ReachabilityRecord>.Builder records = ImmutableArray.CreateBuilder<ReachabilityRecord>();
        ImmutableDictionary<UniqueAddress, long>.Builder versions = ImmutableDictionary.CreateBuilder<UniqueAddress, long>();
        foreach (UniqueAddress observer in members)
        {
            bool here = Versions.TryGetValue(observer, out long version);
            bool there = other.Versions.TryGetValue(observer, out long otherVersion);
            if (!here && !there)
                continue;
            bool later = there && (!here || otherVersion > version);
            versions[observer] = later ? otherVersion : version;
            foreach (ReachabilityRecord record in (later ? other : this).Records)
            {
                if (record.Observer.Equals(observer) && members.Contains(record.Subject))
                    records.Add(record);
            }
        }

        return new Reachability(records.ToImmutable(), versions.ToImmutable());
    }

    public bool SameAs(Reachability other) => ReferenceEquals(this, other)
        || (Records.Length == other.Records.Length && Versions.Count == other.Versions.Count
            && Versions.All(v => other.Versions.TryGetValue(v.Key, out long version) && version == v.Value)
            && Records.All(r => r.Equals(other.Find(r.Observer, r.Subject))));

    public override string ToString() =>
        $"Reachability({string.Join(", ", Records.Select(static r => $"[{r.Observer.Address} -> {r.Subject.Address}: {r.Status}]"))})";

    private ReachabilityRecord Find(UniqueAddress observer, UniqueAddress subject)
    {
        foreach (ReachabilityRecord record in Records)
        {
            if (record.Observer.Equals(observer) && record.Subject.Equals(subject))
                return record;
        }

        return null;
    }

    private Reachability Change(UniqueAddress observer, UniqueAddress subject, ReachabilityStatus status)
    {
        ReachabilityRecord old = Find(observer, subject);
        ReachabilityStatus before = old?.Status ?? ReachabilityStatus.Reachable;
        if (before == status || before == ReachabilityStatus.Terminated)
            return this;
        long version = Versions.GetValueOrDefault(observer) + 1;
        ImmutableDictionary<UniqueAddress, long> versions = Versions.SetItem(observer, version);
        var changed = new ReachabilityRecord(observer, subject, status, version);
        ImmutableArray<ReachabilityRecord> records = old is null ? Records.Add(changed) : Records.Replace(old, changed);

        // An observer that has no complaint left needs no records; the version alone says that this is news.
        return records.Any(r => r.Observer.Equals(observer) && r.Status != ReachabilityStatus.Reachable)
            ? new Reachability(records, versions)
            : new Reachability([.. records.Where(r => !r.Observer.Equals(observer))], versions);
    }
}
